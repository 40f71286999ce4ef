//! Chains as the storage tells of them: each increment's manifest names its parent, down to a full backup. Any worker can
//! continue or restore one, with nothing but the storage. Those of log backups may have thousands of links: to continue one, only
//! its ends are looked at.

use std::path::Path;

use domain::assignment::{BackupReference, BackupTask, DatastoreAccess};
use domain::manifest::backup_folder;
use domain::{BackupType, ErrorCode, Manifest, StoredManifest};
use engines::Parent;
use uuid::Uuid;
use vault::{BackupWriter, Vault, VaultError};

use crate::context::{JobContext, JobFailure, describe};

/// More links than any chain has: a circle, which only a forger could make, ends here.
const IMPOSSIBLY_MANY: usize = 10_000;

/// One backup of a chain.
#[derive(Debug, Clone)]
pub struct Link {
    pub folder: String,
    pub manifest: Manifest,
    /// See [`StoredManifest::sha256`].
    pub sha256: String,
}

/// What an increment is built on.
pub struct UsableParent {
    pub parent: Parent,
    /// See [`StoredManifest::sha256`].
    pub sha256: String,
}

/// Reads the manifests of the chain that ends with a backup; the full backup first. `known_sha256` is what the catalog says of
/// the last one; each increment says it of its parent. // F-90
///
/// # Errors
/// [`VaultError::ManifestMissing`] naming the folder of a missing link, [`VaultError::ManifestChanged`] for one that is not what
/// was written, [`VaultError::ManifestInvalid`] for one that does not belong into this chain, and what the storage says.
pub async fn read_chain(
    vault: &Vault,
    datastore_id: Uuid,
    backup_id: Uuid,
    known_sha256: Option<String>,
) -> Result<Vec<Link>, VaultError> {
    let mut chain: Vec<Link> = Vec::new();
    let mut next = Some((backup_id, known_sha256));
    while let Some((id, known_sha256)) = next {
        let folder = backup_folder(datastore_id, id);
        let StoredManifest { manifest, sha256 } = vault.read_manifest(&folder, known_sha256.as_deref()).await?;
        if let Some(reason) = misfit(&manifest, chain.last().map(|link| &link.manifest), chain.len()) {
            return Err(VaultError::ManifestInvalid { folder, reason });
        }
        next = manifest.parent_id.map(|parent| (parent, manifest.parent_sha256.clone()));
        chain.push(Link { folder, manifest, sha256 });
    }
    chain.reverse();
    Ok(chain)
}

/// Reads the manifests of the backups that the catalog chose, in its order. // F-90
///
/// # Errors
/// As [`read_chain`].
pub async fn read_listed(
    vault: &Vault,
    datastore_id: Uuid,
    backups: &[BackupReference],
) -> Result<Vec<Link>, VaultError> {
    let mut links: Vec<Link> = Vec::new();
    for backup in backups {
        let folder = backup_folder(datastore_id, backup.id);
        let stored = vault.read_manifest(&folder, backup.manifest_sha256.as_deref()).await?;
        let StoredManifest { manifest, sha256 } = stored;
        if links.first().is_some_and(|first| first.manifest.method != manifest.method) {
            let reason = "it was made by another method than the backup that it is to be applied to".to_owned();
            return Err(VaultError::ManifestInvalid { folder, reason });
        }
        links.push(Link { folder, manifest, sha256 });
    }
    Ok(links)
}

/// Why a manifest can't be the parent of `child`, the newer link.
fn misfit(manifest: &Manifest, child: Option<&Manifest>, links: usize) -> Option<String> {
    let is_increment = manifest.backup_type != BackupType::Full;
    if is_increment != manifest.parent_id.is_some() {
        return Some(format!("a backup of type {} must name a parent or none", manifest.backup_type));
    }
    let child = child?;
    let same = manifest.engine == child.engine
        && manifest.method == child.method
        && manifest.server_identity == child.server_identity;
    if !same {
        return Some(format!("it is of another server than backup {}, which is built on it", child.number));
    }
    (links >= IMPOSSIBLY_MANY).then(|| "its chain has no end".to_owned())
}

/// The parent of the increment that a task asks for, checked and fetched; none, with the reason in the log, where a full
/// backup has to be made instead.
///
/// # Errors
/// What the storage says when it can't be reached: that tells nothing of the parent.
pub async fn usable_parent(
    context: &JobContext,
    vault: &Vault,
    task: &BackupTask,
    datastore: &DatastoreAccess,
    writer: &BackupWriter,
    work_directory: &Path,
) -> Result<Option<UsableParent>, JobFailure> {
    let Some(parent_id) = task.parent_id else { return Ok(None) };
    let parent = BackupReference { id: parent_id, manifest_sha256: task.parent_sha256.clone() };
    let ends = (task.chain_start.as_ref(), parent);
    match fetch_parent(context, vault, datastore.id, ends, writer, work_directory).await {
        Ok(usable) => {
            let (kind, number) = (task.backup_type.as_one(), usable.parent.manifest.number);
            context.log.info(format!("Makes {kind} on backup {number}"));
            Ok(Some(usable))
        }
        Err(error) if is_damage(error.code()) => {
            log_fallback(context, task.backup_type, &describe(&error));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says why there will be a full backup instead of what was asked for.
pub fn log_fallback(context: &JobContext, asked: BackupType, reason: &str) {
    context.log.warning(format!("A full backup is made instead of {}: {reason}", asked.as_one()));
}

/// `start` is told of a chain whose other links are not looked at: what was lost between is found by the daily sweep, and what
/// was changed there by a restore. // F-90
async fn fetch_parent(
    context: &JobContext,
    vault: &Vault,
    datastore_id: Uuid,
    (start, parent): (Option<&BackupReference>, BackupReference),
    writer: &BackupWriter,
    work_directory: &Path,
) -> Result<UsableParent, VaultError> {
    let parent_id = parent.id;
    let chain = match start {
        Some(start) => read_listed(vault, datastore_id, &[start.clone(), parent]).await?,
        None => read_chain(vault, datastore_id, parent.id, parent.manifest_sha256).await?,
    };
    let mut folders = Vec::new();
    for link in &chain {
        // An increment on what can't be restored would be worth nothing. // F-33, F-70
        if let Some(problem) = vault.check_objects(&link.folder, &link.manifest).await?.into_iter().next() {
            return Err(problem.into());
        }
        let key =
            link.manifest.streams.iter().flat_map(|stream| &stream.objects).map(|object| object.key.as_str()).next();
        folders.push(relative_folder(&format!("{}/{}", link.folder, key.unwrap_or_default())));
    }
    folders.push(relative_folder(&format!("{}/", writer.objects_folder())));
    let Some(Link { folder, manifest, sha256 }) = chain.into_iter().last() else {
        return Err(VaultError::ManifestMissing { folder: backup_folder(datastore_id, parent_id) });
    };
    let mut continuation = None;
    if let Some(stream) = &manifest.continuation {
        let path = work_directory.join(format!("parent_{stream}"));
        let failed = |source| VaultError::Sink { stream: stream.clone(), source };
        let mut file = tokio::fs::File::create(&path).await.map_err(failed)?;
        vault.copy_stream_into(&folder, &manifest, stream, &mut file, &|_| {}, &context.stop).await?;
        continuation = Some(path);
    }
    Ok(UsableParent { parent: Parent { manifest, continuation, folders }, sha256 })
}

/// Where an object lies, relative to the folder of all backups of its datastore: `<datastore>/backups/`.
fn relative_folder(object: &str) -> String {
    let (folder, _) = object.rsplit_once('/').unwrap_or_default();
    folder.splitn(3, '/').last().unwrap_or_default().to_owned()
}

/// Whether it is the stored backup that is wrong, not the way to it.
pub fn is_damage(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ManifestMissing
            | ErrorCode::ManifestInvalid
            | ErrorCode::ManifestChanged
            | ErrorCode::ManifestTooNew
            | ErrorCode::ObjectMissing
            | ErrorCode::ObjectCorrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_from_where_all_backups_are() {
        assert_eq!(relative_folder("d/backups/b/base.000.tar.zst"), "b");
        assert_eq!(relative_folder("d/backups/b/attempt-2/"), "b/attempt-2");
    }
}
