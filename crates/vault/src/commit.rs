//! The commit point of a backup: its manifest appears, whole and once, after every object was confirmed again.

use domain::manifest::{MANIFEST_NAME, Manifest, StreamRecord};

use crate::error::VaultError;
use crate::key::object_path;
use crate::manifest_io::validate;
use crate::write::BackupWriter;

impl BackupWriter {
    /// Writes the manifest, which must name exactly this writer's streams. The caller has made sure that its lease still
    /// holds. // F-21
    ///
    /// Success means that the backup exists and, on a local storage, that it is on the disk. On an error that leaves no
    /// doubt this attempt's objects are deleted; when it can't be known whether the manifest arrived they stay, and the
    /// sweep decides later.
    ///
    /// # Errors
    /// [`VaultError::ManifestExists`] when another attempt was first (F-11); [`VaultError::Object`] when an object has
    /// changed since it was confirmed; and what the storage says.
    pub async fn commit(self, manifest: Manifest) -> Result<(), VaultError> {
        match self.try_commit(&manifest).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // The answer may have been lost on its way, and the manifest be there nevertheless. // F-23
                match self.vault.read_manifest(&self.folder).await {
                    Ok(found) if found == manifest => return Ok(()),
                    Ok(_) | Err(VaultError::ManifestMissing { .. }) => self.abort().await,
                    Err(doubt) => tracing::warn!(error = %doubt, "can't tell whether the manifest was written"),
                }
                Err(error)
            }
        }
    }

    async fn try_commit(&self, manifest: &Manifest) -> Result<(), VaultError> {
        let invalid =
            |reason: &str| VaultError::ManifestInvalid { folder: self.folder.clone(), reason: reason.to_owned() };
        if manifest.streams != self.streams {
            return Err(invalid("it does not name the streams that were written"));
        }
        validate(&self.folder, manifest)?;
        self.check_every_object(&manifest.streams).await?;
        let bytes = serde_json::to_vec_pretty(manifest).map_err(|error| invalid(&error.to_string()))?;
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
