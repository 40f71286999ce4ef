//! How a command fails: one line that says what failed and why, a hint, and the exit status.

use std::fmt;
use std::process::ExitCode;

/// Why a command ended without having done its work.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration: the person can mend it. Exit status 2.
    Configuration { what: String, hint: String },
    /// Anything else. Exit status 1.
    Other(anyhow::Error),
}

impl Failure {
    pub fn configuration(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Configuration { what: what.into(), hint: hint.into() }
    }

    /// A failure of an operation, with its causes.
    pub fn other(operation: &'static str, error: impl Into<anyhow::Error>) -> Self {
        Self::Other(error.into().context(format!("{operation} failed")))
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration { .. } => ExitCode::from(2),
            Self::Other(_) => ExitCode::FAILURE,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration { what, hint } => write!(formatter, "{what}\n  hint: {hint}"),
            Self::Other(error) => write!(formatter, "{error:#}"),
        }
    }
}
