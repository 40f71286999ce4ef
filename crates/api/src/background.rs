//! What the service does by itself: takes back the jobs of workers that fell silent, and forgets what nobody needs any
//! more. Looks at the state and acts; several processes may do so at once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::job::LEASE_SECONDS;
use store::{Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::problem::Chain;
use crate::state::{State, now};

/// How often leases are looked at.
const LEASES: Duration = Duration::from_secs(3);
const WHOLE_LEASE: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs());
/// A difference between wall clock and monotonic clock that is more than a slow machine.
const JUMP: TimeDelta = TimeDelta::seconds(5);
/// How often old rows are deleted.
const PRUNING: Duration = Duration::from_secs(600);
/// How long events are kept for clients that reconnect.
const EVENTS_KEPT: TimeDelta = TimeDelta::days(2);

/// How long it is told what became of the times at which a schedule was due.
const RUNS_KEPT: TimeDelta = TimeDelta::days(90);

/// Runs until the service stops.
pub(crate) async fn run(state: State, stop: CancellationToken) {
    let mut leases = tokio::time::interval(LEASES);
    let mut patience = Patience::new();
    let mut pruning = tokio::time::interval(PRUNING);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = leases.tick() => if patience.is_over() {
                expire_leases(&state).await;
            },
            _ = pruning.tick() => prune(&state).await,
        }
    }
}

/// Leases are counted by the wall clock. After a start and after a jump of that clock, workers that are alive get a whole
/// lease's time to renew theirs before any counts as run out. // F-43
struct Patience {
    until: Instant,
    last: (Instant, DateTime<Utc>),
}

impl Patience {
    fn new() -> Self {
        Self { until: Instant::now() + WHOLE_LEASE, last: (Instant::now(), now()) }
    }

    fn is_over(&mut self) -> bool {
        let (instant, wall) = (Instant::now(), now());
        let passed = TimeDelta::from_std(instant - self.last.0).unwrap_or(TimeDelta::MAX);
        let jump = ((wall - self.last.1) - passed).abs();
        self.last = (instant, wall);
        if jump > JUMP {
            tracing::warn!(seconds = jump.num_seconds(), "the clock jumped; workers get time to renew their leases");
            self.until = instant + WHOLE_LEASE;
        }
        instant >= self.until
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
    call(state, |store| store.schedule_runs_prune(now() - RUNS_KEPT)).await;
}

/// Asks the control database, and logs what goes wrong.
pub(crate) async fn call<T: Send + 'static>(
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
