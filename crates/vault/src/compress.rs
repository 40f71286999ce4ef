//! The thread that turns a stream into volumes: zstd, then SHA-256.
//!
//! It runs beside the async side, with a bounded channel before and after it, so its buffers are all the memory that a
//! backup of any size takes. Each volume is one whole zstd frame with zstd's own checksum, so `zstd -d` of all volumes in
//! order gives the stream. That checksum, over the data before compression, is the only one on that side: SHA-256 there
//! would cost as much time as a quarter of the compression.

use std::io;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{Receiver, Sender};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use crate::write::WriteOptions;

/// The size of an upload's parts: the least that S3 takes, which with its 10,000 parts is enough for volumes of 48 GiB.
pub(crate) const PART_BYTES: usize = 5 << 20;
/// How much each zstd worker takes at once, less with many workers: its buffers are about `workers + 3` times that before
/// compression, and after it what comes out. At level 3 zstd itself takes 8 MiB; half of that costs a tenth more time.
const JOB_BYTES: u32 = 8 << 20;
const JOBS_BYTES: u32 = 32 << 20;

/// What the reading side sends.
pub(crate) enum Chunk {
    /// The stream's next bytes. The buffer goes back through the channel of empty ones.
    Data(Vec<u8>),
    /// The stream ended properly. Without it the thread ends without finishing the last volume.
    Finish,
}

/// What the uploading side gets.
pub(crate) enum Piece {
    /// The next bytes of the current volume.
    Part(Bytes),
    /// The current volume is whole.
    End(Volume),
}

/// A whole volume.
pub(crate) struct Volume {
    pub original_size_bytes: u64,
    pub size_bytes: u64,
    pub sha256: String,
}

/// Why the thread stopped early.
pub(crate) enum Stopped {
    /// The uploader is gone; it knows why.
    NobodyReads,
    Zstd(io::Error),
}

/// Compresses until the channel of chunks ends. Blocks; to be run on a thread of its own.
///
/// Gives the stream's size in bytes, or `None` when the chunks ended without [`Chunk::Finish`].
pub(crate) fn run(
    options: &WriteOptions,
    chunks: &mut Receiver<Chunk>,
    empty: &Sender<Vec<u8>>,
    pieces: &Sender<Piece>,
) -> Result<Option<u64>, Stopped> {
    let mut volume = OpenVolume::new(options, pieces)?;
    let mut stream_bytes = 0;
    while let Some(chunk) = chunks.blocking_recv() {
        let Chunk::Data(buffer) = chunk else {
            volume.end()?;
            return Ok(Some(stream_bytes));
        };
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let room = options.volume_bytes.max(1).saturating_sub(volume.original_bytes);
            if room == 0 {
                volume.end()?;
                continue;
            }
            let take = usize::try_from(room).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(take);
            volume.write(now)?;
            rest = later;
        }
        stream_bytes += buffer.len() as u64;
        // When the reading side is gone there is nobody who wants it back.
        let _ = empty.try_send(buffer);
    }
    Ok(None)
}

struct OpenVolume<'a> {
    encoder: Encoder<'static>,
    pieces: &'a Sender<Piece>,
    part: Vec<u8>,
    hash: Sha256,
    original_bytes: u64,
    stored_bytes: u64,
}

impl<'a> OpenVolume<'a> {
    fn new(options: &WriteOptions, pieces: &'a Sender<Piece>) -> Result<Self, Stopped> {
        let mut encoder = Encoder::new(options.compression_level).map_err(Stopped::Zstd)?;
        let workers = options.threads.max(1);
        let job_bytes = JOB_BYTES.min(JOBS_BYTES / workers);
        for parameter in
            [CParameter::ChecksumFlag(true), CParameter::NbWorkers(workers), CParameter::JobSize(job_bytes)]
        {
            encoder.set_parameter(parameter).map_err(Stopped::Zstd)?;
        }
        Ok(Self {
            encoder,
            pieces,
            part: Vec::with_capacity(PART_BYTES),
            hash: Sha256::new(),
            original_bytes: 0,
            stored_bytes: 0,
        })
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Stopped> {
        let mut input = InBuffer::around(data);
        while input.pos() < data.len() {
            self.step(|encoder, output| encoder.run(&mut input, output))?;
        }
        self.original_bytes += data.len() as u64;
        Ok(())
    }

    /// Ends the volume if it holds anything, and makes ready for the next.
    fn end(&mut self) -> Result<(), Stopped> {
        if self.original_bytes == 0 {
            return Ok(());
        }
        while self.step(|encoder, output| encoder.finish(output, true))? > 0 {}
        self.encoder.reinit().map_err(Stopped::Zstd)?;
        self.send_part()?;
        let volume = Volume {
            original_size_bytes: std::mem::take(&mut self.original_bytes),
            size_bytes: std::mem::take(&mut self.stored_bytes),
            sha256: hex::encode(std::mem::take(&mut self.hash).finalize()),
        };
        self.pieces.blocking_send(Piece::End(volume)).map_err(|_| Stopped::NobodyReads)
    }

    /// Lets the encoder fill the rest of the part, and sends the part when it is full.
    fn step(
        &mut self,
        operation: impl FnOnce(&mut Encoder<'static>, &mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
    ) -> Result<usize, Stopped> {
        let filled = self.part.len();
        let mut output = OutBuffer::around_pos(&mut self.part, filled);
        let remaining = operation(&mut self.encoder, &mut output).map_err(Stopped::Zstd)?;
        if self.part.len() == self.part.capacity() {
            self.send_part()?;
        }
        Ok(remaining)
    }

    fn send_part(&mut self) -> Result<(), Stopped> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART_BYTES));
        self.hash.update(&part);
        self.stored_bytes += part.len() as u64;
        self.pieces.blocking_send(Piece::Part(Bytes::from(part))).map_err(|_| Stopped::NobodyReads)
    }
}
