//! The thread that turns objects back into their stream and checks both against the manifest: size and SHA-256 of each
//! object, its size when decompressed (a hard cap, F-84), and zstd's checksum of what comes out.

use std::io;

use domain::manifest::{ObjectRecord, StreamRecord};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Receiver;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::fetch::Fetched;
use crate::problem::{ObjectFault, ObjectProblem};

/// The size of the buffers that go to the receiver.
pub(crate) const OUTPUT_BYTES: usize = 512 << 10;
/// Frames that need a larger window than 16 MiB are refused: level 19, our highest, needs 8 MiB. // F-84
const MOST_WINDOW_LOG: u32 = 24;

/// What happens when an object is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFault {
    /// Nothing more is decoded.
    Stop,
    /// The other objects are still looked at.
    Continue,
}

/// How decoding ended.
pub(crate) enum Decoded {
    /// All objects were seen; these are wrong.
    Whole(Vec<ObjectProblem>),
    /// The pieces ended early, or nobody takes the stream any more; whoever did that knows why.
    Interrupted,
}

/// Decodes the stream until the channel ends. Blocks; to be run on a thread of its own.
///
/// `deliver` takes each full buffer in exchange for an empty one, and gives `None` when nobody wants the stream.
pub(crate) fn run(
    stream: &StreamRecord,
    on_fault: OnFault,
    pieces: &mut Receiver<Fetched>,
    deliver: impl FnMut(Vec<u8>) -> Option<Vec<u8>>,
) -> io::Result<Decoded> {
    let mut output = Output { buffer: Vec::with_capacity(OUTPUT_BYTES), deliver };
    let mut decoder = ObjectDecoder::new()?;
    let mut problems = Vec::new();
    let mut seen = 0;
    while let Some(piece) = pieces.blocking_recv() {
        let Some(record) = stream.objects.get(piece.object) else { return Ok(Decoded::Interrupted) };
        match decoder.take(record, piece.bytes, &mut output) {
            Ok(()) => {}
            Err(Stop::Fault(fault)) => decoder.fault = Some(fault),
            Err(Stop::NobodyReads) => return Ok(Decoded::Interrupted),
        }
        if piece.last || (decoder.fault.is_some() && on_fault == OnFault::Stop) {
            if let Some(fault) = decoder.end(record, piece.last)? {
                problems.push(ObjectProblem { key: record.key.clone(), fault });
                if on_fault == OnFault::Stop {
                    return Ok(Decoded::Whole(problems));
                }
            }
            seen += 1;
        }
    }
    if seen < stream.objects.len() {
        return Ok(Decoded::Interrupted);
    }
    match output.end() {
        Ok(()) => Ok(Decoded::Whole(problems)),
        Err(_) => Ok(Decoded::Interrupted),
    }
}

enum Stop {
    Fault(ObjectFault),
    NobodyReads,
}

/// Decodes one object after the other.
struct ObjectDecoder {
    zstd: Decoder<'static>,
    hash: Sha256,
    original_bytes: u64,
    inside_frame: bool,
    /// What was found wrong with the current object; the rest of it is only hashed.
    fault: Option<ObjectFault>,
}

impl ObjectDecoder {
    fn new() -> io::Result<Self> {
        let mut zstd = Decoder::new()?;
        zstd.set_parameter(DParameter::WindowLogMax(MOST_WINDOW_LOG))?;
        Ok(Self { zstd, hash: Sha256::new(), original_bytes: 0, inside_frame: false, fault: None })
    }

    fn take<D: FnMut(Vec<u8>) -> Option<Vec<u8>>>(
        &mut self,
        record: &ObjectRecord,
        bytes: Result<bytes::Bytes, ObjectFault>,
        output: &mut Output<D>,
    ) -> Result<(), Stop> {
        let bytes = match (bytes, &self.fault) {
            (Ok(bytes), None) => bytes,
            (Ok(bytes), Some(_)) => {
                self.hash.update(&bytes);
                return Ok(());
            }
            (Err(_), Some(_)) => return Ok(()),
            (Err(fault), None) => return Err(Stop::Fault(fault)),
        };
        self.hash.update(&bytes);
        let mut input = InBuffer::around(&bytes);
        loop {
            let before = output.buffer.len();
            let mut space = OutBuffer::around_pos(&mut output.buffer, before);
            let hint = self
                .zstd
                .run(&mut input, &mut space)
                .map_err(|error| Stop::Fault(ObjectFault::Compression { reason: error.to_string() }))?;
            self.inside_frame = hint > 0;
            self.original_bytes += (output.buffer.len() - before) as u64;
            if self.original_bytes > record.original_size_bytes {
                // F-84: what is beyond is never handed on.
                output.buffer.truncate(before);
                let (expected, at_least) = (record.original_size_bytes, self.original_bytes);
                return Err(Stop::Fault(ObjectFault::OriginalSize { expected, at_least }));
            }
            let full = output.buffer.len() == output.buffer.capacity();
            if full {
                output.send()?;
            }
            // A full buffer may mean that zstd still holds some of its output.
            if input.pos() == bytes.len() && !(full && self.inside_frame) {
                return Ok(());
            }
        }
    }

    /// Judges the object, of which all bytes have been seen or not, and makes ready for the next.
    fn end(&mut self, record: &ObjectRecord, all_seen: bool) -> io::Result<Option<ObjectFault>> {
        let checksum = hex::encode(std::mem::take(&mut self.hash).finalize());
        let original_bytes = std::mem::take(&mut self.original_bytes);
        let inside_frame = std::mem::take(&mut self.inside_frame);
        self.zstd.reinit()?;
        Ok(match self.fault.take() {
            // Other bytes explain why they can't be decompressed.
            Some(ObjectFault::Compression { .. } | ObjectFault::OriginalSize { .. })
                if all_seen && checksum != record.sha256 =>
            {
                Some(ObjectFault::Checksum)
            }
            Some(fault) => Some(fault),
            None if checksum != record.sha256 => Some(ObjectFault::Checksum),
            None if inside_frame => Some(ObjectFault::Compression { reason: "the last frame is cut off".to_owned() }),
            None if original_bytes != record.original_size_bytes => {
                Some(ObjectFault::OriginalSize { expected: record.original_size_bytes, at_least: original_bytes })
            }
            None => None,
        })
    }
}

/// The stream on its way out.
struct Output<D> {
    buffer: Vec<u8>,
    deliver: D,
}

impl<D: FnMut(Vec<u8>) -> Option<Vec<u8>>> Output<D> {
    fn send(&mut self) -> Result<(), Stop> {
        let full = std::mem::take(&mut self.buffer);
        self.buffer = (self.deliver)(full).ok_or(Stop::NobodyReads)?;
        Ok(())
    }

    /// Hands on what is left.
    fn end(mut self) -> Result<(), Stop> {
        if self.buffer.is_empty() { Ok(()) } else { self.send() }
    }
}
