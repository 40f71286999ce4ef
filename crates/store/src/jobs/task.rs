//! What a worker is told: a job with all that is needed to do it, secrets opened.

use diesel::prelude::*;
use domain::assignment::{BackupReference, BackupTask, DatastoreAccess, ReplayTask, Task};
use domain::log_archive::LogScanCreate;
use domain::{JobKind, JobStatus, RecoveryStop};
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::backups::row::{self as backup_row, BackupRow};
use crate::columns::{from_json, optional_uuid, time, uuid, word};
use crate::datastores::row::{self as datastore_row};
use crate::jobs::create::{PlanInput, input_place};
use crate::jobs::row::JobRow;
use crate::restores::{self, RestoreRow};
use crate::schema::backups;
use crate::transaction::Transaction;
use crate::{logs, storages, upkeep};

pub fn task(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<Task, StoreError> {
    Ok(match job.kind()? {
        JobKind::Inspect => Task::Inspect { datastore: inspected(transaction, job)? },
        JobKind::Backup => {
            let backup = backup(transaction, job)?;
            let row = datastore_row::find(transaction.connection, &backup.datastore_id)?;
            let settings = upkeep::settings(transaction.connection, &row)?;
            let parent =
                backup.parent_id.as_deref().map(|id| backup_row::find(transaction.connection, id)).transpose()?;
            let chain_start =
                parent.as_ref().map(|parent| logs::chain_start(transaction.connection, parent)).transpose()?.flatten();
            Task::Backup {
                datastore: row.access(transaction.connection, transaction.key)?,
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: BackupTask {
                    id: uuid("backups.id", &backup.id)?,
                    number: backup.number,
                    method: word("backups.method", &backup.method)?,
                    backup_type: word("backups.type", &backup.backup_type)?,
                    parent_id: optional_uuid("backups.parent_id", backup.parent_id.as_deref())?,
                    parent_sha256: parent.and_then(|parent| parent.manifest_sha256),
                    chain_start,
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
            let PlanInput { target, stop } = input(transaction, job)?.ok_or(StoreError::NotFound { what: "plan" })?;
            let (applied, replay) = taken(transaction, &backup, stop)?;
            Task::PlanRestore {
                target,
                applied,
                replay,
                datastore: datastore(transaction, job)?,
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: backup.into_backup(None)?,
            }
        }
        JobKind::Restore => {
            let backup = backup(transaction, job)?;
            let restore = restore(transaction, job)?;
            let stop = restore.stop.as_deref().map(|stop| from_json("restores.stop", stop)).transpose()?;
            let (applied, replay) = taken(transaction, &backup, stop)?;
            Task::Restore {
                applied,
                replay,
                restore_configuration: restore.restore_configuration,
                restore: restore.into_restore(None)?,
                datastore: datastore(transaction, job)?,
                storage: storages::access(transaction.connection, transaction.key, &backup.storage_id)?,
                backup: backup.into_backup(None)?,
            }
        }
        JobKind::Sweep => {
            let datastore = datastore_id(job)?;
            let row = datastore_row::find(transaction.connection, datastore)?;
            let storage = row.storage_id.clone();
            let backups: Vec<String> = backups::table
                .filter(backups::datastore_id.eq(datastore))
                .filter(backups::storage_id.eq(&storage))
                .filter(backups::status.eq(JobStatus::Completed.as_str()))
                .filter(backups::deleting.eq(false))
                .select(backups::id)
                .load(transaction.connection)?;
            Task::Sweep {
                datastore: row.access(transaction.connection, transaction.key)?,
                storage: storages::access(transaction.connection, transaction.key, &storage)?,
                backups: backups.iter().map(|id| uuid("backups.id", id)).collect::<Result<_, _>>()?,
                expired_logs: logs::expired(transaction, datastore)?,
            }
        }
        JobKind::EndLogArchiving => Task::EndLogArchiving { datastore: inspected(transaction, job)? },
        JobKind::ScanLogs => {
            let row = datastore_row::find(transaction.connection, datastore_id(job)?)?;
            let scan: LogScanCreate = input(transaction, job)?.ok_or(StoreError::NotFound { what: "scan" })?;
            Task::ScanLogs {
                datastore_id: uuid("datastores.id", &row.id)?,
                engine: word("datastores.engine", &row.engine)?,
                engine_version: row.engine_version.clone().unwrap_or_default(),
                logs: logs::scanned(transaction, &row, &scan)?,
                scan,
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
    if let Some(draft) = input(transaction, job)? {
        return Ok(draft);
    }
    let id = datastore_id(job)?;
    let row = datastore_row::find(transaction.connection, id)?;
    let data_directory = row.data_directory.clone();
    Ok(DatastoreAccess { data_directory, ..row.access(transaction.connection, transaction.key)? })
}

/// What was sealed in the job, if anything.
fn input<T: DeserializeOwned>(transaction: &Transaction<'_>, job: &JobRow) -> Result<Option<T>, StoreError> {
    let Some(sealed) = &job.input_sealed else { return Ok(None) };
    let bytes = transaction.key.open_sealed(&input_place(&job.id), sealed)?;
    from_json("jobs.input", std::str::from_utf8(&bytes).unwrap_or_default())
        .map(Some)
        // The text itself must not get into an error. // F-81
        .map_err(|_| StoreError::UnreadableColumn { column: "jobs.input", value: "(sealed)".to_owned() })
}

fn taken(
    transaction: &mut Transaction<'_>,
    backup: &BackupRow,
    stop: Option<RecoveryStop>,
) -> Result<(Vec<BackupReference>, Option<ReplayTask>), StoreError> {
    logs::taken(transaction, &backup.datastore_id, uuid("backups.id", &backup.id)?, stop)
}

fn datastore_id(job: &JobRow) -> Result<&str, StoreError> {
    job.datastore_id.as_deref().ok_or(StoreError::NotFound { what: "datastore" })
}

fn datastore(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<DatastoreAccess, StoreError> {
    let id = datastore_id(job)?;
    datastore_row::find(transaction.connection, id)?.access(transaction.connection, transaction.key)
}

fn backup(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<BackupRow, StoreError> {
    let id = job.backup_id.as_deref().ok_or(StoreError::NotFound { what: "backup" })?;
    backup_row::find(transaction.connection, id)
}

fn restore(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<RestoreRow, StoreError> {
    let id = job.restore_id.as_deref().ok_or(StoreError::NotFound { what: "restore" })?;
    restores::find(transaction.connection, id)
}
