//! The directory that the server writes backups to and the worker reads them from, under a path of each one's own.

use std::path::{Path, PathBuf};

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use domain::datastore::SharedDirectory;
use uuid::Uuid;

use crate::EngineError;

/// The shared directory of a datastore.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    directory: SharedDirectory,
    /// Of the names of all files that this datastore's jobs make.
    prefix: String,
}

impl Shared {
    /// # Errors
    /// `server_setting_missing` when the datastore has none.
    pub(super) fn of(datastore: &DatastoreAccess) -> Result<Self, EngineError> {
        let directory = datastore.shared_directory.clone().ok_or_else(|| {
            EngineError::known(
                ErrorCode::ServerSettingMissing,
                "SQL Server writes its backups to a directory that the worker reads: set the datastore's shared directory, with its path \
                 as the server sees it and as the worker does.",
            )
        })?;
        Ok(Self { directory, prefix: format!("holdfast-{}-", datastore.id) })
    }

    /// A new name; nothing is made.
    pub(super) fn file(&self, extension: &str) -> SharedFile {
        let name = format!("{}{}.{extension}", self.prefix, Uuid::new_v4());
        SharedFile { server_path: join(&self.directory.server_path, &name), path: self.worker_path().join(name) }
    }

    pub(super) fn worker_path(&self) -> &Path {
        Path::new(&self.directory.worker_path)
    }

    pub(super) fn server_path(&self) -> &str {
        &self.directory.server_path
    }

    /// Removes what earlier jobs of this datastore left: no two of them run at a time. // I5
    pub(super) fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(self.worker_path()) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&self.prefix)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Joins as the server's system does: a path with backslashes is Windows's.
fn join(directory: &str, name: &str) -> String {
    let separator = if directory.contains('\\') && !directory.contains('/') { '\\' } else { '/' };
    format!("{}{separator}{name}", directory.trim_end_matches(['/', '\\']))
}

/// A file in the shared directory, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct SharedFile {
    /// As the server calls it.
    pub server_path: String,
    /// As the worker calls it.
    pub path: PathBuf,
}

impl SharedFile {
    /// What went wrong with it on the worker's side.
    pub(super) fn unusable(&self, what: &str, error: &std::io::Error) -> EngineError {
        let code = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::InsufficientDiskSpace,
            _ => ErrorCode::ServerSettingMissing,
        };
        let parent = self.path.parent().unwrap_or(&self.path).display();
        EngineError::known(
            code,
            format!(
                "The worker can't {what} the shared directory {parent}: {error}. It must be the directory that the server knows as \
                 {}, and the worker must be allowed to read what the server writes there.",
                self.server_path.rsplit_once(['/', '\\']).map_or("", |(directory, _)| directory)
            ),
        )
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_the_servers_system_does() {
        assert_eq!(join("/var/opt/mssql/backup/", "x.bak"), "/var/opt/mssql/backup/x.bak");
        assert_eq!(join(r"D:\Backup", "x.bak"), r"D:\Backup\x.bak");
        assert_eq!(join(r"\\host\share\", "x.bak"), r"\\host\share\x.bak");
    }
}
