//! Answers the client library's first message, which the server has answered already.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Duplex, HEADER_BYTES};

pub(super) struct Greeted<S> {
    inner: S,
    /// What came of the client library's message so far; none when it was all there.
    message: Option<Vec<u8>>,
    /// What it has still to read as the answer.
    answer: Vec<u8>,
}

impl<S> Greeted<S> {
    /// `answer` is the server's, as a packet of the first messages' kind.
    pub(super) fn new(inner: S, mut answer: Vec<u8>) -> Self {
        // Answers have a type of their own.
        if let Some(kind) = answer.first_mut() {
            *kind = 4;
        }
        Self { inner, message: Some(Vec::new()), answer }
    }
}

impl<S: Duplex> AsyncRead for Greeted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.answer.is_empty() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let count = self.answer.len().min(buffer.remaining());
        let part: Vec<u8> = self.answer.drain(..count).collect();
        buffer.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl<S: Duplex> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let Some(message) = &mut self.message else {
            return Pin::new(&mut self.inner).poll_write(context, bytes);
        };
        // Its length is known with its header, and nothing follows it before the answer was read.
        message.extend_from_slice(bytes);
        if let [_, _, high, low, ..] = message.as_slice()
            && message.len() >= usize::from(u16::from_be_bytes([*high, *low])).max(HEADER_BYTES)
        {
            self.message = None;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
