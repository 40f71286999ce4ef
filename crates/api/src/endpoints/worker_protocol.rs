//! What workers say and hear. Every call needs the workers' token; every message after the claim carries its attempt, and
//! one with an old number is answered `lease_lost`. // F-11

use std::time::Duration;

use actix_web::web::Json;
use actix_web::{HttpResponse, post};
use domain::assignment::{ClaimRequest, ClaimResponse, Heartbeat, HeartbeatResponse, ResultReport};
use domain::job::LEASE_SECONDS;
use domain::name::validate_name;
use tokio::time::Instant;

use crate::extract::{Body, Id, WORKER_LIMIT};
use crate::problem::ApiProblem;
use crate::state::{State, now};
use crate::token::WorkerOnly;

/// The longest that a claim may wait for a job, in seconds.
const MAX_WAIT_SECONDS: u64 = 30;
/// How often a waiting claim looks without having been woken.
const LOOK: Duration = Duration::from_secs(1);

/// Claim a job
///
/// Waits up to `wait_seconds` for one. The claim is a lease: it lasts `lease_seconds` unless a heartbeat renews it.
#[utoipa::path(
    tag = "worker protocol",
    request_body = ClaimRequest,
    security(("worker_token" = [])),
    responses(
        (status = 200, description = "A job with all that is needed to do it, or null when there was nothing to do", body = ClaimResponse)
    )
)]
#[post("/worker/jobs/claim")]
pub(crate) async fn worker_claim(
    _worker: WorkerOnly,
    state: State,
    body: Body<ClaimRequest>,
) -> Result<Json<ClaimResponse>, ApiProblem> {
    let ClaimRequest { worker, wait_seconds, has_just_started } = body.value;
    if let Err(error) = validate_name(&worker.name) {
        return Err(ApiProblem::invalid_field("/worker/name", error.to_string()));
    }
    if wait_seconds > MAX_WAIT_SECONDS {
        return Err(ApiProblem::invalid_field("/wait_seconds", format!("must be at most {MAX_WAIT_SECONDS}")));
    }
    if has_just_started {
        let name = worker.name.clone();
        state.change(move |store| store.job_abandon_all_of(&name, now())).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(wait_seconds);
    let mut changed = state.changes.subscribe();
    loop {
        changed.mark_unchanged();
        let identity = worker.clone();
        let assignment = state.read(move |store| store.job_claim(&identity, LEASE_SECONDS, now())).await?;
        if assignment.is_some() {
            state.changes.note();
        }
        if assignment.is_some() || state.stop.is_cancelled() || Instant::now() >= deadline {
            return Ok(Json(ClaimResponse { assignment }));
        }
        tokio::select! {
            () = state.stop.cancelled() => {}
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)) => {}
        }
    }
}

/// Renew a lease
///
/// Brings progress and log lines, and hears whether somebody asked to stop the job.
#[utoipa::path(
    tag = "worker protocol",
    params(("id" = Uuid, Path, description = "The job's id")),
    request_body = Heartbeat,
    security(("worker_token" = [])),
    responses(
        (status = 200, description = "The lease is renewed", body = HeartbeatResponse),
        (status = 409, description = "`lease_lost`: the job is no longer this worker's", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[post("/worker/jobs/{id}/heartbeat")]
pub(crate) async fn worker_heartbeat(
    _worker: WorkerOnly,
    state: State,
    id: Id,
    body: Body<Heartbeat, WORKER_LIMIT>,
) -> Result<Json<HeartbeatResponse>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.change(move |store| store.job_heartbeat(id, &body.value, LEASE_SECONDS, now())).await?))
}

/// Report the end of an attempt
///
/// The same report may be sent again when its answer was lost.
#[utoipa::path(
    tag = "worker protocol",
    params(("id" = Uuid, Path, description = "The job's id")),
    request_body = ResultReport,
    security(("worker_token" = [])),
    responses(
        (status = 204, description = "The end is recorded"),
        (status = 409, description = "`lease_lost`: the job is no longer this worker's", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[post("/worker/jobs/{id}/result")]
pub(crate) async fn worker_result(
    _worker: WorkerOnly,
    state: State,
    id: Id,
    body: Body<ResultReport, WORKER_LIMIT>,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    state.change(move |store| store.job_finish(id, &body.value, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}
