//! The commit point of a backup: its manifest appears, whole and once, after every object was confirmed again.

use domain::manifest::{MANIFEST_NAME, Manifest, StreamRecord};
use object_store::ObjectStoreExt;

use crate::error::VaultError;
use crate::key::object_path;
use crate::manifest_io::{digest, validate};
use crate::write::BackupWriter;

impl BackupWriter {
    /// Writes the manifest, which must name exactly this writer's streams. The caller has made sure that its lease still
    /// holds. Returns the SHA-256 of the manifest's object, in hexadecimal. // F-21, F-90
    ///
    /// Success means that the backup exists and, on a local storage, that it is on the disk. On an error that leaves no
    /// doubt this attempt's objects are deleted; when it can't be known whether the manifest arrived they stay, and the
    /// sweep decides later.
    ///
    /// # Errors
    /// [`VaultError::ManifestExists`] when another attempt was first (F-11); [`VaultError::Object`] when an object has
    /// changed since it was confirmed; and what the storage says.
    pub async fn commit(self, manifest: Manifest) -> Result<String, VaultError> {
        let bytes = match serde_json::to_vec_pretty(&manifest) {
            Ok(bytes) => bytes,
            Err(error) => {
                let invalid = self.invalid(&error.to_string());
                self.abort().await;
                return Err(invalid);
            }
        };
        let sha256 = digest(&bytes);
        match self.try_commit(&manifest, bytes).await {
            Ok(()) => {}
            Err(error) => self.undo_commit(&sha256, error).await?,
        }
        Ok(sha256)
    }

    fn invalid(&self, reason: &str) -> VaultError {
        VaultError::ManifestInvalid { folder: self.folder.clone(), reason: reason.to_owned() }
    }

    /// Finds out what a failed commit has left, and leaves nothing if that can be.
    async fn undo_commit(self, sha256: &str, error: VaultError) -> Result<(), VaultError> {
        match self.vault.read_manifest(&self.folder, Some(sha256)).await {
            Ok(_) => {
                // On a network the answer may have been lost, and a repeated request then finds its own work. // F-23
                if self.vault.root.is_none() || matches!(error, VaultError::ManifestExists { .. }) {
                    return Ok(());
                }
                // The disk did not confirm it, so a power cut could still take it away. // F-41
                let path = object_path(&self.folder, MANIFEST_NAME)?;
                if let Err(error) = self.vault.store.delete(&path).await {
                    tracing::warn!(%path, %error, "could not take back an unconfirmed manifest");
                } else {
                    self.abort().await;
                }
            }
            Err(VaultError::ManifestChanged { .. } | VaultError::ManifestMissing { .. }) => self.abort().await,
            Err(doubt) => {
                tracing::warn!(folder = self.folder, error = %doubt, "can't tell whether the manifest was written");
            }
        }
        Err(error)
    }

    async fn try_commit(&self, manifest: &Manifest, bytes: Vec<u8>) -> Result<(), VaultError> {
        if manifest.streams != self.streams {
            return Err(self.invalid("it does not name the streams that were written"));
        }
        validate(&self.folder, manifest)?;
        self.check_every_object(&manifest.streams).await?;
        let path = object_path(&self.folder, MANIFEST_NAME)?;
        self.vault.create(&path, bytes).await.map_err(|error| match error {
            object_store::Error::AlreadyExists { .. } => VaultError::ManifestExists { folder: self.folder.clone() },
            error => VaultError::from_store("create", path.as_ref(), error),
        })
    }

    async fn check_every_object(&self, streams: &[StreamRecord]) -> Result<(), VaultError> {
        match self.vault.check_streams(&self.folder, streams).await?.into_iter().next() {
            None => Ok(()),
            Some(problem) => Err(problem.into()),
        }
    }
}
