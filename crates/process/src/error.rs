//! What can go wrong with a child process. Messages name the program and never its arguments, which may name files
//! and hosts, nor its environment, which may hold secrets.

use std::{io, process::ExitStatus, time::Duration};

/// Why a child process gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// No such executable in the search path.
    #[error("`{program}` was not found; install the package that contains it on the worker's machine")]
    ProgramNotFound {
        /// As the caller named it.
        program: String,
    },
    /// The process could not be started.
    #[error("could not start `{program}`")]
    Spawn {
        /// As the caller named it.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// It ran to its end and reported failure.
    #[error("`{program}` failed with {status}; its last messages tell why")]
    Exit {
        /// As the caller named it.
        program: String,
        /// Exit code or the signal that ended it.
        status: ExitStatus,
        /// Its last lines, redacted.
        stderr_tail: Vec<String>,
    },
    /// No byte moved on any of its streams for the whole limit, although nothing but the program could move one (F-03).
    #[error("`{program}` made no progress for {} s and was stopped", limit.as_secs_f32())]
    Stalled {
        /// As the caller named it.
        program: String,
        /// The limit that passed.
        limit: Duration,
        /// Its last lines, redacted.
        stderr_tail: Vec<String>,
    },
    /// It ran, or took to stop, longer than allowed.
    #[error("`{program}` did not end within {} s", limit.as_secs_f32())]
    TimedOut {
        /// As the caller named it.
        program: String,
        /// The limit that passed.
        limit: Duration,
        /// Its last lines, redacted.
        stderr_tail: Vec<String>,
    },
    /// It was stopped because the caller asked.
    #[error("`{program}` was cancelled")]
    Cancelled {
        /// As the caller named it.
        program: String,
    },
    /// Talking to it failed.
    #[error("could not {operation} of `{program}`")]
    Io {
        /// As the caller named it.
        program: String,
        /// What was tried, to be read before "of".
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl ProcessError {
    /// The program's name, as the caller gave it.
    pub fn program(&self) -> &str {
        match self {
            Self::ProgramNotFound { program }
            | Self::Spawn { program, .. }
            | Self::Exit { program, .. }
            | Self::Stalled { program, .. }
            | Self::TimedOut { program, .. }
            | Self::Cancelled { program }
            | Self::Io { program, .. } => program,
        }
    }

    /// The last lines that the program wrote before it failed, redacted; empty where it did not run.
    pub fn stderr_tail(&self) -> &[String] {
        match self {
            Self::Exit { stderr_tail, .. } | Self::Stalled { stderr_tail, .. } | Self::TimedOut { stderr_tail, .. } => {
                stderr_tail
            }
            _ => &[],
        }
    }
}
