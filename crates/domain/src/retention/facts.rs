//! What a plan is made from: the facts about backups and about the clock.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{BackupType, JobStatus};

/// How far the clock may go astray between two plans, measured against a clock that nobody sets.
pub const CLOCK_JUMP_LIMIT: TimeDelta = TimeDelta::hours(1);
/// How far the clock may have moved since the last plan where no other clock ran all the time, such as over a restart: a
/// long weekend. Longer absences ask a person whether the clock is right.
pub const CLOCK_UNWATCHED_LIMIT: TimeDelta = TimeDelta::days(3);

/// What is known of one backup of a datastore. All of them belong into a plan, whatever their status; ids are unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    pub id: Uuid,
    pub number: i64,
    pub parent_id: Option<Uuid>,
    pub backup_type: BackupType,
    pub status: JobStatus,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Why a person holds it; it stays until released.
    pub held: Option<String>,
    /// Whether a job needs it now: a restore, a verification, an increment that is being made on it.
    pub in_use: bool,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// Whether its newest verification failed.
    pub verification_failed: bool,
    /// What it occupies in the storage.
    pub size_bytes: u64,
}

impl BackupFacts {
    /// The moment from which its age counts: when it ended.
    pub(super) fn at(&self) -> DateTime<Utc> {
        self.ended_at.unwrap_or(self.created_at)
    }

    /// Its place in time.
    pub(super) fn order(&self) -> Order {
        (self.at(), self.number, self.id)
    }
}

/// A place in time that no two backups share: older ones are smaller.
pub(super) type Order = (DateTime<Utc>, i64, Uuid);

/// What is known of the clock that says what time it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockFacts {
    /// What it said at the last plan that was not blocked, or when a person last said that it is right. None before
    /// the first plan.
    pub last_plan_at: Option<DateTime<Utc>>,
    /// How long ago that was, by a clock that nobody sets and that goes on while the machine sleeps (`CLOCK_BOOTTIME`). None
    /// when no such clock ran all the time, as over a restart.
    pub elapsed: Option<TimeDelta>,
}

impl ClockFacts {
    /// Why nothing may be deleted at this time, if so. // F-43
    pub(super) fn doubt(&self, now: DateTime<Utc>, backups: &[BackupFacts]) -> Option<String> {
        let newest = backups.iter().flat_map(|backup| [Some(backup.created_at), backup.ended_at]).flatten().max();
        if let Some(newest) = newest
            && now < newest
        {
            return Some(format!(
                "Nothing is deleted: the clock says {}, but the newest backup is of {}. Set the clock.",
                written(now),
                written(newest)
            ));
        }
        let last = self.last_plan_at?;
        let passed = now - last;
        let astray = match self.elapsed {
            Some(elapsed) => passed.checked_sub(&elapsed).is_none_or(|astray| astray.abs() > CLOCK_JUMP_LIMIT),
            None => passed < -CLOCK_JUMP_LIMIT || passed > CLOCK_UNWATCHED_LIMIT,
        };
        astray.then(|| {
            let meanwhile = match self.elapsed {
                Some(elapsed) => format!("{} passed", crate::format::duration(elapsed.as_seconds_f64())),
                None => "nobody watched it".to_owned(),
            };
            format!(
                "Nothing is deleted: the clock went from {} to {} while {meanwhile}. Check the clock, then confirm it.",
                written(last),
                written(now)
            )
        })
    }
}

/// A moment as sentences have it.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
