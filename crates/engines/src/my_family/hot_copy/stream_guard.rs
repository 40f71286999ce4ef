//! Looks through a stream on its way into `mbstream` or `xbstream`, which writes whatever path the stream names. // F-83
//!
//! The format (MariaDB's `extra/mariabackup/xbstream_read.cc`, and Percona's file of that name): chunks of the magic, a byte of flags, a type, and the path's length
//! (4 bytes) and text; type `E` ends a file; type `P` goes on with the payload's length and offset (8 bytes each), a
//! checksum (4) and the payload; type `S`, since 10.6, has the number of pairs of a sparse map (4) after the offset's
//! place. Numbers are little-endian. Unknown types are refused, so no byte is passed on without being understood.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

const MAGIC: &[u8] = b"XBSTCK01";
/// `XB_STREAM_CHUNK` header up to the path's text.
const HEADER_BYTES: usize = 8 + 1 + 1 + 4;
/// Longer than any path a server makes.
const PATH_LIMIT: usize = 4096;
/// Of pairs in one chunk's sparse map.
const MAP_LIMIT: u64 = 1 << 20;

/// Passes on what is well-formed and stays below the directory that it is unpacked into.
pub(super) struct StreamGuard<W> {
    inner: W,
    refusal: Refusal,
    parser: Parser,
    /// Bytes that were looked through and not yet passed on.
    checked: usize,
}

/// Why a stream was not passed on, for who waits for the tool: who writes only sees that it could not.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    fn note(&self, error: &io::Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_string());
    }

    /// What was wrong with the stream, if anything.
    pub(super) fn told(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<W> StreamGuard<W> {
    pub(super) fn new(inner: W, refusal: Refusal) -> Self {
        Self {
            inner,
            refusal,
            parser: Parser { state: State::Header, collected: Vec::new(), wanted: HEADER_BYTES },
            checked: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Path {
        kind: u8,
    },
    /// What stands between path and payload.
    Sizes {
        kind: u8,
    },
    /// This many bytes to pass on unseen.
    Payload(u64),
}

struct Parser {
    state: State,
    collected: Vec<u8>,
    wanted: usize,
}

impl Parser {
    fn check(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if let State::Payload(left) = self.state {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(skipped..).unwrap_or_default();
                let left = left.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
                self.state = State::Payload(left);
                if left == 0 {
                    self.expect(State::Header, HEADER_BYTES);
                }
                continue;
            }
            let missing = self.wanted.saturating_sub(self.collected.len()).min(bytes.len());
            let (now, later) = bytes.split_at(missing);
            self.collected.extend_from_slice(now);
            bytes = later;
            if self.collected.len() == self.wanted {
                self.advance()?;
            }
        }
        Ok(())
    }

    fn expect(&mut self, state: State, wanted: usize) {
        self.state = state;
        self.wanted = wanted;
        self.collected.clear();
    }

    fn advance(&mut self) -> io::Result<()> {
        match self.state {
            State::Header => {
                let [head @ .., _flags, kind, a, b, c, d] = self.collected.as_slice() else { return refuse("header") };
                let (magic, kind, length) = (head, *kind, u32::from_le_bytes([*a, *b, *c, *d]));
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if magic != MAGIC || !matches!(kind, b'P' | b'E' | b'S') || length == 0 || length > PATH_LIMIT {
                    return refuse("header");
                }
                self.expect(State::Path { kind }, length);
            }
            State::Path { kind } => {
                if !is_below(&self.collected) {
                    return refuse("path that leads out of the data directory");
                }
                match kind {
                    b'P' => self.expect(State::Sizes { kind }, 8 + 8 + 4),
                    b'S' => self.expect(State::Sizes { kind }, 4 + 8 + 8 + 4),
                    _ => self.expect(State::Header, HEADER_BYTES),
                }
            }
            State::Sizes { kind } => {
                let sparse = kind == b'S';
                let (map, rest) = self.collected.split_at(if sparse { 4 } else { 0 });
                let pairs = number(map);
                let payload = number(rest.get(..8).unwrap_or_default());
                if pairs > MAP_LIMIT {
                    return refuse("sparse map");
                }
                let left = payload.saturating_add(pairs * 8);
                if left == 0 {
                    self.expect(State::Header, HEADER_BYTES);
                } else {
                    self.expect(State::Payload(left), 0);
                }
            }
            State::Payload(_) => {}
        }
        Ok(())
    }

    /// Whether a chunk is complete.
    fn is_between_chunks(&self) -> bool {
        self.state == State::Header && self.collected.is_empty()
    }
}

fn number(little_endian: &[u8]) -> u64 {
    little_endian.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn refuse<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("the backup's stream has a wrong {what}")))
}

/// Relative, without `..`, and text that a file name can have.
fn is_below(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    !path.contains(&0) && path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
}

impl<W: AsyncWrite + Unpin> AsyncWrite for StreamGuard<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A caller offers again what was not taken: only what is new is looked through.
        if let Some(new) = bytes.get(this.checked..) {
            this.parser.check(new).inspect_err(|error| this.refusal.note(error))?;
            this.checked = bytes.len();
        }
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        this.checked = this.checked.saturating_sub(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.parser.is_between_chunks() {
            return Poll::Ready(refuse("end: it was cut").inspect_err(|error| this.refusal.note(error)));
        }
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn chunk(kind: u8, path: &str, payload: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, kind]);
        bytes.extend(u32::try_from(path.len()).expect("short").to_le_bytes());
        bytes.extend(path.as_bytes());
        if kind == b'S' {
            bytes.extend(1u32.to_le_bytes());
        }
        if kind != b'E' {
            bytes.extend((payload.len() as u64).to_le_bytes());
            bytes.extend(7u64.to_le_bytes());
            bytes.extend([1, 2, 3, 4]);
        }
        if kind == b'S' {
            bytes.extend([9; 8]);
        }
        bytes.extend(payload);
        bytes
    }

    async fn pass(bytes: &[u8], at_a_time: usize) -> io::Result<Vec<u8>> {
        let mut guard = StreamGuard::new(Vec::new(), Refusal::default());
        for part in bytes.chunks(at_a_time) {
            guard.write_all(part).await?;
        }
        guard.shutdown().await?;
        Ok(guard.inner)
    }

    #[tokio::test]
    async fn f83_whole_streams_pass_however_they_are_cut() {
        let mut stream = chunk(b'P', "ibdata1", b"payload");
        stream.extend(chunk(b'P', "./we@0020ird/..t.ibd", b""));
        stream.extend(chunk(b'S', "shop/t.ibd", b"sparse"));
        stream.extend(chunk(b'E', "shop/t.ibd", b""));
        for at_a_time in [1, 3, 7, 64, 4096] {
            assert_eq!(pass(&stream, at_a_time).await.expect("pass"), stream);
        }
    }

    #[tokio::test]
    async fn f83_paths_that_lead_out_are_refused() {
        for path in ["../evil", "/etc/cron.d/evil", "shop/../../evil", "a//b", "a/./b", "..", ".", "nul\0", "./../x"] {
            let error = pass(&chunk(b'P', path, b"x"), 5).await.expect_err(path);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{path}");
        }
    }

    #[tokio::test]
    async fn f83_what_is_not_understood_is_refused() {
        let good = chunk(b'P', "ibdata1", b"payload");
        assert!(pass(&good[..good.len() - 1], 100).await.expect_err("cut").to_string().contains("cut"));
        assert!(pass(&chunk(b'X', "ibdata1", b""), 100).await.is_err());
        assert!(pass(b"tar, really, and long enough for a header", 100).await.is_err());
    }
}
