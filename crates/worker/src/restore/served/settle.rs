//! What a killed worker left of restores through the server, and what nobody can undo any more: settled by the next job of the
//! same datastore, which brings the password that the journal does not hold. // F-12, I5

use std::fs;
use std::path::Path;

use chrono::Utc;
use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, JobError};
use nix::fcntl::{Flock, FlockArg};
use tokio_util::sync::CancellationToken;

use super::journal::{Journal, Step};
use super::{place, take_back};
use crate::context::JobContext;
use crate::restore::journal::journal_error;

/// Held while a datastore is restored through its server; the kernel releases it when the process dies.
pub struct DatastoreLock {
    _file: Flock<fs::File>,
}

/// As [`lock_and_settle`], before a job of another kind: what can't be settled now keeps nobody from it.
pub async fn settle(context: &JobContext, datastore: &DatastoreAccess) {
    let journals = Journal::of_datastore(&context.state_directory, datastore.id);
    if journals.is_ok_and(|journals| journals.is_empty()) {
        return;
    }
    if let Err(error) = lock_and_settle(context, datastore).await {
        context.log.warning(format!("An earlier restore is not settled yet: {}", error.detail));
    }
}

/// Takes the lock of a datastore, takes back what was interrupted, and removes what nobody can undo any more.
///
/// # Errors
/// `datastore_busy` while another job of this worker restores it; otherwise why something could not be settled.
pub async fn lock_and_settle(context: &JobContext, datastore: &DatastoreAccess) -> Result<DatastoreLock, JobError> {
    let lock = lock(&context.state_directory, datastore)?;
    for journal in Journal::of_datastore(&context.state_directory, datastore.id)? {
        settle_one(context, datastore, journal).await?;
    }
    Ok(lock)
}

async fn settle_one(context: &JobContext, datastore: &DatastoreAccess, mut journal: Journal) -> Result<(), JobError> {
    let engine = journal.engine()?;
    let place = place(context, datastore, (&journal, CancellationToken::new()));
    let state = journal.record.state.clone();
    let failed = |error: engines::EngineError| error.to_job_error();
    match (journal.record.step, &state) {
        (Step::Switching, Some(state)) => {
            context.log.warning("A restore was interrupted while its data was put in place; putting the old data back");
            take_back(engine, &place, state, &journal).await?;
            context.log.info("The old data is in place");
            engine.discard(&place, Some(state)).await.map_err(failed)?;
            journal.remove()
        }
        (Step::TakingBack, Some(state)) => {
            context.log.warning("An undo was interrupted; finishing it");
            take_back(engine, &place, state, &journal).await?;
            journal.advance(Step::Undone)
        }
        (Step::Committed | Step::Undone, _) if journal.record.keep_until > Utc::now() => Ok(()),
        (Step::Committed | Step::Undone, state) => {
            engine.discard(&place, state.as_ref()).await.map_err(failed)?;
            context.log.info("Removed what an earlier restore had replaced: the time of its undo is over");
            journal.remove()
        }
        (Step::Staging, _) | (Step::Switching | Step::TakingBack, None) => {
            engine.discard(&place, None).await.map_err(failed)?;
            journal.remove()
        }
    }
}

fn lock(state_directory: &Path, datastore: &DatastoreAccess) -> Result<DatastoreLock, JobError> {
    let path = state_directory.join(format!("served-{}.lock", datastore.id));
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| journal_error("lock", &path, &error))?;
    let Ok(file) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
        let detail = format!("Another process restores {}.", datastore.name);
        return Err(JobError::new(ErrorCode::DatastoreBusy, detail));
    };
    Ok(DatastoreLock { _file: file })
}
