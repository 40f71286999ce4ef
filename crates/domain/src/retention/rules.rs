//! The rules that keep backups, whatever the policy and by the policy. Each link gets all reasons that apply to it.
//!
//! A reason is *firm* or *loose*. A firm one also keeps all that the backup builds on. A loose one keeps a backup only along
//! with what it builds on: a failure, or an increment that can't be restored, is no reason to keep an old chain.

mod ages;
mod chains;

use chrono::{DateTime, TimeDelta, Utc};

use super::lineage::{Lineage, Link, Standing};
use super::{FAILURE_DAYS, KeepReason, RetentionPolicy};
use ages::Ages;
use chains::{Choice, Chosen};

/// The reasons for which a link stays.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub firm: Vec<KeepReason>,
    pub loose: Vec<KeepReason>,
    /// The newest child that stays firmly, and how many others do.
    pub needed_by: Option<(i64, u64)>,
}

impl Marks {
    pub(super) fn is_firm(&self) -> bool {
        !self.firm.is_empty() || self.needed_by.is_some()
    }

    pub(super) fn is_loose(&self) -> bool {
        !self.loose.is_empty()
    }

    fn add_child(&mut self, number: i64) {
        self.needed_by = Some(match self.needed_by {
            None => (number, 0),
            Some((newest, others)) => (newest.max(number), others + 1),
        });
    }

    pub(super) fn into_reasons(self) -> Vec<KeepReason> {
        let needed_by = self.needed_by.map(|(number, others)| KeepReason::NeededBy { number, others });
        self.firm.into_iter().chain(self.loose).chain(needed_by).collect()
    }
}

/// What the rules say of each link, in the lineage's order.
#[derive(Debug)]
pub(super) struct Ruling {
    pub marks: Vec<Marks>,
    /// From when on every moment is to be restorable, and the full backup from which restores to it start; none without a
    /// window.
    pub window: Option<Window>,
}

/// The point-in-time window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub days: u32,
    pub start: DateTime<Utc>,
    /// The newest good full backup that ended before the start; none while there is none so old.
    pub base: Option<usize>,
}

/// Applies all rules. // F-70, F-71, F-74
pub(super) fn apply(policy: &RetentionPolicy, lineage: &Lineage<'_>, now: DateTime<Utc>) -> Ruling {
    let ages = Ages::of(policy, lineage, now);
    let chosen = Chosen::of(policy, lineage);
    let newest_failure = lineage
        .links
        .iter()
        .filter(|link| link.standing == Standing::Failed && !link.is_going)
        .max_by_key(|link| link.backup.order());
    let newest_failure = newest_failure.map(|link| link.backup.id);
    let mut marks: Vec<Marks> = lineage
        .links
        .iter()
        .enumerate()
        .map(|(position, link)| {
            let mut marks = Marks::default();
            mark_facts(link, &mut marks);
            if link.is_going {
                return marks;
            }
            match link.standing {
                Standing::InProgress => {}
                Standing::Failed | Standing::Cancelled => {
                    if now - link.backup.at() < TimeDelta::days(i64::from(FAILURE_DAYS)) {
                        marks.loose.push(KeepReason::RecentFailure { days: FAILURE_DAYS });
                    }
                    if newest_failure == Some(link.backup.id) {
                        marks.loose.push(KeepReason::NewestFailure);
                    }
                }
                Standing::Good => marks.firm.extend(policy_reasons(policy, position, link, &ages, &chosen)),
                Standing::Damaged => {
                    marks.loose.extend(policy_reasons(policy, position, link, &ages, &chosen));
                    if marks.is_loose() {
                        marks.loose.push(KeepReason::Damaged);
                    }
                    if chosen.lacks_good {
                        marks.loose.push(KeepReason::TooFewGood { minimum: chosen.minimum });
                    }
                }
            }
            marks.firm.extend(ages.evidence_reason(position));
            marks
        })
        .collect();
    close_over_parents(lineage, &mut marks);
    Ruling { marks, window: ages.window }
}

/// What holds a backup whatever the policy, and even where its deletion has begun.
fn mark_facts(link: &Link<'_>, marks: &mut Marks) {
    if let Some(reason) = &link.backup.held {
        marks.firm.push(KeepReason::Held { reason: reason.clone() });
    }
    if link.backup.in_use {
        marks.firm.push(KeepReason::InUse);
    }
    if link.standing == Standing::InProgress {
        marks.firm.push(KeepReason::InProgress);
    }
    if link.is_circular || (link.is_orphan && link.is_completed() && !link.is_going) {
        marks.firm.push(KeepReason::ParentUnknown);
    }
}

/// What the policy says of a completed backup, with what it always keeps of chains first.
fn policy_reasons(
    policy: &RetentionPolicy,
    position: usize,
    link: &Link<'_>,
    ages: &Ages,
    chosen: &Chosen,
) -> Vec<KeepReason> {
    let mut reasons = Vec::new();
    for choice in link.full.and_then(|full| chosen.choices.get(&full)).into_iter().flatten() {
        match choice {
            Choice::Chain(reason) => reasons.push(reason.clone()),
            Choice::Full(reason) if link.full == Some(position) => reasons.push(reason.clone()),
            Choice::Full(_) => {}
        }
    }
    if policy.keeps_for_ever() {
        reasons.push(KeepReason::ForEver);
    }
    reasons.extend(ages.reasons(position, link));
    reasons
}

/// What a backup that stays firmly builds on stays firmly, all the way up. // F-70
fn close_over_parents(lineage: &Lineage<'_>, marks: &mut [Marks]) {
    for (position, link) in lineage.links.iter().enumerate().rev() {
        if marks.get(position).is_some_and(Marks::is_firm)
            && let Some(above) = link.parent.and_then(|parent| marks.get_mut(parent))
        {
            above.add_child(link.backup.number);
        }
    }
}
