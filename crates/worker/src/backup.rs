//! Making a backup: the tool's output through the vault, and a manifest only when everything is certain.

use chrono::Utc;
use domain::assignment::{BackupSummary, BackupTask, DatastoreAccess, TaskResult};
use domain::manifest::{FORMAT_VERSION, StreamRecord, backup_folder};
use domain::{ErrorCode, JobError, Manifest, StorageAccess, format};
use engines::{BackupFacts, BackupRequest};
use vault::{BackupWriter, Vault, WriteOptions};

use crate::context::{JobContext, JobFailure, driver_of};

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
    let vault = Vault::open(storage)?;
    vault.check().await?;
    let folder = backup_folder(datastore.id, task.id);
    if context.attempt > 1
        && let Ok(manifest) = vault.read_manifest(&folder).await
    {
        // An earlier attempt wrote its manifest and was lost before it could say so. // F-25
        context.log.info("An earlier attempt had already finished this backup");
        return Ok(TaskResult::Backup { summary: summary_of(&manifest) });
    }
    let options = WriteOptions { compression_level: task.compression_level, ..WriteOptions::default() };
    let mut writer = vault.begin_backup(&folder, context.attempt, options);
    match stream_into(context, task, datastore, &mut writer).await {
        Ok(manifest) => {
            let summary = summary_of(&manifest);
            writer.commit(manifest).await?;
            context.log.info(format!(
                "Backup {} is complete: {} stored for {} of data",
                task.number,
                format::bytes(summary.size_bytes),
                format::bytes(summary.original_size_bytes)
            ));
            Ok(TaskResult::Backup { summary })
        }
        Err(failure) => {
            writer.abort().await;
            Err(failure)
        }
    }
}

async fn stream_into(
    context: &JobContext,
    task: &BackupTask,
    datastore: &DatastoreAccess,
    writer: &mut BackupWriter,
) -> Result<Manifest, JobFailure> {
    let driver = driver_of(datastore.engine)?;
    let started_at = Utc::now();
    let work_directory = tempfile::Builder::new()
        .prefix("backup-")
        .tempdir_in(&context.state_directory)
        .map_err(|error| JobError::new(ErrorCode::Internal, format!("No directory for the tool's files: {error}")))?;
    let mut running = driver
        .backup(BackupRequest {
            datastore: datastore.clone(),
            method: task.method,
            backup_type: task.backup_type,
            work_directory: work_directory.path().to_owned(),
            log: context.log.sink(),
            cancel: context.stop.clone(),
        })
        .await?;
    let stream = running.stream();
    let output = running
        .take_output()
        .ok_or_else(|| JobError::new(ErrorCode::Internal, "The tool's output was already taken."))?;
    context.progress.begin("streaming", running.estimated_bytes());
    let progress = context.progress.clone();
    let written = writer
        .write_stream(
            stream.name,
            stream.extension,
            output,
            &move |written: vault::WriteProgress| progress.set_bytes(written.original_bytes),
            &context.stop,
        )
        .await;
    if context.stop.is_cancelled() {
        return Err(JobFailure::Stopped);
    }
    if let Err(error) = &written {
        context.log.error(format!("The storage did not take the backup: {error}"));
    }
    if let Err(error @ vault::VaultError::EmptyStream { .. }) = written {
        // The tool's own reason says more than that it wrote nothing.
        running.finish().await?;
        return Err(error.into());
    }
    written?;
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
    context.lease.confirm().await?;
    Ok(manifest_of(task, datastore, started_at, facts, writer))
}

fn manifest_of(
    task: &BackupTask,
    datastore: &DatastoreAccess,
    started_at: chrono::DateTime<Utc>,
    facts: BackupFacts,
    writer: &BackupWriter,
) -> Manifest {
    let streams = writer.streams().to_vec();
    let original_size_bytes = streams.iter().map(|stream| stream.original_size_bytes).sum();
    let size_bytes = streams.iter().flat_map(|stream| &stream.objects).map(|object| object.size_bytes).sum();
    let restore_commands = commands_from_folder(facts.restore_commands, &streams);
    Manifest {
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
        backup_type: task.backup_type,
        parent_id: None,
        created_at: task.created_at,
        started_at,
        ended_at: Utc::now(),
        log_position: facts.log_position,
        command_line: facts.command_line,
        completion_mark: facts.completion_mark,
        streams,
        size_bytes,
        original_size_bytes,
        unpacked_size_bytes: facts.unpacked_size_bytes.unwrap_or(original_size_bytes),
        restore_commands,
        engine_facts: facts.engine_facts,
        unknown: Default::default(),
    }
}

/// An engine's commands start from where the objects are: of a later attempt that is a folder of its own.
fn commands_from_folder(mut commands: Vec<String>, streams: &[StreamRecord]) -> Vec<String> {
    let key = streams.iter().flat_map(|stream| &stream.objects).map(|object| object.key.as_str()).next();
    if let Some((folder, _)) = key.and_then(|key| key.rsplit_once('/')) {
        commands.insert(0, format!("cd {folder}"));
    }
    commands
}

fn summary_of(manifest: &Manifest) -> BackupSummary {
    BackupSummary {
        size_bytes: manifest.size_bytes,
        original_size_bytes: manifest.original_size_bytes,
        engine_version: manifest.engine_version.clone(),
        log_position: manifest.log_position.clone(),
        server_identity: manifest.server_identity.clone(),
        encrypted: false,
    }
}
