//! Making a backup: the tool's output through the vault, and a manifest only when everything is certain.

use std::path::Path;

use chrono::Utc;
use domain::assignment::{BackupSummary, BackupTask, DatastoreAccess, TaskResult};
use domain::log_archive::incarnation;
use domain::manifest::{FORMAT_VERSION, StreamRecord, backup_folder};
use domain::{BackupType, ErrorCode, JobError, LogPoint, Manifest, StorageAccess, StoredManifest, format};
use engines::{BackupFacts, BackupRequest, EngineError, OutputStream};
use vault::{BackupWriter, Vault, VaultError, WriteOptions};

use crate::chain::{self, UsableParent};
use crate::context::{JobContext, JobFailure, driver_of};
use crate::restore;

/// Makes one backup.
///
/// # Errors
/// Whatever fails, nothing of this attempt is left in the storage, and the tool and its children are dead. Success
/// means: every process exited 0, the tool's completion mark was seen, the storage confirmed each object, the lease was
/// still ours, and the manifest is durable. // F-02, F-04, F-21, F-32
pub async fn make_backup(
    context: &JobContext,
    task: &BackupTask,
    datastore: &DatastoreAccess,
    storage: &StorageAccess,
) -> Result<TaskResult, JobFailure> {
    context.progress.begin("connecting", None);
    // What a restore left half done is no state to keep.
    restore::served::settle(context, datastore).await;
    let vault = Vault::open(storage)?;
    vault.check().await?;
    let folder = backup_folder(datastore.id, task.id);
    if context.attempt > 1
        && let Ok(StoredManifest { manifest, sha256 }) = vault.read_manifest(&folder, None).await
    {
        // An earlier attempt wrote its manifest and was lost before it could say so. // F-25
        context.log.info("An earlier attempt had already finished this backup");
        return Ok(TaskResult::Backup { summary: summary_of(manifest, sha256) });
    }
    let work_directory = tempfile::Builder::new()
        .prefix("backup-")
        .tempdir_in(&context.state_directory)
        .map_err(|error| JobError::new(ErrorCode::Internal, format!("No directory for the tool's files: {error}")))?;
    let place = work_directory.path();
    let options = WriteOptions { compression_level: task.compression_level, ..WriteOptions::default() };
    let begin = || vault.begin_backup(&folder, context.attempt, options);
    let mut writer = begin();
    let parent = chain::usable_parent(context, &vault, task, datastore, &writer, place).await?;
    let mut made = stream_into(context, task, datastore, parent, place, &mut writer).await;
    if let Err(Unmade::ParentUnusable(reason)) = &made {
        chain::log_fallback(context, task.backup_type, reason);
        std::mem::replace(&mut writer, begin()).abort().await;
        made = stream_into(context, task, datastore, None, place, &mut writer).await;
    }
    match made {
        Ok(manifest) => {
            let sha256 = writer.commit(manifest.clone()).await?;
            let summary = summary_of(manifest, sha256);
            context.log.info(format!(
                "Backup {} is complete: {} stored for {} of data",
                task.number,
                format::bytes(summary.size_bytes),
                format::bytes(summary.original_size_bytes)
            ));
            Ok(TaskResult::Backup { summary })
        }
        Err(unmade) => {
            writer.abort().await;
            Err(unmade.into())
        }
    }
}

/// Why a try at a backup came to nothing.
enum Unmade {
    /// A full backup can still be made.
    ParentUnusable(String),
    Failed(JobFailure),
}

impl From<EngineError> for Unmade {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::ParentUnusable { reason } => Self::ParentUnusable(reason),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<JobFailure> for Unmade {
    fn from(failure: JobFailure) -> Self {
        Self::Failed(failure)
    }
}

impl From<JobError> for Unmade {
    fn from(error: JobError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<VaultError> for Unmade {
    fn from(error: VaultError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Unmade> for JobFailure {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::ParentUnusable(reason) => EngineError::ParentUnusable { reason }.into(),
            Unmade::Failed(failure) => failure,
        }
    }
}

async fn stream_into(
    context: &JobContext,
    task: &BackupTask,
    datastore: &DatastoreAccess,
    parent: Option<UsableParent>,
    work_directory: &Path,
    writer: &mut BackupWriter,
) -> Result<Manifest, Unmade> {
    let driver = driver_of(datastore.engine)?;
    let started_at = Utc::now();
    let built_on = parent.as_ref().map(|usable| (usable.parent.manifest.backup_id, usable.sha256.clone()));
    let backup_type = if built_on.is_some() { task.backup_type } else { BackupType::Full };
    let mut running = driver
        .backup(BackupRequest {
            datastore: datastore.clone(),
            method: task.method,
            backup_type,
            parent: parent.map(|usable| usable.parent),
            work_directory: work_directory.to_owned(),
            log: context.log.sink(),
            cancel: context.stop.clone(),
        })
        .await?;
    context.progress.begin("streaming", running.estimated_bytes());
    let mut before = 0;
    while let Some(stream) = running.next_stream().await? {
        match write(context, writer, stream, before).await {
            Ok(bytes) => before += bytes,
            Err(Unwritten::Empty(error)) => {
                // The tool's own reason says more than that it wrote nothing.
                running.finish().await?;
                return Err(error.into());
            }
            Err(Unwritten::Failed(failure)) => return Err(failure.into()),
        }
    }
    context.progress.begin("finishing", None);
    let facts = running.finish().await?;
    if let (Some(registered), Some(found)) = (&datastore.server_identity, &facts.server_identity)
        && registered != found
    {
        // F-54
        return Err(JobError::new(
            ErrorCode::ServerIdentityChanged,
            format!("The server at this address is {found}, not {registered} that was registered. Test the datastore."),
        )
        .into());
    }
    if let Some((stream, path)) = &facts.continuation {
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|source| VaultError::Source { stream: stream.name.clone(), source })?;
        writer.write_stream(&stream.name, stream.extension, file, &|_| {}, &context.stop).await?;
    }
    context.lease.confirm().await?;
    Ok(manifest_of(task, datastore, (backup_type, built_on), started_at, facts, writer))
}

/// Why a stream is not in the storage.
enum Unwritten {
    Empty(VaultError),
    Failed(JobFailure),
}

/// Stores one stream, after `before` bytes of others, and gives its size.
async fn write(
    context: &JobContext,
    writer: &mut BackupWriter,
    stream: OutputStream,
    before: u64,
) -> Result<u64, Unwritten> {
    let progress = context.progress.clone();
    let OutputStream { spec, output } = stream;
    let on_progress = move |written: vault::WriteProgress| progress.set_bytes(before + written.original_bytes);
    let written = writer.write_stream(&spec.name, spec.extension, output, &on_progress, &context.stop).await;
    if context.stop.is_cancelled() {
        return Err(Unwritten::Failed(JobFailure::Stopped));
    }
    match written {
        Ok(record) => Ok(record.original_size_bytes),
        Err(error) => {
            context.log.error(format!("The storage did not take the backup: {error}"));
            Err(match error {
                error @ VaultError::EmptyStream { .. } => Unwritten::Empty(error),
                error => Unwritten::Failed(error.into()),
            })
        }
    }
}

fn manifest_of(
    task: &BackupTask,
    datastore: &DatastoreAccess,
    (backup_type, built_on): (BackupType, Option<(uuid::Uuid, String)>),
    started_at: chrono::DateTime<Utc>,
    facts: BackupFacts,
    writer: &BackupWriter,
) -> Manifest {
    let streams = writer.streams().to_vec();
    let original_size_bytes = streams.iter().map(|stream| stream.original_size_bytes).sum();
    let size_bytes = streams.iter().flat_map(|stream| &stream.objects).map(|object| object.size_bytes).sum();
    let (parent_id, parent_sha256) = built_on.unzip();
    let restore_commands = match parent_id {
        None => commands_from_folder(facts.restore_commands, &streams),
        // They name the folder of each link.
        Some(_) => facts.restore_commands,
    };
    let mut manifest = Manifest {
        format_version: FORMAT_VERSION,
        written_by: env!("CARGO_PKG_VERSION").to_owned(),
        backup_id: task.id,
        number: task.number,
        datastore_id: datastore.id,
        datastore_name: datastore.name.clone(),
        engine: datastore.engine,
        engine_version: facts.engine_version,
        server_identity: facts.server_identity,
        method: task.method,
        backup_type,
        parent_id,
        parent_sha256,
        created_at: task.created_at,
        started_at,
        ended_at: Utc::now(),
        log_position: facts.log_position,
        log_point: facts.log_start.map(|start| LogPoint {
            incarnation: incarnation(&start.stream, &datastore.log_branch),
            position: start.position,
        }),
        log_ranges: facts.log_ranges,
        command_line: facts.command_line,
        completion_mark: facts.completion_mark,
        streams,
        size_bytes,
        original_size_bytes,
        unpacked_size_bytes: facts.unpacked_size_bytes.unwrap_or(original_size_bytes),
        restore_commands,
        engine_facts: facts.engine_facts,
        continuation: facts.continuation.map(|(stream, _)| stream.name),
        unknown: Default::default(),
    };
    manifest.format_version = manifest.oldest_format();
    manifest
}

/// An engine's commands start from where the objects are: of a later attempt that is a folder of its own.
fn commands_from_folder(mut commands: Vec<String>, streams: &[StreamRecord]) -> Vec<String> {
    let key = streams.iter().flat_map(|stream| &stream.objects).map(|object| object.key.as_str()).next();
    if let Some((folder, _)) = key.and_then(|key| key.rsplit_once('/')) {
        commands.insert(0, format!("cd {folder}"));
    }
    commands
}

fn summary_of(manifest: Manifest, manifest_sha256: String) -> BackupSummary {
    BackupSummary {
        backup_type: manifest.backup_type,
        parent_id: manifest.parent_id,
        size_bytes: manifest.size_bytes,
        original_size_bytes: manifest.original_size_bytes,
        engine_version: manifest.engine_version,
        log_position: manifest.log_position,
        server_identity: manifest.server_identity,
        log_point: manifest.log_point,
        log_ranges: manifest.log_ranges,
        encrypted: false,
        manifest_sha256,
    }
}
