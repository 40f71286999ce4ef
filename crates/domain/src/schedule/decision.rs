//! What a scheduler does about one schedule at one moment: a pure function of what is recorded, the time, and whether the
//! datastore is free. Whoever carries it out keeps two rules, in one transaction for each decision:
//!
//! 1. The decision holds only if `handled_until`, the status, the recurrence and the open runs are still those that it was
//!    made from; otherwise it is dropped and made again.
//! 2. There is one record per (schedule, due time). [`Action::Start`] with attempt 1 starts a backup only if none was ever
//!    started for that due time, and takes over a record that is waiting, missed or skipped. With attempt n + 1 it
//!    starts one only if the record is at attempt n. The other actions never touch a record whose backup was started,
//!    except [`Action::RetryAt`] and [`Action::GiveUp`]. // F-13
//!
//! A schedule is decided about when its [`Decision::wake_at`] has come, when its datastore gets free, when a backup that
//! it started ends, and when `handled_until` is more than [`CLOCK_TOLERANCE`] in the future, which is a clock that went back.
//!
//! So no due time is started twice, whatever the clock does and however many schedulers run, and none is passed over
//! without a record. A clock that goes back only makes due times come again, and rule 2 turns those away. // F-43

mod settle;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::due::due;
use super::{ScheduleSettings, ScheduleStatus, jitter};
use crate::error_code::RetryClass;
use crate::recurrence::Recurrence;
use settle::{Candidate, close, settle};

pub use super::due::MAX_MISSED;

/// How far the clock may go back before due times that were handled are looked at again: more than the clocks of two API
/// processes differ.
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// What is recorded of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleState {
    pub id: Uuid,
    pub status: ScheduleStatus,
    pub recurrence: Recurrence,
    /// Every due time up to this one is settled. At first it is when the schedule was made.
    pub handled_until: DateTime<Utc>,
    /// The runs about which something is left to decide.
    pub open_runs: Vec<OpenRun>,
}

/// A run that waits to be started, or that failed and was not given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRun {
    pub due_at: DateTime<Utc>,
    pub state: OpenState,
}

/// What an open run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenState {
    /// For its datastore.
    Waiting { since: DateTime<Utc> },
    /// For its next attempt, or to be given up.
    Failed { attempt: u32, at: DateTime<Utc>, retry: RetryClass },
}

/// Whether a backup could start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    Free,
    /// Something else holds the datastore; says what.
    Busy(String),
    /// It can't start however long one waits; says why.
    Unable(String),
}

/// Why a due time passed without a backup, though a scheduler was there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    #[error("the datastore was busy for {}: {holder}", crate::format::duration(waited.as_seconds_f64()))]
    Busy { holder: String, waited: TimeDelta },
    #[error("the run of {} came due before this one could start", by.format("%Y-%m-%d %H:%M UTC"))]
    Superseded { by: DateTime<Utc> },
    #[error("the schedule was paused")]
    Paused,
    #[error("{0}")]
    Unable(String),
}

/// One thing to do, on the record of one due time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Record these as missed: they came due while no scheduler ran. At most [`MAX_MISSED`], growing; `also_since` tells
    /// that there were more, between that time and the first of these.
    Miss { due_at: Vec<DateTime<Utc>>, also_since: Option<DateTime<Utc>> },
    /// Start a backup, the first for this due time or a further one.
    Start { due_at: DateTime<Utc>, attempt: u32 },
    /// Record that it waits from now on, for what holds the datastore.
    Wait { due_at: DateTime<Utc>, holder: String },
    /// Record that it was skipped.
    Skip { due_at: DateTime<Utc>, reason: SkipReason },
    /// Record when a failed run will be tried again.
    RetryAt { due_at: DateTime<Utc>, at: DateTime<Utc> },
    /// Leave a failed run as it is: no further attempt.
    GiveUp { due_at: DateTime<Utc> },
}

/// What to do now, and when to look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// In this order.
    pub actions: Vec<Action>,
    /// What to record as [`ScheduleState::handled_until`].
    pub handled_until: DateTime<Utc>,
    /// The next due time; none while paused.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When to decide again, at the latest; sooner when the datastore gets free or a run ends. None while paused.
    pub wake_at: Option<DateTime<Utc>>,
}

/// Decides about a schedule. // F-13, F-14, F-43
///
/// Of several due times that passed, the newest is run and the others are missed. A newer due time takes the place of a
/// run that still waits or is to be tried again.
pub fn decide(
    state: &ScheduleState,
    now: DateTime<Utc>,
    availability: &Availability,
    settings: &ScheduleSettings,
) -> Decision {
    if state.status == ScheduleStatus::Paused {
        let actions = state.open_runs.iter().map(|run| close(*run, SkipReason::Paused)).collect();
        return Decision { actions, handled_until: state.handled_until, next_run_at: None, wake_at: None };
    }
    let delay = jitter::delay(state.id, settings.jitter_seconds);
    let settled = settle_until(state, now - delay, now, availability, settings);
    let wake_at = settled.next_run_at.map(|next| next + delay).into_iter().chain(settled.open_wake_at).min();
    Decision {
        actions: settled.actions,
        handled_until: settled.handled_until,
        next_run_at: settled.next_run_at,
        wake_at,
    }
}

/// Settles what came due under the old recurrence and goes on with a new one, from now. The backup that runs and those that
/// exist are no concern of a schedule. Jitter does not hold back what came due before the edit.
pub fn edit(
    state: &ScheduleState,
    recurrence: &Recurrence,
    now: DateTime<Utc>,
    availability: &Availability,
    settings: &ScheduleSettings,
) -> Decision {
    if state.status == ScheduleStatus::Paused {
        return decide(state, now, availability, settings);
    }
    let settled = settle_until(state, now, now, availability, settings);
    let begun = begin(state.id, recurrence, now, settings);
    let wake_at = begun.wake_at.into_iter().chain(settled.open_wake_at).min();
    Decision { actions: settled.actions, wake_at, ..begun }
}

/// Ends all that a schedule has begun or should have begun by now, except backups that run.
pub fn pause(state: &ScheduleState, now: DateTime<Utc>) -> Decision {
    let mut actions: Vec<Action> = state.open_runs.iter().map(|run| close(*run, SkipReason::Paused)).collect();
    if state.status == ScheduleStatus::Active
        && let (Some(due), _) = due(&state.recurrence, state.handled_until, now)
    {
        let also_since = due.more.then_some(state.handled_until);
        if !due.earlier.is_empty() {
            actions.push(Action::Miss { due_at: due.earlier, also_since });
        }
        actions.push(Action::Skip { due_at: due.newest, reason: SkipReason::Paused });
    }
    Decision { actions, handled_until: now, next_run_at: None, wake_at: None }
}

/// Begins, or begins again after a pause: what was due up to now is no concern any more.
pub fn begin(id: Uuid, recurrence: &Recurrence, now: DateTime<Utc>, settings: &ScheduleSettings) -> Decision {
    let next_run_at = recurrence.next_run(now);
    let wake_at = next_run_at.map(|next| next + jitter::delay(id, settings.jitter_seconds));
    Decision { actions: Vec::new(), handled_until: now, next_run_at, wake_at }
}

/// A decision before it is known how the schedule goes on.
struct Settled {
    actions: Vec<Action>,
    handled_until: DateTime<Utc>,
    next_run_at: Option<DateTime<Utc>>,
    /// When to look again because of an open run.
    open_wake_at: Option<DateTime<Utc>>,
}

/// Settles all that came due up to `until`, which jitter keeps behind `now`.
fn settle_until(
    state: &ScheduleState,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
    availability: &Availability,
    settings: &ScheduleSettings,
) -> Settled {
    // A clock that went back a long way makes the times until then come again.
    let went_back = state.handled_until > now + CLOCK_TOLERANCE;
    let after = if went_back { now.min(until) } else { state.handled_until };
    let (due, next_run_at) = due(&state.recurrence, after, until);
    let mut settled = Settled { actions: Vec::new(), handled_until: after, next_run_at, open_wake_at: None };
    let mut candidate = state.open_runs.iter().copied().max_by_key(|run| run.due_at).map(Candidate::Open);
    if let Some(due) = due {
        settled.handled_until = due.newest;
        candidate = Some(Candidate::Fresh(due.newest));
        if !due.earlier.is_empty() {
            settled.actions.push(Action::Miss { due_at: due.earlier, also_since: due.more.then_some(after) });
        }
    }
    if let Some(candidate) = candidate {
        let by = candidate.due_at();
        let others = state.open_runs.iter().filter(|run| run.due_at != by);
        settled.actions.extend(others.map(|run| close(*run, SkipReason::Superseded { by })));
        settled.open_wake_at = settle(candidate, now, availability, settings, &mut settled.actions);
    }
    settled
}

#[cfg(test)]
mod tests;
