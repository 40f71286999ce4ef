//! Why a request gave no result, in the form in which people read it.

use client::ClientError;
use domain::{ErrorCode, FieldError};

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
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => Self {
                help: Some(problem.code.help()),
                title: problem.title,
                detail: problem.detail,
                code: Some(problem.code),
                request_id: problem.request_id,
                errors: problem.errors,
            },
            ClientError::Unreachable { .. } => Self {
                title: "Holdfast is not answering".into(),
                detail: "The service can't be reached from this browser. It may be restarting.".into(),
                help: Some("Check that the service runs. This page tries again by itself."),
                code: None,
                request_id: None,
                errors: Vec::new(),
            },
            ClientError::UnexpectedAnswer { status } => Self {
                title: "An answer that can't be read".into(),
                detail: format!("The service answered {status} with something else than this page expects."),
                help: Some("Reload the page: it may be older than the service."),
                code: None,
                request_id: None,
                errors: Vec::new(),
            },
        }
    }
}
