//! Makes an unpacked base backup a data directory that a server can start on, and refuses what is none.
//!
//! The files' contents were compared with the manifest's checksum on their way here, so `pg_verifybackup`, which would read
//! all of them once more, is not run.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use domain::ErrorCode;
use domain::version::version_numbers;

use super::{VERSION_FILE, control_file};
use crate::{EngineError, Staging};

/// Without it a server would recover from the wrong place in the log (manual, "Making a Base Backup Using the Low Level
/// API").
const LABEL_FILE: &str = "backup_label";
/// Lists the tablespaces that a server links to when it starts; empty in the backups that are made here.
const TABLESPACE_MAP: &str = "tablespace_map";
/// They make a server wait for a primary or for archived logs. A backup of a standby has the first; what is restored is a
/// server of its own.
const SIGNAL_FILES: [&str; 2] = ["standby.signal", "recovery.signal"];
/// How the names begin of what a restore keeps inside a data directory that is a mount point: the tool copies it along,
/// and it is none of the server's.
const LEFT_BY_RESTORES: &str = ".holdfast-";

/// Checks the tree and removes what would keep a server from starting on its own.
pub(super) fn prepare(staging: &Staging) -> Result<(), EngineError> {
    let directory = &staging.directory;
    let wrong = |detail: String| Err(EngineError::known(ErrorCode::BackupNotRestorable, detail));

    let version = read(directory, VERSION_FILE)?;
    let expected = version_numbers(&staging.manifest.engine_version);
    if version_numbers(&version).first() != expected.first() {
        return wrong(format!(
            "The files are of PostgreSQL {}, the manifest says {}.",
            version.trim(),
            staging.manifest.engine_version
        ));
    }
    let identifier = control_file::system_identifier(directory)?;
    if let Some(expected) = staging.manifest.server_identity.as_ref().filter(|expected| **expected != identifier) {
        return wrong(format!("The files are of the server {identifier}, the manifest says {expected}."));
    }
    if !read(directory, LABEL_FILE)?.contains("START WAL LOCATION") {
        return wrong(format!("{LABEL_FILE} does not tell where the backup starts."));
    }
    // F-83: a server would follow it out of the directory.
    if directory.join(TABLESPACE_MAP).exists() && !read(directory, TABLESPACE_MAP)?.trim().is_empty() {
        return Err(EngineError::known(
            ErrorCode::TablespacesUnsupported,
            "The backup has tablespaces besides the default one, which is not supported yet.",
        ));
    }
    remove_left_by_restores(directory)?;
    for name in SIGNAL_FILES {
        let path = directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(EngineError::file("removing a recovery signal", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn remove_left_by_restores(directory: &Path) -> Result<(), EngineError> {
    let failed = || EngineError::file("removing what an earlier restore kept", directory);
    for entry in fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if !entry.file_name().to_string_lossy().starts_with(LEFT_BY_RESTORES) {
            continue;
        }
        let removed = match entry.file_type().map_err(failed())?.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
        removed.map_err(failed())?;
    }
    Ok(())
}

fn read(directory: &Path, name: &str) -> Result<String, EngineError> {
    let path = directory.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let detail = format!("The unpacked files are no base backup of PostgreSQL: {name} is missing.");
            Err(EngineError::known(ErrorCode::BackupNotRestorable, detail))
        }
        Err(error) => Err(EngineError::file("reading the unpacked files", path)(error)),
    }
}
