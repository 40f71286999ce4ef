//! What a worker is told: a job with all that is needed to do it, secrets opened.

use diesel::prelude::*;
use domain::assignment::{BackupTask, DatastoreAccess, Task};
use domain::{JobKind, JobStatus};

use crate::StoreError;
use crate::backups::row::{self as backup_row, BackupRow};
use crate::columns::{from_json, time, uuid, word};
use crate::datastores::row::{self as datastore_row};
use crate::jobs::create::input_place;
use crate::jobs::row::JobRow;
use crate::restores::{self, RestoreRow};
use crate::schema::backups;
use crate::transaction::Transaction;
use crate::{storages, upkeep};

pub fn task(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<Task, StoreError> {
    Ok(match job.kind()? {
        JobKind::Inspect => Task::Inspect { datastore: inspected(transaction, job)? },
        JobKind::Backup => {
            let backup = backup(transaction, job)?;
            let row = datastore_row::find(transaction.connection, &backup.datastore_id)?;
            let settings = upkeep::settings(transaction.connection, &row)?;
            Task::Backup {
                datastore: row.access(transaction.key)?,
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: BackupTask {
                    id: uuid("backups.id", &backup.id)?,
                    number: backup.number,
                    method: word("backups.method", &backup.method)?,
                    backup_type: word("backups.type", &backup.backup_type)?,
                    created_at: time(backup.created_at),
                    compression_level: settings.compression_level,
                },
            }
        }
        JobKind::Verify => {
            let backup = backup(transaction, job)?;
            Task::Verify {
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: backup.into_backup(None)?,
            }
        }
        JobKind::Delete => {
            let backup = backup(transaction, job)?;
            Task::Delete {
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: backup.into_backup(None)?,
            }
        }
        JobKind::PlanRestore => {
            let backup = backup(transaction, job)?;
            Task::PlanRestore {
                datastore: datastore(transaction, job)?,
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: backup.into_backup(None)?,
            }
        }
        JobKind::Restore => {
            let backup = backup(transaction, job)?;
            let restore = restore(transaction, job)?;
            Task::Restore {
                restore_configuration: restore.restore_configuration,
                restore: restore.into_restore(None)?,
                datastore: datastore(transaction, job)?,
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: backup.into_backup(None)?,
            }
        }
        JobKind::Sweep => {
            let datastore = datastore_id(job)?;
            let storage = datastore_row::find(transaction.connection, datastore)?.storage_id;
            let backups: Vec<String> = backups::table
                .filter(backups::datastore_id.eq(datastore))
                .filter(backups::storage_id.eq(&storage))
                .filter(backups::status.eq(JobStatus::Completed.as_str()))
                .filter(backups::deleting.eq(false))
                .select(backups::id)
                .load(transaction.connection)?;
            Task::Sweep {
                datastore_id: uuid("jobs.datastore_id", datastore)?,
                storage: storages::access(transaction.connection, transaction.key, &storage)?,
                backups: backups.iter().map(|id| uuid("backups.id", id)).collect::<Result<_, _>>()?,
            }
        }
        JobKind::Undo => Task::Undo {
            restore: restore(transaction, job)?.into_restore(None)?,
            datastore: datastore(transaction, job)?,
        },
    })
}

/// The server to look at: a draft sealed in the job, or a registered one. Of the latter only what people said of its
/// data directory is passed on, so that the worker finds out where it is now.
fn inspected(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<DatastoreAccess, StoreError> {
    if let Some(sealed) = &job.input_sealed {
        let bytes = transaction.key.open(&input_place(&job.id), sealed)?;
        return from_json("jobs.input", std::str::from_utf8(&bytes).unwrap_or_default())
            // The text itself must not get into an error. // F-81
            .map_err(|_| StoreError::UnreadableColumn { column: "jobs.input", value: "(sealed)".to_owned() });
    }
    let id = datastore_id(job)?;
    let row = datastore_row::find(transaction.connection, id)?;
    let data_directory = row.data_directory.clone();
    Ok(DatastoreAccess { data_directory, ..row.access(transaction.key)? })
}

fn datastore_id(job: &JobRow) -> Result<&str, StoreError> {
    job.datastore_id.as_deref().ok_or(StoreError::NotFound { what: "datastore" })
}

fn datastore(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<DatastoreAccess, StoreError> {
    let id = datastore_id(job)?;
    datastore_row::find(transaction.connection, id)?.access(transaction.key)
}

fn backup(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<BackupRow, StoreError> {
    let id = job.backup_id.as_deref().ok_or(StoreError::NotFound { what: "backup" })?;
    backup_row::find(transaction.connection, id)
}

fn restore(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<RestoreRow, StoreError> {
    let id = job.restore_id.as_deref().ok_or(StoreError::NotFound { what: "restore" })?;
    restores::find(transaction.connection, id)
}
