//! Streams that end badly: on the tool's side, on ours, or because somebody cancelled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use domain::ErrorCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::{Local, SMALL, data, folder, store, write};
use crate::VaultError;

/// Gives some bytes and then fails, or never ends.
struct Tool {
    bytes: usize,
    then: Then,
}

enum Then {
    Fail,
    Hang,
    Cancel(CancellationToken),
}

impl AsyncRead for Tool {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.bytes == 0 {
            return match &self.then {
                Then::Fail => Poll::Ready(Err(io::Error::other("the tool broke"))),
                Then::Hang => Poll::Pending,
                Then::Cancel(token) => {
                    token.cancel();
                    Poll::Pending
                }
            };
        }
        let count = buffer.remaining().min(self.bytes);
        buffer.put_slice(&data(count as u64, count));
        self.bytes -= count;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn an_empty_stream_is_no_backup() {
    let local = Local::new();
    let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
    let error = write(&mut writer, "base", b"").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BackupIncomplete);
    writer.abort().await;
    assert!(local.tree().is_empty());
}

#[tokio::test]
async fn f02_a_failing_source_is_told_apart_and_leaves_nothing() {
    for bytes in [0, 1, 250_000, 20_000_000] {
        let local = Local::new();
        let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
        let tool = Tool { bytes, then: Then::Fail };
        let error = writer.write_stream("base", "tar", tool, &|_| {}, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(&error, VaultError::Source { source, .. } if source.to_string() == "the tool broke"));
        assert!(writer.streams().is_empty());
        writer.abort().await;
        assert!(local.tree().is_empty(), "{:?}", local.tree());
    }
}

#[tokio::test]
async fn f04_a_cancelled_stream_ends_and_leaves_nothing() {
    for bytes in [0, 1, 250_000, 20_000_000] {
        let local = Local::new();
        let cancel = CancellationToken::new();
        let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
        let tool = Tool { bytes, then: Then::Cancel(cancel.clone()) };
        let error = writer.write_stream("base", "tar", tool, &|_| {}, &cancel).await.unwrap_err();
        assert!(matches!(error, VaultError::Cancelled), "{error:?}");
        writer.abort().await;
        assert!(local.tree().is_empty(), "{:?}", local.tree());
    }
}

#[tokio::test]
async fn f04_a_dropped_stream_leaves_nothing_after_the_abort() {
    let local = Local::new();
    let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
    let (cancel, written) = (CancellationToken::new(), CancellationToken::new());
    let on_progress = |progress: crate::WriteProgress| {
        if progress.stored_bytes > 0 {
            written.cancel();
        }
    };
    tokio::select! {
        _ = writer.write_stream("base", "tar", Tool { bytes: 1_500_000, then: Then::Hang }, &on_progress, &cancel) => unreachable!(),
        () = written.cancelled() => {}
    }
    assert!(!local.tree().is_empty());
    writer.abort().await;
    // The storage's client removes an upload's temporary file in the background.
    let gone = async {
        while !local.tree().is_empty() {
            tokio::task::yield_now().await;
            local.vault.remove_empty_folders(&folder(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), gone).await.unwrap();
}

#[tokio::test]
async fn hostile_and_repeated_stream_names_are_refused() {
    let local = Local::new();
    let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
    for name in ["../base", "", "a/b", ".x", "a b"] {
        assert!(matches!(write(&mut writer, name, b"x").await, Err(VaultError::InvalidName { .. })), "{name:?}");
    }
    write(&mut writer, "base", b"x").await.unwrap();
    assert!(matches!(write(&mut writer, "base", b"x").await, Err(VaultError::InvalidName { .. })));
}

/// Takes some bytes and then fails or hangs.
struct Sink {
    room: usize,
    then: Then,
}

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.room == 0 {
            return match &self.then {
                Then::Fail => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Then::Hang => Poll::Pending,
                Then::Cancel(token) => {
                    token.cancel();
                    Poll::Pending
                }
            };
        }
        let count = bytes.len().min(self.room);
        self.room -= count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_sink_that_fails_or_hangs_is_not_the_storages_fault() {
    let local = Local::new();
    let manifest = store(&local.vault, 1, 1, &data(1, 10_000_000)).await.unwrap();
    for room in [0, 1, 700_000] {
        let cancel = CancellationToken::new();
        let mut sink = Sink { room, then: Then::Fail };
        let copied = local.vault.copy_stream_into(&folder(1), &manifest, "base", &mut sink, &|_| {}, &cancel).await;
        assert!(matches!(copied, Err(VaultError::Sink { .. })), "{copied:?}");

        let mut sink = Sink { room, then: Then::Cancel(cancel.clone()) };
        let copied = local.vault.copy_stream_into(&folder(1), &manifest, "base", &mut sink, &|_| {}, &cancel).await;
        assert!(matches!(copied, Err(VaultError::Cancelled)), "{copied:?}");
    }
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let verified = local.vault.verify(&folder(1), &manifest, |_| {}, &cancelled).await;
    assert!(matches!(verified, Err(VaultError::Cancelled)));
}

#[tokio::test]
async fn progress_of_a_restore_counts_what_the_sink_took() {
    let local = Local::new();
    let bytes = data(1, 3_000_000);
    let manifest = store(&local.vault, 1, 1, &bytes).await.unwrap();
    let (mut near, mut far) = tokio::io::duplex(1000);
    let seen = std::sync::Mutex::new(Vec::new());
    let on_progress = |bytes| seen.lock().unwrap().push(bytes);
    let cancel = CancellationToken::new();
    let mut received = Vec::new();
    let name = folder(1);
    let copying = async {
        let copied = local.vault.copy_stream_into(&name, &manifest, "base", &mut near, &on_progress, &cancel).await;
        drop(near);
        copied
    };
    let (copied, read) = tokio::join!(copying, far.read_to_end(&mut received));
    copied.unwrap();
    read.unwrap();
    assert!(received == bytes);
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&3_000_000));

    let error =
        local.vault.copy_stream_into(&name, &manifest, "other", &mut received, &|_| {}, &cancel).await.unwrap_err();
    assert!(matches!(error, VaultError::UnknownStream { .. }));
}
