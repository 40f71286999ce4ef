//! Where MySQL's programs are. MariaDB's go by the same names on some machines, and neither its server nor its client does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use domain::{Engine, ErrorCode};
use process::{Command, find_program};
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::problem::Problem;
use crate::program_directories::named;

/// Where MySQL's own packages of no distribution put them.
const USUAL: [&str; 2] = ["/usr/local/mysql/bin", "/opt/mysql/bin"];
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The path of a program of MySQL's.
///
/// # Errors
/// `missing_tool`.
pub(super) async fn find(name: &str) -> Result<PathBuf, Problem> {
    let directories = named(Engine::Mysql).into_iter().chain(USUAL.map(PathBuf::from));
    let elsewhere = directories.filter_map(|directory| find_program(directory.join(name), &[]));
    for path in elsewhere.chain(find_program(name, &[])) {
        if is_of_mysql(&path).await {
            return Ok(path);
        }
    }
    Err(Problem::new(
        ErrorCode::MissingTool,
        format!(
            "MySQL's {name} is missing on the worker's machine (MariaDB's program of that name is no replacement). Install MySQL's \
             server and client, or name the directory of its programs with --mysql-bin."
        ),
    ))
}

/// Whether a program tells a version as MySQL's do. Asked once of each file: a backup asks the server a dozen things, and starting
/// a program takes longer than its answer.
async fn is_of_mysql(path: &Path) -> bool {
    static KNOWN: Mutex<BTreeMap<PathBuf, SystemTime>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(changed) = std::fs::metadata(path).and_then(|metadata| metadata.modified()) else { return false };
    if known().get(path) == Some(&changed) {
        return true;
    }
    let is_it = version(path).await.is_some();
    if is_it {
        known().insert(path.to_owned(), changed);
    }
    is_it
}

/// As [`find`], for a job.
///
/// # Errors
/// `missing_tool`.
pub(super) async fn find_for_job(name: &str) -> Result<PathBuf, EngineError> {
    find(name).await.map_err(Problem::into_error)
}

/// The version that a program of MySQL's tells, such as `9.7.4 for Linux on x86_64`; none of a program of MariaDB's.
pub(super) async fn version(path: &Path) -> Option<String> {
    let command = Command::new(path).args(["--no-defaults", "--version"]).time_limit(ANSWER_LIMIT);
    let output = command.output(&CancellationToken::new()).await.ok()?;
    version_of(&output.stdout)
}

fn version_of(answer: &str) -> Option<String> {
    // The path that stands before it may have any name.
    let (_, version) = answer.split_once(" Ver ")?;
    (!version.contains("MariaDB")).then(|| version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_mariadb_are_none() {
        let mysql = "/usr/sbin/mariadbd  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n";
        assert_eq!(version_of(mysql).as_deref(), Some("9.7.4-2 for Linux on x86_64 ((Debian))"));
        assert_eq!(version_of("mysql  Ver 15.1 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)"), None);
        assert_eq!(version_of("mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64"), None);
        assert_eq!(version_of(""), None);
    }
}
