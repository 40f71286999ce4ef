//! Carrying out a decision about a schedule. The decision was made from the rows as they are in this transaction; what the
//! clock makes come due a second time is turned away by the records. // F-13, F-43

use domain::schedule::decision::{Action, Decision};
use domain::{Actor, ActorKind, AuditEntry, RunStatus, Subject, SubjectKind, Trigger};

use crate::StoreError;
use crate::backups::begin::{NewBackup, insert_backup};
use crate::columns::{micros, uuid};
use crate::datastores::row as datastore_row;
use crate::schedules::row::ScheduleRow;
use crate::schedules::run::{self, RunRow};
use crate::transaction::Transaction;

/// Does what was decided, in order, and says how many backups it started. The caller holds the locks of the datastore
/// and the schedule, and writes the schedule's own row.
pub fn carry_out(
    transaction: &mut Transaction<'_>,
    schedule: &ScheduleRow,
    decision: &Decision,
) -> Result<usize, StoreError> {
    let mut started = 0;
    for action in &decision.actions {
        match action {
            Action::Miss { due_at, also_since } => {
                tracing::warn!(
                    schedule = schedule.id,
                    runs = due_at.len(),
                    "scheduled runs were missed: no scheduler ran"
                );
                for (index, due_at) in due_at.iter().enumerate() {
                    let mut reason = "No scheduler ran when it was due".to_owned();
                    if let (0, Some(since)) = (index, also_since) {
                        reason += &format!("; those since {} are not listed", since.format("%Y-%m-%d %H:%M UTC"));
                    }
                    without_backup(transaction, schedule, micros(*due_at), RunStatus::Missed, reason)?;
                }
            }
            Action::Start { due_at, attempt } => {
                started += usize::from(start(transaction, schedule, micros(*due_at), *attempt)?);
            }
            Action::Wait { due_at, holder } => {
                let reason = format!("Waits for the datastore: {holder}");
                without_backup(transaction, schedule, micros(*due_at), RunStatus::Waiting, reason)?;
            }
            Action::Skip { due_at, reason } => {
                tracing::warn!(schedule = schedule.id, %due_at, %reason, "a scheduled run was skipped");
                without_backup(transaction, schedule, micros(*due_at), RunStatus::Skipped, reason.to_string())?;
            }
            Action::RetryAt { due_at, at } => {
                settle_failed(transaction, schedule, micros(*due_at), Some(micros(*at)))?;
            }
            Action::GiveUp { due_at } => settle_failed(transaction, schedule, micros(*due_at), None)?,
        }
    }
    Ok(started)
}

/// Records a due time for which no backup was started, unless one was.
fn without_backup(
    transaction: &mut Transaction<'_>,
    schedule: &ScheduleRow,
    due_at: i64,
    status: RunStatus,
    reason: String,
) -> Result<(), StoreError> {
    let known = run::find(transaction.connection, &schedule.id, due_at)?;
    if known.is_some_and(|known| known.attempt > 0) {
        return Ok(());
    }
    RunRow::without_backup(&schedule.id, due_at, status, reason, micros(transaction.now)).save(transaction.connection)
}

/// Starts a backup for a due time, unless this attempt was made before.
fn start(
    transaction: &mut Transaction<'_>,
    schedule: &ScheduleRow,
    due_at: i64,
    attempt: u32,
) -> Result<bool, StoreError> {
    let attempt = i32::try_from(attempt).unwrap_or(i32::MAX);
    let made = run::find(transaction.connection, &schedule.id, due_at)?.map_or(0, |known| known.attempt);
    if attempt != made + 1 {
        return Ok(false);
    }
    let draft = schedule.draft()?;
    let datastore = datastore_row::find(transaction.connection, &schedule.datastore_id)?;
    let new = NewBackup {
        method: draft.method,
        backup_type: draft.backup_type,
        trigger: Trigger::Schedule,
        schedule_id: Some(schedule.id.clone()),
    };
    let backup = insert_backup(transaction, datastore, new)?;
    let actor = Actor::known(ActorKind::Schedule, uuid("schedules.id", &schedule.id)?, &schedule.recurrence);
    let subject = Subject::of(SubjectKind::Backup, Some(uuid("backups.id", &backup.id)?));
    transaction.audit(AuditEntry::new(actor, "backup_create", subject));
    run::record_started(transaction, &schedule.id, due_at, attempt, &backup)?;
    Ok(true)
}

/// Records when a failed run is tried again; without a time it stays failed.
fn settle_failed(
    transaction: &mut Transaction<'_>,
    schedule: &ScheduleRow,
    due_at: i64,
    retry_at: Option<i64>,
) -> Result<(), StoreError> {
    let Some(mut row) = run::find(transaction.connection, &schedule.id, due_at)? else { return Ok(()) };
    if !row.open {
        return Ok(());
    }
    row.open = retry_at.is_some();
    row.retry_at = retry_at;
    row.save(transaction.connection)
}
