//! Unpacks a tar stream into a staging directory, and nowhere else. // F-83
//!
//! Three walls: GNU tar itself strips leading slashes, refuses names with `..` and creates dangerous symbolic links last;
//! it runs as the owner of the data, who can make no device nodes; and what came out is walked before anybody uses it:
//! regular files with one name each and directories are all that a data directory consists of.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{ErrorCode, LogLevel};
use process::{Child, ChildStdin, Command};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use crate::{EngineError, Staging, Unpack};

/// How long tar may take to write what it was given. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(600);

/// A running tar.
pub(crate) struct TarUnpack {
    child: Child,
    input: Option<ChildStdin>,
    directory: PathBuf,
    cancel: CancellationToken,
}

impl TarUnpack {
    /// Starts tar as the staging directory's owner.
    pub(crate) fn start(staging: &Staging) -> Result<Self, EngineError> {
        let log = Arc::clone(&staging.log);
        let mut child = Command::new("tar")
            .args(["--extract", "--file=-", "--no-same-owner", "--preserve-permissions", "--keep-old-files"])
            .args(["--numeric-owner", "--no-acls", "--no-selinux", "--no-xattrs"])
            .arg("--directory")
            .arg(&staging.directory)
            .run_as(staging.owner)
            .stdin_piped()
            .stall_limit(STALL_LIMIT)
            .on_line(move |_, line| log(LogLevel::Tool, line))
            .spawn()
            .map_err(|source| EngineError::process("unpacking", source))?;
        let input = child.stdin.take();
        Ok(Self { child, input, directory: staging.directory.clone(), cancel: staging.cancel.clone() })
    }
}

#[async_trait]
impl Unpack for TarUnpack {
    fn take_input(&mut self) -> Option<Box<dyn AsyncWrite + Send + Unpin>> {
        self.input.take().map(|input| Box::new(input) as _)
    }

    async fn finish(mut self: Box<Self>) -> Result<(), EngineError> {
        drop(self.input.take());
        let failed = |source| EngineError::process("unpacking", source);
        self.child.wait(&self.cancel).await.map_err(failed)?.success_or_error("tar").map_err(failed)?;
        let directory = self.directory.clone();
        let walked = tokio::task::spawn_blocking(move || refuse_odd_entries(&directory)).await;
        walked.map_err(|_| EngineError::known(ErrorCode::Internal, "Looking at the unpacked files failed."))?
    }
}

/// Refuses everything but directories and regular files with one name.
fn refuse_odd_entries(directory: &Path) -> Result<(), EngineError> {
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let failed = || EngineError::file("looking at the unpacked files", &directory);
        for entry in fs::read_dir(&directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            // Of the entry itself, never of what a link points to.
            let metadata = entry.metadata().map_err(failed())?;
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if !metadata.is_file() || metadata.nlink() != 1 {
                return Err(EngineError::known(
                    ErrorCode::ObjectCorrupted,
                    format!("The backup holds {}, which is no plain file or directory.", entry.path().display()),
                ));
            }
        }
    }
    Ok(())
}
