//! How restores and their undos begin.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Job, JobKind, RecoveryStop, Restore, RestorePhase, RestoreStatus, RestoreTarget, Subject, SubjectKind};
use uuid::Uuid;

use crate::backups::begin::require_whole;
use crate::backups::row as backup_row;
use crate::columns::{micros, new_id, to_json, uuid};
use crate::connection::AnyConnection;
use crate::datastores::row as datastore_row;
use crate::jobs::create::{NewJob, insert};
use crate::restores::{RestoreRow, find};
use crate::schema::{backups, restores};
use crate::{Store, StoreError};

/// What to restore, and how. The person's confirmation has been checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    pub target: RestoreTarget,
    /// How far logs are replayed; none: exactly the backup.
    pub stop: Option<RecoveryStop>,
    /// Take the configuration files inside the data directory from the backup too.
    pub restore_configuration: bool,
}

impl Store {
    /// Adds a restore of a backup and the job that does it.
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
        let stop = request.stop.as_ref().map(|stop| to_json("restores.stop", stop)).transpose()?;
        let target = to_json("restores.target", &request.target)?;
        self.write(now, |transaction| {
            let datastore = backup_row::find(transaction.connection, &backup_id)?.datastore_id;
            transaction.lock_datastore(&datastore)?;
            let backup = backup_row::find(transaction.connection, &backup_id)?;
            require_whole(&backup)?;
            let datastore = datastore_row::find(transaction.connection, &datastore)?;
            let id = new_id(now).to_string();
            let new = NewJob {
                kind: JobKind::Restore,
                datastore: Some(&datastore),
                backup_id: Some(backup.id.clone()),
                backup_number: Some(backup.number),
                restore_id: Some(id.clone()),
            };
            let job = insert(transaction, new)?;
            let row = RestoreRow {
                id,
                datastore_id: datastore.id,
                backup_id: backup.id,
                backup_number: backup.number,
                target: target.clone(),
                restore_configuration: request.restore_configuration,
                status: RestoreStatus::Pending.as_str().to_owned(),
                phase: RestorePhase::Checking.as_str().to_owned(),
                job_id: job.id,
                created_at: micros(now),
                started_at: None,
                ended_at: None,
                downtime_seconds: None,
                undo_until: None,
                error_code: None,
                error_detail: None,
                stop: stop.clone(),
                reached_position: None,
                reached_at: None,
                replaced_branch: None,
            };
            diesel::insert_into(restores::table).values(&row).execute(transaction.connection)?;
            transaction.about(Subject::of(SubjectKind::Restore, Some(uuid("restores.id", &row.id)?)));
            row.into_restore(None)
        })
    }

    /// Starts to put back the data that a restore replaced.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UndoNotPossible`] unless it is the newest completed restore of its
    /// datastore and its time is not over; [`StoreError::Busy`].
    pub fn restore_undo_start(&self, id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let datastore = find(transaction.connection, &id)?.datastore_id;
            transaction.lock_datastore(&datastore)?;
            let restore = find(transaction.connection, &id)?;
            let in_time = restore.undo_until.is_some_and(|until| until > micros(now));
            let newest = newest_completed(transaction.connection, &datastore)?;
            if restore.status != RestoreStatus::Completed.as_str() || !in_time || newest.as_ref() != Some(&id) {
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
            insert(transaction, new)?.into_job(transaction.connection)
        })
    }
}

fn newest_completed(connection: &mut AnyConnection, datastore: &str) -> Result<Option<String>, StoreError> {
    Ok(restores::table
        .filter(restores::datastore_id.eq(datastore))
        .filter(restores::status.eq(RestoreStatus::Completed.as_str()))
        .order((restores::created_at.desc(), restores::id.desc()))
        .select(restores::id)
        .first(connection)
        .optional()?)
}
