//! How restores and their undos begin.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::approval::{ApprovalState, Requester};
use domain::{
    DatastoreCreate, Job, JobKind, RecoveryStop, Restore, RestorePhase, RestoreStatus, RestoreTarget, Subject,
    SubjectKind,
};
use uuid::Uuid;

use crate::backups::begin::require_whole;
use crate::backups::row::{self as backup_row, BackupRow};
use crate::columns::{micros, new_id, to_json, uuid};
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::jobs::create::{NewJob, insert, insert_awaiting_approval};
use crate::restores::{RestoreRow, find, goes_through_server, guard};
use crate::schema::{backups, jobs, restores};
use crate::transaction::Transaction;
use crate::{Store, StoreError, datastores};

/// What to restore, and how. The person's confirmation has been checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    pub target: RestoreTarget,
    /// How far logs are replayed; none: exactly the backup.
    pub stop: Option<RecoveryStop>,
    /// Take the configuration files inside the data directory from the backup too.
    pub restore_configuration: bool,
    /// Who asks: nobody else but a second person approves it, where the datastore has a guard.
    pub requested_by: Requester,
}

impl Store {
    /// Adds a restore of a backup and the job that does it. Where the datastore has a restore guard, the job waits for a second
    /// person first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::BackupNotRestorable`], [`StoreError::Busy`].
    pub fn restore_create(
        &self,
        backup_id: Uuid,
        request: &RestoreRequest,
        now: DateTime<Utc>,
    ) -> Result<Restore, StoreError> {
        let backup_id = backup_id.to_string();
        self.write(now, |transaction| {
            let datastore = backup_row::find(transaction.connection, &backup_id)?.datastore_id;
            transaction.lock_datastore(&datastore)?;
            let backup = backup_row::find(transaction.connection, &backup_id)?;
            require_whole(&backup)?;
            let datastore = datastore_row::find(transaction.connection, &datastore)?;
            insert_restore(transaction, backup, datastore, request)?.into_restore(None)
        })
    }

    /// Registers a datastore and adds a restore of another one's backup into it, with the job that does it. Without a password
    /// it gets that of the backup's datastore, whose accounts the data holds. A registration that an earlier restore made and put
    /// nothing into is taken over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::BackupNotRestorable`], [`StoreError::NameTaken`].
    pub fn restore_create_into(
        &self,
        backup_id: Uuid,
        request: &RestoreRequest,
        registration: &DatastoreCreate,
        now: DateTime<Utc>,
    ) -> Result<Restore, StoreError> {
        let backup_id = backup_id.to_string();
        self.write(now, |transaction| {
            let source = backup_row::find(transaction.connection, &backup_id)?.datastore_id;
            transaction.lock_datastore(&source)?;
            let backup = backup_row::find(transaction.connection, &backup_id)?;
            require_whole(&backup)?;
            let mut registration = registration.clone();
            let source = datastore_row::find(transaction.connection, &source)?;
            let storage = uuid("datastores.storage_id", &source.storage_id)?;
            if registration.password.is_none() {
                registration.password = source.access(transaction.connection, transaction.key)?.password;
            }
            let datastore = datastores::insert_for_restore(transaction, &registration, storage)?;
            insert_restore(transaction, backup, datastore, request)?.into_restore(None)
        })
    }

    /// Starts to put back the data that a restore replaced.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UndoNotPossible`] unless it is completed and its time is not over, which ends when
    /// a later restore replaces the datastore's data; [`StoreError::Busy`].
    pub fn restore_undo_start(&self, id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let datastore = find(transaction.connection, &id)?.datastore_id;
            transaction.lock_datastore(&datastore)?;
            let restore = find(transaction.connection, &id)?;
            let in_time = restore.undo_until.is_some_and(|until| until > micros(now));
            if restore.status != RestoreStatus::Completed.as_str() || !in_time {
                return Err(StoreError::UndoNotPossible);
            }
            let datastore = datastore_row::find(transaction.connection, &datastore)?;
            // The backup may be gone: undoing needs only what was set aside.
            let backup_id = backups::table
                .find(&restore.backup_id)
                .select(backups::id)
                .first::<String>(transaction.connection)
                .optional()?;
            let new = NewJob {
                kind: JobKind::Undo,
                datastore: Some(&datastore),
                backup_id,
                backup_number: Some(restore.backup_number),
                restore_id: Some(id.clone()),
            };
            let mut job = insert(transaction, new)?;
            if goes_through_server(transaction.connection, &id)? {
                // What it replaced lies with the worker that did it.
                let done_by: Option<String> =
                    jobs::table.find(&restore.job_id).select(jobs::worker).first(transaction.connection)?;
                job.pinned_worker = done_by.or(job.pinned_worker);
                let pinned = jobs::pinned_worker.eq(&job.pinned_worker);
                diesel::update(jobs::table.find(&job.id)).set(pinned).execute(transaction.connection)?;
            }
            job.into_job(transaction.connection)
        })
    }
}

/// Adds a restore into a datastore, and its job. The caller holds the lock of the backup's datastore, and of this one where
/// that is another.
fn insert_restore(
    transaction: &mut Transaction<'_>,
    backup: BackupRow,
    datastore: DatastoreRow,
    request: &RestoreRequest,
) -> Result<RestoreRow, StoreError> {
    let id = new_id(transaction.now).to_string();
    let new = NewJob {
        kind: JobKind::Restore,
        datastore: Some(&datastore),
        backup_id: Some(backup.id.clone()),
        backup_number: Some(backup.number),
        restore_id: Some(id.clone()),
    };
    let is_guarded = datastore.restore_guard && request.target == RestoreTarget::InPlace;
    let approval = is_guarded.then(|| ApprovalState::requested(request.requested_by.clone(), transaction.now));
    let columns = guard::columns(approval.as_ref())?;
    let job = if is_guarded {
        guard::refuse_second_request(transaction.connection, &datastore.id)?;
        insert_awaiting_approval(transaction, new)?
    } else {
        insert(transaction, new)?
    };
    let row = RestoreRow {
        id,
        datastore_id: datastore.id,
        backup_id: backup.id,
        backup_number: backup.number,
        target: to_json("restores.target", &request.target)?,
        restore_configuration: request.restore_configuration,
        status: RestoreStatus::Pending.as_str().to_owned(),
        phase: RestorePhase::Checking.as_str().to_owned(),
        job_id: job.id,
        created_at: micros(transaction.now),
        started_at: None,
        ended_at: None,
        downtime_seconds: None,
        undo_until: None,
        error_code: None,
        error_detail: None,
        stop: request.stop.as_ref().map(|stop| to_json("restores.stop", stop)).transpose()?,
        reached_position: None,
        reached_at: None,
        replaced_branch: None,
        approval: columns.approval,
        approval_open_until: columns.open_until,
    };
    diesel::insert_into(restores::table).values(&row).execute(transaction.connection)?;
    transaction.about(Subject::of(SubjectKind::Restore, Some(uuid("restores.id", &row.id)?)));
    Ok(row)
}
