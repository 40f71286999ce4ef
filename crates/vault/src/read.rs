//! A stored stream, back to whoever takes it. Objects are read ahead, decoded on a thread, and written on, all at once,
//! with bounded buffers between.

use domain::manifest::{Manifest, StreamRecord};
use futures::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::decode::{self, Decoded, OUTPUT_BYTES, OnFault};
use crate::error::VaultError;
use crate::fetch::{Fetched, fetch};
use crate::open::Vault;

/// Buffers between the decoder and the sink.
const BUFFERS: usize = 3;

impl Vault {
    /// Writes the stream `stream`, decompressed, into `sink`, and flushes it. Closing the sink is left to the caller, who
    /// does it only on success: **after an error all that the sink has received is worthless**, since an object's checksum
    /// is known only at its end.
    ///
    /// `on_progress` is called with the number of original bytes that the sink has taken so far. Cancelling the token ends
    /// it with [`VaultError::Cancelled`], also while the sink takes nothing.
    ///
    /// # Errors
    /// [`VaultError::Object`] naming the first object that is missing or not what was written (F-33),
    /// [`VaultError::Sink`] when the sink fails, and what the storage says.
    pub async fn copy_stream_into(
        &self,
        folder: &str,
        manifest: &Manifest,
        stream: &str,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        on_progress: &(dyn Fn(u64) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<(), VaultError> {
        self.copy_record_into(folder, find(folder, manifest, stream)?, sink, on_progress, cancel).await
    }

    /// As [`Vault::copy_stream_into`], for a record that stands in no manifest.
    pub(crate) async fn copy_record_into(
        &self,
        folder: &str,
        record: &StreamRecord,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        on_progress: &(dyn Fn(u64) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<(), VaultError> {
        let stream = record.name.as_str();
        // Whoever fails first stops the others through this.
        let stop = cancel.child_token();
        let (pieces_in, mut pieces_out) = mpsc::channel(1);
        let (full_in, full_out) = mpsc::channel::<Vec<u8>>(BUFFERS);
        let (empty_in, mut empty_out) = mpsc::channel::<Vec<u8>>(BUFFERS);
        for _ in 1..BUFFERS {
            // There is room for all of them.
            let _ = empty_in.try_send(Vec::with_capacity(OUTPUT_BYTES));
        }
        let decoder = tokio::task::spawn_blocking({
            let record = record.clone();
            move || {
                decode::run(&record, OnFault::Stop, &mut pieces_out, |full| {
                    full_in.blocking_send(full).ok()?;
                    empty_out.blocking_recv()
                })
            }
        });
        let fetching = async {
            let result = stop.run_until_cancelled(send_all(self, folder, record, pieces_in, &|_| {})).await;
            if !matches!(result, Some(Ok(()))) {
                stop.cancel();
            }
            result.unwrap_or(Err(VaultError::Cancelled))
        };
        let writing = async {
            let result = stop.run_until_cancelled(write_all(stream, sink, full_out, empty_in, on_progress)).await;
            if !matches!(result, Some(Ok(()))) {
                stop.cancel();
            }
            result.unwrap_or(Err(VaultError::Cancelled))
        };
        let (fetched, written) = tokio::join!(fetching, writing);
        let decoded = match decoder.await {
            Ok(Ok(Decoded::Whole(problems))) => {
                problems.into_iter().next().map_or(Ok(true), |problem| Err(problem.into()))
            }
            Ok(Ok(Decoded::Interrupted)) => Ok(false),
            Ok(Err(source)) => Err(VaultError::Compression { stream: stream.to_owned(), source }),
            Err(source) => Err(VaultError::Panicked { task: "the decoder", source }),
        };
        match (decoded, fetched, written) {
            (Ok(true), Ok(()), Ok(())) => Ok(()),
            // A bad object explains why the sink choked on it, so it comes first.
            (decoded, fetched, written) => {
                let errors = [decoded.err(), fetched.err(), written.err()];
                let first = errors.into_iter().flatten().find(|error| !matches!(error, VaultError::Cancelled));
                Err(first.unwrap_or(VaultError::Cancelled))
            }
        }
    }
}

/// The record of a stream.
fn find<'a>(folder: &str, manifest: &'a Manifest, stream: &str) -> Result<&'a StreamRecord, VaultError> {
    let unknown = || VaultError::UnknownStream { folder: folder.to_owned(), stream: stream.to_owned() };
    manifest.streams.iter().find(|record| record.name == stream).ok_or_else(unknown)
}

/// Sends all pieces of a stream to its decoder, telling the number of bytes of each.
pub(crate) async fn send_all(
    vault: &Vault,
    folder: &str,
    record: &StreamRecord,
    pieces: Sender<Fetched>,
    on_bytes: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), VaultError> {
    let mut fetched = std::pin::pin!(fetch(vault, folder, record.objects.clone()));
    while let Some(piece) = fetched.next().await {
        let piece = piece?;
        let length = piece.bytes.as_ref().map_or(0, bytes::Bytes::len);
        // When the decoder is gone it tells why.
        if pieces.send(piece).await.is_err() {
            break;
        }
        on_bytes(length as u64);
    }
    Ok(())
}

async fn write_all(
    stream: &str,
    sink: &mut (impl AsyncWrite + Unpin),
    mut full: Receiver<Vec<u8>>,
    empty: Sender<Vec<u8>>,
    on_progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), VaultError> {
    let failed = |source| VaultError::Sink { stream: stream.to_owned(), source };
    let mut written = 0;
    while let Some(mut buffer) = full.recv().await {
        sink.write_all(&buffer).await.map_err(failed)?;
        written += buffer.len() as u64;
        on_progress(written);
        buffer.clear();
        // The decoder may have ended meanwhile.
        let _ = empty.try_send(buffer);
    }
    sink.flush().await.map_err(failed)
}
