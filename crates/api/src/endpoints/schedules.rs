//! Schedules: kept, edited, paused, run at once, and previewed. What is wrong with one is said by `domain`, as in the web app.

use actix_web::http::header::{ETAG, IF_MATCH};
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post};
use domain::{
    Backup, Page, PreviewRequest, PreviewResponse, Problem, Schedule, ScheduleCreate, SchedulePatch, ScheduleRun,
    ScheduleSettings,
};

use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::idempotency::{Answer, answer_once};
use crate::paging::{PageQuery, page_of};
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// List a datastore's schedules
///
/// Newest first.
#[utoipa::path(
    tag = "schedules",
    params(("id" = Uuid, Path, description = "The datastore's id"), PageQuery),
    responses((status = 200, description = "The schedules", body = Page<Schedule>))
)]
#[get("/datastores/{id}/schedules")]
pub(crate) async fn schedule_list(
    _: Allowed<operation::ScheduleList>,
    state: State,
    id: Id,
    query: Query<PageQuery>,
) -> Result<Json<Page<Schedule>>, ApiProblem> {
    let (id, page) = (id.into_inner(), page_of(query.0.limit, query.0.cursor)?);
    Ok(Json(state.read(move |store| store.schedule_list(id, &page)).await?))
}

/// Add a schedule to a datastore
///
/// It is active at once, and first runs at the first time that comes due after now.
#[utoipa::path(
    tag = "schedules",
    params(
        ("id" = Uuid, Path, description = "The datastore's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 hours return the first answer")
    ),
    request_body = ScheduleCreate,
    responses(
        (status = 201, description = "The schedule", body = Schedule, headers(("Location" = String, description = "Its address"))),
        (status = 422, description = "`validation_failed`: nothing was saved", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/datastores/{id}/schedules")]
pub(crate) async fn schedule_create(
    _: Allowed<operation::ScheduleCreate>,
    state: State,
    request: HttpRequest,
    id: Id,
    body: Body<ScheduleCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let (inner, Body { value, digest }) = (state.clone(), body);
    answer_once(&state, &request, &digest, async move {
        let (state, settings) = (inner.clone(), inner.schedule_settings);
        let datastore = state.read(move |store| store.datastore_get(id, now())).await?;
        let draft = value.validate(&datastore.capabilities, &settings, now()).map_err(ApiProblem::invalid)?;
        let schedule = state.change(move |store| store.schedule_create(id, &draft, &settings, now())).await?;
        Answer::created(format!("/api/v1/schedules/{}", schedule.id), &schedule)
    })
    .await
}

/// Say what a recurrence means and when it runs
///
/// Nothing is saved. The runs are computed as the scheduler computes them.
#[utoipa::path(
    tag = "schedules",
    request_body = PreviewRequest,
    responses(
        (status = 200, description = "Its meaning and its next runs", body = PreviewResponse),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/schedules/preview")]
pub(crate) async fn schedule_preview(
    _: Allowed<operation::SchedulePreview>,
    body: Body<PreviewRequest>,
) -> Result<Json<PreviewResponse>, ApiProblem> {
    Ok(Json(body.value.answer(now()).map_err(ApiProblem::invalid)?))
}

/// Read what this installation demands of schedules
///
/// Set when the service is started; the same for all datastores.
#[utoipa::path(
    tag = "schedules",
    responses((status = 200, description = "The settings", body = ScheduleSettings))
)]
#[get("/schedules/settings")]
pub(crate) async fn schedule_settings(_: Allowed<operation::ScheduleSettings>, state: State) -> Json<ScheduleSettings> {
    Json(state.schedule_settings)
}

/// Read a schedule
#[utoipa::path(
    tag = "schedules",
    params(("id" = Uuid, Path, description = "The schedule's id")),
    responses((status = 200, description = "The schedule", body = Schedule, headers(("ETag" = String, description = "Its version"))))
)]
#[get("/schedules/{id}")]
pub(crate) async fn schedule_get(
    _: Allowed<operation::ScheduleGet>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    Ok(answer(&state.read(move |store| store.schedule_get(id)).await?))
}

/// Edit a schedule
///
/// What is left out stays. What came due before the edit is settled by the old recurrence; backups that exist or run are
/// not touched. Name the version that was edited, in `If-Match` or in the body, so that nobody's edit is lost.
#[utoipa::path(
    tag = "schedules",
    params(
        ("id" = Uuid, Path, description = "The schedule's id"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version that was edited")
    ),
    request_body = SchedulePatch,
    responses(
        (status = 200, description = "The schedule as it is now", body = Schedule, headers(("ETag" = String, description = "Its version"))),
        (status = 409, description = "`conflict`: somebody else edited it; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`: nothing was changed", body = Problem, content_type = "application/problem+json")
    )
)]
#[patch("/schedules/{id}")]
pub(crate) async fn schedule_patch(
    _: Allowed<operation::SchedulePatch>,
    state: State,
    request: HttpRequest,
    id: Id,
    body: Body<SchedulePatch>,
) -> Result<HttpResponse, ApiProblem> {
    let (id, patch, settings) = (id.into_inner(), body.value, state.schedule_settings);
    let if_match = request.headers().get(IF_MATCH).and_then(|value| value.to_str().ok());
    let expected = patch.expected_version(if_match).map_err(|error| ApiProblem::invalid(vec![error]))?;
    let current = state.read(move |store| store.schedule_get(id)).await?;
    let datastore = state.read(move |store| store.datastore_get(current.datastore_id, now())).await?;
    let draft = current.draft().map_err(|error| ApiProblem::internal(&error))?;
    let draft = patch.validate(draft, &datastore.capabilities, &settings, now()).map_err(ApiProblem::invalid)?;
    // What the patch leaves out is of the version that was just read.
    let version = expected.or(Some(current.version));
    let schedule = state.change(move |store| store.schedule_update(id, &draft, version, &settings, now())).await?;
    Ok(answer(&schedule))
}

/// Delete a schedule
///
/// Backups that it made stay, and one that runs goes on.
#[utoipa::path(
    tag = "schedules",
    params(("id" = Uuid, Path, description = "The schedule's id")),
    responses((status = 204, description = "It is gone"))
)]
#[delete("/schedules/{id}")]
pub(crate) async fn schedule_delete(
    _: Allowed<operation::ScheduleDelete>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    state.change(move |store| store.schedule_delete(id, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Pause a schedule
///
/// It starts no backups until it is resumed; one that runs goes on. Pausing a paused schedule changes nothing.
#[utoipa::path(
    tag = "schedules",
    params(("id" = Uuid, Path, description = "The schedule's id")),
    responses((status = 200, description = "The schedule as it is now", body = Schedule, headers(("ETag" = String, description = "Its version"))))
)]
#[post("/schedules/{id}/pause")]
pub(crate) async fn schedule_pause(
    _: Allowed<operation::SchedulePause>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    Ok(answer(&state.change(move |store| store.schedule_pause(id, now())).await?))
}

/// Resume a paused schedule
///
/// It goes on with the first time that comes due after now. Resuming an active schedule changes nothing.
#[utoipa::path(
    tag = "schedules",
    params(("id" = Uuid, Path, description = "The schedule's id")),
    responses((status = 200, description = "The schedule as it is now", body = Schedule, headers(("ETag" = String, description = "Its version"))))
)]
#[post("/schedules/{id}/resume")]
pub(crate) async fn schedule_resume(
    _: Allowed<operation::ScheduleResume>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let (id, settings) = (id.into_inner(), state.schedule_settings);
    Ok(answer(&state.change(move |store| store.schedule_resume(id, &settings, now())).await?))
}

/// Run a schedule once, now
///
/// Makes a backup as the schedule would, whether it is paused or not. It is not tried again by itself when it fails.
#[utoipa::path(
    tag = "schedules",
    params(
        ("id" = Uuid, Path, description = "The schedule's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours returns the first answer")
    ),
    responses(
        (status = 202, description = "The backup, waiting for a worker", body = Backup, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`datastore_busy`: another job is changing the datastore", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/schedules/{id}/run")]
pub(crate) async fn schedule_run(
    _: Allowed<operation::ScheduleRun>,
    state: State,
    request: HttpRequest,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let inner = state.clone();
    answer_once(&state, &request, "", async move {
        let backup = inner.change(move |store| store.schedule_run(id, now())).await?;
        Answer::accepted(format!("/api/v1/backups/{}", backup.id), &backup)
    })
    .await
}

/// List what became of the times at which a schedule was due
///
/// Newest first, missed and skipped times included. They are kept for 90 days.
#[utoipa::path(
    tag = "schedules",
    params(("id" = Uuid, Path, description = "The schedule's id"), PageQuery),
    responses((status = 200, description = "The runs", body = Page<ScheduleRun>))
)]
#[get("/schedules/{id}/runs")]
pub(crate) async fn schedule_run_list(
    _: Allowed<operation::ScheduleRunList>,
    state: State,
    id: Id,
    query: Query<PageQuery>,
) -> Result<Json<Page<ScheduleRun>>, ApiProblem> {
    let (id, page) = (id.into_inner(), page_of(query.0.limit, query.0.cursor)?);
    Ok(Json(state.read(move |store| store.schedule_run_list(id, &page)).await?))
}

fn answer(schedule: &Schedule) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, schedule.etag())).json(schedule)
}
