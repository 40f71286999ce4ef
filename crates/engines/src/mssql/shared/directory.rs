//! A directory under a path of the server's and one of the worker's.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain::ErrorCode;
use domain::datastore::SharedDirectory;
use tokio::io::AsyncWriteExt;

use super::super::names::literal;
use crate::EngineError;

pub(super) struct Directory(SharedDirectory);

impl Directory {
    pub(super) fn new(directory: &SharedDirectory) -> Self {
        Self(directory.clone())
    }

    pub(super) fn worker_path(&self) -> &str {
        &self.0.worker_path
    }

    pub(super) fn server_path(&self) -> &str {
        &self.0.server_path
    }

    pub(super) fn file(&self, name: &str) -> FileInDirectory {
        FileInDirectory {
            server_path: join(self.server_path(), name),
            path: Path::new(self.worker_path()).join(name),
            directory: self.0.clone(),
        }
    }

    pub(super) fn sweep(&self, prefix: &str) {
        let Ok(entries) = std::fs::read_dir(self.worker_path()) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// On the worker's side; none where that can't be told.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let room = nix::sys::statvfs::statvfs(self.worker_path()).ok()?;
        Some(room.blocks_available().saturating_mul(room.fragment_size()))
    }
}

/// Joins as the server's system does: a path with backslashes is Windows's.
fn join(directory: &str, name: &str) -> String {
    let separator = if directory.contains('\\') && !directory.contains('/') { '\\' } else { '/' };
    format!("{}{separator}{name}", directory.trim_end_matches(['/', '\\']))
}

/// A file there, which goes when this is dropped.
pub(super) struct FileInDirectory {
    /// As the server calls it.
    server_path: String,
    /// As the worker calls it.
    path: PathBuf,
    directory: SharedDirectory,
}

impl FileInDirectory {
    pub(super) fn device(&self) -> String {
        format!("DISK = {}", literal(&self.server_path))
    }

    pub(super) async fn open(&self) -> Result<tokio::fs::File, EngineError> {
        tokio::fs::File::open(&self.path).await.map_err(|error| self.unusable("read what is in", &error))
    }

    pub(super) async fn create(&self) -> Result<tokio::fs::File, EngineError> {
        let file = tokio::fs::File::create(&self.path).await.map_err(|error| self.unusable("write into", &error))?;
        self.hand_over().map_err(|error| self.unusable("write into", &error))?;
        Ok(file)
    }

    pub(super) async fn put(&self, file: &mut tokio::fs::File, part: &[u8]) -> Result<(), EngineError> {
        file.write_all(part).await.map_err(|error| self.unusable("write into", &error))
    }

    pub(super) async fn finish(&self, mut file: tokio::fs::File) -> Result<(), EngineError> {
        let synced = async {
            file.flush().await?;
            file.sync_all().await
        };
        synced.await.map_err(|error| self.unusable("write into", &error))
    }

    /// Lets the server's account read it: it gets the directory's owner and group where the worker may do that, otherwise the group
    /// of the directory, or the worker's, is given the right.
    fn hand_over(&self) -> std::io::Result<()> {
        let directory = Path::new(&self.directory.worker_path).metadata()?;
        let _ = std::os::unix::fs::chown(&self.path, Some(directory.uid()), Some(directory.gid()));
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o640))
    }

    /// What went wrong with it on the worker's side.
    fn unusable(&self, what: &str, error: &std::io::Error) -> EngineError {
        let code = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::InsufficientDiskSpace,
            _ => ErrorCode::ServerSettingMissing,
        };
        let SharedDirectory { server_path, worker_path } = &self.directory;
        EngineError::known(
            code,
            format!(
                "The worker can't {what} the shared directory {worker_path}: {error}. It must be the directory that the server knows \
                 as {server_path}, and the worker must be allowed to read what the server writes there."
            ),
        )
    }
}

impl Drop for FileInDirectory {
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
