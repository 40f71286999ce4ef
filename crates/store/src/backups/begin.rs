//! What may be asked of backups: making one, reading it again, deleting it. Each is a job that excludes others on its
//! datastore, checked and added in one transaction. // F-16

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{
    Backup, BackupType, EventKind, Job, JobKind, JobStatus, LogLevel, LogLineDraft, Method, Trigger, VerificationStatus,
};
use uuid::Uuid;

use crate::backups::parent;
use crate::backups::row::{self, BackupRow};
use crate::columns::{micros, new_id, uuid, word};
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::jobs::condition;
use crate::jobs::create::{NewJob, insert, refuse_busy};
use crate::jobs::log;
use crate::jobs::row::JobRow;
use crate::logs::NO_RANGES;
use crate::schema::{backups, jobs, meta};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// Where the last number given to a backup is kept. Numbers are never given twice, not even after a deletion.
const LAST_NUMBER: &str = "backup_number";

fn next_number(transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    let next = last_number(transaction)? + 1;
    set_last_number(transaction, next)?;
    Ok(next)
}

/// Gives a backup the number that it had elsewhere, or a new one where another has that.
pub fn take_number(transaction: &mut Transaction<'_>, wanted: i64) -> Result<i64, StoreError> {
    let having = backups::table.filter(backups::number.eq(wanted)).count();
    if wanted < 1 || having.get_result::<i64>(transaction.connection)? > 0 {
        return next_number(transaction);
    }
    let last = last_number(transaction)?;
    set_last_number(transaction, last.max(wanted))?;
    Ok(wanted)
}

/// Reads the last number, and keeps others from giving the next one until the transaction's end.
fn last_number(transaction: &mut Transaction<'_>) -> Result<i64, StoreError> {
    use crate::connection::AnyConnection;
    if let AnyConnection::Postgres(postgres) = transaction.connection {
        meta::table.find(LAST_NUMBER).select(meta::value).for_update().first::<String>(postgres)?;
    }
    let last: String = meta::table.find(LAST_NUMBER).select(meta::value).first(transaction.connection)?;
    word("meta.value", &last)
}

fn set_last_number(transaction: &mut Transaction<'_>, number: i64) -> Result<(), StoreError> {
    let last = diesel::update(meta::table.find(LAST_NUMBER));
    last.set(meta::value.eq(number.to_string())).execute(transaction.connection)?;
    Ok(())
}

/// The job that uses a backup now or waits to: makes, verifies, restores or deletes it.
fn using(transaction: &mut Transaction<'_>, backup: &str) -> Result<Option<JobRow>, StoreError> {
    Ok(jobs::table
        .filter(jobs::backup_id.eq(backup))
        .filter(condition::using_backup())
        .first(transaction.connection)
        .optional()?)
}

/// Locks the backup's datastore and reads the backup as it is then.
fn locked(transaction: &mut Transaction<'_>, id: &str) -> Result<BackupRow, StoreError> {
    let datastore = row::find(transaction.connection, id)?.datastore_id;
    transaction.lock_datastore(&datastore)?;
    row::find(transaction.connection, id)
}

fn insert_job(transaction: &mut Transaction<'_>, kind: JobKind, backup: &BackupRow) -> Result<JobRow, StoreError> {
    let datastore = datastore_row::find(transaction.connection, &backup.datastore_id)?;
    let new = NewJob {
        kind,
        datastore: Some(&datastore),
        backup_id: Some(backup.id.clone()),
        backup_number: Some(backup.number),
        restore_id: None,
    };
    insert(transaction, new)
}

/// What a new backup is.
pub struct NewBackup {
    pub method: Method,
    pub backup_type: BackupType,
    pub trigger: Trigger,
    pub schedule_id: Option<String>,
}

/// Adds a backup and the job that makes it. The caller holds the datastore's lock. One that there is nothing to build on
/// becomes a full one, and its log says why. // F-70
///
/// # Errors
/// [`StoreError::Busy`].
pub fn insert_backup(
    transaction: &mut Transaction<'_>,
    datastore: DatastoreRow,
    new: NewBackup,
) -> Result<BackupRow, StoreError> {
    refuse_busy(transaction.connection, &datastore.id)?;
    let id = new_id(transaction.now).to_string();
    let number = next_number(transaction)?;
    let job = NewJob {
        kind: JobKind::Backup,
        datastore: Some(&datastore),
        backup_id: Some(id.clone()),
        backup_number: Some(number),
        restore_id: None,
    };
    let job = insert(transaction, job)?;
    let mut backup_type = new.backup_type;
    let mut parent_id = None;
    if backup_type != BackupType::Full {
        match parent::choose(transaction.connection, &datastore, new.method, backup_type)? {
            Ok(parent) => parent_id = Some(parent),
            Err(reason) => {
                tell_of_full(transaction, &job, backup_type, &reason)?;
                backup_type = BackupType::Full;
            }
        }
    }
    let row = BackupRow {
        id,
        number,
        datastore_id: datastore.id,
        storage_id: datastore.storage_id,
        parent_id,
        method: new.method.as_str().to_owned(),
        backup_type: backup_type.as_str().to_owned(),
        status: job.status,
        trigger: new.trigger.as_str().to_owned(),
        schedule_id: new.schedule_id,
        job_id: job.id,
        created_at: micros(transaction.now),
        started_at: None,
        ended_at: None,
        size_bytes: None,
        original_size_bytes: None,
        engine_version: None,
        log_position: None,
        log_point: None,
        log_ranges: NO_RANGES.to_owned(),
        server_identity: None,
        encrypted: false,
        verification: VerificationStatus::Never.as_str().to_owned(),
        verified_at: None,
        deleting: false,
        error_code: None,
        error_detail: None,
        held: None,
        manifest_sha256: None,
    };
    diesel::insert_into(backups::table).values(&row).execute(transaction.connection)?;
    Ok(row)
}

fn tell_of_full(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    instead_of: BackupType,
    reason: &str,
) -> Result<(), StoreError> {
    let line = LogLineDraft {
        at: transaction.now,
        level: LogLevel::Warning,
        text: format!("A full backup is made instead of {}: {reason}", instead_of.as_one()),
    };
    let last = log::append(transaction, &job.id, job.last_line, &[line])?;
    diesel::update(jobs::table.find(&job.id)).set(jobs::last_line.eq(last)).execute(transaction.connection)?;
    Ok(())
}

impl Store {
    /// Adds a backup that a person asked for, and the job that makes it. Whether the datastore knows the method is the
    /// caller's to check.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Busy`].
    pub fn backup_create(
        &self,
        datastore_id: Uuid,
        method: Method,
        backup_type: BackupType,
        now: DateTime<Utc>,
    ) -> Result<Backup, StoreError> {
        let datastore = datastore_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&datastore)?;
            let datastore = datastore_row::find(transaction.connection, &datastore)?;
            let new = NewBackup { method, backup_type, trigger: Trigger::Manual, schedule_id: None };
            insert_backup(transaction, datastore, new)?.into_backup(None)
        })
    }

    /// Exempts a backup from deletion, or, without a reason, releases it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::BackupInUse`] when its deletion has begun.
    pub fn backup_hold(&self, id: Uuid, reason: Option<&str>, now: DateTime<Utc>) -> Result<Backup, StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            let backup = locked(transaction, &text)?;
            if backup.deleting && reason.is_some() {
                return Err(StoreError::BackupInUse);
            }
            diesel::update(backups::table.find(&text)).set(backups::held.eq(reason)).execute(transaction.connection)?;
            transaction.changed(EventKind::Backup, id, Some(uuid("backups.datastore_id", &backup.datastore_id)?));
            row::find(transaction.connection, &text)?.into_backup_with_progress(transaction.connection)
        })
    }

    /// Starts a full re-read of a backup.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::BackupNotRestorable`] unless it is completed and stays,
    /// [`StoreError::Busy`].
    pub fn backup_verify_start(&self, id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let backup = locked(transaction, &id)?;
            require_whole(&backup)?;
            insert_job(transaction, JobKind::Verify, &backup)?.into_job(transaction.connection)
        })
    }

    /// Marks a backup as going and adds the job that deletes its objects; the row goes when that is done. Asking again
    /// while it lasts gives the same job. // F-73
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::BackupHeld`], [`StoreError::BackupInUse`], [`StoreError::HasDependents`],
    /// [`StoreError::Busy`].
    pub fn backup_delete_start(&self, id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            let backup = locked(transaction, &text)?;
            if let Some(reason) = backup.held {
                return Err(StoreError::BackupHeld { reason });
            }
            match using(transaction, &text)? {
                Some(job) if job.kind()? == JobKind::Delete => return job.into_job(transaction.connection),
                Some(_) => return Err(StoreError::BackupInUse),
                None if !backup.status()?.is_final() => return Err(StoreError::BackupInUse),
                None => {}
            }
            let numbers: Vec<i64> = backups::table
                .filter(backups::parent_id.eq(&text))
                .order(backups::number.asc())
                .select(backups::number)
                .load(transaction.connection)?;
            if !numbers.is_empty() {
                return Err(StoreError::HasDependents { numbers });
            }
            let job = insert_job(transaction, JobKind::Delete, &backup)?;
            diesel::update(backups::table.find(&text))
                .set(backups::deleting.eq(true))
                .execute(transaction.connection)?;
            transaction.changed(EventKind::Backup, id, Some(uuid("backups.datastore_id", &backup.datastore_id)?));
            job.into_job(transaction.connection)
        })
    }
}

/// Refuses a backup that is not whole.
pub fn require_whole(backup: &BackupRow) -> Result<(), StoreError> {
    let status = backup.status()?;
    if status != JobStatus::Completed {
        let detail = format!("Backup {} is {status}; only a completed backup will do.", backup.number);
        return Err(StoreError::BackupNotRestorable { detail });
    }
    if backup.deleting {
        let detail = format!("Backup {} is being deleted.", backup.number);
        return Err(StoreError::BackupNotRestorable { detail });
    }
    Ok(())
}
