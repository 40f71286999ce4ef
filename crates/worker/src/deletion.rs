//! Deleting a backup's objects: the manifest first, so that what is half deleted no longer counts as a backup. // F-73

use domain::assignment::TaskResult;
use domain::manifest::backup_folder;
use domain::{Backup, ErrorCode, JobError, StorageAccess};
use vault::Vault;

use crate::context::{JobContext, JobFailure};

/// Deletes all objects of a backup. Safe to repeat after a kill.
///
/// # Errors
/// When at least one object could not be deleted; all others are gone then, and the error names those that are left.
pub async fn delete(context: &JobContext, backup: &Backup, storage: &StorageAccess) -> Result<TaskResult, JobFailure> {
    context.progress.begin("deleting", None);
    let vault = Vault::open(storage)?;
    context.lease.confirm().await?;
    let report = vault.delete_backup(&backup_folder(backup.datastore_id, backup.id)).await?;
    context.log.info(format!("{} objects deleted", report.deleted));
    if report.failed.is_empty() {
        return Ok(TaskResult::Delete);
    }
    let left: Vec<String> = report.failed.iter().map(|(key, error)| format!("{key}: {error}")).collect();
    for line in &left {
        context.log.error(line);
    }
    Err(JobError::new(ErrorCode::StorageUnavailable, format!("Could not delete {}", left.join("; "))).into())
}
