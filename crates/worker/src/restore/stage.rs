//! Staging: a fresh directory beside the live one, filled from the storage, prepared by the engine's tools, and proven
//! by starting a private server on it. The live server runs on meanwhile and is only read.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use domain::assignment::{DatastoreAccess, ReachedStop, ReplayTask};
use domain::{ErrorCode, JobError, LogSegment, format};
use engines::{Driver, LogReplay, Staging};
use process::Credentials;
use vault::Vault;

use super::Source;
use super::journal::{Journal, journal_error};
use super::layout::{copy_owner_and_mode, sync_directory};
use super::plan::Ready;
use crate::chain::Link;
use crate::context::{JobContext, JobFailure};
use crate::logs::fetch_logs;

/// Fills and proves the staging directory of a journal.
///
/// # Errors
/// The live data is untouched; the caller discards the journal, which removes the directory.
pub async fn fill_staging(
    context: &JobContext,
    driver: &'static dyn Driver,
    journal: &Journal,
    ready: &Ready,
    source: &Source,
    datastore: &DatastoreAccess,
) -> Result<(Staging, Option<ReachedStop>), JobFailure> {
    let layout = &journal.record.layout;
    create_like(&layout.data_directory, &layout.incoming)
        .map_err(|error| journal_error("create", &layout.incoming, &error))?;
    let owner = Credentials::of_owner(&layout.data_directory)
        .map_err(|error| journal_error("read", &layout.data_directory, &error))?;
    let manifest = match ready.chain.last() {
        Some(link) => link.manifest.clone(),
        None => return Err(JobError::new(ErrorCode::Internal, "There is nothing to restore.").into()),
    };
    let mut staging = Staging {
        directory: layout.incoming.clone(),
        live_directory: layout.data_directory.clone(),
        owner,
        datastore: datastore.clone(),
        manifest,
        log: context.log.sink(),
        cancel: context.stop.clone(),
    };
    let original_bytes = ready.chain.iter().map(|link| link.manifest.original_size_bytes).sum();
    let stored_bytes = ready.chain.iter().map(|link| link.manifest.size_bytes).sum();
    context.progress.begin("fetching", Some(original_bytes));
    context.log.info(format!("Fetching {}", format::bytes(stored_bytes)));
    match ready.chain.as_slice() {
        [full] => fetch(context, driver, &ready.vault, full, &staging, 0).await.map(drop)?,
        links => fetch_and_join(context, driver, journal, &ready.vault, links, &staging).await?,
    }
    context.progress.begin("preparing", None);
    context.log.info("Preparing the restored files");
    driver.prepare(&staging).await?;
    let reached = match &source.replay {
        Some(task) => Some(replay(context, driver, journal, task, &mut staging).await?),
        None => None,
    };
    context.progress.begin("validating", None);
    context.log.info("Starting the restored data privately");
    let probe = driver.probe_staged(&staging).await?;
    context.log.info(format!("The restored data holds {}", probe.summary));
    copy_owner_and_mode(&layout.data_directory, &layout.incoming)
        .map_err(|error| journal_error("set the owner of", &layout.incoming, &error))?;
    sync_file_system(&layout.incoming).map_err(|error| journal_error("sync", &layout.incoming, &error))?;
    Ok((staging, reached))
}

/// Fetches archived log and replays it on the prepared data.
async fn replay(
    context: &JobContext,
    driver: &'static dyn Driver,
    journal: &Journal,
    task: &ReplayTask,
    staging: &mut Staging,
) -> Result<ReachedStop, JobFailure> {
    let planned = || task.logs.iter().flat_map(|logs| &logs.segments);
    let bytes = planned().map(LogSegment::original_size_bytes).sum();
    let directory = journal.logs_directory();
    create_like(&staging.live_directory, &directory).map_err(|error| journal_error("create", &directory, &error))?;
    context.progress.begin("fetching", Some(bytes));
    context.log.info(format!("Fetching {} segments of log, {}", planned().count(), format::bytes(bytes)));
    let progress = context.progress.clone();
    let on_file = move |bytes| progress.set_bytes(bytes);
    let segments = fetch_logs(context, staging.manifest.datastore_id, &task.logs, &directory, &on_file).await?;
    for segment in &segments {
        let path = directory.join(&segment.name);
        std::os::unix::fs::chown(&path, Some(staging.owner.uid), Some(staging.owner.gid))
            .map_err(|error| journal_error("set the owner of", &path, &error))?;
    }
    context.progress.begin("replaying", Some(bytes));
    context.log.info("Replaying the log on the restored data");
    let progress = context.progress.clone();
    let reached = driver
        .replay(
            staging,
            &LogReplay {
                directory,
                segments,
                stop: task.stop.clone(),
                progress: Arc::new(move |bytes| progress.set_bytes(bytes)),
            },
        )
        .await?;
    context.log.info(format!("The replay stopped at {}", reached.position));
    staging.manifest.engine_facts.extend(reached.engine_facts);
    journal.remove_logs()?;
    Ok(ReachedStop { position: reached.position, last_commit_at: reached.last_commit_at })
}

/// Unpacks each link of a chain in a directory of its own, and joins them into the staging directory.
async fn fetch_and_join(
    context: &JobContext,
    driver: &'static dyn Driver,
    journal: &Journal,
    vault: &Vault,
    links: &[Link],
    staging: &Staging,
) -> Result<(), JobFailure> {
    let place = journal.links_directory();
    let make = |directory: &Path| {
        create_like(&staging.live_directory, directory).map_err(|error| journal_error("create", directory, &error))
    };
    make(&place)?;
    let mut unpacked = Vec::new();
    let mut before = 0;
    for (index, link) in links.iter().enumerate() {
        let of_link = Staging {
            directory: place.join(format!("{index:03}")),
            live_directory: staging.live_directory.clone(),
            owner: staging.owner,
            datastore: staging.datastore.clone(),
            manifest: link.manifest.clone(),
            log: context.log.sink(),
            cancel: context.stop.clone(),
        };
        make(&of_link.directory)?;
        context.log.info(format!("Unpacking backup {} ({})", link.manifest.number, link.manifest.backup_type));
        before = fetch(context, driver, vault, link, &of_link, before).await?;
        unpacked.push(of_link);
    }
    context.progress.begin("preparing", None);
    context.log.info(format!("Joining {} backups", links.len()));
    driver.join(staging, &unpacked).await?;
    journal.remove_links()?;
    Ok(())
}

/// Unpacks the streams of one backup; `before` bytes were fetched of others. Gives the sum of both.
async fn fetch(
    context: &JobContext,
    driver: &'static dyn Driver,
    vault: &Vault,
    link: &Link,
    staging: &Staging,
    mut before: u64,
) -> Result<u64, JobFailure> {
    for stream in &link.manifest.streams {
        let mut unpacking = driver.unpack(staging, &stream.name).await?;
        let mut input = unpacking
            .take_input()
            .ok_or_else(|| JobError::new(ErrorCode::Internal, "The unpacking tool's input was already taken."))?;
        let progress = context.progress.clone();
        let copied = vault
            .copy_stream_into(
                &link.folder,
                &link.manifest,
                &stream.name,
                &mut input,
                &move |bytes| progress.set_bytes(before + bytes),
                &context.stop,
            )
            .await;
        drop(input);
        if context.stop.is_cancelled() {
            return Err(JobFailure::Stopped);
        }
        match copied {
            Ok(()) => unpacking.finish().await?,
            Err(vault::VaultError::Sink { source, .. }) => {
                // The tool stopped reading: it knows why.
                unpacking.finish().await?;
                return Err(JobError::new(
                    ErrorCode::EngineToolFailed,
                    format!("The unpacking tool stopped reading: {source}"),
                )
                .into());
            }
            Err(error) => return Err(error.into()),
        }
        before += stream.original_size_bytes;
    }
    Ok(before)
}

/// Makes a directory with the owner, group and mode of another. One that a killed attempt left is removed first.
fn create_like(like: &Path, directory: &Path) -> std::io::Result<()> {
    if super::layout::exists(directory)? {
        fs::remove_dir_all(directory)?;
    }
    fs::DirBuilder::new().mode(0o700).create(directory)?;
    copy_owner_and_mode(like, directory)?;
    sync_directory(directory.parent().unwrap_or(directory))
}

/// Makes all staged files durable at once (syncfs(2)) before the live data is touched. // F-42
fn sync_file_system(directory: &Path) -> std::io::Result<()> {
    let opened = fs::File::open(directory)?;
    nix::unistd::syncfs(&opened).map_err(std::io::Error::from)
}
