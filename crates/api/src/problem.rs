//! Every error answer of the service: RFC 9457 problem details with a code of the registry. Whatever went wrong inside
//! is logged here once, with its whole chain, and never shown to the caller.

use std::error::Error as StdError;
use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use domain::{ErrorCode, FieldError, Job, Problem};

use crate::request_context;

/// The media type of problem details.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// How long a client should wait before it tries again when the service itself is in trouble, in seconds.
const RETRY_AFTER_SECONDS: u64 = 2;

/// What a handler answers instead of its result.
#[derive(Debug)]
pub(crate) struct ApiProblem {
    code: ErrorCode,
    detail: String,
    errors: Vec<FieldError>,
    allow: Option<String>,
    retry_after_seconds: Option<u64>,
}

impl ApiProblem {
    /// A problem of the registry; `detail` tells what happened this time and what to do.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), allow: None, retry_after_seconds: None }
    }

    /// Bad fields.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{} {}", only.pointer.trim_start_matches('/'), only.detail).trim().to_owned(),
            several => format!("{} fields are wrong; see errors.", several.len()),
        };
        Self { errors, ..Self::new(ErrorCode::ValidationFailed, detail) }
    }

    /// One bad field.
    pub(crate) fn invalid_field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(pointer, detail)])
    }

    /// Points a problem at a field of the request's body.
    pub(crate) fn at(mut self, pointer: &str) -> Self {
        self.errors.push(FieldError::new(pointer, self.detail.clone()));
        self
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("There is no such {what}."))
    }

    /// The path exists, but not with this method.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("This address takes {allow}.");
        Self { allow: Some(allow), ..Self::new(ErrorCode::MethodNotAllowed, detail) }
    }

    /// Too much at once; it may be tried again after so many seconds.
    pub(crate) fn too_many_requests(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(ErrorCode::TooManyRequests, detail) }
    }

    /// Another job changes the datastore.
    pub(crate) fn busy(job: &Job) -> Self {
        let what = match job.backup_number {
            Some(number) => format!("{} of backup {number}", job.kind),
            None => job.kind.to_string(),
        };
        Self::new(
            ErrorCode::DatastoreBusy,
            format!("The {what} is {} (job {}). Wait for it, or cancel it.", job.status, job.id),
        )
    }

    /// Something broke inside. The chain goes to the log, under the request's id.
    pub(crate) fn internal(error: &(dyn StdError + 'static)) -> Self {
        tracing::error!(request_id = request_context::id(), error = %Chain(error), "request failed");
        Self::new(ErrorCode::Internal, "Something broke inside Holdfast. The log tells more under the request's id.")
    }

    /// Its code.
    pub(crate) const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The fields that it names.
    #[cfg(test)]
    pub(crate) fn pointers(&self) -> Vec<&str> {
        self.errors.iter().map(|error| error.pointer.as_str()).collect()
    }

    /// The problem that stands for an answer of the framework itself.
    pub(crate) fn from_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => (ErrorCode::NotFound, "There is nothing at this address."),
            StatusCode::METHOD_NOT_ALLOWED => (ErrorCode::MethodNotAllowed, "This address does not take this method."),
            StatusCode::REQUEST_TIMEOUT => (ErrorCode::RequestTimeout, "The request did not arrive in time."),
            StatusCode::PAYLOAD_TOO_LARGE => (ErrorCode::PayloadTooLarge, "The body is larger than allowed."),
            status if status.is_client_error() => (ErrorCode::MalformedBody, "The request can't be read."),
            _ => (ErrorCode::Internal, "Something broke inside Holdfast."),
        };
        Self::new(code, detail)
    }
}

impl fmt::Display for ApiProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.detail)
    }
}

impl StdError for ApiProblem {}

impl ResponseError for ApiProblem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let body = Problem {
            kind: format!("/docs/errors#{}", self.code),
            title: self.code.title().to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: request_context::instance(),
            code: self.code,
            errors: self.errors.clone(),
            request_id: request_context::id(),
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        match status {
            // RFC 6750, section 3: the scheme that is expected.
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            // What comes late would be taken for the next request. // F-92
            StatusCode::REQUEST_TIMEOUT => {
                response.force_close();
            }
            // F-20
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        response.body(serde_json::to_string(&body).unwrap_or_default())
    }
}

/// An error with everything that caused it, in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(formatter, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
