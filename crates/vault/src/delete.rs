//! Deleting a backup: its manifest first, so that from then on it does not exist, then its objects. What is interrupted
//! can be repeated. // F-73

use std::sync::Arc;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use domain::manifest::MANIFEST_NAME;

use crate::error::VaultError;
use crate::key::{folder_path, object_path};
use crate::local;
use crate::open::Vault;

/// Deletions on their way at once.
const DELETIONS_AT_ONCE: usize = 4;

/// What was deleted and what was not.
#[derive(Debug, Default)]
pub struct DeleteReport {
    /// Objects that are gone now.
    pub deleted: u64,
    /// Objects that are still there, and why; deleting the backup again tries them again. // F-75
    pub failed: Vec<(String, VaultError)>,
}

impl Vault {
    /// Deletes the backup in `folder`, whatever attempts it has, and the folder. One that is gone is a success. One object
    /// that can't be deleted does not stop the others.
    ///
    /// # Errors
    /// When the manifest can't be deleted, or the folder not be listed. Nothing but the manifest is deleted then.
    pub async fn delete_backup(&self, folder: &str) -> Result<DeleteReport, VaultError> {
        let manifest = object_path(folder, MANIFEST_NAME)?;
        let mut report = DeleteReport::default();
        match self.store.delete(&manifest).await {
            Ok(()) => report.deleted += 1,
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(VaultError::from_store("delete", manifest.as_ref(), error)),
        }
        let mut paths = Vec::new();
        let mut listing = self.store.list(Some(&folder_path(folder)?));
        while let Some(object) = listing.next().await {
            match object {
                Ok(object) => paths.push(object.location),
                Err(object_store::Error::NotFound { .. }) => break,
                Err(error) => return Err(VaultError::from_store("list", folder, error)),
            }
        }
        self.delete_into(&paths, &mut report).await;
        self.delete_staging(folder, &mut report).await;
        self.remove_empty_folders(folder).await;
        Ok(report)
    }

    /// Deletes objects, and logs those that can't be.
    pub(crate) async fn delete_objects(&self, paths: &[Path]) {
        let mut report = DeleteReport::default();
        self.delete_into(paths, &mut report).await;
        for (key, error) in report.failed {
            tracing::warn!(key, error = &error as &dyn std::error::Error, "could not delete an object");
        }
    }

    pub(crate) async fn delete_into(&self, paths: &[Path], report: &mut DeleteReport) {
        let deletions = futures::stream::iter(paths.iter().cloned().map(|path| {
            let store: Arc<dyn ObjectStore> = Arc::clone(&self.store);
            async move {
                let deleted = store.delete(&path).await;
                (path, deleted)
            }
        }));
        let mut deletions = deletions.buffer_unordered(DELETIONS_AT_ONCE);
        while let Some((path, deleted)) = deletions.next().await {
            match deleted {
                Ok(()) => report.deleted += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    let error = VaultError::from_store("delete", path.as_ref(), error);
                    report.failed.push((path.to_string(), error));
                }
            }
        }
    }

    /// Deletes what interrupted uploads have left in `folder` on a local storage.
    async fn delete_staging(&self, folder: &str, report: &mut DeleteReport) {
        let Some(root) = self.root.clone() else { return };
        let place = folder.to_owned();
        let found = local::in_background(move || {
            let mut results = Vec::new();
            for (path, _) in local::staging_files(&root, &place)? {
                let removed = local::remove_file(&path);
                results.push((path.strip_prefix(root.as_path()).unwrap_or(&path).display().to_string(), removed));
            }
            Ok(results)
        });
        match found.await {
            Ok(results) => {
                for (key, removed) in results {
                    match removed {
                        Ok(()) => report.deleted += 1,
                        Err(error) => report.failed.push((key.clone(), VaultError::from_io("delete", key, error))),
                    }
                }
            }
            Err(error) => report.failed.push((folder.to_owned(), VaultError::from_io("list", folder, error))),
        }
    }

    /// Removes directories that hold nothing any more; object storages have none.
    pub(crate) async fn remove_empty_folders(&self, folder: &str) {
        if let Some(root) = self.root.clone() {
            let folder = folder.trim_end_matches('/').to_owned();
            let removed = local::in_background(move || {
                local::remove_empty_directories(&root, &folder);
                Ok(())
            });
            if let Err(error) = removed.await {
                tracing::warn!(%error, "could not remove empty directories");
            }
        }
    }
}
