//! Verifying: every object of a backup is read again, whole, and compared with its manifest.

use domain::assignment::TaskResult;
use domain::manifest::backup_folder;
use domain::{Backup, StorageAccess, format};
use vault::{Vault, VaultError};

use crate::context::{JobContext, JobFailure, describe};

/// Reads a backup again. Damage is the result, not a failure of the job; that the storage can't be reached is one.
pub async fn verify(context: &JobContext, backup: &Backup, storage: &StorageAccess) -> Result<TaskResult, JobFailure> {
    let vault = Vault::open(storage)?;
    let folder = backup_folder(backup.datastore_id, backup.id);
    let manifest = match vault.read_manifest(&folder, backup.manifest_sha256.as_deref()).await {
        Ok(stored) => stored.manifest,
        Err(error) if is_damage(&error) => {
            let problem = describe(&error);
            context.log.error(&problem);
            return Ok(TaskResult::Verify { problems: vec![problem] });
        }
        Err(error) => return Err(error.into()),
    };
    context.progress.begin("reading", Some(manifest.size_bytes));
    context.log.info(format!("Reading {} again", format::bytes(manifest.size_bytes)));
    let progress = context.progress.clone();
    let problems = vault.verify(&folder, &manifest, move |bytes| progress.set_bytes(bytes), &context.stop).await?;
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for problem in &problems {
        context.log.error(problem);
    }
    if problems.is_empty() {
        context.log.info("Every object is what was written");
    }
    Ok(TaskResult::Verify { problems })
}

/// Whether it is the stored backup that is wrong, not the way to it.
fn is_damage(error: &VaultError) -> bool {
    matches!(
        error,
        VaultError::ManifestMissing { .. }
            | VaultError::ManifestInvalid { .. }
            | VaultError::ManifestChanged { .. }
            | VaultError::Object(_)
    )
}
