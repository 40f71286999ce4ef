//! Makes unpacked files a data directory: the tool's `--prepare` applies the redo log that the backup caught, and before that the
//! increments of a chain, one after the other.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{ErrorCode, LogLevel};
use process::Command;

use super::{STALL_LIMIT, Tool, completion_mark};
use crate::my_family::blocking;
use crate::my_family::private_server::with_path;
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
pub(crate) async fn prepare(tool: &Tool, staging: &Staging) -> Result<(), EngineError> {
    refuse_links(staging).await?;
    run_tool(tool, staging, &staging.directory, &[]).await?;
    let (directory, live) = (staging.directory.clone(), staging.live_directory.clone());
    blocking(move || set_modes(&directory, &live)).await
}

/// Applies the increments of a chain to its full backup, in order, and puts that in the staging directory's place.
///
/// # Errors
/// As [`prepare`], which is still to come.
pub(crate) async fn join(tool: &Tool, staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
    let Some((full, increments)) = links.split_first() else {
        return Err(EngineError::known(ErrorCode::Internal, "A chain without links can't be joined."));
    };
    for link in links {
        refuse_links(link).await?;
    }
    let while_joining = tool.while_joining.map(OsString::from);
    run_tool(tool, staging, &full.directory, while_joining.as_slice()).await?;
    for increment in increments {
        (staging.log)(LogLevel::Info, &format!("Applying backup {}", increment.manifest.number));
        let increment_option = with_path("--incremental-dir=", &increment.directory);
        let options: Vec<OsString> = while_joining.iter().cloned().chain([increment_option]).collect();
        run_tool(tool, staging, &full.directory, &options).await?;
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
        let found = links_in(&directory).map_err(EngineError::file("looking through what was unpacked", &directory))?;
        match found.first() {
            None => Ok(()),
            Some(link) => Err(EngineError::known(ErrorCode::ServerSettingMissing, link_reason(link, found.len()))),
        }
    })
    .await
}

/// Files of databases that name a table's file elsewhere, which would be the live server's, not the backup's.
fn links_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_link = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "isl");
    let mut links = Vec::new();
    for entry in fs::read_dir(directory)?.flatten().filter(|entry| entry.path().is_dir()) {
        let files = fs::read_dir(entry.path()).into_iter().flatten().flatten().map(|file| file.path());
        links.extend(files.filter(is_link));
    }
    Ok(links)
}

/// Why a table with a file elsewhere prevents a restore in place.
pub(crate) fn link_reason(link: &Path, count: usize) -> String {
    format!(
        "{count} table file(s) are outside the data directory, one of them by {}; tables with DATA DIRECTORY can't be \
         restored in place.",
        link.display()
    )
}

/// Applies the log in `target`; `options` say what else.
async fn run_tool(tool: &Tool, staging: &Staging, target: &Path, options: &[OsString]) -> Result<(), EngineError> {
    let log = Arc::clone(&staging.log);
    let mut child = Command::new(tool.program)
        .run_as(staging.owner)
        .args(["--no-defaults", "--prepare"])
        .arg(with_path("--target-dir=", target))
        .args(options.iter().cloned())
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| log(LogLevel::Tool, line))
        .spawn()
        .map_err(|source| EngineError::process("preparing the unpacked files", source))?;
    let exit = child.wait(&staging.cancel).await;
    let exit = exit.map_err(|source| EngineError::process("preparing the unpacked files", source))?;
    completion_mark(tool, exit).map(drop)
}

/// Removes the tool's own files, so that what is switched in is a server's data directory.
pub(crate) fn remove_tool_files(directory: &Path) -> Result<(), EngineError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_with_files_elsewhere_are_found() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("shop")).expect("make");
        fs::write(directory.path().join("shop/t.ibd"), "").expect("write");
        assert_eq!(links_in(directory.path()).expect("walk"), Vec::<PathBuf>::new());
        fs::write(directory.path().join("shop/u.isl"), "").expect("write");
        assert_eq!(links_in(directory.path()).expect("walk"), [directory.path().join("shop/u.isl")]);
    }
}
