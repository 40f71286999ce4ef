//! Restores: planned, started, followed, undone.

use std::time::Duration;

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, get, post};
use domain::access::Permission;
use domain::approval::MAX_NOTE_CHARS;
use domain::restore::{RestoreStatus, RestoreTarget, RestoreTargetDraft};
use domain::{
    ApprovalDecision, DatabaseCopy, Engine, Job, LogLine, Method, Page, Problem, RecoveryStop, Restore, RestoreCreate,
    RestorePlan,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::datastores::require_service;
use super::jobs::{LogQuery, read_log};
use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::idempotency::{Answer, answer_once};
use crate::paging::page_of;
use crate::problem::ApiProblem;
use crate::state::{State, now};
use crate::waiting::answer_of;
use crate::{request_context, restore_refusal};

/// How long a request waits for a worker's plan.
const PLAN_LIMIT: Duration = Duration::from_secs(30);

/// Where a restore that is planned is to stop; exactly the backup without.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlanQuery {
    /// A time, or `latest`.
    pitr_stop_time: Option<String>,
    /// A place in the log, as JSON such as `{"gtid": "0-1-22"}`.
    pitr_stop_position: Option<String>,
    /// The databases to restore under other names, as JSON such as `[{"name": "shop", "new_name": "shop_copy"}]`; in place without.
    new_databases: Option<String>,
}

impl PlanQuery {
    fn target(&self, method: Method) -> Result<RestoreTarget, ApiProblem> {
        let Some(text) = &self.new_databases else { return Ok(RestoreTarget::InPlace) };
        let databases: Vec<DatabaseCopy> = serde_json::from_str(text).map_err(|_| {
            let detail = "must be a list as JSON, each with name and new_name";
            ApiProblem::invalid_field("/new_databases", detail)
        })?;
        restore_refusal::check_copies(&databases, method)?;
        Ok(RestoreTarget::NewDatabases { databases })
    }

    fn stop(&self, engine: Engine) -> Result<Option<RecoveryStop>, ApiProblem> {
        let position = self.pitr_stop_position.as_deref().map(serde_json::from_str).transpose();
        let position =
            position.map_err(|_| ApiProblem::invalid_field("/pitr_stop_position", "must be an object as JSON"))?;
        restore_refusal::stop_of(engine, self.pitr_stop_time.as_deref(), position.as_ref())
    }
}

/// Plan a restore
///
/// What restoring this backup in place, or databases of it beside those that are there, would do, and everything that stands in its
/// way. Touches nothing; waits at most 30 s for a worker.
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The backup's id"), PlanQuery),
    responses(
        (status = 200, description = "The plan; the restore can begin when `obstacles` is empty", body = RestorePlan),
        (status = 409, description = "`backup_not_restorable`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`no_worker`: no worker could look", body = Problem, content_type = "application/problem+json")
    )
)]
#[get("/backups/{id}/restore-plan")]
pub(crate) async fn backup_restore_plan(
    _: Allowed<operation::BackupRestorePlan>,
    state: State,
    id: Id,
    query: Query<PlanQuery>,
) -> Result<Json<RestorePlan>, ApiProblem> {
    let id = id.into_inner();
    let backup = state.read(move |store| store.backup_get(id)).await?;
    restore_refusal::check_backup(&backup)?;
    let datastore_id = backup.datastore_id;
    let datastore = state.read(move |store| store.datastore_get(datastore_id, now())).await?;
    let target = query.0.target(backup.method)?;
    let stop = query.0.stop(datastore.engine)?;
    if let Some(stop) = &stop {
        let facts = state.read(move |store| store.recovery_facts(datastore_id)).await?;
        restore_refusal::check_stop(&backup, stop, &facts, now())?;
    }
    let mut plan: RestorePlan = answer_of(
        &state,
        datastore.worker.as_deref(),
        move |store| store.job_create_plan(id, &target, stop.as_ref(), now()),
        PLAN_LIMIT,
        "No worker answered in time; the workers may be busy. Try again later.",
    )
    .await?;
    // Without earlier restores to judge by: reading takes about as long as writing did.
    plan.estimated_seconds = plan.estimated_seconds.or(backup.duration_seconds.map(|took| took.ceil().max(1.0) as u64));
    Ok(Json(plan))
}

/// Restore a backup
///
/// In place, over the datastore that it was made of; or into an empty data directory, registered as a new datastore; or
/// databases of it beside those of the server, under names that are not there yet.
/// Answers at once; the restore's `status`, `phase` and `progress` then change. Where the datastore has a restore guard, it
/// waits for a second person's approval first, its `approval`. Refusals come in this order, each before
/// anything is touched: the backup, the stop, the target, the confirmation, the server, other jobs.
#[utoipa::path(
    tag = "restores",
    params(
        ("id" = Uuid, Path, description = "The backup's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 hours return the first answer")
    ),
    request_body = RestoreCreate,
    responses(
        (status = 202, description = "The restore, waiting for a worker", body = Restore, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`backup_not_restorable`, `service_control_missing`, `incompatible_engine_version`, `datastore_busy`, `name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`pitr_not_supported`, `pitr_time_in_future`, `pitr_time_before_backup`, `pitr_time_not_covered`, `validation_failed`, `confirmation_mismatch`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/backups/{id}/restore")]
pub(crate) async fn backup_restore(
    access: Allowed<operation::BackupRestore>,
    state: State,
    request: HttpRequest,
    id: Id,
    body: Body<RestoreCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let (inner, Body { value, digest }) = (state.clone(), body);
    match &value.target {
        RestoreTargetDraft::InPlace => access.require_also(&state, Permission::RestoreInPlace, id).await?,
        RestoreTargetDraft::NewDatastore(new) => require_service(&access, new.service.as_ref())?,
        RestoreTargetDraft::NewDatabases { .. } => {}
    }
    answer_once(&state, &request, &digest, async move {
        let state = inner;
        let backup = state.read(move |store| store.backup_get(id)).await?;
        let datastore_id = backup.datastore_id;
        let datastore = state.read(move |store| store.datastore_get(datastore_id, now())).await?;
        let facts = state.read(move |store| store.recovery_facts(datastore_id)).await?;
        let stop = restore_refusal::check(&backup, &datastore, &value, &facts, now())?;
        let (target, registration) = match value.target {
            RestoreTargetDraft::InPlace => (RestoreTarget::InPlace, None),
            RestoreTargetDraft::NewDatabases { databases } => (RestoreTarget::NewDatabases { databases }, None),
            RestoreTargetDraft::NewDatastore(new) => {
                (RestoreTarget::NewDatastore { name: new.name.clone() }, Some(new.registration(&datastore)))
            }
        };
        let request = store::RestoreRequest {
            target,
            stop,
            restore_configuration: value.restore_configuration,
            requested_by: request_context::requester(),
        };
        let create = move |store: &store::Store| match &registration {
            None => store.restore_create(id, &request, now()),
            Some(registration) => store.restore_create_into(id, &request, registration, now()),
        };
        let restore = state.change(create).await?;
        Answer::accepted(format!("/api/v1/restores/{}", restore.id), &restore)
    })
    .await
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RestoreQuery {
    /// How many items a page has.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only restores in this state.
    status: Option<RestoreStatus>,
}

/// List a datastore's restores
///
/// Newest first.
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The datastore's id"), RestoreQuery),
    responses((status = 200, description = "The restores", body = Page<Restore>))
)]
#[get("/datastores/{id}/restores")]
pub(crate) async fn restore_list(
    _: Allowed<operation::RestoreList>,
    state: State,
    id: Id,
    query: Query<RestoreQuery>,
) -> Result<Json<Page<Restore>>, ApiProblem> {
    let RestoreQuery { limit, cursor, status } = query.0;
    let (id, page) = (id.into_inner(), page_of(limit, cursor)?);
    Ok(Json(state.read(move |store| store.restore_list(id, &store::RestoreFilter { status }, &page)).await?))
}

/// Read a restore
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The restore's id")),
    responses((status = 200, description = "The restore", body = Restore))
)]
#[get("/restores/{id}")]
pub(crate) async fn restore_get(
    _: Allowed<operation::RestoreGet>,
    state: State,
    id: Id,
) -> Result<Json<Restore>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.restore_get(id)).await?))
}

/// Cancel a restore
///
/// Possible until the switch begins; the server then keeps the data that it has. Asking again changes nothing.
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The restore's id")),
    responses(
        (status = 200, description = "The restore", body = Restore),
        (status = 409, description = "`not_cancellable`: it has ended", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/restores/{id}/cancel")]
pub(crate) async fn restore_cancel(
    _: Allowed<operation::RestoreCancel>,
    state: State,
    id: Id,
) -> Result<Json<Restore>, ApiProblem> {
    let id = id.into_inner();
    let cancel = move |store: &store::Store| {
        let job = store.restore_get(id)?.job_id;
        store.job_cancel(job, now())?;
        store.restore_get(id)
    };
    Ok(Json(state.change(cancel).await?))
}

/// Approve a restore that waits for a second person
///
/// The restore then begins like any other: its plan is checked again. Whoever asked for it can't approve it, with a token
/// neither.
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The restore's id")),
    request_body = ApprovalDecision,
    responses(
        (status = 200, description = "The restore, waiting for a worker", body = Restore),
        (status = 409, description = "`own_request`; `conflict`: it waits for no decision; `datastore_busy`, `backup_not_restorable`: the request stays open", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/restores/{id}/approve")]
pub(crate) async fn restore_approve(
    _: Allowed<operation::RestoreApprove>,
    state: State,
    id: Id,
    body: Body<ApprovalDecision>,
) -> Result<Json<Restore>, ApiProblem> {
    let (id, note, by) = (id.into_inner(), note_of(body.value)?, request_context::requester());
    Ok(Json(state.change(move |store| store.restore_approve(id, &by, note.as_deref(), now())).await?))
}

/// Refuse a restore that waits for a second person
///
/// It ends as cancelled; nothing was touched.
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The restore's id")),
    request_body = ApprovalDecision,
    responses(
        (status = 200, description = "The restore", body = Restore),
        (status = 409, description = "`own_request`: cancel it instead; `conflict`: it waits for no decision", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/restores/{id}/refuse")]
pub(crate) async fn restore_refuse(
    _: Allowed<operation::RestoreRefuse>,
    state: State,
    id: Id,
    body: Body<ApprovalDecision>,
) -> Result<Json<Restore>, ApiProblem> {
    let (id, note, by) = (id.into_inner(), note_of(body.value)?, request_context::requester());
    Ok(Json(state.change(move |store| store.restore_refuse(id, &by, note.as_deref(), now())).await?))
}

/// The note, without blanks around it; none when nothing is left.
fn note_of(decision: ApprovalDecision) -> Result<Option<String>, ApiProblem> {
    let note = decision.note.map(|note| note.trim().to_owned()).filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS || note.contains('\0')) {
        let detail = format!("must be at most {MAX_NOTE_CHARS} characters, none of them NUL");
        return Err(ApiProblem::invalid_field("/note", detail));
    }
    Ok(note)
}

/// Put back the data that a restore replaced
#[utoipa::path(
    tag = "restores",
    params(
        ("id" = Uuid, Path, description = "The restore's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours returns the first answer")
    ),
    responses(
        (status = 202, description = "The job; the restore becomes `undone` when it has ended", body = Job, headers(("Location" = String, description = "The job's address"))),
        (status = 409, description = "`undo_not_possible`, `datastore_busy`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/restores/{id}/undo")]
pub(crate) async fn restore_undo(
    _: Allowed<operation::RestoreUndo>,
    state: State,
    request: HttpRequest,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let inner = state.clone();
    answer_once(&state, &request, "", async move {
        let state = inner;
        let job = state.change(move |store| store.restore_undo_start(id, now())).await?;
        Answer::accepted(format!("/api/v1/jobs/{}", job.id), &job)
    })
    .await
}

/// Read the log of the job that does or did a restore
#[utoipa::path(
    tag = "restores",
    params(("id" = Uuid, Path, description = "The restore's id"), LogQuery),
    responses((status = 200, description = "The lines, oldest first", body = Page<LogLine>))
)]
#[get("/restores/{id}/log")]
pub(crate) async fn restore_log(
    _: Allowed<operation::RestoreLog>,
    state: State,
    id: Id,
    query: Query<LogQuery>,
) -> Result<Json<Page<LogLine>>, ApiProblem> {
    let id = id.into_inner();
    let restore = state.read(move |store| store.restore_get(id)).await?;
    read_log(&state, restore.job_id, &query.0).await
}
