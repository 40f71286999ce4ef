//! `Idempotency-Key`: a request that is sent again because its answer was lost does its work once and gets the first
//! answer. Only success is kept; a request that was refused may be sent again after the cause was mended. // F-23

use std::future::Future;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use domain::ErrorCode;
use serde::Serialize;
use store::{Idempotency, IdempotentAnswer};

use crate::access::Caller;
use crate::problem::ApiProblem;
use crate::request_context::REQUEST;
use crate::state::{State, now};

/// The most characters that a key may have.
const MAX_KEY_CHARS: usize = 255;

/// The answer to a request that created something.
pub(crate) struct Answer(IdempotentAnswer);

impl Answer {
    /// 201: it exists.
    pub(crate) fn created(location: String, body: &impl Serialize) -> Result<Self, ApiProblem> {
        Self::new(StatusCode::CREATED, location, body)
    }

    /// 202: it will be done; the resource tells how far it is.
    pub(crate) fn accepted(location: String, body: &impl Serialize) -> Result<Self, ApiProblem> {
        Self::new(StatusCode::ACCEPTED, location, body)
    }

    fn new(status: StatusCode, location: String, body: &impl Serialize) -> Result<Self, ApiProblem> {
        let body = serde_json::to_string(body).map_err(|error| ApiProblem::internal(&error))?;
        Ok(Self(IdempotentAnswer { status: status.as_u16(), location: Some(location), body }))
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        if let Some(location) = self.0.location {
            response.insert_header((LOCATION, location));
        }
        response.insert_header((CONTENT_TYPE, "application/json")).body(self.0.body)
    }
}

/// Does `work`, or repeats the answer that it gave before under the same key. `digest` stands for the body. The work goes
/// on when the caller hangs up: it may just have created something, and the next attempt has to hear of it.
pub(crate) async fn answer_once(
    state: &State,
    request: &HttpRequest,
    digest: &str,
    work: impl Future<Output = Result<Answer, ApiProblem>> + 'static,
) -> Result<HttpResponse, ApiProblem> {
    let Some(key) = key_of(request)? else { return Ok(work.await?.into_response()) };
    // Each caller has keys of his own: nobody is answered what another was. // F-87
    let caller = request.extensions().get::<Arc<Caller>>().map(|caller| caller.key()).unwrap_or_default();
    let key = if caller.is_empty() { key } else { format!("{caller}: {key}") };
    let fingerprint = format!("{} {} {digest}", request.method(), request.uri());
    let begun = key.clone();
    match state.read(move |store| store.idempotency_begin(&begun, fingerprint.as_bytes(), now())).await? {
        Idempotency::Answered(answer) => return Ok(Answer(answer).into_response()),
        Idempotency::InProgress => {
            let detail = "The first request with this key is still being worked on. Try again in a moment.";
            return Err(ApiProblem::new(ErrorCode::Conflict, detail));
        }
        Idempotency::Fresh => {}
    }
    let state = state.clone();
    let task = async move {
        let outcome = work.await;
        let kept = outcome.as_ref().ok().map(|answer| answer.0.clone());
        state
            .read(move |store| match kept {
                Some(answer) => store.idempotency_put(&key, &answer, now()),
                None => store.idempotency_abandon(&key, now()),
            })
            .await?;
        outcome
    };
    let task = match REQUEST.try_with(Clone::clone) {
        Ok(context) => actix_web::rt::spawn(REQUEST.scope(context, task)),
        Err(_) => actix_web::rt::spawn(task),
    };
    match task.await {
        Ok(outcome) => Ok(outcome?.into_response()),
        Err(broken) => Err(ApiProblem::internal(&broken)),
    }
}

fn key_of(request: &HttpRequest) -> Result<Option<String>, ApiProblem> {
    let Some(value) = request.headers().get("Idempotency-Key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY_CHARS => Ok(Some(key.to_owned())),
        _ => Err(ApiProblem::invalid_field(
            "/Idempotency-Key",
            format!("must be 1 to {MAX_KEY_CHARS} printable ASCII characters"),
        )),
    }
}
