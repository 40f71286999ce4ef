//! Writing a backup: streams become confirmed objects here, and the manifest makes them a backup in [`crate::commit`].

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BufMut;
use domain::manifest::StreamRecord;
use object_store::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::compress::{self, Chunk, Stopped};
use crate::error::VaultError;
use crate::key::{attempt_prefix, is_plain};
use crate::open::Vault;
use crate::upload::StreamUpload;

/// The size of the buffers between the tool and the compressor, and their number: enough for both to go on while the
/// other waits for its turn on a busy machine.
const CHUNK_BYTES: usize = 512 << 10;
const CHUNKS: usize = 16;
/// More workers than this would need more memory than a backup may take.
const MOST_THREADS: u32 = 8;

/// How streams become objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// zstd's level, 1 to 19: those above need windows that readers refuse.
    pub compression_level: i32,
    /// Bytes before compression in each object.
    pub volume_bytes: u64,
    /// zstd's worker threads.
    pub threads: u32,
}

impl Default for WriteOptions {
    /// Level 3, volumes of 1 GiB, a thread for each core and at most eight.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        Self { compression_level: 3, volume_bytes: 1 << 30, threads: cores.min(MOST_THREADS) }
    }
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteProgress {
    /// Bytes taken from the reader.
    pub original_bytes: u64,
    /// Bytes handed to the storage.
    pub stored_bytes: u64,
}

/// A backup on its way. It exists only when [`BackupWriter::commit`] has succeeded.
///
/// One that is dropped leaves its objects behind for the sweep; [`BackupWriter::abort`] removes them.
#[derive(Debug)]
pub struct BackupWriter {
    pub(crate) vault: Vault,
    pub(crate) folder: String,
    pub(crate) attempt: i32,
    options: WriteOptions,
    pub(crate) streams: Vec<StreamRecord>,
    /// Every object that this writer may have made.
    pub(crate) started: Vec<Path>,
}

impl Vault {
    /// Begins a backup in `folder` (see `domain::manifest::backup_folder`). Writes nothing yet.
    ///
    /// Attempts never share an object, so a stale worker can't change what a later one wrote. // F-11
    pub fn begin_backup(&self, folder: &str, attempt: i32, options: WriteOptions) -> BackupWriter {
        let options = WriteOptions { compression_level: options.compression_level.clamp(1, 19), ..options };
        BackupWriter {
            vault: self.clone(),
            folder: folder.to_owned(),
            attempt,
            options,
            streams: Vec::new(),
            started: Vec::new(),
        }
    }
}

impl BackupWriter {
    /// Stores all that `reader` gives as the stream `name`, in objects `<name>.<number>.<extension>.zst`.
    ///
    /// The record returned names only objects that the storage has confirmed. `on_progress` is called often and must be
    /// quick. Cancelling the token ends it within one request to the storage, with [`VaultError::Cancelled`]; so does
    /// dropping the future. After any error call [`BackupWriter::abort`].
    ///
    /// # Errors
    /// [`VaultError::EmptyStream`] for a stream without bytes, [`VaultError::Source`] when `reader` fails, and what the
    /// storage says.
    pub async fn write_stream(
        &mut self,
        name: &str,
        extension: &str,
        reader: impl AsyncRead + Send + Unpin,
        on_progress: &(dyn Fn(WriteProgress) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<StreamRecord, VaultError> {
        for part in [name, extension] {
            if !is_plain(part) || self.streams.iter().any(|stream| stream.name == name) {
                return Err(VaultError::InvalidName { name: part.to_owned() });
            }
        }
        // Whoever fails first stops the others through this.
        let stop = cancel.child_token();
        let (chunks_in, mut chunks_out) = mpsc::channel(CHUNKS);
        let (empty_in, empty_out) = mpsc::channel(CHUNKS);
        let (pieces_in, mut pieces_out) = mpsc::channel(1);
        for _ in 0..CHUNKS {
            // There is room for all of them.
            let _ = empty_in.try_send(Vec::with_capacity(CHUNK_BYTES));
        }
        let options = self.options;
        let compressor =
            tokio::task::spawn_blocking(move || compress::run(&options, &mut chunks_out, &empty_in, &pieces_in));

        let (original, stored) = (AtomicU64::new(0), AtomicU64::new(0));
        let report = || {
            on_progress(WriteProgress {
                original_bytes: original.load(Ordering::Relaxed),
                stored_bytes: stored.load(Ordering::Relaxed),
            });
        };
        let on_read = |bytes| {
            original.fetch_add(bytes, Ordering::Relaxed);
            report();
        };
        let on_stored = |bytes| {
            stored.fetch_add(bytes, Ordering::Relaxed);
            report();
        };
        let mut upload = StreamUpload {
            vault: &self.vault,
            folder: &self.folder,
            attempt: self.attempt,
            stream: name,
            extension,
            started: &mut self.started,
            on_stored: &on_stored,
            current: None,
            volumes: 0,
        };
        let reading = async {
            let result = stop.run_until_cancelled(read_all(name, reader, chunks_in, empty_out, &on_read)).await;
            result.unwrap_or(Err(VaultError::Cancelled))
        };
        let uploading = async {
            let result = stop.run_until_cancelled(upload.run(&mut pieces_out)).await;
            pieces_out.close();
            if !matches!(result, Some(Ok(Some(_)))) {
                stop.cancel();
                upload.abort().await;
            }
            result.unwrap_or(Err(VaultError::Cancelled))
        };
        let (read, uploaded) = tokio::join!(reading, uploading);
        // Both of its channels are closed: it ends at once, and frees its memory.
        drop(pieces_out);
        let compressed = match compressor.await {
            Ok(Ok(size)) => Ok(size),
            Ok(Err(Stopped::NobodyReads)) => Ok(None),
            Ok(Err(Stopped::Zstd(source))) => Err(VaultError::Compression { stream: name.to_owned(), source }),
            Err(source) => Err(VaultError::Panicked { task: "the compressor", source }),
        };
        let record = match (read, compressed, uploaded) {
            (Ok(()), Ok(Some(original_size_bytes)), Ok(Some(objects))) => {
                StreamRecord { name: name.to_owned(), extension: extension.to_owned(), original_size_bytes, objects }
            }
            (read, compressed, uploaded) => {
                // Whoever failed first stopped the others, so their `Cancelled` tells nothing.
                let errors = [read.err(), compressed.err(), uploaded.err()];
                let first = errors.into_iter().flatten().find(|error| !matches!(error, VaultError::Cancelled));
                return Err(first.unwrap_or(VaultError::Cancelled));
            }
        };
        if record.objects.is_empty() {
            return Err(VaultError::EmptyStream { stream: name.to_owned() });
        }
        self.streams.push(record.clone());
        Ok(record)
    }

    /// Where this attempt's objects are put, from the storage's root.
    pub fn objects_folder(&self) -> String {
        format!("{}/{}", self.folder, attempt_prefix(self.attempt)).trim_end_matches('/').to_owned()
    }

    /// The streams that were stored so far.
    pub fn streams(&self) -> &[StreamRecord] {
        &self.streams
    }

    /// Deletes what this attempt wrote, and nothing else. What can't be deleted is logged and left for the sweep.
    pub async fn abort(self) {
        self.vault.delete_objects(&self.started).await;
        self.vault.remove_empty_folders(&format!("{}/{}", self.folder, attempt_prefix(self.attempt))).await;
    }
}

/// Fills chunks from the reader to its end.
async fn read_all(
    stream: &str,
    mut reader: impl AsyncRead + Unpin,
    chunks: Sender<Chunk>,
    mut empty: Receiver<Vec<u8>>,
    on_read: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), VaultError> {
    // When a channel is closed the compressor has ended, and it or the uploader tells why.
    while let Some(mut buffer) = empty.recv().await {
        buffer.clear();
        let mut ended = false;
        while buffer.len() < CHUNK_BYTES && !ended {
            let room = CHUNK_BYTES - buffer.len();
            let read = reader.read_buf(&mut (&mut buffer).limit(room)).await;
            let read = read.map_err(|source| VaultError::Source { stream: stream.to_owned(), source })?;
            ended = read == 0;
            on_read(read as u64);
        }
        if !buffer.is_empty() && chunks.send(Chunk::Data(buffer)).await.is_err() {
            break;
        }
        if ended {
            let _ = chunks.send(Chunk::Finish).await;
            break;
        }
    }
    Ok(())
}
