//! Writes a snapshot's stream into the staging directory.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::PathBuf;

use async_trait::async_trait;
use domain::{Engine, ErrorCode};
use process::Credentials;
use tokio::io::AsyncWrite;

use super::STREAM;
use super::layout::Layout;
use crate::{EngineError, Staging, Unpack};

/// What Redis gives its own snapshots, where the live server has none.
const USUAL_MODE: u32 = 0o640;

struct Unpacking {
    path: PathBuf,
    file: File,
    input: Option<tokio::fs::File>,
}

/// Makes the file.
///
/// # Errors
/// `manifest_invalid` for a stream that no backup of this engine's has; a file that can't be made.
pub(super) async fn start(engine: Engine, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
    if stream != STREAM.name {
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
    let input = tokio::fs::File::from_std(file.try_clone().map_err(failed)?);
    Ok(Box::new(Unpacking { path, file, input: Some(input) }))
}

/// Owner and mode, whatever the process's mask is.
pub(super) fn give(file: &File, owner: Credentials, mode: u32) -> std::io::Result<()> {
    if owner != Credentials::current() {
        fchown(file, Some(owner.uid), Some(owner.gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode))
}

#[async_trait]
impl Unpack for Unpacking {
    fn take_input(&mut self) -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        let input = self.input.take()?;
        Some(Box::new(input))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        self.input = None;
        let failed = EngineError::file("writing the snapshot", &self.path);
        let file = self.file;
        tokio::task::spawn_blocking(move || file.sync_all())
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(failed)
    }
}
