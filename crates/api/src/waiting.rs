//! Requests that need a worker's answer wait for it here, for a bounded time.

use std::time::Duration;

use domain::Job;
use domain::worker::WORKER_SILENT_SECONDS;
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

/// Cancels the job, unless it has just ended.
async fn give_up(state: &State, job: Uuid) -> Result<Option<Job>, ApiProblem> {
    let cancel = move |store: &store::Store| match store.job_cancel(job, now()) {
        Ok(_) => Ok(None),
        Err(store::StoreError::Illegal(_)) => store.job_get(job).map(Some),
        Err(error) => Err(error),
    };
    state.change(cancel).await
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
