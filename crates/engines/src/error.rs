//! What can go wrong with an engine, each with its code of the registry.

use domain::{ErrorCode, JobError};

/// An engine's operation that failed. `Display` tells the operation and what to do; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A refusal or failure whose code and sentence are already known.
    #[error("{}", .0.detail)]
    Known(JobError),
    /// A child process failed.
    #[error("{operation} failed: {source}")]
    Process {
        operation: &'static str,
        #[source]
        source: process::ProcessError,
    },
    /// A file could not be read or written.
    #[error("{operation} failed at {path}: {source}")]
    File {
        operation: &'static str,
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It was asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl EngineError {
    /// A failure with a code of the registry.
    pub fn known(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Known(JobError::new(code, detail))
    }
}
