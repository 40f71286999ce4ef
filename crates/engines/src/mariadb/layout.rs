//! What lies in a data directory of MariaDB's, and what of it a backup takes along.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use domain::ErrorCode;

use crate::EngineError;
use crate::data_directory::check_replaceable;

/// Refuses what is no data directory of MariaDB's, and what this process can't replace. // F-63
///
/// # Errors
/// `data_directory_mismatch`, `data_directory_inaccessible`.
pub(super) fn check_data_directory(directory: &Path) -> Result<(), EngineError> {
    check_replaceable(directory, "MariaDB", &["mysql"])?;
    let marks = ["ibdata1", "aria_log_control"];
    if marks.iter().any(|mark| directory.join(mark).is_file()) {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::DataDirectoryMismatch,
        format!(
            "{} is not a data directory of MariaDB: it has neither {} nor {}.",
            directory.display(),
            marks[0],
            marks[1]
        ),
    ))
}

/// What a walk through a data directory found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Roughly what a backup of it will have, in bytes.
    pub backup_bytes: u64,
    /// `*.isl`: each names a table's file outside the data directory (manual, "CREATE TABLE … DATA DIRECTORY").
    pub links: Vec<PathBuf>,
    /// A table of Aria's or MyISAM's with a backtick in its or its database's name.
    pub backticked: Option<PathBuf>,
}

/// How the names begin of what a restore keeps inside a data directory that is a mount point.
const OURS: &str = ".holdfast-";

/// How a backtick is written in a file's name (manual, "Mapping of Identifiers to File Names").
const BACKTICK: &str = "@0060";

/// Walks through a data directory. Files that come and go meanwhile are no failure.
///
/// # Errors
/// When the directory itself can't be read.
pub(super) fn contents(directory: &Path) -> std::io::Result<Contents> {
    let mut contents = Contents::default();
    for entry in fs::read_dir(directory)?.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(OURS) {
            continue;
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                contents.backup_bytes += metadata.blocks().saturating_mul(512).min(metadata.len());
                let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
                if inner.contains(BACKTICK) && (inner.ends_with(".MAI") || inner.ends_with(".MYI")) {
                    contents.backticked = Some(entry.path());
                }
                if entry.path().extension().is_some_and(|extension| extension == "isl") {
                    contents.links.push(entry.path());
                }
            }
        } else if is_table_space(&name) {
            contents.backup_bytes += metadata.len();
        }
    }
    Ok(contents)
}

/// Files directly in the data directory that a backup holds; redo, binary and relay logs and temporary tables are not.
fn is_table_space(name: &str) -> bool {
    name.starts_with("aria_log") || (name.starts_with("ibdata") || name.starts_with("undo")) && !name.contains(".log")
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
    fn f63_only_a_data_directory_passes() {
        let good = directory_with(&["mysql/global_priv.MAD", "ibdata1"]);
        check_data_directory(good.path()).expect("a data directory");
        let without = directory_with(&["mysql/x"]);
        assert_eq!(check_data_directory(without.path()).expect_err("no").code(), ErrorCode::DataDirectoryMismatch);
        let other = directory_with(&["PG_VERSION", "ibdata1"]);
        assert_eq!(check_data_directory(other.path()).expect_err("no").code(), ErrorCode::DataDirectoryMismatch);
        let link = good.path().with_extension("link");
        std::os::unix::fs::symlink(good.path(), &link).expect("link");
        let refused = check_data_directory(&link).expect_err("a link").to_job_error();
        fs::remove_file(&link).expect("remove");
        assert_eq!(refused.code, ErrorCode::DataDirectoryMismatch);
        assert!(refused.detail.contains("symbolic link"), "{}", refused.detail);
    }

    #[test]
    fn a_walk_finds_size_and_links() {
        let directory = directory_with(&[
            "mysql/a.ibd",
            "ibdata1",
            "binlog.000001",
            "ib_logfile0",
            "ibtmp1",
            "shop/t.isl",
            ".holdfast-1-replaced/x.isl",
        ]);
        let contents = contents(directory.path()).expect("walk");
        assert_eq!(contents.backup_bytes, 3000);
        assert_eq!(contents.links, [directory.path().join("shop/t.isl")]);
        assert_eq!(contents.backticked, None);
        let directory = directory_with(&["@0060x/t.ibd", "@0060x/u.MAI"]);
        let contents = super::contents(directory.path()).expect("walk");
        assert_eq!(contents.backticked, Some(directory.path().join("@0060x/u.MAI")));
    }
}
