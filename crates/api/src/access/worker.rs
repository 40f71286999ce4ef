//! Workers: nobody else speaks their protocol, and each only of what it holds. // F-89

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use domain::ErrorCode;
use uuid::Uuid;

use super::allowed::caller_of;
use super::caller::CallerKind;
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// Proof that a request came from a worker.
pub(crate) struct WorkerOnly {
    /// Its own token; null for the shared one.
    token_id: Option<Uuid>,
}

impl WorkerOnly {
    /// Lets the worker speak under a name, which from then on is its token's.
    pub(crate) async fn speaks_as(&self, state: &State, worker: &str) -> Result<(), ApiProblem> {
        let (token, worker) = (self.token_id, worker.to_owned());
        state.read(move |store| store.worker_admit(&worker, token, now())).await
    }

    /// Makes sure that the worker may speak of a job.
    pub(crate) async fn holds_job(&self, state: &State, job: Uuid) -> Result<(), ApiProblem> {
        let token = self.token_id;
        state.read(move |store| store.worker_require_job(job, token, now())).await
    }

    /// Makes sure that the worker may speak of a datastore's log.
    pub(crate) async fn holds_logs(&self, state: &State, datastore: Uuid) -> Result<(), ApiProblem> {
        let token = self.token_id;
        state.read(move |store| store.worker_require_logs(datastore, token, now())).await
    }
}

impl FromRequest for WorkerOnly {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller_of(request).and_then(|caller| match &caller.kind {
            CallerKind::Worker { token_id, .. } => Ok(Self { token_id: *token_id }),
            _ => Err(ApiProblem::new(ErrorCode::Forbidden, "Only workers may ask this, with a token made for them.")),
        }))
    }
}
