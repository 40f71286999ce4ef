//! Carries a handshake in messages, and what follows it as it is.

use std::io::{Error, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{HEADER_BYTES, packet};

/// How much of a flight goes into one message.
const CONTENT_BYTES: usize = 4000;

pub(super) struct Handshaking<S> {
    inner: S,
    is_finished: bool,
    /// What was written and not sent yet, without and with its header.
    written: Vec<u8>,
    sending: Vec<u8>,
    /// The header that is being read, and how much of its message is left.
    header: Vec<u8>,
    left: usize,
}

impl<S> Handshaking<S> {
    pub(super) const fn new(inner: S) -> Self {
        Self { inner, is_finished: false, written: Vec::new(), sending: Vec::new(), header: Vec::new(), left: 0 }
    }

    /// The handshake is over.
    pub(super) fn finish(&mut self) {
        self.is_finished = true;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshaking<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.sending.is_empty() {
                if self.written.is_empty() {
                    return Pin::new(&mut self.inner).poll_flush(context);
                }
                let rest = self.written.split_off(self.written.len().min(CONTENT_BYTES));
                self.sending = packet(&std::mem::replace(&mut self.written, rest))?;
            }
            let sent = ready!(Pin::new(&mut self.inner).poll_write(context, &self.sending))?;
            if sent == 0 {
                return Poll::Ready(Err(Error::from(std::io::ErrorKind::WriteZero)));
            }
            self.sending.drain(..sent.min(self.sending.len()));
        }
    }

    /// Reads up to a message's content.
    fn poll_header(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while self.left == 0 {
            let mut byte = [0; 1];
            let mut buffer = ReadBuf::new(&mut byte);
            ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(Error::from(std::io::ErrorKind::UnexpectedEof)));
            }
            self.header.extend_from_slice(buffer.filled());
            if let [_, _, high, low, _, _, _, _] = self.header.as_slice() {
                self.left = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(HEADER_BYTES);
                self.header.clear();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Handshaking<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.is_finished {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        // An answer comes to what was sent.
        ready!(self.poll_send(context))?;
        ready!(self.poll_header(context))?;
        let mut content = vec![0; self.left.min(buffer.remaining())];
        let mut part = ReadBuf::new(&mut content);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        self.left = self.left.saturating_sub(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Handshaking<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if self.is_finished {
            return Pin::new(&mut self.inner).poll_write(context, bytes);
        }
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_finished { Pin::new(&mut self.inner).poll_flush(context) } else { self.poll_send(context) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
