//! Retention: which backups and logs of a datastore may go, and why each of the others stays. One pure function,
//! [`plan`], shown to people before it is obeyed; whoever carries it out keeps two rules:
//!
//! 1. `deletions` are carried out in their order, each only while the facts that the plan was made from still hold for it:
//!    nobody holds it, no job uses it, nothing new builds on it.
//! 2. A log goes only where [`RetentionPlan::protects_logs`] says no.
//!
//! Whatever the policy says:
//!
//! - No backup goes on which one builds that stays: one that is held, in use, in progress or kept by a rule. // F-70, F-71
//! - The newest chain that can be restored stays, and so do the newest `minimum_good_backups` good full backups with their
//!   increments. Damaged, failed and cancelled ones never take the place of a good one. // F-74
//! - While backups fail, no age grows: days are counted from the last success.
//! - What failed or was cancelled goes after [`FAILURE_DAYS`], except the newest failure.
//! - Nothing goes while the clock is in doubt. // F-43
//!
//! A plan that was carried out leaves nothing more to delete at the same instant, and as time goes on with the same
//! backups, what was to be deleted stays so.

mod calendar;
mod facts;
mod lineage;
mod logs;
mod policy;
mod reason;
mod rules;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use calendar::CalendarPeriod;
pub use facts::{BackupFacts, CLOCK_JUMP_LIMIT, CLOCK_UNWATCHED_LIMIT, ClockFacts};
pub use logs::{LOG_MARGIN, LogRange};
pub use policy::{COUNT_MAX, DAYS_MAX, MINIMUM_GOOD_BACKUPS, RetentionPolicy};
pub use reason::{DeleteReason, KeepReason};

use lineage::{Lineage, Link, Standing};

/// How long failed and cancelled backups are shown, in days.
pub const FAILURE_DAYS: u32 = 7;

/// What becomes of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RetentionVerdict {
    /// It stays, for all of these reasons.
    Keep {
        because: Vec<KeepReason>,
    },
    Delete {
        because: DeleteReason,
    },
}

impl RetentionVerdict {
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep { .. })
    }
}

/// One backup and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionDecision {
    pub backup_id: Uuid,
    pub number: i64,
    pub size_bytes: u64,
    #[serde(flatten)]
    pub verdict: RetentionVerdict,
}

/// What a plan comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionTotals {
    pub kept_count: u64,
    pub kept_bytes: u64,
    pub deleted_count: u64,
    /// What the storage gets back.
    pub freed_bytes: u64,
}

/// What retention would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionPlan {
    pub planned_at: DateTime<Utc>,
    /// Why nothing at all may be deleted, and what to do about it; null when all is well.
    pub blocked: Option<String>,
    /// One for each backup, the newest chain first and parents before what builds on them.
    pub decisions: Vec<RetentionDecision>,
    /// The backups to delete, in this order: children before parents, the oldest chain first.
    pub deletions: Vec<Uuid>,
    /// The logs that stay, oldest first; ranges don't overlap.
    pub protected_logs: Vec<LogRange>,
    pub totals: RetentionTotals,
}

impl RetentionPlan {
    /// Whether a log must stay that holds what happened from one moment to another. // F-72
    pub fn protects_logs(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.blocked.is_some() || self.protected_logs.iter().any(|range| range.touches(from, to))
    }
}

/// Plans the retention of one datastore, from all of its backups in any order.
///
/// The policy is obeyed as it is, valid or not; zeros keep nothing by their rule, and at least one good full backup stays.
pub fn plan(
    policy: &RetentionPolicy,
    backups: &[BackupFacts],
    now: DateTime<Utc>,
    clock: &ClockFacts,
) -> RetentionPlan {
    let blocked = clock.doubt(now, backups);
    let lineage = Lineage::of(backups);
    let ruling = rules::apply(policy, &lineage, now);
    let mut plan = RetentionPlan {
        planned_at: now,
        blocked,
        decisions: Vec::with_capacity(lineage.links.len()),
        deletions: Vec::new(),
        protected_logs: Vec::new(),
        totals: RetentionTotals::default(),
    };
    let mut is_kept = Vec::with_capacity(lineage.links.len());
    for (link, marks) in lineage.links.iter().zip(ruling.marks) {
        let is_alone = link.parent.and_then(|parent| is_kept.get(parent)).is_some_and(|kept: &bool| !*kept);
        let verdict = if marks.is_firm() || (marks.is_loose() && !is_alone) {
            RetentionVerdict::Keep { because: marks.into_reasons() }
        } else if plan.blocked.is_some() {
            RetentionVerdict::Keep { because: vec![KeepReason::ClockInDoubt] }
        } else {
            let loses_parent = link.is_going || (is_alone && marks.is_loose());
            RetentionVerdict::Delete { because: delete_reason(policy, link, loses_parent, &lineage) }
        };
        is_kept.push(verdict.is_keep());
        plan.record(link.backup, verdict);
    }
    plan.deletions.reverse();
    plan.protected_logs = logs::protected(&lineage, &is_kept, ruling.window);
    plan
}

impl RetentionPlan {
    fn record(&mut self, backup: &BackupFacts, verdict: RetentionVerdict) {
        let totals = &mut self.totals;
        let (count, bytes) = if verdict.is_keep() {
            (&mut totals.kept_count, &mut totals.kept_bytes)
        } else {
            self.deletions.push(backup.id);
            (&mut totals.deleted_count, &mut totals.freed_bytes)
        };
        *count += 1;
        *bytes = bytes.saturating_add(backup.size_bytes);
        self.decisions.push(RetentionDecision {
            backup_id: backup.id,
            number: backup.number,
            size_bytes: backup.size_bytes,
            verdict,
        });
    }
}

fn delete_reason(policy: &RetentionPolicy, link: &Link<'_>, loses_parent: bool, lineage: &Lineage<'_>) -> DeleteReason {
    if link.backup.deleting {
        return DeleteReason::DeletionBegun;
    }
    if let Some(parent) = lineage.get(link.parent).filter(|_| loses_parent) {
        return DeleteReason::ParentDeleted { number: parent.backup.number };
    }
    match link.standing {
        Standing::Failed => DeleteReason::Failed { days: FAILURE_DAYS },
        Standing::Cancelled => DeleteReason::Cancelled { days: FAILURE_DAYS },
        Standing::InProgress | Standing::Good | Standing::Damaged => DeleteReason::Expired {
            keep_days: policy.keep_days,
            keep_last: policy.keep_last,
            has_calendar: policy.calendar_rules().iter().any(|(_, count)| count.is_some()),
            point_in_time_window_days: policy.point_in_time_window_days,
            is_increment: !link.is_full(),
        },
    }
}

#[cfg(test)]
mod tests;
