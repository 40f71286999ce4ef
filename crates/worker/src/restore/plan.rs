//! Checking before a restore: facts are gathered here, touching nothing, and judged by `domain`.

use std::path::{Path, PathBuf};

use domain::assignment::{DatastoreAccess, TaskResult};
use domain::restore_plan::{RestoreFacts, plan_restore};
use domain::{
    Backup, DatastoreStatus, ErrorCode, Inspection, JobError, LogSegment, Obstacle, RestorePlan, Service, StorageAccess,
};
use engines::Driver;
use vault::Vault;

use super::Source;
use super::layout::{is_mount_point, side_folder};
use crate::chain::{Link, read_chain};
use crate::context::{JobContext, JobFailure, describe, driver_of};
use crate::logs::check_logs;

/// What a check found.
pub struct Checked {
    pub plan: RestorePlan,
    ready: Option<Ready>,
}

/// All that a restore needs once nothing stands in its way.
pub struct Ready {
    pub vault: Vault,
    /// The full backup first, what is to be restored last; without what only an increment would need.
    pub chain: Vec<Link>,
    pub data_directory: PathBuf,
    /// Whether the data directory is empty, so that no configuration of a live server is there to be kept.
    pub replaces_nothing: bool,
}

impl Checked {
    /// What the restore needs.
    ///
    /// # Errors
    /// With obstacles: the first one's code, and a sentence for each.
    pub fn into_ready(self) -> Result<Ready, JobError> {
        first_obstacle(&self.plan, self.ready)
    }
}

/// What the restore needs, unless something stands in its way.
pub fn first_obstacle<Ready>(plan: &RestorePlan, ready: Option<Ready>) -> Result<Ready, JobError> {
    let details: Vec<&str> = plan.obstacles.iter().map(|obstacle| obstacle.detail.as_str()).collect();
    match (plan.obstacles.first(), ready) {
        (None, Some(ready)) => Ok(ready),
        (Some(first), _) => Err(JobError::new(first.code, details.join(" "))),
        (None, None) => Err(JobError::new(ErrorCode::Internal, "The check ended without a result.")),
    }
}

/// That another server answers than the one that was registered. // F-54
pub fn other_server(datastore: &DatastoreAccess, inspection: &Inspection) -> Option<Obstacle> {
    let (registered, answers) = (datastore.server_identity.as_ref()?, inspection.server_identity.as_ref()?);
    (registered != answers).then(|| {
        let detail = format!(
            "The server at this address is {answers}, not {registered} that was registered. Test the datastore."
        );
        Obstacle::new(ErrorCode::ServerIdentityChanged, detail)
    })
}

/// The job that says what a restore would do.
pub async fn plan(
    context: &JobContext,
    source: &Source,
    datastore: &DatastoreAccess,
) -> Result<TaskResult, JobFailure> {
    context.progress.begin("checking", None);
    let checked = check(context, source, datastore).await?;
    Ok(TaskResult::PlanRestore { plan: checked.plan })
}

/// Gathers the facts and judges them. // F-33, F-61, F-63, F-64, F-65
///
/// # Errors
/// Only when it was stopped; whatever else goes wrong is an obstacle.
pub async fn check(context: &JobContext, source: &Source, datastore: &DatastoreAccess) -> Result<Checked, JobFailure> {
    let Source { backup, storage, replay, .. } = source;
    let logs = replay.as_ref().map(|replay| replay.logs.as_slice()).unwrap_or_default();
    // Nothing of a new datastore is there yet: its server is neither asked nor stopped.
    let is_new = backup.datastore_id != datastore.id;
    let mut found = Vec::new();
    let inspection = driver_of(datastore.engine)?.inspect(datastore, &context.stop).await;
    if context.stop.is_cancelled() {
        return Err(JobFailure::Stopped);
    }
    found.extend(other_server(datastore, &inspection));
    let data_directory =
        datastore.data_directory.as_deref().or(inspection.data_directory.as_deref()).map(PathBuf::from);
    match &data_directory {
        Some(directory) if is_new && !is_empty_directory(directory) => found.push(Obstacle::new(
            ErrorCode::DataDirectoryMismatch,
            format!(
                "{} is no empty directory. Make one with the owner and the mode that the server's is to have.",
                directory.display()
            ),
        )),
        Some(directory) => look_at_directory(datastore, directory, &mut found),
        None => found.push(Obstacle::new(
            ErrorCode::DataDirectoryMismatch,
            "The server's data directory is not known. Give it in the datastore's settings.",
        )),
    }
    if is_new && inspection.status == DatastoreStatus::Online {
        found.push(Obstacle::new(
            ErrorCode::DataDirectoryMismatch,
            format!(
                "A server answers at {}:{} already. Give the new one an address of its own.",
                datastore.host, datastore.port
            ),
        ));
    }
    if datastore.service == Service::None && !is_new {
        found.push(Obstacle::new(
            ErrorCode::ServiceControlMissing,
            "Nobody told how to stop and start the server. Set the datastore's service in its settings.",
        ));
    }
    if inspection.status == DatastoreStatus::Online && !inspection.capabilities.restore_in_place {
        let reason = inspection.capabilities.restore_in_place_reason.clone();
        let is_known = |reason: &str| {
            let same = |known: &Obstacle| known.detail == reason || known.code == ErrorCode::ServiceControlMissing;
            found.iter().any(same)
        };
        if let Some(reason) = reason.filter(|reason| !is_known(reason)) {
            found.push(Obstacle::new(ErrorCode::DataDirectoryInaccessible, reason));
        }
    }
    let Some((vault, chain)) = open_chain(storage, backup, &mut found).await else {
        return Ok(Checked { plan: facts_without_manifest(backup, datastore, found), ready: None });
    };
    for link in &chain {
        look_at_objects(&vault, link, &mut found).await;
    }
    let Some(Link { manifest, .. }) = chain.last() else {
        return Ok(Checked { plan: facts_without_manifest(backup, datastore, found), ready: None });
    };
    found.extend(check_logs(context, backup.datastore_id, logs).await);
    let segments = || logs.iter().flat_map(|logs| &logs.segments);
    let free_bytes = data_directory.as_deref().map_or(0, free_bytes_beside);
    let plan = plan_restore(RestoreFacts {
        backup_engine: manifest.engine,
        backup_version: manifest.engine_version.clone(),
        backup_status: backup.status,
        target_engine: datastore.engine,
        target_version: inspection.engine_version,
        chain: chain.iter().map(|link| link.manifest.number).collect(),
        fetch_bytes: chain.iter().map(|link| link.manifest.size_bytes).sum::<u64>()
            + segments().map(LogSegment::size_bytes).sum::<u64>(),
        unpacked_bytes: manifest.unpacked_size_bytes,
        links_bytes: links_bytes(driver_of(datastore.engine)?, &chain),
        log_segments: segments().count() as u64,
        log_bytes: segments().map(LogSegment::original_size_bytes).sum(),
        free_bytes,
        databases: None,
        found,
    });
    let ready = data_directory.map(|data_directory| {
        let replaces_nothing = is_empty_directory(&data_directory);
        Ready { vault, chain, data_directory, replaces_nothing }
    });
    Ok(Checked { plan, ready })
}

/// The chain that ends with a backup, as far as a restore needs it.
pub async fn open_chain(
    storage: &StorageAccess,
    backup: &Backup,
    found: &mut Vec<Obstacle>,
) -> Option<(Vault, Vec<Link>)> {
    let opened = match Vault::open(storage) {
        Ok(vault) => read_chain(&vault, backup.datastore_id, backup.id, backup.manifest_sha256.clone())
            .await
            .map(|chain| (vault, chain)),
        Err(error) => Err(error),
    };
    let needed = |link: Link| Link { manifest: link.manifest.for_restore(), ..link };
    match opened {
        Ok((vault, chain)) => Some((vault, chain.into_iter().map(needed).collect())),
        Err(error) => {
            found.push(Obstacle::new(error.code(), describe(&error)));
            None
        }
    }
}

/// Looks for every object of a backup.
pub async fn look_at_objects(vault: &Vault, link: &Link, found: &mut Vec<Obstacle>) {
    let number = link.manifest.number;
    match vault.check_objects(&link.folder, &link.manifest).await {
        Ok(problems) => found.extend(
            problems.iter().map(|problem| Obstacle::new(problem.code(), format!("Of backup {number}: {problem}"))),
        ),
        Err(error) => found.push(Obstacle::new(error.code(), describe(&error))),
    }
}

/// What the links occupy beside the data until they are joined.
fn links_bytes(driver: &dyn Driver, chain: &[Link]) -> u64 {
    let beside = match chain {
        [] | [_] => &[],
        [_, increments @ ..] if driver.joins_in_place() => increments,
        all => all,
    };
    beside.iter().map(|link| link.manifest.original_size_bytes).sum()
}

/// Without a manifest the catalog's numbers have to do: the plan has obstacles anyway.
pub fn facts_without_manifest(backup: &Backup, datastore: &DatastoreAccess, found: Vec<Obstacle>) -> RestorePlan {
    plan_restore(RestoreFacts {
        backup_engine: datastore.engine,
        backup_version: backup.engine_version.clone().unwrap_or_default(),
        backup_status: backup.status,
        target_engine: datastore.engine,
        target_version: None,
        chain: vec![backup.number],
        fetch_bytes: backup.size_bytes.unwrap_or(0).unsigned_abs(),
        unpacked_bytes: backup.original_size_bytes.unwrap_or(0).unsigned_abs(),
        links_bytes: 0,
        log_segments: 0,
        log_bytes: 0,
        free_bytes: u64::MAX,
        databases: None,
        found,
    })
}

fn look_at_directory(datastore: &DatastoreAccess, directory: &Path, found: &mut Vec<Obstacle>) {
    let looked = driver_of(datastore.engine)
        .and_then(|driver| driver.check_data_directory(directory).map_err(|error| error.to_job_error()));
    if let (Err(error), false) = (looked, is_empty_directory(directory)) {
        found.push(error.into());
        return;
    }
    let writable = side_folder(directory).is_ok_and(|side| {
        nix::unistd::access(&side, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK).is_ok()
    });
    if !writable {
        let place = if is_mount_point(directory).unwrap_or(false) { "into" } else { "beside" };
        found.push(Obstacle::new(
            ErrorCode::DataDirectoryInaccessible,
            format!("The worker can't write {place} {}. Run it as root or as a user that may.", directory.display()),
        ));
    }
}

/// Whether it is a new disk in the place of one that was lost: there is nothing to replace.
fn is_empty_directory(directory: &Path) -> bool {
    let is_directory = directory.symlink_metadata().is_ok_and(|found| found.is_dir());
    is_directory && std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

fn free_bytes_beside(directory: &Path) -> u64 {
    side_folder(directory)
        .ok()
        .and_then(|side| nix::sys::statvfs::statvfs(&side).ok())
        .map_or(0, |stat| stat.blocks_available().saturating_mul(stat.fragment_size()))
}
