//! Checking before a restore through the server: facts are gathered here, touching nothing, and judged by `domain`.

use std::path::Path;
use std::sync::Arc;

use domain::assignment::{BackupReference, DatastoreAccess, TaskResult};
use domain::manifest::StreamRecord;
use domain::restore_plan::{DatabaseChanges, RestoreFacts, plan_restore};
use domain::{Backup, DatastoreStatus, ErrorCode, Inspection, Obstacle, RestorePlan, StorageAccess};
use engines::{ServedPlace, ServedPlan, ServedRequest, ServedRestore};
use uuid::Uuid;
use vault::Vault;

use super::source::VaultSource;
use crate::chain::{Link, read_listed};
use crate::context::{JobContext, JobFailure, describe, driver_of};
use crate::restore::Source;
use crate::restore::plan::{facts_without_manifest, first_obstacle, look_at_objects, open_chain, other_server};

/// What a check found.
pub struct Checked {
    pub plan: RestorePlan,
    ready: Option<Ready>,
}

/// All that a restore needs once nothing stands in its way.
pub struct Ready {
    pub vault: Vault,
    /// In the order in which they are applied.
    pub chain: Vec<Link>,
    /// What the streams that it reads are before they were stored.
    pub original_bytes: u64,
}

impl Checked {
    /// What the restore needs.
    ///
    /// # Errors
    /// With obstacles: the first one's code, and a sentence for each.
    pub fn into_ready(self) -> Result<Ready, domain::JobError> {
        first_obstacle(&self.plan, self.ready)
    }
}

/// The job that says what a restore would do.
pub async fn plan(
    context: &JobContext,
    source: &Source,
    datastore: &DatastoreAccess,
    engine: &'static dyn ServedRestore,
) -> Result<TaskResult, JobFailure> {
    context.progress.begin("checking", None);
    Ok(TaskResult::PlanRestore { plan: check(context, source, datastore, engine).await?.plan })
}

/// Gathers the facts and judges them. // F-33, F-54, F-61, F-64, F-65
///
/// # Errors
/// Only when it was stopped; whatever else goes wrong is an obstacle.
pub async fn check(
    context: &JobContext,
    source: &Source,
    datastore: &DatastoreAccess,
    engine: &'static dyn ServedRestore,
) -> Result<Checked, JobFailure> {
    let Source { target, backup, storage, applied, replay } = source;
    let mut found = Vec::new();
    let inspection = driver_of(datastore.engine)?.inspect(datastore, &context.stop).await;
    if context.stop.is_cancelled() {
        return Err(JobFailure::Stopped);
    }
    found.extend(other_server(datastore, &inspection));
    found.extend(unreachable(&inspection));
    let opened = match applied.as_slice() {
        [] => open_chain(storage, backup, &mut found).await,
        listed => open_listed(storage, backup, listed, &mut found).await,
    };
    let Some((vault, chain)) = opened else {
        let plan = RestorePlan {
            databases: Some(DatabaseChanges::default()),
            ..facts_without_manifest(backup, datastore, found)
        };
        return Ok(Checked { plan, ready: None });
    };
    for link in &chain {
        look_at_objects(&vault, link, &mut found).await;
    }
    let served = match inspection.status {
        DatastoreStatus::Online => {
            // Nothing is written by a check: the directories need not be there.
            let nowhere = context.state_directory.join("nowhere");
            let request = ServedRequest {
                place: ServedPlace {
                    restore_id: Uuid::nil(),
                    datastore: datastore.clone(),
                    keep_directory: nowhere.clone(),
                    work_directory: nowhere,
                    log: context.log.sink(),
                    cancel: context.stop.clone(),
                },
                target: target.clone(),
                chain: chain.iter().map(|link| link.manifest.clone()).collect(),
                source: Arc::new(VaultSource::new(vault.clone(), chain.clone(), context.stop.clone())),
                stop: replay.as_ref().map(|replay| replay.stop.clone()),
                progress: Arc::new(|_| {}),
            };
            engine.check(&request).await
        }
        _ => ServedPlan::default(),
    };
    found.extend(served.obstacles);
    let newest = chain.last().map(|link| &link.manifest);
    let plan = plan_restore(RestoreFacts {
        backup_engine: newest.map_or(datastore.engine, |manifest| manifest.engine),
        backup_version: newest.map(|manifest| manifest.engine_version.clone()).unwrap_or_default(),
        backup_status: backup.status,
        target_engine: datastore.engine,
        target_version: inspection.engine_version,
        chain: chain.iter().map(|link| link.manifest.number).collect(),
        fetch_bytes: sum(&chain, &served.streams, |stream| stream.objects.iter().map(|object| object.size_bytes).sum()),
        unpacked_bytes: served.needed_bytes,
        links_bytes: 0,
        log_segments: 0,
        log_bytes: 0,
        free_bytes: free_bytes(&context.state_directory),
        databases: Some(DatabaseChanges {
            replaced: served.replaced,
            created: served.created,
            untouched: served.untouched,
        }),
        found,
    });
    let original_bytes = sum(&chain, &served.streams, |stream| stream.original_size_bytes);
    Ok(Checked { plan, ready: Some(Ready { vault, chain, original_bytes }) })
}

/// Adds up what `bytes` says of streams.
fn sum(chain: &[Link], streams: &[(usize, String)], bytes: impl Fn(&StreamRecord) -> u64) -> u64 {
    let records = streams.iter().filter_map(|(link, name)| {
        let manifest = &chain.get(*link)?.manifest;
        manifest.streams.iter().find(|stream| stream.name == *name)
    });
    records.map(bytes).sum()
}

/// The backups that the catalog chose, where the log is in backups.
async fn open_listed(
    storage: &StorageAccess,
    backup: &Backup,
    listed: &[BackupReference],
    found: &mut Vec<Obstacle>,
) -> Option<(Vault, Vec<Link>)> {
    let opened = match Vault::open(storage) {
        Ok(vault) => read_listed(&vault, backup.datastore_id, listed).await.map(|chain| (vault, chain)),
        Err(error) => Err(error),
    };
    opened.map_err(|error| found.push(Obstacle::new(error.code(), describe(&error)))).ok()
}

/// Data that goes through a server needs one that lets the worker in.
fn unreachable(inspection: &Inspection) -> Vec<Obstacle> {
    if inspection.status == DatastoreStatus::Online {
        return Vec::new();
    }
    let told = inspection.findings.iter().map(|finding| {
        let code = finding.code.parse().unwrap_or(ErrorCode::HostUnreachable);
        Obstacle::new(code, finding.detail.clone())
    });
    let told: Vec<_> = told.collect();
    if told.is_empty() { vec![Obstacle::new(ErrorCode::HostUnreachable, "The server does not answer.")] } else { told }
}

fn free_bytes(directory: &Path) -> u64 {
    nix::sys::statvfs::statvfs(directory).map_or(0, |stat| stat.blocks_available().saturating_mul(stat.fragment_size()))
}
