//! Requests that need a worker's answer wait for it here, for a bounded time.

use std::time::Duration;

use domain::worker::WORKER_SILENT_SECONDS;
use domain::{ErrorCode, Job};
use serde::de::DeserializeOwned;
use store::{Store, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::problem::ApiProblem;
use crate::state::{State, now};

/// How often the job is looked at without having been woken.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the job has ended, at most until `limit` from now; then it is cancelled, and the answer is `None`. A
/// caller that goes away leaves the job to its end.
pub(crate) async fn wait_for_end(state: &State, job: Uuid, limit: Duration) -> Result<Option<Job>, ApiProblem> {
    let deadline = Instant::now() + limit;
    let mut changed = state.changes.subscribe();
    loop {
        changed.mark_unchanged();
        let current = state.read(move |store| store.job_get(job)).await?;
        if current.status.is_final() {
            return Ok(Some(current));
        }
        if state.stop.is_cancelled() || Instant::now() >= deadline {
            return give_up(state, job).await;
        }
        tokio::select! {
            () = state.stop.cancelled() => {}
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)) => {}
        }
    }
}

/// Has a worker do a job and gives its result. `pinned` is the only worker that may; `too_late` is told when none has answered
/// within `limit`.
///
/// # Errors
/// `no_worker` when none could do it or none did in time; the job's own error when it failed.
pub(crate) async fn answer_of<T: DeserializeOwned>(
    state: &State,
    pinned: Option<&str>,
    create: impl FnOnce(&Store) -> Result<Job, StoreError> + Send + 'static,
    limit: Duration,
    too_late: &str,
) -> Result<T, ApiProblem> {
    if let Some(why) = missing_worker(state, pinned).await? {
        return Err(ApiProblem::new(ErrorCode::NoWorker, why));
    }
    let job = state.change(create).await?;
    let ended = wait_for_end(state, job.id, limit).await?;
    let ended = ended.ok_or_else(|| ApiProblem::new(ErrorCode::NoWorker, too_late))?;
    if let Some(error) = ended.error {
        return Err(ApiProblem::new(error.code, error.detail));
    }
    let value = state.read(move |store| store.job_result_value(job.id)).await?.unwrap_or_default();
    serde_json::from_value(value).map_err(|error| ApiProblem::internal(&error))
}

/// Cancels the job, unless it has just ended.
async fn give_up(state: &State, job: Uuid) -> Result<Option<Job>, ApiProblem> {
    let cancel = move |store: &Store| match store.job_cancel(job, now()) {
        Ok(_) => Ok(None),
        Err(StoreError::Illegal(_)) => store.job_get(job).map(Some),
        Err(error) => Err(error),
    };
    state.change_aside(cancel).await
}

/// Why no worker would take a job now; `None` when one would. `pinned` is the only worker that may.
pub(crate) async fn missing_worker(state: &State, pinned: Option<&str>) -> Result<Option<String>, ApiProblem> {
    let workers = state.read(|store| store.worker_list(now())).await?;
    let mut online = workers.items.iter().filter(|worker| worker.online);
    Ok(match pinned {
        Some(name) if !online.any(|worker| worker.name == name) => {
            Some(format!("The worker {name:?} was not heard of for {WORKER_SILENT_SECONDS} s."))
        }
        None if online.next().is_none() => Some(format!("No worker was heard of for {WORKER_SILENT_SECONDS} s.")),
        _ => None,
    })
}
