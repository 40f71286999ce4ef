//! Versions of engines, and whether a server can take a physical backup of another version.

use crate::Engine;
use crate::engine::FilesRule;

/// The leading numbers of a version text: `15.18 (Debian …)` gives `[15, 18]`, `10.11.19-MariaDB` gives `[10, 11, 19]`.
pub fn version_numbers(text: &str) -> Vec<u32> {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let numeric: String = text.chars().skip(start).take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    numeric.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Whether a server of version `target` can start on files that version `source` wrote.
pub fn can_take(engine: Engine, source: &str, target: &str) -> bool {
    let (source, target) = (version_numbers(source), version_numbers(target));
    if source.is_empty() || target.is_empty() {
        return false;
    }
    let same = |parts: usize| source.iter().take(parts).eq(target.iter().take(parts));
    match engine.files_rule() {
        FilesRule::SameMajor => same(1),
        FilesRule::SameSeries => same(2),
        FilesRule::NotOlder => target.iter().take(2).ge(source.iter().take(2)),
    }
}

/// Whether a server of version `target` can load what version `source` dumped: one that is not older. Dumps of an older server
/// are the way to a newer one (PostgreSQL's manual, "pg_dump", "Notes").
pub fn can_load(engine: Engine, source: &str, target: &str) -> bool {
    let (source, target) = (version_numbers(source), version_numbers(target));
    let parts = match engine.files_rule() {
        FilesRule::SameMajor => 1,
        FilesRule::SameSeries | FilesRule::NotOlder => 2,
    };
    !source.is_empty() && !target.is_empty() && target.iter().take(parts).ge(source.iter().take(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f64_only_fitting_versions_are_taken() {
        for (engine, source, target, fits) in [
            (Engine::Postgresql, "15.18", "15.3 (Debian 15.3-1)", true),
            (Engine::Postgresql, "15.18", "16.1", false),
            (Engine::Postgresql, "16.1", "15.18", false),
            (Engine::Mariadb, "10.11.19-MariaDB", "10.11.4-MariaDB-1", true),
            (Engine::Mariadb, "10.11.19", "10.6.2", false),
            (Engine::Mariadb, "10.11.19", "11.8.6", false),
            (Engine::Redis, "7.0.15", "7.0.2", true),
            (Engine::Redis, "7.2.1", "7.0.15", false),
            (Engine::Valkey, "8.1.1", "9.1.2", true),
            (Engine::Redis, "", "7.0.15", false),
            (Engine::Redis, "seven", "7.0.15", false),
        ] {
            assert_eq!(can_take(engine, source, target), fits, "{engine} {source} -> {target}");
        }
    }

    #[test]
    fn f64_dumps_go_to_servers_that_are_not_older() {
        for (engine, source, target, fits) in [
            (Engine::Postgresql, "15.18", "15.3 (Debian 15.3-1)", true),
            (Engine::Postgresql, "15.18", "17.1", true),
            (Engine::Postgresql, "16.1", "15.18", false),
            (Engine::Mariadb, "10.11.19-MariaDB", "11.8.6-MariaDB-1", true),
            (Engine::Mariadb, "10.11.19", "10.11.2", true),
            (Engine::Mariadb, "10.11.19", "10.6.2", false),
            (Engine::Mysql, "9.7.4", "8.4.0", false),
            (Engine::Mysql, "", "8.4.0", false),
        ] {
            assert_eq!(can_load(engine, source, target), fits, "{engine} {source} -> {target}");
        }
    }
}
