//! The master key's file, and the one that is to replace it: `master.key` and, during a rotation, `master.key.new`. Which of
//! them is the right one is told by the database, whose transaction is the moment of the change.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::master_key::{MasterKey, MasterKeyError};
use crate::{Store, StoreError};

/// Where the master key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The file at `path`; it need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the key that is to replace it is kept meanwhile.
    pub fn next_path(&self) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    fn directory(&self) -> &Path {
        self.0.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Waits until nobody else replaces the key, and keeps others from it until the value is dropped or the process ends. Two
    /// rotations at once would each take the other's new key for their own.
    pub(super) fn lock(&self) -> Result<File, MasterKeyError> {
        let failed = |source| MasterKeyError::Replace { path: self.0.clone(), source };
        let directory = File::open(self.directory()).map_err(failed)?;
        directory.lock().map_err(failed)?;
        Ok(directory)
    }

    /// Puts the next key in the place of this one, durably. The caller holds the lock.
    pub(super) fn replace(&self) -> Result<(), MasterKeyError> {
        let failed = |source| MasterKeyError::Replace { path: self.0.clone(), source };
        fs::rename(self.next_path(), &self.0).map_err(failed)?;
        File::open(self.directory()).and_then(|directory| directory.sync_all()).map_err(failed)
    }
}

impl Store {
    /// Opens the database at `url` as [`Store::open`] does, with the master key in `file`, which is made when it is missing.
    /// A rotation that was interrupted after its change is brought to its end.
    ///
    /// # Errors
    /// As of [`Store::open`], and [`StoreError::MasterKey`].
    pub fn open_with(url: &str, file: &KeyFile) -> Result<Self, StoreError> {
        let key = MasterKey::load_or_create(file.path()).map_err(StoreError::MasterKey)?;
        match Self::open(url, key) {
            Err(StoreError::WrongMasterKey) => {
                let _lock = file.lock().map_err(StoreError::MasterKey)?;
                Self::open_locked(url, file)
            }
            outcome => outcome,
        }
    }

    /// The same, while nobody else replaces the key.
    pub(super) fn open_locked(url: &str, file: &KeyFile) -> Result<Self, StoreError> {
        let load = |path: &Path| MasterKey::load(path).map_err(StoreError::MasterKey);
        match Self::open(url, load(file.path())?) {
            Err(StoreError::WrongMasterKey) if file.next_path().exists() => {
                let store = Self::open(url, load(&file.next_path())?)?;
                tracing::warn!("an interrupted rotation of the master key is brought to its end");
                file.replace().map_err(StoreError::MasterKey)?;
                Ok(store)
            }
            outcome => outcome,
        }
    }

    /// Opens a database that is there with the key that is there: makes nothing, and changes no table. For looking at it.
    ///
    /// # Errors
    /// As of [`Store::open_with`]; [`StoreError::OlderSchema`] before the service has brought it to this version.
    pub fn open_existing(url: &str, file: &KeyFile) -> Result<Self, StoreError> {
        let key = MasterKey::load(file.path()).map_err(StoreError::MasterKey)?;
        match Self::open_unchanged(url, &key) {
            Err(StoreError::WrongMasterKey) if file.next_path().exists() => {
                Self::open_unchanged(url, &MasterKey::load(&file.next_path()).map_err(StoreError::MasterKey)?)
            }
            outcome => outcome,
        }
    }
}
