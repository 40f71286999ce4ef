//! Stored streams for the engine that loads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use domain::{ErrorCode, JobError};
use engines::{EngineError, StreamSource};
use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vault::{Vault, VaultError};

use crate::chain::Link;
use crate::context::describe;

/// How much is decoded before the engine has taken it.
const AHEAD_BYTES: usize = 1 << 20;

/// The streams of a chain.
pub struct VaultSource {
    vault: Vault,
    chain: Vec<Link>,
    cancel: CancellationToken,
}

impl VaultSource {
    pub fn new(vault: Vault, chain: Vec<Link>, cancel: CancellationToken) -> Self {
        Self { vault, chain, cancel }
    }
}

#[async_trait]
impl StreamSource for VaultSource {
    async fn open(&self, link: usize, stream: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, EngineError> {
        let Some(Link { folder, manifest, .. }) = self.chain.get(link).cloned() else {
            return Err(EngineError::Known(JobError::new(ErrorCode::Internal, "There is no such link in the chain.")));
        };
        let (vault, stream, cancel) = (self.vault.clone(), stream.to_owned(), self.cancel.clone());
        let (output, mut input) = tokio::io::duplex(AHEAD_BYTES);
        let copying = tokio::spawn(async move {
            vault.copy_stream_into(&folder, &manifest, &stream, &mut input, &|_| {}, &cancel).await
        });
        Ok(Box::new(Decoded { output, copying: Some(copying) }))
    }
}

/// A decoded stream that ends well only when all of it was what the manifest says.
struct Decoded {
    output: DuplexStream,
    copying: Option<JoinHandle<Result<(), VaultError>>>,
}

impl AsyncRead for Decoded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(context, buffer))?;
        if buffer.filled().len() > before || buffer.capacity() == before {
            return Poll::Ready(Ok(()));
        }
        let Some(copying) = &mut self.copying else { return Poll::Ready(Ok(())) };
        let copied = ready!(Pin::new(copying).poll(context));
        self.copying = None;
        Poll::Ready(match copied {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(io::Error::other(describe(&error))),
            Err(error) => Err(io::Error::other(error)),
        })
    }
}

impl Drop for Decoded {
    fn drop(&mut self) {
        if let Some(copying) = &self.copying {
            copying.abort();
        }
    }
}
