//! Rules for data directories that hold for every engine. // F-63
//!
//! A directory that passes [`check_replaceable`] is a real directory with an engine's marks in it, and this process may
//! rename it and put another in its place. [`server_processes`] tells who still works in it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use domain::ErrorCode;
use nix::unistd::{AccessFlags, eaccess, geteuid};

use crate::EngineError;

/// How the names of servers' executables begin. Debian's `redis-server` is a link to `redis-check-rdb`.
const SERVERS: [&str; 5] = ["postgres", "mariadbd", "mysqld", "redis-", "valkey-"];

/// Refuses a directory that is no real directory, lacks one of `marks` (paths relative to it), or can't be replaced by
/// this process.
///
/// # Errors
/// `data_directory_inaccessible` where the worker can't see or change it, `data_directory_mismatch` where it is something
/// else.
pub(crate) fn check_replaceable(directory: &Path, engine: &str, marks: &[&str]) -> Result<(), EngineError> {
    let shown = directory.display();
    let inaccessible = |detail: String| EngineError::known(ErrorCode::DataDirectoryInaccessible, detail);
    let mismatch = |detail: String| EngineError::known(ErrorCode::DataDirectoryMismatch, detail);
    if !directory.is_absolute() {
        return Err(mismatch(format!("{shown} is not an absolute path.")));
    }
    let metadata = fs::symlink_metadata(directory).map_err(|error| {
        inaccessible(format!("{shown} can't be seen from the worker: {error}. Run the worker on the server's machine."))
    })?;
    if metadata.is_symlink() {
        let target = fs::canonicalize(directory).map(|target| format!(" Give {} instead.", target.display()));
        return Err(mismatch(format!("{shown} is a symbolic link.{}", target.unwrap_or_default())));
    }
    if !metadata.is_dir() {
        return Err(mismatch(format!("{shown} is not a directory.")));
    }
    let effective = geteuid();
    if !effective.is_root() && effective.as_raw() != metadata.uid() {
        return Err(inaccessible(format!(
            "{shown} belongs to another user (id {}). Run the worker as root or as that user.",
            metadata.uid()
        )));
    }
    for mark in marks {
        match fs::symlink_metadata(directory.join(mark)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(mismatch(format!("{shown} is not a data directory of {engine}: it has no {mark}.")));
            }
            Err(error) => return Err(inaccessible(format!("{shown}/{mark} can't be read: {error}."))),
        }
    }
    let Some(parent) = directory.parent() else {
        return Err(mismatch(format!("{shown} is the root of the file system.")));
    };
    // A mount point can't be renamed: its entries are.
    let parent_device = fs::symlink_metadata(parent).map(|metadata| metadata.dev());
    let changed = if parent_device.is_ok_and(|device| device != metadata.dev()) { directory } else { parent };
    eaccess(changed, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
        inaccessible(format!(
            "The worker can't put another directory in the place of {shown}: {} is not writable for it ({}).",
            changed.display(),
            error.desc()
        ))
    })
}

/// The ids of processes that work in `directory`, and are a server or hold a file below it open. All supported
/// servers change into their data directory; a person's shell standing there holds nothing open.
///
/// Sees processes of this process's own user, or all as root.
pub(crate) fn server_processes(directory: &Path) -> Vec<u32> {
    let Ok(directory) = fs::canonicalize(directory) else { return Vec::new() };
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != own && works_in(*pid, &directory)).collect()
}

fn works_in(pid: u32, directory: &Path) -> bool {
    if !fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory) {
        return false;
    }
    let is_server = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| {
        let name = exe.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        SERVERS.iter().any(|server| name.starts_with(server))
    });
    let holds_open = |file: &Path| file.starts_with(directory) && file != directory;
    is_server
        || fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|descriptors| {
            descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).any(|file| holds_open(&file))
        })
}
