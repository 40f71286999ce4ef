//! The typed client of the JSON API: one for the web app, the worker, the command line and tests.
//!
//! Every call answers with the documented type or with [`ClientError`]; nothing is retried here, since only the caller
//! knows what may be sent twice. Dropping a call's future cancels the request.

mod access;
mod audit;
mod json;
mod requests;
mod worker_protocol;

pub use audit::{AuditExportFormat, AuditQuery};
pub use requests::{ListQuery, PlanQuery};

use std::time::Duration;

use domain::{ErrorCode, Problem, Secret};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service answered with an error.
    #[error("{}: {}", .0.title, .0.detail)]
    Problem(Box<Problem>),
    /// The service wants to be asked again only after so many seconds.
    #[error("{}: {}", .problem.title, .problem.detail)]
    Throttled { problem: Box<Problem>, seconds: u64 },
    /// The service could not be reached, or the connection broke.
    #[error("the service at {base} can't be reached")]
    Unreachable {
        base: String,
        #[source]
        source: reqwest::Error,
    },
    /// The answer was not what the documentation says.
    #[error("the service answered {status} with a body that can't be read")]
    UnexpectedAnswer { status: u16 },
}

impl ClientError {
    /// The stable word of the problem, where the service answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Problem(problem) | Self::Throttled { problem, .. } => Some(problem.code),
            Self::Unreachable { .. } | Self::UnexpectedAnswer { .. } => None,
        }
    }
}

/// A connection to one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    token: Option<Secret>,
    /// Called when the service knows the caller no longer.
    on_unauthenticated: Option<fn()>,
}

impl Client {
    /// A client of the service at `base`, such as `http://127.0.0.1:8080`, without a trailing slash.
    ///
    /// Natively, a rustls crypto provider must have been installed before.
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into().trim_end_matches('/').to_owned(),
            http: reqwest::Client::new(),
            token: None,
            on_unauthenticated: None,
        }
    }

    /// Sends the token with every request: workers need theirs.
    pub fn with_token(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Calls `tell` whenever an answer says that there are no valid credentials, before the call itself fails with it.
    pub fn on_unauthenticated(mut self, tell: fn()) -> Self {
        self.on_unauthenticated = Some(tell);
        self
    }

    /// The service's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // A page of another origin can't send this header: the service asks for it where a cookie is the credential.
        let request =
            self.http.request(method, format!("{}/api/v1{path}", self.base)).header("X-Holdfast-Request", "1");
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &impl Serialize) -> Result<T, ClientError> {
        self.read(self.request(Method::GET, path).query(query)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.read(self.request(method, path).json(body)).await
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let (status, body) = self.answer(request).await?;
        json::read(&body).ok_or(ClientError::UnexpectedAnswer { status: status.as_u16() })
    }

    async fn send_without_answer(&self, request: RequestBuilder) -> Result<(), ClientError> {
        self.answer(request).await.map(|_| ())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let unreachable = |source| ClientError::Unreachable { base: self.base.clone(), source };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let wait = response.headers().get("Retry-After").and_then(|wait| wait.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(unreachable)?.to_vec();
        if status.is_success() {
            return Ok((status, body));
        }
        match json::read::<Problem>(&body) {
            Some(problem) => {
                if let (ErrorCode::Unauthenticated, Some(tell)) = (problem.code, self.on_unauthenticated) {
                    tell();
                }
                let problem = Box::new(problem);
                Err(match wait.filter(|_| status == StatusCode::TOO_MANY_REQUESTS) {
                    Some(seconds) => ClientError::Throttled { problem, seconds },
                    None => ClientError::Problem(problem),
                })
            }
            None => Err(ClientError::UnexpectedAnswer { status: status.as_u16() }),
        }
    }
}

/// How long a request of the worker protocol may take beyond its own waiting time. The browser has its own limits.
#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
const PROTOCOL_TIMEOUT: Duration = Duration::from_secs(10);
