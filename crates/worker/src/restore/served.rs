//! Restores through the running server: dumps, and backups that the server itself reads. No directory is replaced; what is
//! needed to go back is the engine's, and lies in a folder of the worker's state directory beside the journal.
//!
//! Check, stage, journal, switch, keep. A switch that fails is taken back at once; one whose worker died is taken back by the
//! next job of the same datastore on this worker, which for a restore is its own next attempt: the journal holds no password,
//! so it takes a job to get back into the server. // F-12

mod journal;
mod plan;
mod settle;
mod source;

use std::sync::Arc;
use std::time::Instant;

use chrono::{Duration, Utc};
use domain::assignment::{DatastoreAccess, TaskResult};
use domain::restore::UNDO_HOURS;
use domain::{ErrorCode, JobError, Restore, format};
use engines::{ServedPlace, ServedRequest, ServedRestore, ServedState};
use tokio_util::sync::CancellationToken;

pub use plan::plan;
pub use settle::settle;

use super::Source;
use crate::context::{JobContext, JobFailure, driver_of};
use journal::{Journal, Step};
use plan::Ready;
use source::VaultSource;

/// How the backups of a source are put back, where that goes through the server.
pub fn method_of(source: &Source, datastore: &DatastoreAccess) -> Option<&'static dyn ServedRestore> {
    driver_of(datastore.engine).ok()?.served(source.backup.method)
}

/// Restores a backup through the server.
///
/// # Errors
/// Any doubt before the switch leaves the data in use untouched; any failure in it puts the old data back. Stopping is possible
/// until the switch begins.
pub async fn restore(
    context: &JobContext,
    restore: &Restore,
    source: &Source,
    datastore: &DatastoreAccess,
    engine: &'static dyn ServedRestore,
) -> Result<TaskResult, JobFailure> {
    context.progress.begin("checking", None);
    let _lock = settle::lock_and_settle(context, datastore).await?;
    if let Some(done) = Journal::find(&context.state_directory, restore.id)?.filter(|done| done.is_at(Step::Committed))
    {
        context.log.info("An earlier attempt had already finished this restore");
        return Ok(result_of(&done));
    }
    let ready = plan::check(context, source, datastore, engine).await?.into_ready()?;
    let (restore_id, keep_until) = (restore.id, Utc::now() + Duration::hours(UNDO_HOURS));
    let mut journal =
        Journal::begin(&context.state_directory, restore_id, datastore, source.backup.method, keep_until)?;
    let request = request(context, source, datastore, &ready, (&journal, context.stop.clone()));
    context.progress.begin("preparing", Some(ready.original_bytes));
    let staged = match stage(context, engine, &request).await {
        Ok(staged) => staged,
        Err(failure) => {
            abandon(engine, &request.place, journal, None).await?;
            return Err(failure);
        }
    };
    journal.record.state = Some(staged.state.clone());
    journal.record.reached = staged.reached;
    journal.advance(Step::Switching)?;
    context.progress.begin("switching", Some(ready.original_bytes));
    // What is begun from here on is finished, one way or the other.
    let request = self::request(context, source, datastore, &ready, (&journal, CancellationToken::new()));
    let began = Instant::now();
    match engine.switch(&request, &staged.state).await {
        Ok(probe) => {
            journal.record.downtime_seconds = began.elapsed().as_secs_f64();
            journal.record.server_identity.clone_from(&probe.server_identity);
            journal.advance(Step::Committed)?;
            journal.remove_work()?;
            context.log.info(format!(
                "The restored data is in place ({}); the switch took {}",
                probe.summary,
                format::duration(journal.record.downtime_seconds)
            ));
            Ok(result_of(&journal))
        }
        Err(error) => {
            let error = error.to_job_error();
            context.log.error(format!("{} Putting the old data back.", error.detail));
            take_back(engine, &request.place, &staged.state, &journal).await?;
            abandon(engine, &request.place, journal, Some(&staged.state)).await?;
            context.log.info("The old data is in place");
            Err(error.into())
        }
    }
}

/// Stages, and confirms at the end that the job is still ours.
async fn stage(
    context: &JobContext,
    engine: &dyn ServedRestore,
    request: &ServedRequest,
) -> Result<engines::Staged, JobFailure> {
    let staged = engine.stage(request).await?;
    context.lease.confirm().await?;
    if context.stop.is_cancelled() {
        return Err(JobFailure::Stopped);
    }
    Ok(staged)
}

/// Puts back what a restore replaced. What the restore had brought is kept until the same time where the engine can.
///
/// # Errors
/// What keeps the old data from being put back. It is tried again by the next attempt, or by the next job of the datastore.
pub async fn undo(
    context: &JobContext,
    restore: &Restore,
    datastore: &DatastoreAccess,
) -> Result<Option<TaskResult>, JobFailure> {
    if Journal::find(&context.state_directory, restore.id)?.is_none() {
        return Ok(None);
    }
    context.progress.begin("checking", None);
    let _lock = settle::lock_and_settle(context, datastore).await?;
    let impossible = || JobError::new(ErrorCode::UndoNotPossible, "What the restore replaced is not kept any more.");
    let mut journal = Journal::find(&context.state_directory, restore.id)?.ok_or_else(impossible)?;
    if journal.is_at(Step::Undone) {
        context.log.info("The earlier data is in place already");
        return Ok(Some(undone(&journal)));
    }
    let engine = journal.engine()?;
    let state = journal.record.state.clone().filter(|_| journal.is_at(Step::Committed)).ok_or_else(impossible)?;
    context.lease.confirm().await?;
    if context.stop.is_cancelled() {
        return Err(JobFailure::Stopped);
    }
    context.progress.begin("switching", None);
    context.log.info("Putting the earlier data back");
    journal.advance(Step::TakingBack)?;
    let place = place(context, datastore, (&journal, CancellationToken::new()));
    let began = Instant::now();
    let probe = engine.take_back(&place, &state).await?;
    journal.record.downtime_seconds = began.elapsed().as_secs_f64();
    journal.record.server_identity = probe.server_identity;
    journal.advance(Step::Undone)?;
    context.log.info(format!("The earlier data is in place ({})", probe.summary));
    Ok(Some(undone(&journal)))
}

fn result_of(journal: &Journal) -> TaskResult {
    let record = &journal.record;
    TaskResult::Restore {
        undo_until: record.keep_until,
        downtime_seconds: record.downtime_seconds,
        server_identity: record.server_identity.clone(),
        reached: record.reached.clone(),
    }
}

fn undone(journal: &Journal) -> TaskResult {
    let record = &journal.record;
    TaskResult::Undo { downtime_seconds: record.downtime_seconds, server_identity: record.server_identity.clone() }
}

/// Removes all traces of a restore that never came into place, from the server and from here.
async fn abandon(
    engine: &dyn ServedRestore,
    place: &ServedPlace,
    journal: Journal,
    state: Option<&ServedState>,
) -> Result<(), JobError> {
    let never = ServedPlace { cancel: CancellationToken::new(), ..place.clone() };
    match engine.discard(&never, state).await {
        Ok(()) => journal.remove(),
        Err(error) => {
            // The journal stays, so that a later job tries again.
            (place.log)(
                domain::LogLevel::Warning,
                &format!("What the restore had made could not be removed: {}", error.to_job_error().detail),
            );
            Ok(())
        }
    }
}

/// Takes a switch back; says where the old data is when even that fails.
async fn take_back(
    engine: &dyn ServedRestore,
    place: &ServedPlace,
    state: &ServedState,
    journal: &Journal,
) -> Result<(), JobError> {
    let taken = engine.take_back(place, state).await;
    taken.map(drop).map_err(|error| {
        let error = error.to_job_error();
        let detail = format!(
            "The old data could not be put back: {} What is needed for it is kept in {} and on the server; the worker tries \
             again with the next job of this datastore.",
            error.detail,
            journal.directory().display()
        );
        JobError::new(error.code, detail)
    })
}

fn place(
    context: &JobContext,
    datastore: &DatastoreAccess,
    (journal, cancel): (&Journal, CancellationToken),
) -> ServedPlace {
    ServedPlace {
        restore_id: journal.record.restore_id,
        datastore: datastore.clone(),
        keep_directory: journal.keep_directory(),
        work_directory: journal.work_directory(),
        log: context.log.sink(),
        cancel,
    }
}

fn request(
    context: &JobContext,
    source: &Source,
    datastore: &DatastoreAccess,
    ready: &Ready,
    (journal, cancel): (&Journal, CancellationToken),
) -> ServedRequest {
    let progress = context.progress.clone();
    ServedRequest {
        place: place(context, datastore, (journal, cancel.clone())),
        target: source.target.clone(),
        chain: ready.chain.iter().map(|link| link.manifest.clone()).collect(),
        source: Arc::new(VaultSource::new(ready.vault.clone(), ready.chain.clone(), cancel)),
        stop: source.replay.as_ref().map(|replay| replay.stop.clone()),
        progress: Arc::new(move |bytes| progress.set_bytes(bytes)),
    }
}
