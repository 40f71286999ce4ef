//! Whether a storage can be used: it is ours or empty, takes an object, gives it back, and deletes it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::VaultError;
use crate::local;
use crate::open::Vault;

/// The object that marks a directory or bucket as ours. // F-38
pub const MARKER_NAME: &str = "holdfast.json";
/// The layout of a storage that this version reads and writes.
pub const REPOSITORY_FORMAT: u32 = 1;
/// How the names of probes begin, so that the sweep finds those of an interrupted check.
pub(crate) const PROBE_PREFIX: &str = "holdfast-probe-";

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format_version: u32,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl Vault {
    /// Writes, reads back and deletes a probe. An empty storage is marked as ours first; one that holds anything else
    /// without our mark is refused untouched. // F-38
    ///
    /// # Errors
    /// [`VaultError::NotEmpty`], [`VaultError::RepositoryTooNew`], or what the storage says.
    pub async fn check(&self) -> Result<(), VaultError> {
        let marker = Path::from(MARKER_NAME);
        if !self.marker_is_there(&marker).await? {
            if let Some(found) = self.something_else().await? {
                return Err(VaultError::NotEmpty { found });
            }
            self.write_marker(&marker).await?;
        }
        let probe = Path::from(format!("{PROBE_PREFIX}{}", Uuid::now_v7()));
        let outcome = self.write_and_read(&probe).await;
        let deleted = self.store.delete(&probe).await;
        outcome?;
        deleted.map_err(|error| VaultError::from_store("delete", probe.as_ref(), error))
    }

    /// Whether the storage bears our mark: it is one that a check has seen before.
    ///
    /// # Errors
    /// [`VaultError::NotEmpty`] for another's mark, [`VaultError::RepositoryTooNew`], or what the storage says.
    pub async fn is_marked(&self) -> Result<bool, VaultError> {
        self.marker_is_there(&Path::from(MARKER_NAME)).await
    }

    async fn marker_is_there(&self, path: &Path) -> Result<bool, VaultError> {
        let bytes = match self.read_small(path).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(false),
            Err(error) => return Err(VaultError::from_store("read", MARKER_NAME, error)),
        };
        let marker: Marker = serde_json::from_slice(&bytes)
            .map_err(|_| VaultError::NotEmpty { found: format!("a {MARKER_NAME} that is not ours") })?;
        if marker.format_version > REPOSITORY_FORMAT {
            return Err(VaultError::RepositoryTooNew {
                format_version: marker.format_version,
                created_by: marker.created_by,
            });
        }
        Ok(true)
    }

    async fn something_else(&self) -> Result<Option<String>, VaultError> {
        if let Some(root) = &self.root {
            let root = root.clone();
            let found = local::in_background(move || local::any_entry(&root)).await;
            return found.map_err(|error| VaultError::from_io("list", "the directory", error));
        }
        match self.store.list(None).next().await {
            None => Ok(None),
            Some(Ok(object)) => Ok(Some(object.location.to_string())),
            Some(Err(error)) => Err(VaultError::from_store("list", "the bucket", error)),
        }
    }

    async fn write_marker(&self, path: &Path) -> Result<(), VaultError> {
        let marker = Marker {
            format_version: REPOSITORY_FORMAT,
            created_by: concat!("Holdfast ", env!("CARGO_PKG_VERSION")).to_owned(),
            created_at: Utc::now(),
        };
        let bytes =
            serde_json::to_vec_pretty(&marker).map_err(|error| VaultError::Settings { source: error.into() })?;
        match self.create(path, bytes).await {
            // Another worker was first, with the same mark.
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(VaultError::from_store("create", MARKER_NAME, error)),
        }
    }

    async fn write_and_read(&self, probe: &Path) -> Result<(), VaultError> {
        let failed = |operation| move |error| VaultError::from_store(operation, probe.as_ref(), error);
        let written = Bytes::from(probe.to_string());
        self.store.put(probe, written.clone().into()).await.map_err(failed("write"))?;
        if self.read_small(probe).await.map_err(failed("read"))? != Some(written.clone()) {
            return Err(VaultError::ProbeDiffers { key: probe.to_string() });
        }
        match self.store.put_opts(probe, written.into(), PutOptions::from(PutMode::Create)).await {
            Err(object_store::Error::AlreadyExists { .. }) => {}
            // Then the leases alone keep two writers apart. // F-35
            Ok(_) | Err(object_store::Error::NotImplemented { .. }) => {
                tracing::warn!("the storage ignores conditional writes");
            }
            Err(error) => return Err(VaultError::from_store("create", probe.as_ref(), error)),
        }
        Ok(())
    }
}
