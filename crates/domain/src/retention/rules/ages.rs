//! Rules that look at ages: so many days, and the point-in-time window.
//!
//! Ages count up to now; but once something failed after the last success, up to that success, so that a row of failures
//! never lets age delete the last good backups. The newest of what failed is the evidence, and stays as long as it matters:
//! otherwise its own deletion would set the clock going again.

use chrono::{DateTime, TimeDelta, Utc};

use super::Window;
use crate::retention::lineage::{Lineage, Link, Standing};
use crate::retention::{KeepReason, RetentionPolicy};

/// The ages of one plan.
#[derive(Debug)]
pub(super) struct Ages {
    keep_days: Option<u32>,
    counted_to: DateTime<Utc>,
    /// The newest backup without success, and the last success, where that came before.
    evidence: Option<(usize, DateTime<Utc>)>,
    pub window: Option<Window>,
    /// When the window's base ended; all that ended later may serve a restore into the window.
    base_ended_at: Option<DateTime<Utc>>,
}

impl Ages {
    pub(super) fn of(policy: &RetentionPolicy, lineage: &Lineage<'_>, now: DateTime<Utc>) -> Self {
        let last_success_at = lineage.good().map(|link| link.backup.at()).max();
        let newest_failure = lineage
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| matches!(link.standing, Standing::Failed | Standing::Damaged) && !link.is_going)
            .max_by_key(|(_, link)| link.backup.order());
        let evidence = newest_failure.and_then(|(position, link)| {
            let last_success_at = last_success_at.filter(|success| link.backup.at() > *success)?;
            Some((position, last_success_at))
        });
        let counted_to = evidence.map_or(now, |(_, last_success_at)| last_success_at.min(now));
        let window = policy.point_in_time_window_days.map(|days| {
            let start = days_before(counted_to, days);
            let bases = lineage
                .links
                .iter()
                .enumerate()
                .filter(|(_, link)| link.standing == Standing::Good && link.is_full() && link.backup.at() <= start);
            let base = bases.max_by_key(|(_, link)| link.backup.order()).map(|(position, _)| position);
            Window { days, start, base }
        });
        let base = window.and_then(|window| lineage.get(window.base));
        Self {
            keep_days: policy.keep_days,
            counted_to,
            evidence,
            window,
            base_ended_at: base.map(|base| base.backup.at()),
        }
    }

    /// Why a completed backup stays because of its age.
    pub(super) fn reasons(&self, position: usize, link: &Link<'_>) -> Vec<KeepReason> {
        let mut reasons = Vec::new();
        // A chain is as old as its newest link.
        let at = link.newest_good.map_or_else(|| link.backup.at(), |(at, ..)| at);
        if let Some(keep_days) = self.keep_days.filter(|days| at >= days_before(self.counted_to, *days)) {
            let (counted_to, is_stopped) = (self.counted_to, self.evidence.is_some());
            reasons.push(KeepReason::Age { keep_days, counted_to, is_stopped });
        }
        if let Some(window) = self.window {
            let point_in_time_window_days = window.days;
            if window.base == Some(position) {
                reasons.push(KeepReason::PointInTimeBase { point_in_time_window_days });
            } else if self.base_ended_at.is_none_or(|base| link.backup.at() >= base) {
                reasons.push(KeepReason::PointInTimeWindow { point_in_time_window_days });
            }
        }
        reasons
    }

    /// The reason for which the evidence stays.
    pub(super) fn evidence_reason(&self, position: usize) -> Option<KeepReason> {
        let (evidence, last_success_at) = self.evidence?;
        (evidence == position).then_some(KeepReason::NoSuccessSince { last_success_at })
    }
}

fn days_before(at: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    at.checked_sub_signed(TimeDelta::days(i64::from(days))).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
