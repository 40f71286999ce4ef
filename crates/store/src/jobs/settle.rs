//! What the end of an attempt means: for the job, for the backup or restore that it makes, and for the datastore. The only
//! place where those change together, so they never disagree. // I3, I4

use diesel::prelude::*;
use domain::assignment::TaskResult;
use domain::job::JobState;
use domain::{
    DatastoreStatus, ErrorCode, EventKind, JobError, JobKind, JobStatus, LogLevel, LogLineDraft, RestorePhase,
    RestoreStatus, RestoreTarget, Service, VerificationStatus,
};

use crate::StoreError;
use crate::columns::{from_json, micros, optional_uuid, size, to_json};
use crate::datastores::inspection;
use crate::datastores::row as datastore_row;
use crate::jobs::create::insert_inspect;
use crate::jobs::heartbeat::close_last_step;
use crate::jobs::log;
use crate::jobs::outcome;
use crate::jobs::row::JobRow;
use crate::logs;
use crate::restores;
use crate::schedules;
use crate::schema::{backups, restores as restores_table};
use crate::transaction::Transaction;

/// How an attempt ended.
#[derive(Clone, Copy)]
pub enum Ending<'a> {
    /// It was cancelled before any worker had it.
    NeverRan,
    /// The worker said so.
    Reported { error: Option<&'a JobError>, result: Option<&'a TaskResult> },
    /// Nobody said anything; `error` is told if the job is not tried again.
    LeaseExpired { error: &'a JobError },
}

impl<'a> Ending<'a> {
    const fn error(self) -> Option<&'a JobError> {
        match self {
            Self::NeverRan => None,
            Self::Reported { error, .. } => error,
            Self::LeaseExpired { error } => Some(error),
        }
    }

    const fn result(self) -> Option<&'a TaskResult> {
        match self {
            Self::Reported { result, .. } => result,
            Self::NeverRan | Self::LeaseExpired { .. } => None,
        }
    }
}

/// Writes the state `after` of a job whose attempt ended, and all that follows. The caller holds the job's lock.
pub fn settle(
    transaction: &mut Transaction<'_>,
    mut job: JobRow,
    after: JobState,
    ending: Ending<'_>,
) -> Result<(), StoreError> {
    let kind = job.kind()?;
    let had_run = job.attempt > 0;
    let now = micros(transaction.now);
    if let Some(datastore) = &job.datastore_id {
        transaction.lock_datastore(datastore)?;
    }
    job.set_state(after);
    job.lease_until = None;
    if after.status.is_final() {
        let mut steps = job.steps()?;
        close_last_step(&mut steps, transaction.now);
        job.set_steps(&steps)?;
        job.ended_at = Some(now);
        job.input_sealed = None;
        job.set_error(ending.error().filter(|_| after.status == JobStatus::Failed));
    } else {
        job.started_at = None;
        job.progress = None;
        job.set_steps(&[])?;
        tell_of_retry(transaction, &mut job, ending)?;
    }
    if let Some(result) = ending.result() {
        job.result = kept_result(transaction, &job, result)?;
    }
    job.save(transaction.connection)?;
    job.note_change(transaction)?;
    match kind {
        JobKind::Backup => {
            settle_backup(transaction, &job, ending.result())?;
            schedules::run::follow(transaction, &job)?;
        }
        JobKind::Verify => settle_verification(transaction, &job, ending)?,
        JobKind::Delete => settle_deletion(transaction, &job, after.status, had_run)?,
        JobKind::Restore => {
            settle_restore(transaction, &job, after.status, ending.result())?;
            if after.status == JobStatus::Cancelled {
                restores::guard::withdraw(transaction, &job)?;
            }
        }
        JobKind::Undo => settle_undo(transaction, &job, after.status)?,
        JobKind::Inspect => {
            if let (Some(TaskResult::Inspect { inspection }), Some(datastore)) = (ending.result(), &job.datastore_id) {
                inspection::record(transaction, datastore, inspection)?;
            }
        }
        JobKind::Sweep => settle_sweep(transaction, &job, ending.result())?,
        JobKind::PlanRestore | JobKind::EndLogArchiving | JobKind::ScanLogs => {}
    }
    if after.status.is_final() {
        logs::resume(transaction, &job.id)?;
        if had_run {
            outcome::note(transaction, &job, kind, after.status)?;
        }
    }
    if let (true, true, Some(datastore)) = (job.exclusive, after.status.is_final(), &job.datastore_id) {
        schedules::run::datastore_is_free(transaction, datastore)?;
    }
    if let (true, Some(datastore), true) =
        (restores::touches_data_in_use(transaction.connection, &job)?, &job.datastore_id, had_run)
    {
        let mut status = status_after_switch(after.status, ending);
        if after.status == JobStatus::Failed && status == DatastoreStatus::Unknown {
            // Nobody knows whose log the server writes now: it is kept apart from both. // F-68
            logs::branch_off(transaction, datastore, &job.id)?;
        }
        if after.status.is_final() && is_into_new(transaction, &job)? {
            let row = datastore_row::find(transaction.connection, datastore)?;
            let is_started = from_json::<Service>("datastores.service", &row.service)? != Service::None;
            let is_there = match &job.restore_id {
                Some(restore) => restores::goes_through_server(transaction.connection, restore)?,
                None => false,
            };
            let runs = after.status == JobStatus::Completed && (is_started || is_there);
            if runs {
                // What the server that came with the restore can do.
                insert_inspect(transaction, &row)?;
            } else {
                status = DatastoreStatus::Unknown;
            }
        }
        datastore_row::set_status(transaction, datastore, status)?;
        if let Some(
            TaskResult::Restore { server_identity: Some(identity), .. }
            | TaskResult::Undo { server_identity: Some(identity), .. },
        ) = ending.result()
        {
            datastore_row::set_identity(transaction, datastore, identity)?;
        }
    }
    Ok(())
}

/// Whether a restore has made its datastore.
fn is_into_new(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<bool, StoreError> {
    let Some(restore) = &job.restore_id else { return Ok(false) };
    Ok(matches!(restores::target_of(transaction.connection, restore)?, RestoreTarget::NewDatastore { .. }))
}

/// The job's log says why a job starts over. // I10
fn tell_of_retry(transaction: &mut Transaction<'_>, job: &mut JobRow, ending: Ending<'_>) -> Result<(), StoreError> {
    let worker = job.worker.as_deref().unwrap_or("unknown");
    let why = match ending {
        Ending::LeaseExpired { .. } => format!("The worker {worker} stopped answering"),
        Ending::Reported { .. } | Ending::NeverRan => {
            format!("The worker {worker} was shut down and gave the job back")
        }
    };
    let line = LogLineDraft {
        at: transaction.now,
        level: LogLevel::Warning,
        text: format!("{why} in attempt {}. The job waits to be started again.", job.attempt),
    };
    let id = job.id.clone();
    job.last_line = log::append(transaction, &id, job.last_line, &[line])?;
    Ok(())
}

/// What a result leaves in the job itself.
fn kept_result(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    result: &TaskResult,
) -> Result<Option<String>, StoreError> {
    Ok(match result {
        TaskResult::Inspect { inspection } => Some(to_json("jobs.result", inspection)?),
        TaskResult::Verify { problems } => Some(to_json("jobs.result", problems)?),
        TaskResult::PlanRestore { plan } => {
            let mut plan = plan.clone();
            if let Some(datastore) = &job.datastore_id {
                let earlier = restores::durations(transaction.connection, datastore)?;
                plan.estimated_seconds = plan.estimated_seconds.or(earlier.seconds);
                plan.estimated_downtime_seconds = plan.estimated_downtime_seconds.or(earlier.downtime_seconds);
            }
            Some(to_json("jobs.result", &plan)?)
        }
        TaskResult::Sweep { .. } => Some(to_json("jobs.result", result)?),
        TaskResult::ScanLogs { scan } => Some(to_json("jobs.result", scan)?),
        TaskResult::EndLogArchiving
        | TaskResult::Backup { .. }
        | TaskResult::Delete
        | TaskResult::Restore { .. }
        | TaskResult::Undo { .. } => None,
    })
}

fn settle_backup(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    result: Option<&TaskResult>,
) -> Result<(), StoreError> {
    let of_job = backups::table.filter(backups::job_id.eq(&job.id));
    diesel::update(of_job)
        .set((
            backups::status.eq(&job.status),
            backups::started_at.eq(job.started_at),
            backups::ended_at.eq(job.ended_at),
            backups::error_code.eq(&job.error_code),
            backups::error_detail.eq(&job.error_detail),
        ))
        .execute(transaction.connection)?;
    if matches!(job.status.parse(), Ok(JobStatus::Failed | JobStatus::Cancelled)) {
        // What was never made needs nobody.
        diesel::update(of_job).set(backups::parent_id.eq(None::<String>)).execute(transaction.connection)?;
    }
    if let Some(TaskResult::Backup { summary }) = result {
        let log_point = summary.log_point.as_ref().map(|point| to_json("backups.log_point", point)).transpose()?;
        // In one statement with the size: the totals' triggers see both.
        diesel::update(of_job)
            .set((
                backups::backup_type.eq(summary.backup_type.as_str()),
                backups::parent_id.eq(summary.parent_id.map(|parent| parent.to_string())),
                backups::size_bytes.eq(size(summary.size_bytes)),
                backups::original_size_bytes.eq(size(summary.original_size_bytes)),
                backups::engine_version.eq(&summary.engine_version),
                backups::log_position.eq(&summary.log_position),
                backups::server_identity.eq(&summary.server_identity),
                backups::log_point.eq(log_point),
                backups::log_ranges.eq(logs::column(&summary.log_ranges)?),
                backups::encrypted.eq(summary.encrypted),
                backups::manifest_sha256.eq(&summary.manifest_sha256),
            ))
            .execute(transaction.connection)?;
    }
    Ok(())
}

/// A verification tells something only when it read the backup: a storage that can't be reached proves nothing.
fn settle_verification(transaction: &mut Transaction<'_>, job: &JobRow, ending: Ending<'_>) -> Result<(), StoreError> {
    let status = match (ending.result(), ending.error().map(|error| error.code)) {
        (Some(TaskResult::Verify { problems }), _) if problems.is_empty() => VerificationStatus::Passed,
        (Some(TaskResult::Verify { .. }), _) => VerificationStatus::Failed,
        (
            _,
            Some(
                ErrorCode::ObjectMissing
                | ErrorCode::ObjectCorrupted
                | ErrorCode::ManifestMissing
                | ErrorCode::ManifestInvalid
                | ErrorCode::ManifestChanged,
            ),
        ) => VerificationStatus::Failed,
        _ => return Ok(()),
    };
    let Some(backup) = &job.backup_id else { return Ok(()) };
    diesel::update(backups::table.find(backup))
        .set((backups::verification.eq(status.as_str()), backups::verified_at.eq(micros(transaction.now))))
        .execute(transaction.connection)?;
    Ok(())
}

/// The row goes last, after all objects. A deletion that failed half-way stays marked, and may be asked for again. // F-73
fn settle_deletion(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    status: JobStatus,
    had_run: bool,
) -> Result<(), StoreError> {
    let Some(backup) = &job.backup_id else { return Ok(()) };
    if status == JobStatus::Completed {
        diesel::delete(backups::table.find(backup)).execute(transaction.connection)?;
    } else if status == JobStatus::Cancelled && !had_run {
        diesel::update(backups::table.find(backup)).set(backups::deleting.eq(false)).execute(transaction.connection)?;
    }
    Ok(())
}

/// A completed backup without its manifest is none: as after a verification that failed.
fn settle_sweep(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    result: Option<&TaskResult>,
) -> Result<(), StoreError> {
    let Some(TaskResult::Sweep { missing, deleted_logs, .. }) = result else { return Ok(()) };
    if let Some(datastore) = &job.datastore_id {
        logs::delete(transaction, datastore, deleted_logs)?;
    }
    let datastore = optional_uuid("jobs.datastore_id", job.datastore_id.as_deref())?;
    for backup in missing {
        let failed = (
            backups::verification.eq(VerificationStatus::Failed.as_str()),
            backups::verified_at.eq(micros(transaction.now)),
        );
        diesel::update(backups::table.find(backup.to_string())).set(failed).execute(transaction.connection)?;
        transaction.changed(EventKind::Backup, *backup, datastore);
    }
    Ok(())
}

const fn restore_status(status: JobStatus) -> RestoreStatus {
    match status {
        JobStatus::Pending => RestoreStatus::Pending,
        JobStatus::Running => RestoreStatus::Running,
        JobStatus::Completed => RestoreStatus::Completed,
        JobStatus::Failed => RestoreStatus::Failed,
        JobStatus::Cancelled => RestoreStatus::Cancelled,
    }
}

fn settle_restore(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    status: JobStatus,
    result: Option<&TaskResult>,
) -> Result<(), StoreError> {
    let of_job = restores_table::table.filter(restores_table::job_id.eq(&job.id));
    diesel::update(of_job)
        .set((
            restores_table::status.eq(restore_status(status).as_str()),
            restores_table::started_at.eq(job.started_at),
            restores_table::ended_at.eq(job.ended_at),
            restores_table::error_code.eq(&job.error_code),
            restores_table::error_detail.eq(&job.error_detail),
        ))
        .execute(transaction.connection)?;
    if let Some(TaskResult::Restore { undo_until, downtime_seconds, reached, .. }) = result {
        // An earlier restore's undo would switch to what this one has just replaced.
        if let (true, Some(datastore)) =
            (restores::touches_data_in_use(transaction.connection, job)?, &job.datastore_id)
        {
            restores::forget_undo(transaction.connection, datastore)?;
            // Data that went through the server stands in its log like all else.
            if let Some(restore) = &job.restore_id
                && !restores::goes_through_server(transaction.connection, restore)?
            {
                logs::replace(transaction, datastore, restore)?;
            }
        }
        diesel::update(of_job)
            .set((
                restores_table::phase.eq(RestorePhase::Done.as_str()),
                restores_table::undo_until.eq(micros(*undo_until)),
                restores_table::downtime_seconds.eq(*downtime_seconds),
                restores_table::reached_position.eq(reached.as_ref().map(|reached| &reached.position)),
                restores_table::reached_at.eq(reached.as_ref().and_then(|reached| reached.last_commit_at).map(micros)),
            ))
            .execute(transaction.connection)?;
    }
    Ok(())
}

/// Only a completed undo changes the restore: after any other end the restored data is still in place.
fn settle_undo(transaction: &mut Transaction<'_>, job: &JobRow, status: JobStatus) -> Result<(), StoreError> {
    let (JobStatus::Completed, Some(restore)) = (status, &job.restore_id) else { return Ok(()) };
    diesel::update(restores_table::table.find(restore))
        .set((restores_table::status.eq(RestoreStatus::Undone.as_str()), restores_table::undo_until.eq(None::<i64>)))
        .execute(transaction.connection)?;
    if let Some(datastore) = &job.datastore_id {
        logs::leave(transaction, datastore, restore)?;
    }
    Ok(())
}

/// What is known of the server after a restore or undo. A worker that reports has it running, on the new data or the old,
/// unless it says otherwise; one that went silent may have left it stopped, and nobody knows until the next look.
const fn status_after_switch(status: JobStatus, ending: Ending<'_>) -> DatastoreStatus {
    let doubtful = match ending.error() {
        Some(error) => domain::restore::leaves_doubt(error.code),
        None => false,
    };
    match (status, doubtful) {
        (JobStatus::Completed | JobStatus::Cancelled | JobStatus::Failed | JobStatus::Pending, false) => {
            DatastoreStatus::Online
        }
        _ => DatastoreStatus::Unknown,
    }
}
