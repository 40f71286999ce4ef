//! Jobs: what workers do and did, with their logs.

use actix_web::web::Json;
use actix_web::{get, post};
use domain::{Job, JobKind, JobStatus, LogLine, Page};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::access::{Allowed, operation};
use crate::extract::{Id, Query};
use crate::paging::page_of;
use crate::problem::ApiProblem;
use crate::state::{State, now};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobQuery {
    /// How many items a page has.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only jobs in this state.
    status: Option<JobStatus>,
    /// Only jobs of this kind.
    kind: Option<JobKind>,
    /// Only jobs of this datastore.
    datastore_id: Option<Uuid>,
}

/// List the jobs
///
/// Newest first; tests and plans are left out unless asked for by `kind`.
#[utoipa::path(tag = "jobs", params(JobQuery), responses((status = 200, description = "The jobs", body = Page<Job>)))]
#[get("/jobs")]
pub(crate) async fn job_list(
    access: Allowed<operation::JobList>,
    state: State,
    query: Query<JobQuery>,
) -> Result<Json<Page<Job>>, ApiProblem> {
    let JobQuery { limit, cursor, status, kind, datastore_id } = query.0;
    let page = page_of(limit, cursor)?;
    let filter = store::JobFilter { status, kind, datastore_id, projects: access.visible() };
    Ok(Json(state.read(move |store| store.job_list(&filter, &page)).await?))
}

/// Read a job
#[utoipa::path(
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses((status = 200, description = "The job", body = Job))
)]
#[get("/jobs/{id}")]
pub(crate) async fn job_get(_: Allowed<operation::JobGet>, state: State, id: Id) -> Result<Json<Job>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.job_get(id)).await?))
}

/// Cancel a job
///
/// A waiting job ends at once. A running one stops as soon as its worker hears of it; read the job to see it end.
/// Asking again changes nothing.
#[utoipa::path(
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses((status = 200, description = "The job; `cancel_requested` is set while it still runs", body = Job))
)]
#[post("/jobs/{id}/cancel")]
pub(crate) async fn job_cancel(
    _: Allowed<operation::JobCancel>,
    state: State,
    id: Id,
) -> Result<Json<Job>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.change(move |store| store.job_cancel(id, now())).await?))
}

/// Read a job's log
#[utoipa::path(
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The job's id"), LogQuery),
    responses((status = 200, description = "The lines, oldest first", body = Page<LogLine>))
)]
#[get("/jobs/{id}/log")]
pub(crate) async fn job_log(
    _: Allowed<operation::JobLog>,
    state: State,
    id: Id,
    query: Query<LogQuery>,
) -> Result<Json<Page<LogLine>>, ApiProblem> {
    read_log(&state, id.into_inner(), &query.0).await
}

/// The most lines that may be asked for at once.
const MAX_LINES: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Only lines after this sequence number.
    #[param(minimum = 0, default = 0)]
    after: Option<i64>,
    /// How many lines.
    #[param(minimum = 1, maximum = 1000, default = 200)]
    limit: Option<u32>,
}

/// The log of a job, also under the names of the backup or restore that the job makes.
pub(super) async fn read_log(state: &State, job: Uuid, query: &LogQuery) -> Result<Json<Page<LogLine>>, ApiProblem> {
    let after = query.after.unwrap_or(0);
    if after < 0 {
        return Err(ApiProblem::invalid_field("/after", "must not be negative"));
    }
    let limit = query.limit.unwrap_or(200);
    if !(1..=MAX_LINES).contains(&limit) {
        return Err(ApiProblem::invalid_field("/limit", format!("must be between 1 and {MAX_LINES}")));
    }
    Ok(Json(state.read(move |store| store.job_log(job, after, limit)).await?))
}
