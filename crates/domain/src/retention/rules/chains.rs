//! Rules that count chains: the newest, the minimum, the last n, and one for each period of the calendar.

use std::collections::HashMap;

use crate::retention::lineage::{Lineage, Link, Standing};
use crate::retention::{KeepReason, RetentionPolicy};

/// What a rule chose of a chain.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    /// All of it.
    Chain(KeepReason),
    /// Its full backup.
    Full(KeepReason),
}

/// What the rules chose, by the position of the full backup.
#[derive(Debug)]
pub(super) struct Chosen {
    pub choices: HashMap<usize, Vec<Choice>>,
    /// Whether there are fewer good full backups than shall always stay.
    pub lacks_good: bool,
    pub minimum: u32,
}

impl Chosen {
    /// Chooses among the good full backups, which alone count. A damaged one gets what it would get if damaged ones counted
    /// too, so that it goes no sooner than if nobody had looked.
    pub(super) fn of(policy: &RetentionPolicy, lineage: &Lineage<'_>) -> Self {
        let is_candidate = |link: &Link<'_>| link.is_full() && link.is_completed() && !link.is_going;
        let mut all: Vec<_> =
            lineage.links.iter().enumerate().filter(|(_, link)| is_candidate(link) && link.full.is_some()).collect();
        all.sort_unstable_by_key(|(_, link)| std::cmp::Reverse(link.backup.order()));
        let good: Vec<_> = all.iter().filter(|(_, link)| link.standing == Standing::Good).copied().collect();

        // Somebody may have made a policy without asking whether it is valid.
        let minimum = policy.minimum_good_backups.max(1);
        let mut choices: HashMap<usize, Vec<Choice>> = HashMap::new();
        let mut choose = |position: usize, choice| choices.entry(position).or_default().push(choice);
        if let Some((position, _)) = good.iter().max_by_key(|(_, link)| link.newest_good) {
            choose(*position, Choice::Chain(KeepReason::NewestChain));
        }
        for (_, (position, _)) in (0..minimum).zip(&good) {
            choose(*position, Choice::Chain(KeepReason::MinimumGood { minimum }));
        }
        for (position, choice) in counted(policy, &good) {
            choose(position, choice);
        }
        let is_damaged = |position| lineage.get(Some(position)).is_some_and(|link| link.standing == Standing::Damaged);
        for (position, choice) in counted(policy, &all).into_iter().filter(|(position, _)| is_damaged(*position)) {
            choose(position, choice);
        }
        let lacks_good = usize::try_from(minimum).is_ok_and(|minimum| good.len() < minimum);
        Self { choices, lacks_good, minimum }
    }
}

/// What the policy's counts choose of full backups, which come newest first.
fn counted(policy: &RetentionPolicy, candidates: &[(usize, &Link<'_>)]) -> Vec<(usize, Choice)> {
    let mut chosen = Vec::new();
    if let Some(keep_last) = policy.keep_last {
        let last = (0..keep_last).zip(candidates);
        chosen.extend(last.map(|(_, (position, _))| (*position, Choice::Chain(KeepReason::Last { keep_last }))));
    }
    for (period, count) in policy.calendar_rules() {
        let mut left = count.unwrap_or(0);
        let mut latest = None;
        for (position, link) in candidates {
            let at = link.backup.at();
            if left == 0 {
                break;
            }
            // Only the newest of a period is chosen, and periods without a backup don't count.
            if latest != Some(period.index(at)) {
                latest = Some(period.index(at));
                left -= 1;
                let reason = KeepReason::Calendar { period, label: period.label(at) };
                chosen.push((*position, Choice::Full(reason)));
            }
        }
    }
    chosen
}
