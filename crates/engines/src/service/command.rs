//! Runs the argument lists of a service.
//!
//! A start command that leaves a server behind may leave it its own output too. Nobody waits for the end of that output:
//! what counts is the command's own end (process crate: at most two seconds later the pipe is closed).

use std::sync::Arc;
use std::time::Duration;

use domain::{ErrorCode, LogLevel};
use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use super::ServiceContext;
use crate::EngineError;

/// Runs a command to its end; its lines go to the job's log.
pub(super) async fn run(
    operation: &'static str,
    arguments: &[String],
    limit: Duration,
    context: &ServiceContext,
) -> Result<(), EngineError> {
    let program = arguments.first().map(String::as_str).unwrap_or_default();
    let exit = finish(arguments, limit, context).await.and_then(|exit| exit.success_or_error(program));
    exit.map(drop).map_err(|source| failed(operation, source))
}

/// Whether a command exits with 0.
pub(super) async fn succeeds(
    arguments: &[String],
    limit: Duration,
    context: &ServiceContext,
) -> Result<bool, EngineError> {
    let exit = finish(arguments, limit, context).await;
    exit.map(|exit| exit.status.success()).map_err(|source| failed("asking for the server's state", source))
}

async fn finish(
    arguments: &[String],
    limit: Duration,
    context: &ServiceContext,
) -> Result<process::Exit, ProcessError> {
    let mut arguments = arguments.iter();
    let program = arguments.next().cloned().unwrap_or_default();
    let log = Arc::clone(&context.log);
    let command = Command::new(program)
        .args(arguments)
        .time_limit(limit)
        .leaves_processes()
        .on_line(move |_, line| log(LogLevel::Tool, line));
    command.spawn()?.wait(&CancellationToken::new()).await
}

/// Every failure here is the service's: the code says so, the text says why.
fn failed(operation: &'static str, source: ProcessError) -> EngineError {
    let error = EngineError::process(operation, source).to_job_error();
    let code = if error.code == ErrorCode::MissingTool { error.code } else { ErrorCode::ServiceControlFailed };
    EngineError::known(code, format!("{}\nTry the service's command by hand on the worker's machine.", error.detail))
}
