//! `mariadb-binlog | mariadb`, `mysqlbinlog | mysql`: the log's statements, in one session that stops at its first error.

use std::sync::Arc;
use std::time::Duration;

use domain::{ErrorCode, LogLevel};
use process::{Command, ProcessError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::replay_account::Account;
use crate::logs::LogReplay;
use crate::{EngineError, Staging};

/// How long the session may take nothing. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Begins the line that the session ends with.
const COMPLETION_MARK: &str = "holdfast-replayed";
const COPY_BYTES: usize = 256 << 10;
/// As much of the session's output as is kept.
const KEPT_BYTES: usize = 64 << 10;
/// What an event may be long, in both tools and the server.
const PACKET_OPTION: &str = "--max-allowed-packet=1G";

/// What to run.
pub(crate) struct Pipe<'a> {
    /// Makes statements of the log.
    pub reader: Command,
    /// Takes them.
    pub session: Command,
    /// Comes before the log.
    pub preface: &'a str,
    /// Tells the state that the server holds: the fields of a `SELECT`.
    pub state: &'a str,
    pub account: &'a Account,
}

/// Replays, and gives what the server told of its state afterwards.
///
/// # Errors
/// `pitr_target_not_reached` unless both programs exited with 0 and the session came to its end. // F-02
pub(crate) async fn run(staging: &Staging, replay: &LogReplay, pipe: Pipe<'_>) -> Result<String, EngineError> {
    let Pipe { reader, session, preface, state, account } = pipe;
    let (reading, taking) = (Arc::clone(&staging.log), Arc::clone(&staging.log));
    let mut reader = reader
        .run_as(staging.owner)
        .stdout_piped()
        .on_line(move |_, line| reading(LogLevel::Tool, line))
        .spawn()
        .map_err(|source| EngineError::process("reading the binary log", source))?;
    let mut session = session
        .args(["--batch", "--skip-column-names", "--binary-mode", PACKET_OPTION])
        .stdin_piped()
        .stdout_piped()
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| taking(LogLevel::Tool, line))
        .spawn()
        .map_err(|source| EngineError::process("replaying the binary log", source))?;
    let (Some(output), Some(input), Some(answers)) =
        (reader.stdout.take(), session.stdin.take(), session.stdout.take())
    else {
        return Err(EngineError::known(ErrorCode::Internal, "A pipe is missing."));
    };
    let feed = async {
        let (mut output, mut input) = (output, input);
        input.write_all(preface.as_bytes()).await.map_err(drop)?;
        copy(&mut output, &mut input, replay).await?;
        drop(output);
        // Only a log that was read to its end is followed by the mark.
        let exit = reader.wait(&staging.cancel).await;
        let exit = exit.and_then(|exit| exit.success_or_error("the log's reader"));
        if exit.is_ok() {
            input.write_all(ending(account, state).as_bytes()).await.map_err(drop)?;
        }
        drop(input);
        Ok::<_, ()>(exit)
    };
    let (fed, answered) = tokio::join!(feed, last_answers(answers));
    // Where the session did not take all, the reader has nobody to write to.
    if fed.is_err() {
        reader.kill().await;
    }
    let exit = session.wait(&staging.cancel).await.and_then(|exit| exit.success_or_error("the session"));
    if staging.cancel.is_cancelled() {
        return Err(EngineError::Cancelled);
    }
    exit.map_err(|error| failure("a statement of the log failed", error))?;
    match fed {
        Ok(exit) => drop(exit.map_err(|error| failure("the log can't be read", error))?),
        Err(()) => return Err(not_reached("the session ended before the log did")),
    }
    let told = answered.lines().rev().find_map(|line| line.strip_prefix(COMPLETION_MARK)?.strip_prefix('\t'));
    told.map(str::to_owned).ok_or_else(|| not_reached("the session did not come to its end"))
}

async fn copy(from: &mut process::ChildStdout, to: &mut process::ChildStdin, replay: &LogReplay) -> Result<(), ()> {
    let (mut buffer, mut copied) = (vec![0; COPY_BYTES], 0u64);
    loop {
        let count = from.read(&mut buffer).await.map_err(drop)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        to.write_all(bytes).await.map_err(drop)?;
        copied += u64::try_from(count).unwrap_or(0);
        // Four characters of a statement carry three bytes of the log.
        (replay.progress)(copied / 4 * 3);
    }
}

/// Tells what the server holds, and takes the session's account away again.
fn ending(account: &Account, state: &str) -> String {
    format!(
        "\nDELIMITER ;\nROLLBACK;\nSET NAMES utf8mb4;\nSET SESSION sql_mode = '';\n\
         SELECT '{COMPLETION_MARK}', {state};\n\
         SET SESSION sql_log_bin = 0;\n{}\n",
        account.removal()
    )
}

async fn last_answers(mut answers: process::ChildStdout) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while let Ok(count) = answers.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn failure(what: &str, error: ProcessError) -> EngineError {
    if matches!(error, ProcessError::Cancelled { .. }) {
        return EngineError::Cancelled;
    }
    let said = error.stderr_tail().iter().rev().take(5).rev().cloned().collect::<Vec<_>>().join("\n");
    not_reached(&format!("{what}: {error}\n{said}"))
}

/// F-66
pub(crate) fn not_reached(what: &str) -> EngineError {
    EngineError::known(ErrorCode::PitrTargetNotReached, format!("The replay did not reach its stop: {what}."))
}
