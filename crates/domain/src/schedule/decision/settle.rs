//! What becomes of the one run of a schedule that may start now.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Action, Availability, CLOCK_TOLERANCE, OpenRun, OpenState, SkipReason};
use crate::error_code::RetryClass;
use crate::schedule::ScheduleSettings;

/// How soon to look again at a datastore that is busy, should nobody tell that it is free.
const BUSY_LOOK: TimeDelta = TimeDelta::seconds(15);

/// The run that may start.
#[derive(Clone, Copy)]
pub(super) enum Candidate {
    /// It came due just now.
    Fresh(DateTime<Utc>),
    Open(OpenRun),
}

impl Candidate {
    pub(super) const fn due_at(self) -> DateTime<Utc> {
        match self {
            Self::Fresh(due_at) => due_at,
            Self::Open(run) => run.due_at,
        }
    }
}

/// Ends an open run: one that waits is skipped, one that failed stays failed.
pub(super) fn close(run: OpenRun, reason: SkipReason) -> Action {
    match run.state {
        OpenState::Waiting { .. } => Action::Skip { due_at: run.due_at, reason },
        OpenState::Failed { .. } => Action::GiveUp { due_at: run.due_at },
    }
}

/// Decides about a run; gives when to look at it again, where it stays open.
pub(super) fn settle(
    candidate: Candidate,
    now: DateTime<Utc>,
    availability: &Availability,
    settings: &ScheduleSettings,
    actions: &mut Vec<Action>,
) -> Option<DateTime<Utc>> {
    let due_at = candidate.due_at();
    let (action, wake_at) = match (candidate, availability) {
        (Candidate::Open(run), Availability::Unable(reason)) => (close(run, SkipReason::Unable(reason.clone())), None),
        (Candidate::Fresh(_), Availability::Unable(reason)) => {
            (Action::Skip { due_at, reason: SkipReason::Unable(reason.clone()) }, None)
        }
        (Candidate::Open(OpenRun { state: OpenState::Failed { attempt, at, retry }, .. }), _) => {
            return settle_failed(due_at, Failure { attempt, at, retry }, now, availability, settings, actions);
        }
        (_, Availability::Free) => (Action::Start { due_at, attempt: 1 }, None),
        (Candidate::Open(OpenRun { state: OpenState::Waiting { since }, .. }), Availability::Busy(holder))
            if since <= now + CLOCK_TOLERANCE =>
        {
            let (waited, limit) = (now - since, settings.wait_limit());
            if waited < limit {
                return Some((now + BUSY_LOOK).min(since + limit));
            }
            (Action::Skip { due_at, reason: SkipReason::Busy { holder: holder.clone(), waited } }, None)
        }
        // It begins to wait; or the clock went back, and it begins anew. // F-43
        (_, Availability::Busy(holder)) => {
            (Action::Wait { due_at, holder: holder.clone() }, Some(now + BUSY_LOOK.min(settings.wait_limit())))
        }
    };
    actions.push(action);
    wake_at
}

struct Failure {
    attempt: u32,
    at: DateTime<Utc>,
    retry: RetryClass,
}

/// Decides about a run that failed: tried again after a pause, unless that can't help or was done often enough.
fn settle_failed(
    due_at: DateTime<Utc>,
    failure: Failure,
    now: DateTime<Utc>,
    availability: &Availability,
    settings: &ScheduleSettings,
    actions: &mut Vec<Action>,
) -> Option<DateTime<Utc>> {
    if failure.retry == RetryClass::Never || failure.attempt > settings.retries {
        actions.push(Action::GiveUp { due_at });
        return None;
    }
    // A failure in the future is one from before the clock went back; its pause is over. // F-43
    let went_back = failure.at > now + CLOCK_TOLERANCE;
    let retry_at = if went_back { now } else { failure.at + settings.retry_delay(failure.attempt) };
    if now < retry_at {
        actions.push(Action::RetryAt { due_at, at: retry_at });
        return Some(retry_at);
    }
    if *availability == Availability::Free {
        actions.push(Action::Start { due_at, attempt: failure.attempt + 1 });
        return None;
    }
    if now >= retry_at + settings.wait_limit() {
        actions.push(Action::GiveUp { due_at });
        return None;
    }
    Some(now + BUSY_LOOK)
}
