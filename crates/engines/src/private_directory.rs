//! A short-lived directory for a socket or a tool's small files, outside the staging directory.
//!
//! Its path is short, since a socket's may have 107 bytes (unix(7)), and every parent lets every user through, so that a
//! tool that runs as the data's owner reaches it. Nobody but that owner and root looks into it. Its maker holds a lock on
//! it for as long as it lives: what is unlocked was left behind by a killed worker, and the next maker removes it. // I5

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use process::Credentials;

use crate::EngineError;

const PARENT: &str = "/tmp";
const PREFIX: &str = "holdfast-private-";
/// A younger one may be between its making and its locking.
const SWEEP_AGE: Duration = Duration::from_secs(60);

/// A directory of mode 0700 that goes away with this value.
pub(crate) struct PrivateDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PrivateDirectory {
    /// A fresh, empty one that belongs to `owner`.
    ///
    /// # Errors
    /// Where it can't be made.
    pub(crate) fn create(owner: Credentials) -> Result<Self, EngineError> {
        Self::create_in(Path::new(PARENT), owner)
    }

    /// As [`Self::create`], below `parent`, which lets `owner` through: for what needs more room than a socket.
    pub(crate) fn create_in(parent: &Path, owner: Credentials) -> Result<Self, EngineError> {
        sweep(parent);
        let number = uuid::Uuid::new_v4().simple().to_string();
        let path = parent.join(format!("{PREFIX}{}", number.get(..12).unwrap_or(&number)));
        let failed = |source| EngineError::file("making a private directory", &path)(source);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let locked = || -> std::io::Result<Flock<File>> {
            let lock = Flock::lock(File::open(&path)?, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
            if owner != Credentials::current() {
                chown(&path, Some(owner.uid), Some(owner.gid))?;
            }
            Ok(lock)
        };
        match locked() {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                Err(failed(error))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a private directory was left behind");
        }
    }
}

/// Removes what killed workers left. Best effort: what another user owns stays theirs.
pub(crate) fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        let abandoned = fs::symlink_metadata(&path).is_ok_and(|metadata| {
            let old = metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > SWEEP_AGE));
            metadata.is_dir() && metadata.mode() & 0o077 == 0 && old
        });
        if !abandoned {
            continue;
        }
        let Ok(directory) = File::open(&path) else { continue };
        if let Ok(_lock) = Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_goes_away_and_abandoned_ones_are_swept() {
        let directory = PrivateDirectory::create(Credentials::current()).expect("create");
        let path = directory.path().to_owned();
        assert!(path.as_os_str().len() < 60, "{}", path.display());
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o700);
        fs::write(path.join("file"), "x").expect("write");

        let abandoned = Path::new(PARENT).join(format!("{PREFIX}test-{}", uuid::Uuid::new_v4().simple()));
        DirBuilder::new().mode(0o700).create(&abandoned).expect("create");
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        for path in [&abandoned, &path] {
            File::open(path).and_then(|file| file.set_modified(long_ago)).expect("make it old");
        }
        drop(PrivateDirectory::create(Credentials::current()).expect("create another"));
        assert!(!abandoned.exists(), "swept");
        assert!(path.exists(), "in use");
        drop(directory);
        assert!(!path.exists());
    }
}
