//! The recovery window: the stretches of time that a datastore can be restored to, and what its archived logs tell.

use std::time::Duration;

use actix_web::web::Json;
use actix_web::{get, post};
use domain::log_archive::{LogArchivingStatus, LogScan, LogScanCreate};
use domain::recovery::{RecoveryWindow, precision_seconds};
use domain::transaction_log::own_ends;
use domain::{BackupType, ErrorCode, Problem};
use store::RecoveryFacts;

use crate::access::{Allowed, operation};
use crate::extract::{Body, Id};
use crate::problem::ApiProblem;
use crate::state::{State, now};
use crate::waiting::answer_of;

/// How long a request waits for a worker to look through logs.
const SCAN_LIMIT: Duration = Duration::from_secs(120);

/// Read what a datastore can be restored to
///
/// Without log archiving these are exactly its completed backups: `latest_restorable_time` is the end of the newest.
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses((status = 200, description = "The recovery window", body = RecoveryWindow))
)]
#[get("/datastores/{id}/recovery-window")]
pub(crate) async fn recovery_window(
    _: Allowed<operation::RecoveryWindow>,
    state: State,
    id: Id,
) -> Result<Json<RecoveryWindow>, ApiProblem> {
    let id = id.into_inner();
    let (datastore, facts) =
        state.read(move |store| Ok((store.datastore_get(id, now())?, store.recovery_facts(id)?))).await?;
    let capabilities = datastore.capabilities;
    let (windows, gaps) = facts.windows();
    // A log backup alone restores nothing.
    let last_backup = own_ends(&facts.log_backups).max().or(datastore.overview.last_good_backup_at);
    let RecoveryFacts { archiving, branches, .. } = facts;
    let makes_log_backups = capabilities.makes(BackupType::Log);
    let is_archived = archiving.status != LogArchivingStatus::Off;
    let supported = is_archived || !windows.is_empty();
    let reason = (!supported).then(|| {
        if makes_log_backups {
            return "There is no log backup yet; a restore brings back exactly a backup. Add a schedule for log backups.".to_owned();
        }
        capabilities.point_in_time_recovery_reason.unwrap_or_else(|| {
            "Log archiving is off; a restore brings back exactly a backup. Switch it on in the settings.".to_owned()
        })
    });
    let current = branches.iter().find(|branch| branch.is_current).map(|branch| branch.branch.clone());
    let of_current = windows.iter().filter(|window| Some(&window.branch) == current.as_ref());
    let latest = of_current.map(|window| window.to).max();
    Ok(Json(RecoveryWindow {
        supported,
        reason,
        latest_restorable_time: latest.max(last_backup),
        windows,
        gaps,
        precision_seconds: precision_seconds(datastore.engine),
        log_archiving: archiving,
        branches,
    }))
}

/// Look for changes in archived logs
///
/// Lists schema changes and large deletes and updates, or every transaction, that were committed in a span of time, each with
/// the place to restore to just before it. Waits at most two minutes for a worker.
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    request_body = LogScanCreate,
    responses(
        (status = 200, description = "What was found", body = LogScan),
        (status = 422, description = "`validation_failed`, `pitr_not_supported`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`no_worker`: no worker could look", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/datastores/{id}/log-scan")]
pub(crate) async fn log_scan(
    _: Allowed<operation::LogScan>,
    state: State,
    id: Id,
    body: Body<LogScanCreate>,
) -> Result<Json<LogScan>, ApiProblem> {
    let (id, scan) = (id.into_inner(), body.value);
    if scan.to < scan.from {
        return Err(ApiProblem::invalid_field("/to", "must not be before from"));
    }
    let datastore = state.read(move |store| store.datastore_get(id, now())).await?;
    let facts = state.read(move |store| store.recovery_facts(id)).await?;
    if facts.segments.is_empty() {
        let reason = datastore.capabilities.point_in_time_recovery_reason;
        let reason = reason.unwrap_or_else(|| "No log of this datastore was archived yet.".to_owned());
        return Err(ApiProblem::new(ErrorCode::PitrNotSupported, reason));
    }
    let found = answer_of(
        &state,
        datastore.worker.as_deref(),
        move |store| store.job_create_scan(id, &scan, now()),
        SCAN_LIMIT,
        "No worker answered in time. Choose a shorter span, or try again later.",
    );
    Ok(Json(found.await?))
}
