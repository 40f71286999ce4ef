//! Unpacks a stream into a staging directory with `mbstream`, as the user that the data belongs to.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use domain::{ErrorCode, LogLevel};
use process::{Child, Command};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use super::stream_guard::{Refusal, StreamGuard};
use super::{STALL_LIMIT, layout};
use crate::driver::BASE_STREAM;
use crate::{EngineError, Staging, Unpack};

struct Unpacking {
    child: Child,
    refusal: Refusal,
    directory: PathBuf,
    cancel: CancellationToken,
}

/// Starts `mbstream`.
///
/// # Errors
/// `manifest_invalid` for a stream that no backup of MariaDB's has, `missing_tool`.
pub(super) fn start(staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
    if stream != BASE_STREAM {
        return Err(EngineError::known(
            ErrorCode::ManifestInvalid,
            format!("A backup of MariaDB has no stream {stream:?}."),
        ));
    }
    let log = Arc::clone(&staging.log);
    let command = Command::new("mbstream")
        .run_as(staging.owner)
        .args(["-x", "-C"])
        .arg(&staging.directory)
        .stdin_piped()
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| log(LogLevel::Tool, line));
    let child = command.spawn().map_err(|source| EngineError::process("unpacking with mbstream", source))?;
    Ok(Box::new(Unpacking {
        child,
        refusal: Refusal::default(),
        directory: staging.directory.clone(),
        cancel: staging.cancel.clone(),
    }))
}

#[async_trait]
impl Unpack for Unpacking {
    fn take_input(&mut self) -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        let input = self.child.stdin.take()?;
        Some(Box::new(StreamGuard::new(input, self.refusal.clone())))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        let failed = |source| EngineError::process("unpacking with mbstream", source);
        let exit = self.child.wait(&self.cancel).await.map_err(failed)?;
        if let Some(refusal) = self.refusal.told() {
            return Err(EngineError::known(ErrorCode::ObjectCorrupted, format!("Unpacking was stopped: {refusal}.")));
        }
        exit.success_or_error("mbstream").map_err(failed)?;
        let directory = self.directory;
        tokio::task::spawn_blocking(move || layout::check_unpacked(&directory))
            .await
            .unwrap_or_else(|error| Err(EngineError::known(ErrorCode::Internal, error.to_string())))
    }
}
