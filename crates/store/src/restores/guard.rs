//! The restore guard's requests: decided once by a second person, or expired. An open request holds nothing but its backup:
//! its job can't be claimed and is not exclusive, so that backups go on while it waits. With the approval it becomes a
//! job like any other.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::approval::{ApprovalEvent, ApprovalState, ApprovalStatus, Requester};
use domain::{Actor, ActorKind, AuditEntry, Restore, Subject, SubjectKind};
use uuid::Uuid;

use crate::backups::begin::require_whole;
use crate::backups::row as backup_row;
use crate::columns::{from_json, micros, to_json, uuid};
use crate::connection::AnyConnection;
use crate::datastores::row as datastore_row;
use crate::jobs::cancel;
use crate::jobs::create::refuse_busy;
use crate::jobs::row::JobRow;
use crate::restores::{RestoreRow, find};
use crate::schema::{jobs, restores};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// What is written of a request in the restore's row.
pub struct Columns {
    pub approval: Option<String>,
    pub open_until: Option<i64>,
}

/// The columns of a request; of a restore that needs none, empty ones.
pub fn columns(approval: Option<&ApprovalState>) -> Result<Columns, StoreError> {
    let open = approval.filter(|approval| approval.status == ApprovalStatus::Requested);
    Ok(Columns {
        approval: approval.map(|approval| to_json("restores.approval", approval)).transpose()?,
        open_until: open.map(|approval| micros(approval.expires_at())),
    })
}

pub fn state(row: &RestoreRow) -> Result<Option<ApprovalState>, StoreError> {
    row.approval.as_deref().map(|text| from_json("restores.approval", text)).transpose()
}

/// Refuses while a request about the datastore waits: two at once would have people approve something else than they read.
pub fn refuse_second_request(connection: &mut AnyConnection, datastore: &str) -> Result<(), StoreError> {
    match open_request(connection, datastore)? {
        Some(job) => Err(StoreError::Busy { job: Box::new(job.into_job(connection)?) }),
        None => Ok(()),
    }
}

/// The job of the datastore's request that waits for a decision, if there is one.
pub fn open_request(connection: &mut AnyConnection, datastore: &str) -> Result<Option<JobRow>, StoreError> {
    Ok(jobs::table
        .filter(jobs::datastore_id.eq(datastore))
        .filter(crate::jobs::condition::requested())
        .first(connection)
        .optional()?)
}

/// Locks the restore's job and datastore, and reads the restore and its job as they are then.
fn locked(transaction: &mut Transaction<'_>, id: &str) -> Result<(RestoreRow, JobRow), StoreError> {
    let before = find(transaction.connection, id)?;
    transaction.lock_job(&before.job_id)?;
    transaction.lock_datastore(&before.datastore_id)?;
    let job = crate::jobs::find(transaction.connection, &before.job_id)?;
    Ok((find(transaction.connection, id)?, job))
}

fn decide(transaction: &mut Transaction<'_>, row: &RestoreRow, event: ApprovalEvent) -> Result<(), StoreError> {
    let state = state(row)?.ok_or(StoreError::NotGuarded)?;
    let after = state.apply(event, transaction.now).map_err(StoreError::Approval)?;
    save(transaction, &row.id, &after)
}

fn save(transaction: &mut Transaction<'_>, restore: &str, after: &ApprovalState) -> Result<(), StoreError> {
    let columns = columns(Some(after))?;
    diesel::update(restores::table.find(restore))
        .set((restores::approval.eq(columns.approval), restores::approval_open_until.eq(columns.open_until)))
        .execute(transaction.connection)?;
    Ok(())
}

/// What the end of a job that never ran means for the request: whoever cancelled the restore has withdrawn it.
pub fn withdraw(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<(), StoreError> {
    let Some(id) = &job.restore_id else { return Ok(()) };
    let Some(row) = restores::table.find(id).first::<RestoreRow>(transaction.connection).optional()? else {
        return Ok(());
    };
    match state(&row)? {
        Some(state) if state.status == ApprovalStatus::Requested => {
            let after = state.apply(ApprovalEvent::Withdraw, transaction.now).map_err(StoreError::Approval)?;
            save(transaction, id, &after)
        }
        _ => Ok(()),
    }
}

impl Store {
    /// Approves a restore: its job can be claimed from now on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::NotGuarded`], [`StoreError::Approval`] when it waits for no decision or
    /// for that of another; [`StoreError::BackupNotRestorable`], [`StoreError::Busy`]: the request then stays open.
    pub fn restore_approve(
        &self,
        id: Uuid,
        by: &Requester,
        note: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Restore, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let (row, mut job) = locked(transaction, &id)?;
            decide(transaction, &row, ApprovalEvent::Approve { by: by.clone(), note: note.map(str::to_owned) })?;
            let backup = backup_row::find(transaction.connection, &row.backup_id).map_err(|error| match error {
                StoreError::NotFound { .. } => {
                    StoreError::BackupNotRestorable { detail: format!("backup {} is gone", row.backup_number) }
                }
                error => error,
            })?;
            require_whole(&backup)?;
            refuse_busy(transaction.connection, &row.datastore_id)?;
            job.awaiting_approval = false;
            job.exclusive = job.kind()?.is_exclusive();
            job.pinned_worker = datastore_row::find(transaction.connection, &row.datastore_id)?.worker;
            job.save(transaction.connection)?;
            job.note_change(transaction)?;
            find(transaction.connection, &id)?.into_restore(None)
        })
    }

    /// Refuses a restore, which ends as cancelled.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::NotGuarded`], [`StoreError::Approval`] when it waits for no decision or
    /// for that of another.
    pub fn restore_refuse(
        &self,
        id: Uuid,
        by: &Requester,
        note: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Restore, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let (row, job) = locked(transaction, &id)?;
            decide(transaction, &row, ApprovalEvent::Refuse { by: by.clone(), note: note.map(str::to_owned) })?;
            cancel::request(transaction, job)?;
            find(transaction.connection, &id)?.into_restore(None)
        })
    }

    /// Ends the requests whose time is over, and gives the ids of their restores.
    pub fn restore_requests_expire(&self, now: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
        let due: Vec<String> = self.read(|connection| {
            Ok(restores::table
                .filter(restores::approval_open_until.le(micros(now)))
                .order(restores::approval_open_until.asc())
                .select(restores::id)
                .load(connection)?)
        })?;
        let mut expired = Vec::new();
        for id in due {
            let subject = Subject::of(SubjectKind::Restore, Some(uuid("restores.id", &id)?));
            let entry = AuditEntry::new(Actor::named(ActorKind::Service, "restore guard"), "restore_expire", subject);
            let outcome = self.acting(entry).write(now, |transaction| {
                let (row, job) = locked(transaction, &id)?;
                decide(transaction, &row, ApprovalEvent::Expire)?;
                cancel::request(transaction, job)
            });
            match outcome {
                Ok(()) => expired.push(uuid("restores.id", &id)?),
                // Somebody was quicker, or it is gone.
                Err(StoreError::Approval(_) | StoreError::Illegal(_) | StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }
}
