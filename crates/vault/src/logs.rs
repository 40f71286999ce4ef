//! Stored logs: segments of a server's log, in pieces as they grew.
//!
//! A segment is its pieces one after the other, each one whole zstd frame. It appears piece by piece every few seconds, so
//! that little is lost with the server, and [`pieces_to_replace`] keeps their number small: each new piece takes in the ones
//! before it that are not larger, so that a segment that grew `n` times has about `log2(n)` pieces and no byte is written
//! more often than that. Nothing is ever written over: a piece of the same name with other content is refused. // F-53

use std::collections::BTreeSet;
use std::io::Write;

use domain::LogSegment;
use domain::manifest::{ObjectRecord, StreamRecord};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use crate::delete::DeleteReport;
use crate::error::VaultError;
use crate::key::{folder_path, object_path};
use crate::log_manifests::log_manifest_key;
use crate::open::Vault;
use crate::problem::ObjectProblem;

/// The largest piece, in bytes before compression: what is in memory at once.
pub const PIECE_BYTES_MAX: u64 = 64 << 20;

/// How many of a segment's last pieces a new one of `grown` bytes takes in. A closed segment becomes one piece where it fits.
pub fn pieces_to_replace(pieces: &[ObjectRecord], grown: u64, closed: bool) -> usize {
    let mut bytes = grown;
    let mut count = 0;
    for piece in pieces.iter().rev() {
        let together = bytes.saturating_add(piece.original_size_bytes);
        if together > PIECE_BYTES_MAX || (!closed && piece.original_size_bytes > bytes) {
            break;
        }
        (bytes, count) = (together, count + 1);
    }
    count
}

/// The key of the piece of a segment that holds its bytes from `from` up to `to`; of one that holds all of it, the segment's
/// name.
pub fn piece_key(segment: &str, from: u64, to: u64, is_whole: bool) -> String {
    if is_whole { format!("{segment}.zst") } else { format!("{segment}.{from:012}-{to:012}.zst") }
}

impl Vault {
    /// Stores a piece of a segment, durably. Storing the same again is a success.
    ///
    /// # Errors
    /// [`VaultError::LogConflict`] when there is a piece of that name with other content, and what the storage says.
    pub async fn store_log_piece(
        &self,
        folder: &str,
        key: &str,
        bytes: Vec<u8>,
        level: i32,
    ) -> Result<ObjectRecord, VaultError> {
        let path = object_path(folder, key)?;
        let original_size_bytes = bytes.len() as u64;
        let compressing = tokio::task::spawn_blocking(move || compress(&bytes, level));
        let compressed = match compressing.await {
            Ok(Ok(compressed)) => compressed,
            Ok(Err(source)) => return Err(VaultError::Compression { stream: key.to_owned(), source }),
            Err(source) => return Err(VaultError::Panicked { task: "the compressor", source }),
        };
        let record = ObjectRecord {
            key: key.to_owned(),
            size_bytes: compressed.len() as u64,
            sha256: hex::encode(Sha256::digest(&compressed)),
            original_size_bytes,
        };
        match self.create(&path, compressed.clone()).await {
            Ok(()) => {}
            Err(object_store::Error::AlreadyExists { .. }) => {
                // The same bytes at the same level compress to the same; another level's piece is read to be compared.
                let found = self.store.get(&path).await;
                let found = match found {
                    Ok(found) => found.bytes().await,
                    Err(error) => Err(error),
                };
                let found = found.map_err(|error| VaultError::from_store("read", path.as_ref(), error))?;
                if found != compressed && !holds_the_same(&found, &compressed) {
                    return Err(VaultError::LogConflict { key: path.to_string() });
                }
                return Ok(ObjectRecord {
                    size_bytes: found.len() as u64,
                    sha256: hex::encode(Sha256::digest(&found)),
                    ..record
                });
            }
            Err(error) => return Err(VaultError::from_store("create", path.as_ref(), error)),
        }
        self.confirm(&path, key, record.size_bytes, &record.sha256).await?;
        Ok(record)
    }

    /// Looks whether all of a segment's pieces are there with their sizes, without reading any. // F-60
    ///
    /// # Errors
    /// What the storage says; a missing piece is a problem, not an error.
    pub async fn check_log(&self, folder: &str, segment: &LogSegment) -> Result<Vec<ObjectProblem>, VaultError> {
        self.check_streams(folder, std::slice::from_ref(&stream_of(segment))).await
    }

    /// Writes a segment as it was archived into `sink`. Pieces are checked as those of a backup's streams are.
    ///
    /// # Errors
    /// As [`Vault::copy_stream_into`].
    pub async fn copy_log_into(
        &self,
        folder: &str,
        segment: &LogSegment,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        cancel: &CancellationToken,
    ) -> Result<(), VaultError> {
        self.copy_record_into(folder, &stream_of(segment), sink, &|_| {}, cancel).await
    }

    /// The keys of all that is stored of an incarnation.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn log_keys(&self, folder: &str) -> Result<BTreeSet<String>, VaultError> {
        let prefix = folder_path(folder)?;
        let mut listing = self.store.list(Some(&prefix));
        let mut keys = BTreeSet::new();
        while let Some(object) = listing.next().await {
            match object {
                Ok(object) => keys.extend(object.location.filename().map(str::to_owned)),
                Err(object_store::Error::NotFound { .. }) => break,
                Err(error) => return Err(VaultError::from_store("list", folder, error)),
            }
        }
        Ok(keys)
    }

    /// Deletes what is stored under these keys of an incarnation. What can't be deleted is logged; it costs room and
    /// nothing else.
    ///
    /// # Errors
    /// For a key that is no plain name.
    pub async fn delete_log_keys(&self, folder: &str, keys: Vec<String>) -> Result<(), VaultError> {
        let paths = keys.iter().map(|key| object_path(folder, key)).collect::<Result<Vec<_>, _>>()?;
        self.delete_objects(&paths).await;
        Ok(())
    }

    /// Deletes a segment: what is known of it first, then its pieces. One that is gone is a success. // F-73
    ///
    /// # Errors
    /// For a key that is no plain name.
    pub async fn delete_log(&self, folder: &str, segment: &LogSegment) -> Result<DeleteReport, VaultError> {
        let manifest = log_manifest_key(segment);
        let keys = std::iter::once(manifest.as_str()).chain(segment.objects.iter().map(|object| object.key.as_str()));
        let paths = keys.map(|key| object_path(folder, key)).collect::<Result<Vec<_>, _>>()?;
        let mut report = DeleteReport::default();
        self.delete_into(&paths, &mut report).await;
        self.remove_empty_folders(folder).await;
        Ok(report)
    }
}

fn stream_of(segment: &LogSegment) -> StreamRecord {
    StreamRecord {
        name: segment.name.clone(),
        extension: "log".to_owned(),
        original_size_bytes: segment.original_size_bytes(),
        objects: segment.objects.clone(),
    }
}

fn compress(bytes: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), level.clamp(1, 19))?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.include_contentsize(true)?;
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn holds_the_same(one: &[u8], other: &[u8]) -> bool {
    let plain =
        |bytes: &[u8]| zstd::bulk::decompress(bytes, usize::try_from(PIECE_BYTES_MAX).unwrap_or(usize::MAX)).ok();
    plain(one).is_some_and(|one| plain(other).is_some_and(|other| one == other))
}
