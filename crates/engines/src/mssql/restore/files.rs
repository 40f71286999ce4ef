//! Where restored files belong: beside those of the database in use, or where the server puts new ones.

use super::super::facts::{DatabaseFacts, ServerFacts};
use super::super::header::BackedUpFile;
use super::super::names::literal;

/// The clauses `MOVE … TO …` for a database's files. Their names end with the restore's mark, since the files in use stay, and a number,
/// from `first` on, since files of several directories or databases may have the same name.
pub(super) fn moves(
    files: &[BackedUpFile],
    live: Option<&DatabaseFacts>,
    server: &ServerFacts,
    (tag, first): (&str, usize),
) -> Vec<String> {
    let target = |(index, file): (usize, &BackedUpFile)| {
        let directory = directory(file, live, server);
        let name = file.physical.rsplit(['/', '\\']).next().unwrap_or_default();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "mdf"));
        let path = format!("{directory}{}_{tag}{}.{extension}", without_mark(stem), first + index);
        format!("MOVE {} TO {}", literal(&file.logical), literal(&path))
    };
    files.iter().enumerate().map(target).collect()
}

/// With its last separator.
fn directory(file: &BackedUpFile, live: Option<&DatabaseFacts>, server: &ServerFacts) -> String {
    let beside = live.and_then(|live| live.files.iter().find(|used| used.is_log == file.is_log));
    let usual = if file.is_log { &server.log_path } else { &server.data_path };
    let path = match beside {
        Some(used) => &used.physical,
        None if !usual.is_empty() => usual,
        None => &file.physical,
    };
    path.rfind(['/', '\\']).and_then(|end| path.get(..=end)).unwrap_or_default().to_owned()
}

/// The mark of an earlier restore goes: names don't grow.
fn without_mark(stem: &str) -> &str {
    match stem.rsplit_once('_') {
        Some((name, mark)) if mark.len() > 8 && mark.len() < 14 && mark.chars().all(|c| c.is_ascii_hexdigit()) => name,
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_replaced_and_a_name_is_kept() {
        assert_eq!(without_mark("shop_0123abcd0"), "shop");
        assert_eq!(without_mark("shop_log"), "shop_log");
        assert_eq!(without_mark("my_shop_2024"), "my_shop_2024");
    }
}
