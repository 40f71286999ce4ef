//! Looking after a datastore's part of a storage: what no manifest names is cleared, and completed backups whose manifest is
//! gone are told. // I5

use std::time::Duration;

use chrono::Utc;
use domain::assignment::{DatastoreAccess, TaskResult};
use domain::log_archive::{LogSegmentName, StoredLogs, log_folder};
use domain::manifest::backup_folder;
use domain::{ErrorCode, JobError, StorageAccess};
use uuid::Uuid;
use vault::Vault;

use crate::context::{JobContext, JobFailure};
use crate::restore;

/// How old an object must be that no manifest names: far longer than any storage shows a stale listing. // F-34
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Sweeps. The job excludes others of the datastore, so nothing there is being written; one of an earlier lease that still
/// thinks so is younger than the grace age.
///
/// # Errors
/// When the storage can't be listed. Objects that can't be deleted are part of the result.
pub async fn sweep(
    context: &JobContext,
    datastore: &DatastoreAccess,
    storage: &StorageAccess,
    backups: &[Uuid],
    expired_logs: &[StoredLogs],
) -> Result<TaskResult, JobFailure> {
    context.progress.begin("clearing", None);
    restore::served::settle(context, datastore).await;
    let datastore = datastore.id;
    let vault = Vault::open(storage)?;
    context.lease.confirm().await?;
    // An empty or foreign directory in the storage's place proves nothing about the backups.
    if !vault.is_marked().await? {
        return Err(JobError::new(
            ErrorCode::StorageUnavailable,
            "The storage does not bear our mark. Is it the right directory or bucket, and is it mounted?",
        )
        .into());
    }
    let report = vault.sweep(datastore, &|_| false, GRACE, Utc::now()).await?;
    context.log.info(format!("{} objects that belong to no backup were cleared", report.deleted));
    let failed: Vec<String> = report.failed.iter().map(|(key, error)| format!("{key}: {error}")).collect();
    for line in &failed {
        context.log.error(format!("Could not delete {line}"));
    }
    context.progress.begin("looking", None);
    let mut missing = Vec::new();
    for backup in backups {
        if context.stop.is_cancelled() {
            return Err(JobFailure::Stopped);
        }
        if !vault.has_manifest(&backup_folder(datastore, *backup)).await? {
            missing.push(*backup);
        }
    }
    for backup in &missing {
        context.log.error(format!("The manifest of backup {backup} is missing: it can't be restored"));
    }
    let deleted_logs = delete_logs(context, datastore, expired_logs).await?;
    Ok(TaskResult::Sweep { deleted: report.deleted, failed, missing, deleted_logs })
}

/// Deletes segments that retention let go; gives those of which nothing is left. // F-73, F-75
async fn delete_logs(
    context: &JobContext,
    datastore: Uuid,
    expired: &[StoredLogs],
) -> Result<Vec<LogSegmentName>, JobFailure> {
    let mut deleted = Vec::new();
    for StoredLogs { storage, segments } in expired {
        let vault = Vault::open(storage)?;
        for segment in segments {
            if context.stop.is_cancelled() {
                return Err(JobFailure::Stopped);
            }
            let report = vault.delete_log(&log_folder(datastore, &segment.incarnation), segment).await?;
            for (key, error) in &report.failed {
                context.log.error(format!("Could not delete {key}: {error}"));
            }
            if report.failed.is_empty() {
                deleted.push(LogSegmentName { incarnation: segment.incarnation.clone(), name: segment.name.clone() });
            }
        }
    }
    if !deleted.is_empty() {
        context.log.info(format!("{} segments of log were deleted that nothing needs", deleted.len()));
    }
    Ok(deleted)
}
