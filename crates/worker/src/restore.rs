//! Restoring in place, and undoing it. Until the switch the live server runs untouched; the switch is a few renames
//! written to a journal first; what was replaced is kept. // F-62, I7
//!
//! - `plan`: what stands in the way, touching nothing;
//! - `stage`: a fresh directory beside the live one, filled, prepared and probed;
//! - `switch`: stop, rename, start, probe, or all the way back;
//! - `journal`: what a switch is about to do, durable before it does it;
//! - `layout`: which renames a switch is, and how they are taken back from any point;
//! - `recovery`: what a killed worker left, finished or undone;
//! - `served`: the other kind, where the running server takes the data and no directory is replaced.

mod journal;
mod layout;
mod plan;
mod recovery;
pub mod served;
mod stage;
mod switch;

use chrono::{Duration, Utc};
use domain::assignment::{BackupReference, DatastoreAccess, ReplayTask, TaskResult};
use domain::restore::UNDO_HOURS;
use domain::{Backup, ErrorCode, JobError, Restore, RestoreTarget, StorageAccess};
use engines::{ConfigurationSource, Driver};

pub use recovery::{recover_all, sweep};

use crate::context::{JobContext, JobFailure, driver_of};
use journal::{Journal, Operation, Step};
use switch::{SwitchEnd, SwitchRequest, run_switch};

/// How often it is asked whether the archiving of logs has paused.
const SUSPEND_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);

/// What is restored.
pub struct Source {
    pub target: RestoreTarget,
    pub backup: Backup,
    pub storage: StorageAccess,
    /// The backups that are applied, where the catalog chose them; else the manifests tell of them.
    pub applied: Vec<BackupReference>,
    /// The logs that are replayed on it.
    pub replay: Option<ReplayTask>,
}

/// The job that says what a restore would do.
pub async fn plan(
    context: &JobContext,
    source: &Source,
    datastore: &DatastoreAccess,
) -> Result<TaskResult, JobFailure> {
    refuse_new_databases(source)?;
    match served::method_of(source, datastore) {
        Some(engine) => served::plan(context, source, datastore, engine).await,
        None => plan::plan(context, source, datastore).await,
    }
}

/// Restores a backup over the datastore that it was made of, or into the empty directory of a new one.
///
/// # Errors
/// Any doubt before the switch leaves the live server untouched; any failure after it puts the old data back. Stopping
/// is possible until the switch begins.
pub async fn restore(
    context: &JobContext,
    restore: &Restore,
    restore_configuration: bool,
    source: &Source,
    datastore: &DatastoreAccess,
) -> Result<TaskResult, JobFailure> {
    refuse_new_databases(source)?;
    if let Some(engine) = served::method_of(source, datastore) {
        return served::restore(context, restore, source, datastore, engine).await;
    }
    let driver = driver_of(datastore.engine)?;
    context.progress.begin("checking", None);
    // What an earlier attempt left open is settled before anybody looks at the directory.
    let known = datastore.data_directory.as_ref().map(std::path::PathBuf::from);
    let locked = match known.as_ref().filter(|directory| directory.parent().is_some_and(std::path::Path::is_dir)) {
        Some(directory) => Some(recovery::lock_and_settle(directory, restore.id).await?),
        None => None,
    };
    if let Some(directory) = known.filter(|_| locked.is_some())
        && let Some(result) = already_restored(context, restore, &directory, driver, datastore).await?
    {
        return Ok(result);
    }
    let ready = plan::check(context, source, datastore).await?.into_ready()?;
    let _lock = match locked {
        Some(lock) => lock,
        None => recovery::lock_and_settle(&ready.data_directory, restore.id).await?,
    };
    if let Some(result) = already_restored(context, restore, &ready.data_directory, driver, datastore).await? {
        return Ok(result);
    }
    let mut journal = Journal::begin(
        &context.state_directory,
        Operation::Restore,
        restore.id,
        &ready.data_directory,
        datastore,
        Utc::now() + Duration::hours(UNDO_HOURS),
    )?;
    let (staging, reached) = match stage::fill_staging(context, driver, &journal, &ready, source, datastore).await {
        Ok(filled) => filled,
        Err(failure) => {
            journal.discard()?;
            return Err(failure);
        }
    };
    journal.record.reached.clone_from(&reached);
    if let Err(error) = suspend_archiving(context).await {
        journal.discard()?;
        return Err(error.into());
    }
    if context.stop.is_cancelled() {
        journal.discard()?;
        return Err(JobFailure::Stopped);
    }
    let source = match restore_configuration || ready.replaces_nothing {
        true => ConfigurationSource::Backup,
        false => ConfigurationSource::Live,
    };
    let end = run_switch(SwitchRequest {
        context,
        driver,
        datastore,
        journal: &mut journal,
        staging: Some((&staging, source)),
    })
    .await?;
    let SwitchEnd { downtime_seconds, server_identity } = end;
    Ok(TaskResult::Restore { undo_until: journal.keep_until(), downtime_seconds, server_identity, reached })
}

/// A method that can't restore single databases would replace them all.
fn refuse_new_databases(source: &Source) -> Result<(), JobError> {
    let method = source.backup.method;
    match &source.target {
        RestoreTarget::NewDatabases { .. } if !method.restores_into_new_databases() => {
            let detail = format!("Backups by {method} are restored as a whole, not database by database.");
            Err(JobError::new(ErrorCode::TargetNotSupported, detail))
        }
        _ => Ok(()),
    }
}

/// What an earlier attempt at this restore came to, when it had finished. It is looked for before the server is: that one may
/// have another identity since.
async fn already_restored(
    context: &JobContext,
    restore: &Restore,
    data_directory: &std::path::Path,
    driver: &'static dyn Driver,
    datastore: &DatastoreAccess,
) -> Result<Option<TaskResult>, JobFailure> {
    let Some(finished) = recovery::finished(data_directory, restore.id, Operation::Restore)? else { return Ok(None) };
    context.log.info("An earlier attempt had already finished this restore");
    Ok(Some(TaskResult::Restore {
        undo_until: finished.keep_until,
        downtime_seconds: finished.downtime_seconds,
        server_identity: identity_now(context, finished.server_identity, driver, datastore).await,
        reached: finished.reached,
    }))
}

/// Who the server is after a switch that an earlier attempt made; it is asked where that one died before it could ask.
async fn identity_now(
    context: &JobContext,
    known: Option<String>,
    driver: &'static dyn Driver,
    datastore: &DatastoreAccess,
) -> Option<String> {
    match known {
        Some(identity) => Some(identity),
        None => driver.ping(datastore, &context.stop).await.ok()?.server_identity,
    }
}

/// Puts back the data that a restore replaced. What the restore had brought is kept until the same time.
///
/// # Errors
/// `undo_not_possible` when the earlier data is gone; after any other failure the restored data is in place as before.
pub async fn undo(
    context: &JobContext,
    restore: &Restore,
    datastore: &DatastoreAccess,
) -> Result<TaskResult, JobFailure> {
    if let Some(result) = served::undo(context, restore, datastore).await? {
        return Ok(result);
    }
    let driver = driver_of(datastore.engine)?;
    context.progress.begin("checking", None);
    let impossible = |why: &str| JobError::new(ErrorCode::UndoNotPossible, why);
    let data_directory = datastore
        .data_directory
        .as_deref()
        .ok_or_else(|| impossible("The datastore's data directory is not known."))?;
    let data_directory = std::path::PathBuf::from(data_directory);
    let _lock = recovery::lock_and_settle(&data_directory, restore.id).await?;
    if let Some(finished) = recovery::finished(&data_directory, restore.id, Operation::Undo)? {
        let server_identity = identity_now(context, finished.server_identity, driver, datastore).await;
        return Ok(TaskResult::Undo { downtime_seconds: finished.downtime_seconds, server_identity });
    }
    let done = recovery::finished(&data_directory, restore.id, Operation::Restore)?
        .ok_or_else(|| impossible("The directory with the earlier data is not there any more."))?;
    let mut journal = Journal::begin_undo(&context.state_directory, &done.journal, datastore)?;
    if let Err(error) = suspend_archiving(context).await {
        journal.discard()?;
        return Err(error.into());
    }
    let SwitchEnd { downtime_seconds, server_identity } =
        run_switch(SwitchRequest { context, driver, datastore, journal: &mut journal, staging: None }).await?;
    done.journal.forget()?;
    Ok(TaskResult::Undo { downtime_seconds, server_identity })
}

/// Makes sure that nobody archives the server's log from now on until the job has ended: what the switched server writes
/// does not belong into the branch that is being archived. Confirms the lease. // F-68
async fn suspend_archiving(context: &JobContext) -> Result<(), JobError> {
    let mut is_told = false;
    loop {
        context.lease.confirm().await?;
        if context.lease.suspend_archiving().await || context.stop.is_cancelled() {
            return Ok(());
        }
        if !is_told {
            context.log.info("Waiting until the archiving of the server's log has paused");
            is_told = true;
        }
        tokio::time::sleep(SUSPEND_INTERVAL).await;
    }
}

/// Whether a journal's step means that the live directory may be half switched.
fn is_open(step: Step) -> bool {
    !matches!(step, Step::Committed)
}
