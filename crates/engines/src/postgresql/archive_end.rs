//! Watches a tar stream pass by, to know at its end whether it has one: two blocks of zeros (POSIX, "ustar Interchange
//! Format"). A stream that was cut off reads like any other up to where it stops. // F-02

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::member_copy::MemberCopy;

pub(super) const BLOCK_BYTES: u64 = 512;

/// What was seen of a stream so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub bytes: u64,
    /// How many zero bytes the stream ends with.
    zeros: u64,
    /// Whether the reader came to its end.
    ended: bool,
}

impl Seen {
    /// Whether a whole archive was read.
    pub(super) fn is_whole_archive(&self) -> bool {
        self.ended && self.bytes.is_multiple_of(BLOCK_BYTES) && self.zeros >= 2 * BLOCK_BYTES
    }

    fn pass(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        self.bytes += length;
        let trailing = bytes.iter().rev().take_while(|byte| **byte == 0).count() as u64;
        self.zeros = if trailing == length { self.zeros + length } else { trailing };
    }
}

/// A reader that notes what passes, and keeps a copy of one member where that is wanted.
pub(super) struct ArchiveReader<R> {
    inner: R,
    seen: Arc<Mutex<Seen>>,
    copy: Option<Arc<Mutex<MemberCopy>>>,
}

impl<R> ArchiveReader<R> {
    pub(super) fn new(inner: R, seen: Arc<Mutex<Seen>>, copy: Option<Arc<Mutex<MemberCopy>>>) -> Self {
        Self { inner, seen, copy }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ArchiveReader<R> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let had_room = buffer.remaining() > 0;
        let result = Pin::new(&mut this.inner).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = result {
            let new = buffer.filled().get(before..).unwrap_or_default();
            let mut seen = this.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if new.is_empty() {
                seen.ended |= had_room;
            } else {
                seen.pass(new);
                if let Some(copy) = &this.copy {
                    copy.lock().unwrap_or_else(PoisonError::into_inner).pass(new);
                }
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn whole(bytes: &[u8]) -> bool {
        let seen = Arc::default();
        let mut reader = ArchiveReader::new(bytes, Arc::clone(&seen), None);
        let mut buffer = [0; 100];
        while reader.read(&mut buffer).await.unwrap() > 0 {
            assert!(!seen.lock().unwrap().is_whole_archive(), "only the end tells");
        }
        let seen = *seen.lock().unwrap();
        assert_eq!(seen.bytes, bytes.len() as u64);
        seen.is_whole_archive()
    }

    #[tokio::test]
    async fn f02_only_two_empty_blocks_end_an_archive() {
        let mut archive = vec![b'x'; 1024];
        archive.extend([0; 1024]);
        assert!(whole(&archive).await);
        assert!(!whole(&archive[..archive.len() - 1]).await);
        assert!(!whole(&archive[..archive.len() - 512]).await);
        assert!(!whole(&archive[..1024]).await);
        assert!(!whole(b"").await);
    }
}
