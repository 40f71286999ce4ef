//! Fires schedules. It takes no input: each round asks the control database for the schedules whose time has come, which is
//! two look-ups in an index when there are none. Several processes may do so at once. // F-13, F-14

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::background::call;
use crate::state::{State, now};

/// How late a schedule fires at most while the service is idle.
const ROUND: Duration = Duration::from_secs(1);

/// Runs until the service stops.
pub(crate) async fn run(state: State, stop: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = rounds.tick() => fire_due(&state, &stop).await,
        }
    }
}

/// Decides about all whose time has come, a batch at a time, so that requests get their turn in between.
async fn fire_due(state: &State, stop: &CancellationToken) {
    let settings = state.schedule_settings;
    while !stop.is_cancelled() {
        match call(state, move |store| store.schedule_fire_due(&settings, now())).await {
            Some(firing) if firing.decided > 0 => {
                state.changes.note();
                if firing.started > 0 {
                    tracing::info!(backups = firing.started, "schedules started backups");
                }
            }
            _ => return,
        }
    }
}
