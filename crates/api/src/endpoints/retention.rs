//! How long backups are kept: a datastore's backup settings, the plan of its retention, holds, and the sweep of its storage.

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use domain::retention::{ClockFacts, RetentionPlan, RetentionPolicy};
use domain::{Backup, BackupHold, BackupSettings, Job, Problem};

use super::storages::storage_of_field;
use crate::access::{Allowed, operation};
use crate::extract::{Body, Id};
use crate::idempotency::{Answer, answer_once};
use crate::problem::ApiProblem;
use crate::state::{State, now};
use crate::upkeep::plan_of;

/// Read a datastore's backup settings
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses((status = 200, description = "The settings", body = BackupSettings))
)]
#[get("/datastores/{id}/backup-settings")]
pub(crate) async fn backup_settings_get(
    _: Allowed<operation::BackupSettingsGet>,
    state: State,
    id: Id,
) -> Result<Json<BackupSettings>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.backup_settings_get(id)).await?))
}

/// Change a datastore's backup settings
///
/// Replaces them all. Another storage is for new backups; those that exist stay where they are, and nothing is deleted for
/// it. What the retention policy lets go is deleted from then on, a backup at a time; look at its plan first.
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    request_body = BackupSettings,
    responses(
        (status = 200, description = "The settings as they are now", body = BackupSettings),
        (status = 422, description = "`validation_failed`: nothing was changed", body = Problem, content_type = "application/problem+json")
    )
)]
#[put("/datastores/{id}/backup-settings")]
pub(crate) async fn backup_settings_put(
    _: Allowed<operation::BackupSettingsPut>,
    state: State,
    id: Id,
    body: Body<BackupSettings>,
) -> Result<Json<BackupSettings>, ApiProblem> {
    let (id, settings) = (id.into_inner(), body.value);
    let datastore = state.read(move |store| store.datastore_get(id, now())).await?;
    let errors = settings.validate(&datastore.capabilities);
    if !errors.is_empty() {
        return Err(ApiProblem::invalid(errors));
    }
    storage_of_field(&state, settings.storage_id).await?;
    Ok(Json(state.change(move |store| store.backup_settings_put(id, &settings, now())).await?))
}

/// Read what retention would delete now, and why everything else stays
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses((status = 200, description = "A verdict for each backup", body = RetentionPlan))
)]
#[get("/datastores/{id}/retention-plan")]
pub(crate) async fn retention_plan(
    _: Allowed<operation::RetentionPlan>,
    state: State,
    id: Id,
) -> Result<Json<RetentionPlan>, ApiProblem> {
    planned(&state, id, None).await
}

/// Try a retention policy
///
/// Says what it would delete now. Nothing is saved and nothing deleted.
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    request_body = RetentionPolicy,
    responses(
        (status = 200, description = "A verdict for each backup", body = RetentionPlan),
        (status = 422, description = "`validation_failed`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/datastores/{id}/retention-plan")]
pub(crate) async fn retention_preview(
    _: Allowed<operation::RetentionPreview>,
    state: State,
    id: Id,
    body: Body<RetentionPolicy>,
) -> Result<Json<RetentionPlan>, ApiProblem> {
    let errors = body.value.validate();
    if !errors.is_empty() {
        return Err(ApiProblem::invalid(errors));
    }
    planned(&state, id, Some(body.value)).await
}

async fn planned(state: &State, id: Id, policy: Option<RetentionPolicy>) -> Result<Json<RetentionPlan>, ApiProblem> {
    let id = id.into_inner();
    // A plan that is only looked at says nothing of the clock's past; the one that is carried out does.
    let plan = move |store: &store::Store| plan_of(store, id, policy.as_ref(), &ClockFacts::default(), now());
    Ok(Json(state.read(plan).await?))
}

/// Hold a backup
///
/// Nobody may delete it, retention either, until the hold is released. Holding it again changes the reason.
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The backup's id")),
    request_body = BackupHold,
    responses(
        (status = 200, description = "The backup", body = Backup),
        (status = 409, description = "`backup_in_use`: its deletion has begun", body = Problem, content_type = "application/problem+json")
    )
)]
#[put("/backups/{id}/hold")]
pub(crate) async fn backup_hold(
    _: Allowed<operation::BackupHold>,
    state: State,
    id: Id,
    body: Body<BackupHold>,
) -> Result<Json<Backup>, ApiProblem> {
    let errors = body.value.validate();
    if !errors.is_empty() {
        return Err(ApiProblem::invalid(errors));
    }
    let (id, reason) = (id.into_inner(), body.value.reason.trim().to_owned());
    Ok(Json(state.change(move |store| store.backup_hold(id, Some(&reason), now())).await?))
}

/// Release a backup that is held
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The backup's id")),
    responses((status = 200, description = "The backup", body = Backup))
)]
#[delete("/backups/{id}/hold")]
pub(crate) async fn backup_release(
    _: Allowed<operation::BackupRelease>,
    state: State,
    id: Id,
) -> Result<Json<Backup>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.change(move |store| store.backup_hold(id, None, now())).await?))
}

/// Sweep a datastore's storage
///
/// Clears what no manifest names and is older than a day, and marks backups whose manifest is gone. Done by itself once a
/// day.
#[utoipa::path(
    tag = "retention",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses(
        (status = 202, description = "The job; its log tells what was found", body = Job, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`datastore_busy`: another job is changing the datastore", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/datastores/{id}/sweep")]
pub(crate) async fn datastore_sweep(
    _: Allowed<operation::DatastoreSweep>,
    state: State,
    request: HttpRequest,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let inner = state.clone();
    answer_once(&state, &request, "", async move {
        let job = inner.change(move |store| store.sweep_start(id, now())).await?;
        Answer::accepted(format!("/api/v1/jobs/{}", job.id), &job)
    })
    .await
}
