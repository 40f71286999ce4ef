//! What the service does by itself: takes back the jobs of workers that fell silent, and forgets what nobody needs any
//! more. Looks at the state and acts; several processes may do so at once.

use std::time::Duration;

use chrono::TimeDelta;
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::problem::Chain;
use crate::state::{State, now};

/// How often leases are looked at.
const LEASES: Duration = Duration::from_secs(3);
/// How often old rows are deleted.
const PRUNING: Duration = Duration::from_secs(600);
/// How long events are kept for clients that reconnect.
const EVENTS_KEPT: TimeDelta = TimeDelta::days(2);

/// Runs until the service stops.
pub(crate) async fn run(state: State, stop: CancellationToken) {
    let mut leases = tokio::time::interval(LEASES);
    let mut pruning = tokio::time::interval(PRUNING);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = leases.tick() => expire_leases(&state).await,
            _ = pruning.tick() => prune(&state).await,
        }
    }
}

/// A worker that fell silent loses its job: it waits again, or fails when it was tried often enough. // F-01
async fn expire_leases(state: &State) {
    match call(state, |store| store.job_expire_leases(now())).await {
        Some(expired) if !expired.is_empty() => {
            state.changes.note();
            tracing::warn!(jobs = ?expired, "leases ran out");
        }
        _ => {}
    }
}

async fn prune(state: &State) {
    call(state, |store| store.events_prune(now() - EVENTS_KEPT)).await;
}

async fn call<T: Send + 'static>(
    state: &State,
    call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    let store = state.store();
    match tokio::task::spawn_blocking(move || call(&store)).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            tracing::warn!(error = %Chain(&error), "a background task could not reach the control database");
            None
        }
        Err(error) => {
            tracing::error!(%error, "a background task broke");
            None
        }
    }
}
