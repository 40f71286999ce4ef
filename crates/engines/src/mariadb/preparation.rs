//! Makes unpacked files a data directory: `mariadb-backup --prepare` applies the redo log that the backup caught, and
//! before that the increments of a chain, one after the other.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{ErrorCode, LogLevel};
use process::Command;

use super::backup::completion_mark;
use super::{STALL_LIMIT, layout};
use crate::my_family::blocking;
use crate::{EngineError, Staging};

/// Files that the tool leaves for people and for its later steps, and that a server does not know.
fn is_tool_file(name: &str) -> bool {
    name == "backup-my.cnf" || name.starts_with("xtrabackup_") || name.starts_with("mariadb_backup_")
}

/// Prepares the staged files.
///
/// # Errors
/// `server_setting_missing` for tables with files elsewhere; what the tool failed with; `backup_incomplete` unless it said
/// that it was done.
pub(super) async fn prepare(staging: &Staging) -> Result<(), EngineError> {
    refuse_links(staging).await?;
    run_tool(staging, &staging.directory, None).await?;
    let (directory, live) = (staging.directory.clone(), staging.live_directory.clone());
    blocking(move || set_modes(&directory, &live)).await
}

/// Applies the increments of a chain to its full backup, in order, and puts that in the staging directory's place.
///
/// # Errors
/// As [`prepare`], which is still to come.
pub(super) async fn join(staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
    let Some((full, increments)) = links.split_first() else {
        return Err(EngineError::known(ErrorCode::Internal, "A chain without links can't be joined."));
    };
    for link in links {
        refuse_links(link).await?;
    }
    run_tool(staging, &full.directory, None).await?;
    for increment in increments {
        (staging.log)(LogLevel::Info, &format!("Applying backup {}", increment.manifest.number));
        run_tool(staging, &full.directory, Some(&increment.directory)).await?;
        fs::remove_dir_all(&increment.directory)
            .map_err(EngineError::file("removing an increment that was applied", &increment.directory))?;
    }
    // rename(2): an empty directory is replaced.
    fs::rename(&full.directory, &staging.directory)
        .map_err(EngineError::file("moving the joined files to their place", &staging.directory))
}

async fn refuse_links(staging: &Staging) -> Result<(), EngineError> {
    let directory = staging.directory.clone();
    blocking(move || {
        let contents =
            layout::contents(&directory).map_err(EngineError::file("looking through what was unpacked", &directory))?;
        layout::refuse_links(&contents.links)
    })
    .await
}

/// Applies the log in `target`, and first the changed pages of an increment where one is given.
async fn run_tool(staging: &Staging, target: &Path, increment: Option<&Path>) -> Result<(), EngineError> {
    let option = |name: &str, value: &Path| {
        let mut option = std::ffi::OsString::from(name);
        option.push(value);
        option
    };
    let log = Arc::clone(&staging.log);
    let mut child = Command::new("mariadb-backup")
        .run_as(staging.owner)
        .args(["--no-defaults", "--prepare"])
        .arg(option("--target-dir=", target))
        .args(increment.map(|increment| option("--incremental-dir=", increment)))
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| log(LogLevel::Tool, line))
        .spawn()
        .map_err(|source| EngineError::process("preparing with mariadb-backup", source))?;
    let exit = child.wait(&staging.cancel).await;
    completion_mark(exit.map_err(|source| EngineError::process("preparing with mariadb-backup", source))?).map(drop)
}

/// Removes the tool's own files, so that what is switched in is a server's data directory.
pub(super) fn remove_tool_files(directory: &Path) -> Result<(), EngineError> {
    let failed = |source| EngineError::file("removing the tool's files", directory)(source);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is_tool_file(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(EngineError::file("removing the tool's file", entry.path()))?;
        }
    }
    Ok(())
}

/// Streams carry no modes. A file gets the mode that the live directory's file of that name has, and one that is only in
/// the backup that of the system tables.
fn set_modes(directory: &Path, live: &Path) -> Result<(), EngineError> {
    let mode_of = |path: &Path| fs::symlink_metadata(path).ok().map(|metadata| metadata.mode() & 0o7777);
    let of_files = mode_of(&live.join("ibdata1")).unwrap_or(0o660);
    let of_directories = mode_of(&live.join("mysql")).unwrap_or(0o700);
    let mut pending: Vec<PathBuf> = vec![PathBuf::new()];
    while let Some(inner) = pending.pop() {
        let path = directory.join(&inner);
        let entries: Vec<_> = fs::read_dir(&path)
            .and_then(Iterator::collect)
            .map_err(EngineError::file("looking through what was unpacked", &path))?;
        for entry in entries {
            let inner = inner.join(entry.file_name());
            let kind = entry.file_type().map_err(EngineError::file("looking at an unpacked file", entry.path()))?;
            let usual = if kind.is_dir() { of_directories } else { of_files };
            let mode = mode_of(&live.join(&inner)).unwrap_or(usual);
            if !kind.is_symlink() {
                fs::set_permissions(entry.path(), Permissions::from_mode(mode))
                    .map_err(EngineError::file("setting a file's mode", entry.path()))?;
            }
            if kind.is_dir() {
                pending.push(inner);
            }
        }
    }
    Ok(())
}
