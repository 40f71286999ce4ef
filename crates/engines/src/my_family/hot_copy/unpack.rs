//! Unpacks a stream into a staging directory with the tool's own program, as the user that the data belongs to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use domain::{ErrorCode, LogLevel};
use process::{Child, Command};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use super::stream_guard::{Refusal, StreamGuard};
use super::{STALL_LIMIT, Tool};
use crate::driver::BASE_STREAM;
use crate::{EngineError, Staging, Unpack};

struct Unpacking {
    tool: &'static Tool,
    child: Child,
    refusal: Refusal,
    directory: PathBuf,
    cancel: CancellationToken,
}

/// Starts the program.
///
/// # Errors
/// `manifest_invalid` for a stream that no such backup has, `missing_tool`.
pub(crate) fn start(tool: &'static Tool, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
    if stream != BASE_STREAM {
        return Err(EngineError::known(
            ErrorCode::ManifestInvalid,
            format!("A backup of {} has no stream {stream:?}.", tool.engine),
        ));
    }
    let log = Arc::clone(&staging.log);
    let command = Command::new(tool.unpacker)
        .run_as(staging.owner)
        .args(["-x", "-C"])
        .arg(&staging.directory)
        .stdin_piped()
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| log(LogLevel::Tool, line));
    let child = command.spawn().map_err(|source| EngineError::process("unpacking", source))?;
    Ok(Box::new(Unpacking {
        tool,
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
        let failed = |source| EngineError::process("unpacking", source);
        let exit = self.child.wait(&self.cancel).await.map_err(failed)?;
        if let Some(refusal) = self.refusal.told() {
            return Err(EngineError::known(ErrorCode::ObjectCorrupted, format!("Unpacking was stopped: {refusal}.")));
        }
        exit.success_or_error(self.tool.unpacker).map_err(failed)?;
        let directory = self.directory;
        tokio::task::spawn_blocking(move || check_unpacked(&directory))
            .await
            .unwrap_or_else(|error| Err(EngineError::known(ErrorCode::Internal, error.to_string())))
    }
}

/// Refuses anything that the tool's program has no reason to make. // F-83
///
/// # Errors
/// `object_corrupted`, naming the file.
fn check_unpacked(directory: &Path) -> Result<(), EngineError> {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let failed = EngineError::file("looking through what was unpacked", &directory);
        let entries: Vec<_> = fs::read_dir(&directory).and_then(Iterator::collect).map_err(failed)?;
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(EngineError::file("looking at an unpacked file", &path))?;
            if kind.is_dir() {
                directories.push(path);
            } else if !kind.is_file() {
                return Err(EngineError::known(
                    ErrorCode::ObjectCorrupted,
                    format!("The backup holds {}, which is neither file nor directory.", path.display()),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f83_links_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("shop")).expect("make");
        fs::write(directory.path().join("shop/t.ibd"), "rows").expect("write");
        check_unpacked(directory.path()).expect("plain files");
        std::os::unix::fs::symlink("/etc", directory.path().join("shop/evil")).expect("link");
        assert_eq!(check_unpacked(directory.path()).expect_err("a link").code(), ErrorCode::ObjectCorrupted);
    }
}
