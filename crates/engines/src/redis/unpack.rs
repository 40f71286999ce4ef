//! Writes a snapshot's stream into the staging directory.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use domain::{Engine, ErrorCode};
use process::Credentials;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::layout::Layout;
use crate::driver::BASE_STREAM;
use crate::{EngineError, Staging, Unpack};

/// What Redis gives its own snapshots, where the live server has none.
const USUAL_MODE: u32 = 0o640;

struct Unpacking {
    path: PathBuf,
    target: Target,
    is_taken: bool,
}

/// The file and why it could not be written, for [`Unpack::finish`]: who writes only sees that it could not.
#[derive(Clone)]
struct Target(Arc<Mutex<State>>);

struct State {
    /// Writes in the background: only a flush tells that all is written.
    file: Option<tokio::fs::File>,
    failure: Option<io::Error>,
}

impl Target {
    fn new(file: tokio::fs::File) -> Self {
        Self(Arc::new(Mutex::new(State { file: Some(file), failure: None })))
    }

    fn act<T>(&self, act: impl FnOnce(Pin<&mut tokio::fs::File>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = state.file.as_mut() else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let result = act(Pin::new(file));
        if let Poll::Ready(Err(error)) = &result {
            let same = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            state.failure.get_or_insert(same);
        }
        result
    }

    /// Everything written, on the disk.
    async fn finish(self) -> io::Result<()> {
        let (file, failure) = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (state.file.take(), state.failure.take())
        };
        if let Some(failure) = failure {
            return Err(failure);
        }
        let mut file = file.ok_or(io::ErrorKind::BrokenPipe)?;
        file.flush().await?;
        file.sync_all().await
    }
}

impl AsyncWrite for Target {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.act(|file| file.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.act(|file| file.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.act(|file| file.poll_shutdown(context))
    }
}

/// Makes the file.
///
/// # Errors
/// `manifest_invalid` for a stream that no backup of this engine's has; a file that can't be made.
pub(super) async fn start(engine: Engine, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
    if stream != BASE_STREAM {
        return Err(EngineError::known(
            ErrorCode::ManifestInvalid,
            format!("A backup of {} has no stream {stream:?}.", engine.title()),
        ));
    }
    let layout = Layout::of_staging(engine, staging).await?;
    let path = staging.directory.join(&layout.snapshot);
    let failed = |source| EngineError::file("making the snapshot's file", &path)(source);
    let mode = staging.live_directory.join(&layout.snapshot).symlink_metadata().ok();
    let mode = mode.filter(|metadata| metadata.is_file()).map_or(USUAL_MODE, |metadata| metadata.mode() & 0o777);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    give(&file, staging.owner, mode).map_err(failed)?;
    Ok(Box::new(Unpacking { path, target: Target::new(tokio::fs::File::from_std(file)), is_taken: false }))
}

/// Owner and mode, whatever the process's mask is.
pub(super) fn give(file: &File, owner: Credentials, mode: u32) -> io::Result<()> {
    if owner != Credentials::current() {
        fchown(file, Some(owner.uid), Some(owner.gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

#[async_trait]
impl Unpack for Unpacking {
    fn take_input(&mut self) -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        if std::mem::replace(&mut self.is_taken, true) {
            return None;
        }
        Some(Box::new(self.target.clone()))
    }

    async fn finish(self: Box<Self>) -> Result<(), EngineError> {
        self.target.finish().await.map_err(EngineError::file("writing the snapshot", self.path))
    }
}
