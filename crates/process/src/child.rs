//! The handle of a running child. It owns the whole process group: dropping it kills the group.

use std::{
    io,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ProcessError, Signal,
    lines::Tail,
    redact::Redactor,
    streams::{ChildStdin, ChildStdout},
    watchdog::{StopReason, Watched},
};

/// How long to wait for the end of output after the child's own end. Its group is dead by then, so only a process that
/// left the group can still hold the pipe.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(2);

type Lines = JoinHandle<io::Result<Vec<u8>>>;

/// A running child and its process group. Dropping it kills the group; a thread of this crate reaps it.
pub struct Child {
    /// Present after [`Command::stdin_piped`](crate::Command::stdin_piped).
    pub stdin: Option<ChildStdin>,
    /// Present after [`Command::stdout_piped`](crate::Command::stdout_piped). Read it while [`wait`](Self::wait) runs, or
    /// before.
    pub stdout: Option<ChildStdout>,
    program: String,
    watched: Arc<Watched>,
    pub(crate) watchdog: Option<AbortHandle>,
    pub(crate) stdout_lines: Option<Lines>,
    pub(crate) stderr_lines: Option<Lines>,
    pub(crate) stdout_tail: Arc<Mutex<Tail>>,
    pub(crate) stderr_tail: Arc<Mutex<Tail>>,
    pub(crate) redactor: Arc<Redactor>,
}

/// How a child ended by itself.
#[derive(Debug, Clone)]
pub struct Exit {
    /// Exit code or the signal that ended it.
    pub status: ExitStatus,
    /// The last lines of stderr, redacted: at most 200 and 64 KiB. Of stdout, where it was not piped and nothing came on
    /// stderr: some tools complain there.
    pub stderr_tail: Vec<String>,
}

impl Exit {
    /// Turns any end but exit code 0 into [`ProcessError::Exit`].
    ///
    /// # Errors
    /// That one.
    pub fn success_or_error(self, program: &str) -> Result<Self, ProcessError> {
        if self.status.success() {
            return Ok(self);
        }
        Err(ProcessError::Exit { program: program.to_owned(), status: self.status, stderr_tail: self.stderr_tail })
    }
}

/// What a child that succeeded wrote.
#[derive(Debug, Clone)]
pub struct Output {
    /// All of stdout, redacted; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// As [`Exit::stderr_tail`].
    pub stderr_tail: Vec<String>,
    /// Always exit code 0.
    pub status: ExitStatus,
}

impl Child {
    pub(crate) fn new(program: String, watched: Arc<Watched>) -> Self {
        Self {
            stdin: None,
            stdout: None,
            program,
            watched,
            watchdog: None,
            stdout_lines: None,
            stderr_lines: None,
            stdout_tail: Arc::default(),
            stderr_tail: Arc::default(),
            redactor: Arc::default(),
        }
    }

    /// Its process id, which is also the id of its group and session.
    pub fn id(&self) -> u32 {
        self.watched.group.id()
    }

    /// Waits for its end, whatever the status. Closes `stdin` first if it is still here.
    ///
    /// When `cancel` fires, the whole group gets SIGTERM and five seconds later SIGKILL. Dropping the future leaves the
    /// child running; calling again goes on waiting.
    ///
    /// # Errors
    /// [`ProcessError::Cancelled`], [`ProcessError::Stalled`] and [`ProcessError::TimedOut`] when it was stopped.
    pub async fn wait(&mut self, cancel: &CancellationToken) -> Result<Exit, ProcessError> {
        self.finish(cancel).await.map(|(exit, _)| exit)
    }

    /// Kills the group at once and waits for the child's end. A later [`wait`](Self::wait) tells of the signal.
    pub async fn kill(&mut self) {
        if self.watched.group.status().is_none() {
            self.watched.stopped.cancel();
            self.watched.group.signal_all(Signal::SIGKILL);
        }
        self.watched.group.exited().await;
    }

    pub(crate) async fn output(mut self, cancel: &CancellationToken) -> Result<Output, ProcessError> {
        let (exit, stdout) = self.finish(cancel).await?;
        let exit = exit.success_or_error(&self.program)?;
        let stdout = stdout.map_err(|source| ProcessError::Io {
            program: self.program.clone(),
            operation: "read the output",
            source,
        })?;
        let stdout = self.redactor.redact(&stdout, usize::MAX);
        Ok(Output { stdout, stderr_tail: exit.stderr_tail, status: exit.status })
    }

    /// The end, and the collected bytes of stdout.
    async fn finish(&mut self, cancel: &CancellationToken) -> Result<(Exit, io::Result<Vec<u8>>), ProcessError> {
        drop(self.stdin.take());
        let status = tokio::select! {
            biased;
            status = self.watched.group.exited() => status,
            () = cancel.cancelled() => {
                self.watched.stop(StopReason::Cancelled).await;
                self.watched.group.exited().await
            }
        };
        let stdout = last_lines(&mut self.stdout_lines).await;
        let stderr = last_lines(&mut self.stderr_lines).await;
        // Messages that were not heard to the end are no failure of the program; a result is, and `output` says so.
        for error in [&stdout, &stderr].into_iter().filter_map(|lines| lines.as_ref().err()) {
            tracing::warn!(program = self.program, %error, "the messages of a child process are incomplete");
        }
        let stderr_tail = self.tail();
        let program = self.program.clone();
        match self.watched.reason() {
            Some(StopReason::Cancelled) => Err(ProcessError::Cancelled { program }),
            Some(StopReason::Stalled(limit)) => Err(ProcessError::Stalled { program, limit, stderr_tail }),
            Some(StopReason::TimedOut(limit)) => Err(ProcessError::TimedOut { program, limit, stderr_tail }),
            None => Ok((Exit { status, stderr_tail }, stdout)),
        }
    }

    fn tail(&self) -> Vec<String> {
        let lines = |tail: &Mutex<Tail>| tail.lock().unwrap_or_else(PoisonError::into_inner).lines();
        let stderr = lines(&self.stderr_tail);
        if stderr.is_empty() { lines(&self.stdout_tail) } else { stderr }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(watchdog) = &self.watchdog {
            watchdog.abort();
        }
        for lines in [&self.stdout_lines, &self.stderr_lines].into_iter().flatten() {
            lines.abort();
        }
        if self.watched.group.status().is_none() {
            self.watched.stopped.cancel();
            self.watched.group.signal_all(Signal::SIGKILL);
        }
    }
}

/// Waits for the end of a stream's lines; empty when they ended before.
async fn last_lines(lines: &mut Option<Lines>) -> io::Result<Vec<u8>> {
    let Some(reader) = lines else { return Ok(Vec::new()) };
    let result = match timeout(LAST_LINES_LIMIT, &mut *reader).await {
        Ok(result) => result.map_err(io::Error::other).flatten(),
        Err(_) => {
            reader.abort();
            Err(io::Error::other("another process keeps the stream open"))
        }
    };
    *lines = None;
    result
}
