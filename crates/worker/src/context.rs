//! What every job is given while it runs.

use std::path::PathBuf;

use domain::{ErrorCode, JobError};
use engines::{Driver, EngineError};
use tokio_util::sync::CancellationToken;

use crate::job_log::JobLog;
use crate::lease::Lease;
use crate::progress::ProgressTracker;

/// What every job is given while it runs.
pub struct JobContext {
    pub attempt: i32,
    pub lease: Lease,
    pub log: JobLog,
    pub progress: ProgressTracker,
    /// Cancelled when the work is to stop.
    pub stop: CancellationToken,
    /// The worker's own directory.
    pub state_directory: PathBuf,
}

/// Why a job did not complete.
#[derive(Debug)]
pub enum JobFailure {
    /// It was stopped; the lease knows why.
    Stopped,
    Failed(JobError),
}

impl From<JobError> for JobFailure {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

impl From<EngineError> for JobFailure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled => Self::Stopped,
            error => Self::Failed(error.to_job_error()),
        }
    }
}

impl From<vault::VaultError> for JobFailure {
    fn from(error: vault::VaultError) -> Self {
        match error {
            vault::VaultError::Cancelled => Self::Stopped,
            error => Self::Failed(JobError::new(error.code(), describe(&error))),
        }
    }
}

/// An error with its causes, for people.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The module for an engine.
///
/// # Errors
/// `unsupported_engine` where there is none.
pub fn driver_of(engine: domain::Engine) -> Result<&'static dyn Driver, JobError> {
    engines::driver_for(engine)
        .ok_or_else(|| JobError::new(ErrorCode::UnsupportedEngine, format!("{} is not supported yet.", engine.title())))
}
