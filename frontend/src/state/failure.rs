//! Why a request gave no result, in the form in which people read it.

use client::ClientError;
use domain::{ErrorCode, FieldError, JobError, Problem};

/// A failed request: what happened, why, and what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub title: String,
    pub detail: String,
    /// What to do about it, from the registry of error codes.
    pub help: Option<&'static str>,
    pub code: Option<ErrorCode>,
    /// The id under which the service's log knows the request.
    pub request_id: Option<String>,
    /// The fields that the service did not take.
    pub errors: Vec<FieldError>,
    /// In how many seconds the service wants to be asked again.
    pub wait_seconds: Option<u64>,
}

impl Failure {
    /// Whether the service does not know who asked.
    pub fn is_signed_out(&self) -> bool {
        self.code == Some(ErrorCode::Unauthenticated)
    }

    fn of(problem: Problem, wait_seconds: Option<u64>) -> Self {
        Self {
            help: Some(problem.code.help()),
            title: problem.title,
            detail: problem.detail,
            code: Some(problem.code),
            request_id: problem.request_id,
            errors: problem.errors,
            wait_seconds,
        }
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        Self {
            title: error.code.title().into(),
            detail: error.detail,
            help: Some(error.code.help()),
            code: Some(error.code),
            request_id: None,
            errors: Vec::new(),
            wait_seconds: None,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => Self::of(*problem, None),
            ClientError::Throttled { problem, seconds } => Self::of(*problem, Some(seconds)),
            ClientError::Unreachable { .. } => Self {
                title: "Holdfast is not answering".into(),
                detail: "The service can't be reached from this browser. It may be restarting.".into(),
                help: Some("Check that the service runs. This page tries again by itself."),
                code: None,
                request_id: None,
                errors: Vec::new(),
                wait_seconds: None,
            },
            ClientError::UnexpectedAnswer { status } => Self {
                title: "An answer that can't be read".into(),
                detail: format!("The service answered {status} with something else than this page expects."),
                help: Some("Reload the page: it may be older than the service."),
                code: None,
                request_id: None,
                errors: Vec::new(),
                wait_seconds: None,
            },
        }
    }
}
