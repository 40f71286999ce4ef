//! Long-lived servers: those of datastores that we start ourselves, and private ones on staged copies. Unlike a tool, a
//! server writes to a log file of its own, is stopped by a signal that it knows, and may outlive its owner.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::time::timeout;

use crate::{Command, ProcessError, Signal, group::Group};

/// How a server lives.
#[derive(Debug, Clone)]
pub struct DaemonOptions {
    /// Stdout and stderr are appended here, as the server writes them and without redaction; created with mode 0640. A
    /// symlink is refused.
    pub log_file: PathBuf,
    /// Sent to the server when its owner dies, by the kernel, or drops its handle: the one that makes this server stop at
    /// once and cleanly. `None` lets it run on.
    pub death_signal: Option<Signal>,
}

/// A running server. Dropping the handle sends it the death signal, if it has one.
pub struct Daemon {
    program: String,
    group: Arc<Group>,
    death_signal: Option<Signal>,
}

impl Daemon {
    /// Starts a server. Of `command`, streams, limits, redaction and `on_line` have no meaning here. That it was started
    /// does not mean that it is ready: ask it, and watch [`is_running`](Self::is_running).
    ///
    /// # Errors
    /// [`ProcessError::ProgramNotFound`], [`ProcessError::Spawn`], and [`ProcessError::Io`] when the log file cannot be
    /// opened.
    pub fn start(mut command: Command, options: DaemonOptions) -> Result<Self, ProcessError> {
        let program = command.program_name();
        let failed = |source| ProcessError::Io { program: program.clone(), operation: "open the log file", source };
        let stdout = open_log(&options.log_file).map_err(failed)?;
        let stderr = stdout.try_clone().map_err(failed)?;
        let launch = command.launch(Stdio::null(), stdout.into(), stderr.into(), options.death_signal)?;
        match launch.start() {
            Ok(launched) => Ok(Self { program, group: launched.group, death_signal: options.death_signal }),
            Err(source) => Err(ProcessError::Spawn { program, source }),
        }
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.group.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.group.status().is_none()
    }

    /// Waits for its end, whoever caused it. Dropping the future changes nothing.
    pub async fn wait(&self) -> ExitStatus {
        self.group.exited().await
    }

    /// Sends `signal` to the server's first process and waits for its end, which is reached at once if it ended before.
    ///
    /// # Errors
    /// [`ProcessError::TimedOut`] when it still runs after `limit`; it is left running, for a sharper signal or
    /// [`kill`](Self::kill).
    pub async fn stop(&self, signal: Signal, limit: Duration) -> Result<ExitStatus, ProcessError> {
        self.group.signal_leader(signal);
        timeout(limit, self.group.exited()).await.map_err(|_| ProcessError::TimedOut {
            program: self.program.clone(),
            limit,
            stderr_tail: Vec::new(),
        })
    }

    /// Kills its process group at once and waits for its end.
    pub async fn kill(&self) -> ExitStatus {
        self.group.signal_all(Signal::SIGKILL);
        self.group.exited().await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(signal) = self.death_signal {
            self.group.signal_leader(signal);
        }
    }
}

fn open_log(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(libc::O_NOFOLLOW).open(path)
}
