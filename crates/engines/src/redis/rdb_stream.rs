//! The stream of `redis-cli --rdb -`, without what the tool appends to it.
//!
//! A server that sends a snapshot without knowing its length ends it with a marker of 40 bytes. Into a file the tool writes
//! the snapshot alone; to standard output it writes the marker too, which is harmless in a snapshot and fatal in the base
//! of an append-only file. Whether there is one the tool tells on standard error only, so the last bytes are held back
//! until that is known.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

/// `CONFIG_RUN_ID_SIZE`, the length of the marker.
const MARKER_BYTES: usize = 40;
/// `RDB_OPCODE_EOF` and the checksum behind it.
const EOF_BYTES: usize = 9;
const RDB_OPCODE_EOF: u8 = 0xff;

/// How a transfer ends, as the tool tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Ending {
    #[default]
    Untold,
    /// By a marker, which is not part of the snapshot.
    Marker,
    /// After this many bytes.
    Length(u64),
}

impl Ending {
    /// From a line such as `SYNC sent to master, writing 172 bytes to '-'`; `valkey-cli` says `primary`.
    pub(super) fn of_line(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("SYNC sent to ")?.1.split_once(", writing ")?;
        if rest.contains("until EOF marker") {
            return Some(Self::Marker);
        }
        rest.split(' ').next()?.parse().ok().map(Self::Length)
    }
}

/// What went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Bytes of the snapshot.
    pub bytes: u64,
    /// Whether it began as snapshots begin.
    pub has_magic: bool,
    /// Whether it ended as snapshots end.
    pub has_end: bool,
}

/// Reads a snapshot from the tool's output.
pub(super) struct RdbStream<R> {
    inner: R,
    ending: Option<watch::Receiver<Ending>>,
    wait: Option<Pin<Box<dyn Future<Output = Ending> + Send>>>,
    seen: Arc<Mutex<Seen>>,
    head: Vec<u8>,
    /// The last bytes that came and were not given out.
    held: Vec<u8>,
    ended: bool,
    given: usize,
}

impl<R> RdbStream<R> {
    /// `ending` tells how the transfer ends; its sender lives as long as the tool's standard error.
    pub(super) fn new(inner: R, ending: watch::Receiver<Ending>, seen: Arc<Mutex<Seen>>) -> Self {
        Self {
            inner,
            ending: Some(ending),
            wait: None,
            seen,
            head: Vec::new(),
            held: Vec::new(),
            ended: false,
            given: 0,
        }
    }

    /// Bytes that are certain to be the snapshot's and not its end.
    fn available(&self) -> usize {
        let kept = if self.ended { 0 } else { MARKER_BYTES + EOF_BYTES };
        self.held.len().saturating_sub(self.given).saturating_sub(kept)
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.available().min(buffer.remaining());
        let bytes = self.held.get(self.given..self.given + count).unwrap_or_default();
        buffer.put_slice(bytes);
        self.given += count;
        // Moves what is left to the front only when that costs less than what was given out since.
        if self.given * 2 > self.held.len() {
            self.held.drain(..self.given);
            self.given = 0;
        }
    }

    fn end(&mut self, ending: Ending) {
        let marker = if ending == Ending::Marker { MARKER_BYTES } else { 0 };
        let length = self.held.len().saturating_sub(marker).max(self.given);
        self.held.truncate(length);
        self.ended = true;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let marker = u64::try_from(marker).unwrap_or(0);
        seen.bytes = seen.bytes.saturating_sub(marker);
        seen.has_magic = has_magic(&self.head);
        let opcode = length.checked_sub(EOF_BYTES).and_then(|at| self.held.get(at));
        seen.has_end = opcode == Some(&RDB_OPCODE_EOF);
    }

    fn take_in(&mut self, bytes: &[u8]) {
        let missing = 9_usize.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..missing).unwrap_or_default());
        self.held.extend_from_slice(bytes);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).bytes += u64::try_from(bytes.len()).unwrap_or(0);
    }
}

/// `REDIS0011`, and `VALKEY080` since Valkey 9 where it needs a format of its own (`rdb.c`, `rdbSaveRio`).
fn has_magic(head: &[u8]) -> bool {
    let digits = head.strip_prefix(b"REDIS").or_else(|| head.strip_prefix(b"VALKEY"));
    digits.is_some_and(|digits| digits.len() >= 3 && digits.iter().all(u8::is_ascii_digit))
}

impl<R: AsyncRead + Unpin> AsyncRead for RdbStream<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.ended || this.available() > 0 || buffer.remaining() == 0 {
                this.give(buffer);
                return Poll::Ready(Ok(()));
            }
            if let Some(wait) = &mut this.wait {
                let ending = ready!(wait.as_mut().poll(context));
                this.wait = None;
                this.end(ending);
                continue;
            }
            let mut bytes = [0; 32 << 10];
            let mut part = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut part))?;
            if !part.filled().is_empty() {
                this.take_in(part.filled());
            } else if let Some(mut ending) = this.ending.take() {
                // The line was written before the bytes, but comes by another way: it may still be on it.
                this.wait = Some(Box::pin(async move {
                    match ending.wait_for(|ending| *ending != Ending::Untold).await {
                        Ok(told) => *told,
                        Err(_) => Ending::Untold,
                    }
                }));
            } else {
                this.ended = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn snapshot(bytes: usize) -> Vec<u8> {
        let mut snapshot = b"REDIS0010".to_vec();
        snapshot.extend((0..bytes).map(|n| (n % 251) as u8));
        snapshot.push(RDB_OPCODE_EOF);
        snapshot.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        snapshot
    }

    async fn pass(sent: Vec<u8>, ending: Ending, told_after: bool) -> (Vec<u8>, Seen) {
        let (tell, told) = watch::channel(Ending::Untold);
        let seen = Arc::<Mutex<Seen>>::default();
        let (reader, mut writer) = tokio::io::duplex(1000);
        let mut stream = RdbStream::new(reader, told, Arc::clone(&seen));
        let write = async move {
            if !told_after {
                tell.send_replace(ending);
            }
            writer.write_all(&sent).await.expect("write");
            drop(writer);
            tokio::task::yield_now().await;
            if told_after {
                tell.send_replace(ending);
            }
        };
        let mut passed = Vec::new();
        let (_, read) = tokio::join!(write, stream.read_to_end(&mut passed));
        read.expect("read");
        let seen = *seen.lock().expect("lock");
        (passed, seen)
    }

    #[tokio::test]
    async fn a_marker_is_stripped_and_a_snapshot_of_told_length_is_not() {
        for size in [0, 20, 40, 49, 1000, 70_000, 200_000] {
            let snapshot = snapshot(size);
            let whole = Seen { bytes: snapshot.len() as u64, has_magic: true, has_end: true };
            let mut marked = snapshot.clone();
            marked.extend([b'f'; MARKER_BYTES]);
            for told_after in [false, true] {
                let length = Ending::Length(snapshot.len() as u64);
                assert_eq!(pass(snapshot.clone(), length, told_after).await, (snapshot.clone(), whole));
                assert_eq!(pass(marked.clone(), Ending::Marker, told_after).await, (snapshot.clone(), whole));
            }
        }
    }

    #[tokio::test]
    async fn f02_what_is_cut_or_no_snapshot_is_noticed() {
        let mut cut = snapshot(5000);
        cut.truncate(3000);
        assert!(!pass(cut, Ending::Length(5018), false).await.1.has_end);
        let (_, seen) = pass(b"-ERR nothing here".to_vec(), Ending::Untold, false).await;
        assert!(!seen.has_magic && !seen.has_end);
        assert_eq!(pass(Vec::new(), Ending::Untold, false).await, (Vec::new(), Seen::default()));
        assert!(has_magic(b"VALKEY080") && has_magic(b"REDIS0011") && !has_magic(b"REDIS") && !has_magic(b"PGDMP0000"));
    }

    #[test]
    fn the_tool_tells_how_a_transfer_ends() {
        let marker = "SYNC sent to master, writing bytes of bulk transfer until EOF marker to '-'";
        assert_eq!(Ending::of_line(marker), Some(Ending::Marker));
        assert_eq!(Ending::of_line("SYNC sent to master, writing 172 bytes to '-'"), Some(Ending::Length(172)));
        let valkey = "SYNC sent to primary, writing bytes of bulk transfer until EOF marker to '-'";
        assert_eq!(Ending::of_line(valkey), Some(Ending::Marker));
        assert_eq!(Ending::of_line("sending REPLCONF capa eof"), None);
    }
}
