//! From pieces to confirmed objects. Volume after volume goes up in parts, a few in flight; while the next is on its way
//! the storage confirms the last one. A record is made only of an object that the storage confirmed. // F-32

use std::pin::Pin;

use domain::manifest::ObjectRecord;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use tokio::sync::mpsc::Receiver;

use crate::compress::{PART_BYTES, Piece, Volume};
use crate::error::VaultError;
use crate::key::{object_path, volume_key};
use crate::open::Vault;

/// Parts on their way at once; each holds [`PART_BYTES`] of memory.
const PARTS_IN_FLIGHT: usize = 2;
/// Volumes whose confirmation may be outstanding while the next one goes up.
const UNCONFIRMED_VOLUMES: usize = 1;

/// The upload of one stream.
pub(crate) struct StreamUpload<'a> {
    pub vault: &'a Vault,
    pub folder: &'a str,
    pub attempt: i32,
    pub stream: &'a str,
    pub extension: &'a str,
    /// Every object that may exist, for [`crate::BackupWriter::abort`].
    pub started: &'a mut Vec<Path>,
    pub on_stored: &'a (dyn Fn(u64) + Send + Sync),
    pub current: Option<WriteMultipart>,
    pub volumes: usize,
}

impl StreamUpload<'_> {
    /// Takes pieces until their channel ends. Gives `None` when it ended inside a volume.
    ///
    /// After an error, or when this future was dropped, [`StreamUpload::abort`] must be called.
    pub(crate) async fn run(&mut self, pieces: &mut Receiver<Piece>) -> Result<Option<Vec<ObjectRecord>>, VaultError> {
        let mut confirming: FuturesOrdered<BoxFuture<'static, Result<ObjectRecord, VaultError>>> =
            FuturesOrdered::new();
        let mut records = Vec::new();
        loop {
            let piece = tokio::select! {
                biased;
                Some(record) = confirming.next() => {
                    records.push(record?);
                    continue;
                }
                piece = pieces.recv() => piece,
            };
            match piece {
                Some(Piece::Part(part)) => self.put(part).await?,
                Some(Piece::End(volume)) => {
                    while confirming.len() >= UNCONFIRMED_VOLUMES {
                        if let Some(record) = Pin::new(&mut confirming).next().await {
                            records.push(record?);
                        }
                    }
                    let (key, path) = self.complete().await?;
                    confirming.push_back(Box::pin(confirm(self.vault.clone(), path, key, volume)));
                }
                None if self.current.is_some() => return Ok(None),
                None => {
                    while let Some(record) = confirming.next().await {
                        records.push(record?);
                    }
                    return Ok(Some(records));
                }
            }
        }
    }

    async fn put(&mut self, part: bytes::Bytes) -> Result<(), VaultError> {
        let (key, path) = self.place()?;
        if self.current.is_none() {
            self.started.push(path.clone());
            let upload =
                self.vault.store.put_multipart(&path).await.map_err(|e| VaultError::from_store("create", &key, e))?;
            self.current = Some(WriteMultipart::new_with_chunk_size(upload, PART_BYTES));
        }
        if let Some(upload) = &mut self.current {
            let length = part.len() as u64;
            upload.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(|e| VaultError::from_store("write", &key, e))?;
            upload.put(part);
            (self.on_stored)(length);
        }
        Ok(())
    }

    async fn complete(&mut self) -> Result<(String, Path), VaultError> {
        let (key, path) = self.place()?;
        if let Some(upload) = self.current.take() {
            // Aborts the upload itself when it fails.
            upload.finish().await.map_err(|e| VaultError::from_store("complete", &key, e))?;
        }
        self.volumes += 1;
        Ok((key, path))
    }

    /// The current volume's key and place.
    fn place(&self) -> Result<(String, Path), VaultError> {
        let key = volume_key(self.attempt, self.stream, self.volumes, self.extension);
        let path = object_path(self.folder, &key)?;
        Ok((key, path))
    }

    /// Gives up the volume that is on its way.
    pub(crate) async fn abort(&mut self) {
        if let Some(upload) = self.current.take()
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(stream = self.stream, %error, "could not abort an upload; the sweep will remove it");
        }
    }
}

/// Asks the storage for the object's size, and on a local storage for its bytes too. On S3 each part went up with its
/// SHA-256, which the service checked.
async fn confirm(vault: Vault, path: Path, key: String, volume: Volume) -> Result<ObjectRecord, VaultError> {
    vault.confirm(&path, &key, volume.size_bytes, &volume.sha256).await?;
    Ok(ObjectRecord {
        key,
        size_bytes: volume.size_bytes,
        sha256: volume.sha256,
        original_size_bytes: volume.original_size_bytes,
    })
}
