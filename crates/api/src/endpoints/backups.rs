//! Backups: made, read, verified, deleted.

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::{DateTime, Utc};
use domain::{Backup, BackupCreate, BackupType, Datastore, ErrorCode, Job, JobStatus, LogLine, Method, Page, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::jobs::{LogQuery, read_log};
use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::idempotency::{Answer, answer_once};
use crate::paging::page_of;
use crate::problem::ApiProblem;
use crate::state::{State, now};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackupQuery {
    /// How many items a page has.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only backups in this state.
    status: Option<JobStatus>,
    /// Only backups of this type.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    backup_type: Option<BackupType>,
    /// Only backups made by this method.
    method: Option<Method>,
    /// Only backups asked for at this time or later.
    from: Option<DateTime<Utc>>,
    /// Only backups asked for before this time.
    to: Option<DateTime<Utc>>,
}

/// List a datastore's backups
///
/// Newest first.
#[utoipa::path(
    tag = "backups",
    params(("id" = Uuid, Path, description = "The datastore's id"), BackupQuery),
    responses((status = 200, description = "The backups", body = Page<Backup>))
)]
#[get("/datastores/{id}/backups")]
pub(crate) async fn backup_list(
    _: Allowed<operation::BackupList>,
    state: State,
    id: Id,
    query: Query<BackupQuery>,
) -> Result<Json<Page<Backup>>, ApiProblem> {
    let BackupQuery { limit, cursor, status, backup_type, method, from, to } = query.0;
    let (id, page) = (id.into_inner(), page_of(limit, cursor)?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(ApiProblem::invalid_field("/to", "must not be before from"));
    }
    let filter = store::BackupFilter { status, backup_type, method, from, to };
    Ok(Json(state.read(move |store| store.backup_list(id, &filter, &page)).await?))
}

/// Back a datastore up now
///
/// Answers at once; the backup's `status` and `progress` then change. An `incremental` backup is built on the newest
/// completed one, its `parent_id`, a `differential` one on the newest full one, a `log` one on the full or log backup before it;
/// where that can't be, it becomes a `full` one, and its log says why.
#[utoipa::path(
    tag = "backups",
    params(
        ("id" = Uuid, Path, description = "The datastore's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 hours return the first answer")
    ),
    request_body = BackupCreate,
    responses(
        (status = 202, description = "The backup, waiting for a worker", body = Backup, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "`datastore_busy`: another job is changing the datastore", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`unsupported_method`: not one of the datastore's capabilities", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/datastores/{id}/backups")]
pub(crate) async fn backup_create(
    _: Allowed<operation::BackupCreate>,
    state: State,
    request: HttpRequest,
    id: Id,
    body: Body<BackupCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let (inner, Body { value, digest }) = (state.clone(), body);
    answer_once(&state, &request, &digest, async move {
        let state = inner;
        let datastore = state.read(move |store| store.datastore_get(id, now())).await?;
        let (method, backup_type) = choose(&datastore, &value)?;
        let backup = state.change(move |store| store.backup_create(id, method, backup_type, now())).await?;
        Answer::accepted(format!("/api/v1/backups/{}", backup.id), &backup)
    })
    .await
}

/// The method and type that were asked for, or the server's own default.
///
/// What a server can do is what a worker found. Where the last look found nothing, it may have been mended since: a full
/// backup by the engine's own method is tried, and its job tells what is still wrong.
fn choose(datastore: &Datastore, asked: &BackupCreate) -> Result<(Method, BackupType), ApiProblem> {
    let refuse = |detail: String, pointer| Err(ApiProblem::new(ErrorCode::UnsupportedMethod, detail).at(pointer));
    let mut methods: Vec<(Method, &[BackupType])> =
        datastore.capabilities.methods.iter().map(|known| (known.method, known.types.as_slice())).collect();
    if methods.is_empty() {
        methods.push((datastore.engine.default_method(), &[BackupType::Full]));
    }
    let chosen = match asked.method {
        None => methods.first(),
        Some(method) => methods.iter().find(|(known, _)| *known == method),
    };
    let Some((method, types)) = chosen else {
        let names: Vec<&str> = methods.iter().map(|(known, _)| known.as_str()).collect();
        return refuse(format!("The methods that work on this datastore: {}.", names.join(", ")), "/method");
    };
    let backup_type = asked.backup_type.unwrap_or(BackupType::Full);
    if !types.contains(&backup_type) {
        let known = datastore.capabilities.methods.iter().find(|known| known.method == *method);
        let reason = known.and_then(|known| known.incremental_reason.as_deref());
        if let (BackupType::Incremental, Some(reason)) = (backup_type, reason) {
            return refuse(reason.to_owned(), "/type");
        }
        let names: Vec<&str> = types.iter().map(|known| known.as_str()).collect();
        return refuse(format!("The types that {method} makes here: {}.", names.join(", ")), "/type");
    }
    Ok((*method, backup_type))
}

/// Read a backup
#[utoipa::path(
    tag = "backups",
    params(("id" = Uuid, Path, description = "The backup's id")),
    responses((status = 200, description = "The backup", body = Backup))
)]
#[get("/backups/{id}")]
pub(crate) async fn backup_get(
    _: Allowed<operation::BackupGet>,
    state: State,
    id: Id,
) -> Result<Json<Backup>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.backup_get(id)).await?))
}

/// Delete a backup and its stored files
///
/// Refused while kept backups or the recovery window depend on it, or a job uses it. Once begun, the deletion is finished even after a crash.
#[utoipa::path(
    tag = "backups",
    params(("id" = Uuid, Path, description = "The backup's id")),
    responses(
        (status = 202, description = "The job that deletes it", body = Job, headers(("Location" = String, description = "The job's address"))),
        (status = 409, description = "`backup_has_dependents`, `backup_in_use`, `datastore_busy`", body = Problem, content_type = "application/problem+json")
    )
)]
#[delete("/backups/{id}")]
pub(crate) async fn backup_delete(
    _: Allowed<operation::BackupDelete>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let backup = state.read(move |store| store.backup_get(id)).await?;
    let facts = state.read(move |store| store.recovery_facts(backup.datastore_id)).await?;
    if facts.ends_with(id) {
        let detail = format!(
            "The recovery window ends with log backup {}: without it the log has a gap. Make another full backup first.",
            backup.number
        );
        return Err(ApiProblem::new(ErrorCode::BackupHasDependents, detail));
    }
    if facts.depends_on(id) {
        let detail = format!(
            "Point-in-time recovery needs backup {}: no other one leads into the archived log. Make another full backup first, \
             or switch log archiving off.",
            backup.number
        );
        return Err(ApiProblem::new(ErrorCode::BackupHasDependents, detail));
    }
    let job = state.change(move |store| store.backup_delete_start(id, now())).await?;
    Ok(Answer::accepted(format!("/api/v1/jobs/{}", job.id), &job)?.into_response())
}

/// Cancel a backup
///
/// Ends without leaving anything behind; read the backup to see it end. Asking again changes nothing.
#[utoipa::path(
    tag = "backups",
    params(("id" = Uuid, Path, description = "The backup's id")),
    responses(
        (status = 200, description = "The backup", body = Backup),
        (status = 409, description = "`not_cancellable`: it has ended", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/backups/{id}/cancel")]
pub(crate) async fn backup_cancel(
    _: Allowed<operation::BackupCancel>,
    state: State,
    id: Id,
) -> Result<Json<Backup>, ApiProblem> {
    let id = id.into_inner();
    let cancel = move |store: &store::Store| {
        let job = store.backup_get(id)?.job_id;
        store.job_cancel(job, now())?;
        store.backup_get(id)
    };
    Ok(Json(state.change(cancel).await?))
}

/// Read a backup again, whole, and compare every checksum
#[utoipa::path(
    tag = "backups",
    params(
        ("id" = Uuid, Path, description = "The backup's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours returns the first answer")
    ),
    responses(
        (status = 202, description = "The job; the backup's `verification` tells the result once it has ended", body = Job, headers(("Location" = String, description = "The job's address"))),
        (status = 409, description = "`backup_not_restorable`, `datastore_busy`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/backups/{id}/verify")]
pub(crate) async fn backup_verify(
    _: Allowed<operation::BackupVerify>,
    state: State,
    request: HttpRequest,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    let inner = state.clone();
    answer_once(&state, &request, "", async move {
        let state = inner;
        let job = state.change(move |store| store.backup_verify_start(id, now())).await?;
        Answer::accepted(format!("/api/v1/jobs/{}", job.id), &job)
    })
    .await
}

/// Read the log of the job that makes or made a backup
#[utoipa::path(
    tag = "backups",
    params(("id" = Uuid, Path, description = "The backup's id"), LogQuery),
    responses((status = 200, description = "The lines, oldest first", body = Page<LogLine>))
)]
#[get("/backups/{id}/log")]
pub(crate) async fn backup_log(
    _: Allowed<operation::BackupLog>,
    state: State,
    id: Id,
    query: Query<LogQuery>,
) -> Result<Json<Page<LogLine>>, ApiProblem> {
    let id = id.into_inner();
    let backup = state.read(move |store| store.backup_get(id)).await?;
    read_log(&state, backup.job_id, &query.0).await
}
