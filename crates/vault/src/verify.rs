//! Whether a stored backup is still what was written: a quick look at sizes, and a full re-read.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::manifest::{Manifest, ObjectRecord, StreamRecord};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::decode::{self, Decoded, OnFault};
use crate::error::VaultError;
use crate::key::object_path;
use crate::open::Vault;
use crate::problem::{ObjectFault, ObjectProblem};
use crate::read::send_all;

/// Requests for sizes on their way at once.
const SIZES_AT_ONCE: usize = 8;

impl Vault {
    /// Looks whether every object is there with its size, without reading any. Gives all problems, in the manifest's order.
    ///
    /// # Errors
    /// What the storage says; a missing object is a problem, not an error.
    pub async fn check_objects(&self, folder: &str, manifest: &Manifest) -> Result<Vec<ObjectProblem>, VaultError> {
        self.check_streams(folder, &manifest.streams).await
    }

    pub(crate) async fn check_streams(
        &self,
        folder: &str,
        streams: &[StreamRecord],
    ) -> Result<Vec<ObjectProblem>, VaultError> {
        // Records of their own, since futures over borrowed ones are not `Send` to a caller's eyes (rust-lang/rust#102211).
        let objects: Vec<ObjectRecord> = streams.iter().flat_map(|stream| stream.objects.clone()).collect();
        let looked: Vec<Option<ObjectProblem>> = stream::iter(objects)
            .map(|object| async move { self.look_at(folder, &object).await })
            .buffered(SIZES_AT_ONCE)
            .try_collect()
            .await?;
        Ok(looked.into_iter().flatten().collect())
    }

    async fn look_at(&self, folder: &str, object: &ObjectRecord) -> Result<Option<ObjectProblem>, VaultError> {
        let path = object_path(folder, &object.key)?;
        let fault = match self.store.head(&path).await {
            Ok(meta) if meta.size == object.size_bytes => return Ok(None),
            Ok(meta) => ObjectFault::Size { expected: object.size_bytes, found: meta.size },
            Err(object_store::Error::NotFound { .. }) => ObjectFault::Missing,
            Err(error) => return Err(VaultError::from_store("look at", path.as_ref(), error)),
        };
        Ok(Some(ObjectProblem { key: object.key.clone(), fault }))
    }

    /// Reads every object again and checks sizes, checksums and the decompressed streams. Gives every problem. // F-33
    ///
    /// `on_progress` is called with the number of stored bytes read so far, of `manifest.size_bytes`.
    ///
    /// # Errors
    /// What the storage says, and [`VaultError::Cancelled`].
    pub async fn verify(
        &self,
        folder: &str,
        manifest: &Manifest,
        on_progress: impl Fn(u64) + Send + Sync,
        cancel: &CancellationToken,
    ) -> Result<Vec<ObjectProblem>, VaultError> {
        let read = AtomicU64::new(0);
        let on_bytes = |bytes| on_progress(read.fetch_add(bytes, Ordering::Relaxed) + bytes);
        let mut problems = self.check_objects(folder, manifest).await?;
        for stream in &manifest.streams {
            let found = cancel.run_until_cancelled(self.verify_stream(folder, stream, &problems, &on_bytes)).await;
            problems.extend(found.unwrap_or(Err(VaultError::Cancelled))?);
        }
        Ok(problems)
    }

    /// Problems beyond those `known`, whose objects are not read.
    async fn verify_stream(
        &self,
        folder: &str,
        stream: &StreamRecord,
        known: &[ObjectProblem],
        on_bytes: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<ObjectProblem>, VaultError> {
        let mut readable = stream.clone();
        readable.objects.retain(|object| known.iter().all(|problem| problem.key != object.key));
        let (pieces_in, mut pieces_out) = mpsc::channel(1);
        let decoder = tokio::task::spawn_blocking({
            let readable = readable.clone();
            move || {
                decode::run(&readable, OnFault::Continue, &mut pieces_out, |mut buffer| {
                    buffer.clear();
                    Some(buffer)
                })
            }
        });
        let fetched = send_all(self, folder, &readable, pieces_in, on_bytes).await;
        let decoded = decoder.await.map_err(|source| VaultError::Panicked { task: "the decoder", source })?;
        fetched?;
        match decoded.map_err(|source| VaultError::Compression { stream: stream.name.clone(), source })? {
            Decoded::Whole(problems) => Ok(problems),
            Decoded::Interrupted => Err(VaultError::Cancelled),
        }
    }
}
