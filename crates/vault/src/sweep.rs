//! Removing what interrupted work has left behind (I5): objects that no manifest names, temporary files of uploads, and
//! probes. Listings may be stale, so only what is older than a grace time is touched. // F-34
//!
//! Unfinished multipart uploads of a bucket are not seen by listings: the bucket's lifecycle rule
//! (`AbortIncompleteMultipartUpload`) removes those of a worker that was killed. A worker that lives aborts its own.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::manifest::{MANIFEST_NAME, Manifest};
use futures::StreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;
use uuid::Uuid;

use crate::check::PROBE_PREFIX;
use crate::delete::DeleteReport;
use crate::error::VaultError;
use crate::key::folder_path;
use crate::local;
use crate::open::Vault;

/// What a sweep has done.
#[derive(Debug, Default)]
pub struct SweepReport {
    /// Objects and temporary files that are gone now.
    pub deleted: u64,
    /// Those that are still there, and why.
    pub failed: Vec<(String, VaultError)>,
}

impl Vault {
    /// Deletes what belongs to no backup of a datastore and is older than `grace` at the time `now`; old probes too.
    ///
    /// `in_progress` tells whether a job may still be writing a backup; its folder is then left alone. A folder whose
    /// manifest can't be read is left alone too.
    ///
    /// # Errors
    /// What the storage says while it is listed.
    pub async fn sweep(
        &self,
        datastore: Uuid,
        in_progress: &(dyn Fn(Uuid) -> bool + Send + Sync),
        grace: Duration,
        now: DateTime<Utc>,
    ) -> Result<SweepReport, VaultError> {
        let oldest = chrono::Duration::from_std(grace).ok().and_then(|grace| now.checked_sub_signed(grace));
        let Some(oldest) = oldest else { return Ok(SweepReport::default()) };
        let mut report = DeleteReport::default();
        for folder in self.folders_of(datastore).await? {
            let id = folder.rsplit('/').next().and_then(|name| Uuid::parse_str(name).ok());
            if id.is_some_and(in_progress) {
                continue;
            }
            let named = match self.read_manifest(&folder, None).await {
                Ok(stored) => named_keys(&stored.manifest),
                Err(VaultError::ManifestMissing { .. }) => BTreeSet::new(),
                Err(error) => {
                    tracing::warn!(
                        folder,
                        error = &error as &dyn std::error::Error,
                        "the sweep leaves this backup alone"
                    );
                    continue;
                }
            };
            self.sweep_folder(&folder, &named, oldest, &mut report).await?;
        }
        let probes = self.listed(None, |object| object.location.as_ref().starts_with(PROBE_PREFIX), oldest).await?;
        self.delete_into(&probes, &mut report).await;
        Ok(SweepReport { deleted: report.deleted, failed: report.failed })
    }

    async fn sweep_folder(
        &self,
        folder: &str,
        named: &BTreeSet<String>,
        oldest: DateTime<Utc>,
        report: &mut DeleteReport,
    ) -> Result<(), VaultError> {
        let prefix = folder_path(folder)?;
        let unnamed = |object: &ObjectMeta| {
            let key = object.location.as_ref().strip_prefix(folder).map_or("", |key| key.trim_start_matches('/'));
            !named.contains(key)
        };
        let orphans = self.listed(Some(&prefix), unnamed, oldest).await?;
        self.delete_into(&orphans, report).await;
        if let Some(root) = self.root.clone() {
            let place = folder.to_owned();
            let removed = local::in_background(move || {
                let mut removed = 0;
                for (path, modified) in local::staging_files(&root, &place)? {
                    if DateTime::<Utc>::from(modified) < oldest {
                        local::remove_file(&path)?;
                        removed += 1;
                    }
                }
                Ok(removed)
            });
            match removed.await {
                Ok(removed) => report.deleted += removed,
                Err(error) => report.failed.push((folder.to_owned(), VaultError::from_io("clear", folder, error))),
            }
            self.remove_empty_folders(folder).await;
        }
        Ok(())
    }

    /// The objects below `prefix`, or at the top, that were last written before `oldest` and that `wanted` wants.
    async fn listed(
        &self,
        prefix: Option<&Path>,
        wanted: impl Fn(&ObjectMeta) -> bool,
        oldest: DateTime<Utc>,
    ) -> Result<Vec<Path>, VaultError> {
        let failed = |error| VaultError::from_store("list", prefix.map_or("", |prefix| prefix.as_ref()), error);
        let mut objects = Vec::new();
        if prefix.is_none() {
            objects = self.store.list_with_delimiter(None).await.map_err(failed)?.objects;
        } else {
            let mut listing = self.store.list(prefix);
            while let Some(object) = listing.next().await {
                objects.push(object.map_err(failed)?);
            }
        }
        objects.retain(|object| object.last_modified < oldest && wanted(object));
        Ok(objects.into_iter().map(|object| object.location).collect())
    }
}

/// The manifest's own key and those of all objects that it names.
fn named_keys(manifest: &Manifest) -> BTreeSet<String> {
    let objects = manifest.streams.iter().flat_map(|stream| &stream.objects).map(|object| object.key.clone());
    objects.chain([MANIFEST_NAME.to_owned()]).collect()
}
