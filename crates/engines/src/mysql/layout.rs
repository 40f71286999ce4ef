//! What lies in a data directory of MySQL's, and what of it a clone holds.

use std::fs;
use std::path::{Path, PathBuf};

use domain::ErrorCode;

use crate::data_directory::check_replaceable;
use crate::my_family::blocking;
use crate::{EngineError, Staging};

/// Of MySQL 8.0 and later: the tablespace of the data dictionary, which MariaDB does not have.
const MARKS: [&str; 2] = ["mysql", "mysql.ibd"];

/// Settings and identity that a server would read from its data directory before anything else. A clone holds none; one that was
/// slipped into a backup is not obeyed.
const OBEYED: [&str; 2] = ["auto.cnf", "mysqld-auto.cnf"];

/// How the names of tables' data files end that the clone plugin leaves empty, with their engine. An empty table of MyISAM's
/// has an empty one.
const NOT_CLONED: [(&str, &str); 3] = [("MYD", "MyISAM"), ("CSV", "CSV"), ("ARZ", "ARCHIVE")];

/// How the names begin of what a restore keeps inside a data directory that is a mount point.
const OURS: &str = ".holdfast-";

/// Refuses what is no data directory of MySQL's, and what this process can't replace. // F-63
///
/// # Errors
/// `data_directory_mismatch`, `data_directory_inaccessible`.
pub(super) fn check_data_directory(directory: &Path) -> Result<(), EngineError> {
    check_replaceable(directory, "MySQL", &MARKS)
}

/// Who the data in a directory belongs to, as its server wrote it down.
pub(super) fn identity_of(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join("auto.cnf")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("server-uuid"))?;
    Some(line.trim_start_matches([' ', '=']).trim().to_owned())
}

/// What a walk through a data directory found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Roughly what a clone of it will have, in bytes.
    pub backup_bytes: u64,
    /// A table's file whose rows would be missing in a clone, and its engine.
    pub not_cloned: Option<(PathBuf, &'static str)>,
}

/// Walks through a data directory. Files that come and go meanwhile are no failure.
///
/// # Errors
/// When the directory itself can't be read.
pub(super) fn contents(directory: &Path) -> std::io::Result<Contents> {
    let mut contents = Contents::default();
    for entry in fs::read_dir(directory)?.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(OURS) || name.starts_with('#') {
            continue;
        }
        if metadata.is_dir() {
            contents.add_schema(&entry.path(), name == "mysql");
        } else if is_table_space(&name) {
            contents.backup_bytes += metadata.len();
        }
    }
    Ok(contents)
}

impl Contents {
    /// The server's own tables of other engines are logs that nobody restores.
    fn add_schema(&mut self, directory: &Path, is_the_servers: bool) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let path = entry.path();
            let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
            let engine = NOT_CLONED.iter().find(|(end, _)| extension.as_deref() == Some(end));
            match engine {
                Some((_, engine)) if !is_the_servers && metadata.len() > 0 => self.not_cloned = Some((path, engine)),
                Some(_) => {}
                None => self.backup_bytes += metadata.len(),
            }
        }
    }
}

/// Files directly in the data directory that a clone holds; logs and temporary tables are not.
fn is_table_space(name: &str) -> bool {
    name.starts_with("ibdata") || name.starts_with("undo_") || name.ends_with(".ibd") || name.ends_with(".ibu")
}

/// Makes sure that what was unpacked is a clone, and that the server that starts on it obeys nothing in it.
///
/// # Errors
/// `object_corrupted` when it is none.
pub(super) async fn prepare(staging: &Staging) -> Result<(), EngineError> {
    if staging.cancel.is_cancelled() {
        return Err(EngineError::Cancelled);
    }
    let directory = staging.directory.clone();
    blocking(move || {
        if let Some(mark) = MARKS.iter().find(|mark| !directory.join(mark).exists()) {
            let detail = format!("The backup holds no {mark}, without which MySQL does not start.");
            return Err(EngineError::known(ErrorCode::ObjectCorrupted, detail));
        }
        for name in OBEYED {
            let path = directory.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(EngineError::file("removing settings from the restored data", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("make a directory");
            fs::write(path, [0; 1000]).expect("write");
        }
        directory
    }

    #[test]
    fn f63_a_data_directory_of_mariadb_is_none() {
        let good = directory_with(&["mysql/general_log.CSV", "mysql.ibd", "ibdata1"]);
        check_data_directory(good.path()).expect("a data directory");
        let mariadb = directory_with(&["mysql/global_priv.MAD", "ibdata1", "aria_log_control"]);
        assert_eq!(check_data_directory(mariadb.path()).expect_err("no").code(), ErrorCode::DataDirectoryMismatch);
    }

    #[test]
    fn a_walk_finds_the_size_and_what_a_clone_leaves_out() {
        let files =
            ["mysql/general_log.CSV", "mysql.ibd", "ibdata1", "undo_001", "binlog.000001", "ibtmp1", "shop/t.ibd"];
        let directory = directory_with(&files);
        let found = contents(directory.path()).expect("walk");
        assert_eq!(found, Contents { backup_bytes: 4000, not_cloned: None });
        fs::create_dir_all(directory.path().join("#innodb_redo")).expect("make");
        fs::write(directory.path().join("#innodb_redo/#ib_redo1"), [0; 10]).expect("write");
        fs::write(directory.path().join("shop/empty.MYD"), "").expect("write");
        assert_eq!(contents(directory.path()).expect("walk"), found);
        for (file, engine) in [("shop/a.MYD", "MyISAM"), ("shop/b.CSV", "CSV"), ("shop/c.ARZ", "ARCHIVE")] {
            let path = directory.path().join(file);
            fs::write(&path, "rows").expect("write");
            assert_eq!(contents(directory.path()).expect("walk").not_cloned, Some((path.clone(), engine)));
            fs::remove_file(path).expect("remove");
        }
    }

    #[test]
    fn the_identity_is_read() {
        let directory = directory_with(&["auto.cnf"]);
        assert_eq!(identity_of(directory.path()), None);
        fs::write(directory.path().join("auto.cnf"), "[auto]\nserver-uuid=8df3505f-e950\n").expect("write");
        assert_eq!(identity_of(directory.path()).as_deref(), Some("8df3505f-e950"));
    }
}
