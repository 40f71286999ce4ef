//! What workers say and hear. Every call needs a worker's token, which speaks only of what its own workers hold; every message after the claim carries its attempt, and
//! one with an old number is answered `lease_lost`. // F-11

use std::time::Duration;

use actix_web::web::Json;
use actix_web::{HttpResponse, get, post};
use domain::LogSegment;
use domain::assignment::{ClaimRequest, ClaimResponse, Heartbeat, HeartbeatResponse, ResultReport};
use domain::job::LEASE_SECONDS;
use domain::log_archive::{ArchiverClaim, ArchiverClaims, ArchiverReport, ArchivingSuspended, SuspendArchiving};
use domain::name::validate_name;
use tokio::time::Instant;

use crate::access::WorkerOnly;
use crate::extract::{Body, Id, WORKER_LIMIT};
use crate::problem::ApiProblem;
use crate::state::{State, now};

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
    caller: WorkerOnly,
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
    caller.speaks_as(&state, &worker.name).await?;
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
    caller: WorkerOnly,
    state: State,
    id: Id,
    body: Body<Heartbeat, WORKER_LIMIT>,
) -> Result<Json<HeartbeatResponse>, ApiProblem> {
    let id = id.into_inner();
    caller.holds_job(&state, id).await?;
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
    caller: WorkerOnly,
    state: State,
    id: Id,
    body: Body<ResultReport, WORKER_LIMIT>,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    caller.holds_job(&state, id).await?;
    state.change(move |store| store.job_finish(id, &body.value, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Pause the archiving of logs
///
/// Asks that nobody archives the logs of the job's datastore until the job ends, and says whether that is so; to be asked
/// again until it is.
#[utoipa::path(
    tag = "worker protocol",
    params(("id" = Uuid, Path, description = "The job's id")),
    request_body = SuspendArchiving,
    security(("worker_token" = [])),
    responses(
        (status = 200, description = "Whether it has paused", body = ArchivingSuspended),
        (status = 409, description = "`lease_lost`: the job is no longer this worker's", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[post("/worker/jobs/{id}/suspend-archiving")]
pub(crate) async fn worker_suspend_archiving(
    caller: WorkerOnly,
    state: State,
    id: Id,
    body: Body<SuspendArchiving>,
) -> Result<Json<ArchivingSuspended>, ApiProblem> {
    let (id, attempt) = (id.into_inner(), body.value.attempt);
    caller.holds_job(&state, id).await?;
    let is_free = state.read(move |store| store.log_archiver_suspend(id, attempt, now())).await?;
    Ok(Json(ArchivingSuspended { is_free }))
}

/// Claim the archiving of logs
///
/// Answers with all datastores whose logs this worker archives from now on. What the answer does not name it gives up before it
/// asks again.
#[utoipa::path(
    tag = "worker protocol",
    request_body = ArchiverClaim,
    security(("worker_token" = [])),
    responses((status = 200, description = "What to archive", body = ArchiverClaims))
)]
#[post("/worker/log-archivers/claim")]
pub(crate) async fn worker_log_archivers(
    caller: WorkerOnly,
    state: State,
    body: Body<ArchiverClaim, WORKER_LIMIT>,
) -> Result<Json<ArchiverClaims>, ApiProblem> {
    if let Err(error) = validate_name(&body.value.worker.name) {
        return Err(ApiProblem::invalid_field("/worker/name", error.to_string()));
    }
    caller.speaks_as(&state, &body.value.worker.name).await?;
    Ok(Json(state.read(move |store| store.log_archivers_claim(&body.value, now())).await?))
}

/// List the archived segments of a datastore's log
///
/// Those that should be in its present storage.
#[utoipa::path(
    tag = "worker protocol",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    security(("worker_token" = [])),
    responses((status = 200, description = "The segments, oldest first", body = Vec<LogSegment>))
)]
#[get("/worker/log-archivers/{id}/segments")]
pub(crate) async fn worker_log_segments(
    caller: WorkerOnly,
    state: State,
    id: Id,
) -> Result<Json<Vec<LogSegment>>, ApiProblem> {
    let id = id.into_inner();
    caller.holds_logs(&state, id).await?;
    Ok(Json(state.read(move |store| store.log_segments(id)).await?))
}

/// Report what was archived of a log
#[utoipa::path(
    tag = "worker protocol",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    request_body = ArchiverReport,
    security(("worker_token" = [])),
    responses(
        (status = 204, description = "It is recorded"),
        (status = 409, description = "`lease_lost`: it is no longer this worker's to archive", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[post("/worker/log-archivers/{id}/report")]
pub(crate) async fn worker_log_report(
    caller: WorkerOnly,
    state: State,
    id: Id,
    body: Body<ArchiverReport, WORKER_LIMIT>,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    caller.holds_logs(&state, id).await?;
    state.change(move |store| store.log_archiver_report(id, &body.value, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}
