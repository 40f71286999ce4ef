//! Tools that take a backup on their standard input.

use domain::ErrorCode;
use process::Command;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::EngineError;

const COPY_BYTES: usize = 256 << 10;

/// Runs a tool on an input and gives the input's size. `what` is the operation, for people.
///
/// # Errors
/// What the tool failed with; `engine_tool_failed` too when it ended well before its input did.
pub(crate) async fn feed(
    command: Command,
    mut input: impl AsyncRead + Unpin,
    what: &'static str,
    on_bytes: &(dyn Fn(u64) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<u64, EngineError> {
    let mut child = command.stdin_piped().spawn().map_err(|source| EngineError::process(what, source))?;
    let Some(mut pipe) = child.stdin.take() else {
        return Err(EngineError::known(ErrorCode::Internal, "The tool takes no input."));
    };
    let copy = async {
        let (mut buffer, mut copied) = (vec![0; COPY_BYTES], 0u64);
        loop {
            let count = input.read(&mut buffer).await.map_err(Unfed::Source)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            pipe.write_all(bytes).await.map_err(|_| Unfed::ToolEnded)?;
            copied += u64::try_from(count).unwrap_or(0);
            on_bytes(copied);
        }
        pipe.shutdown().await.map_err(|_| Unfed::ToolEnded)?;
        Ok::<_, Unfed>(copied)
    };
    let copied = cancel.run_until_cancelled(copy).await;
    if let Some(Err(Unfed::Source(source))) = copied {
        child.kill().await;
        return Err(EngineError::file("reading the backup", "its stream")(source));
    }
    drop(pipe);
    let exit = child.wait(cancel).await.and_then(|exit| exit.success_or_error(what));
    exit.map_err(|source| EngineError::process(what, source))?;
    match copied {
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(_)) => Err(EngineError::known(ErrorCode::EngineToolFailed, "The tool ended before its input did.")),
        None => Err(EngineError::Cancelled),
    }
}

/// Why an input did not get through.
enum Unfed {
    Source(std::io::Error),
    /// It knows why.
    ToolEnded,
}
