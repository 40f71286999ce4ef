//! What holds of every plan: over random chains, broken ones among them, statuses, holds and policies.
//!
//! What is good, and what must stay, is told here by plain walks over parents, apart from the planner's passes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn statuses() -> impl Strategy<Value = JobStatus> {
    prop_oneof![
        12 => Just(JobStatus::Completed),
        3 => Just(JobStatus::Failed),
        1 => Just(JobStatus::Cancelled),
        1 => Just(JobStatus::Pending),
        1 => Just(JobStatus::Running),
    ]
}

/// One backup: the hours since the one before, the choice of its parent, and the rest of it.
fn backup() -> impl Strategy<Value = (i64, u8, prop::sample::Index, BackupFacts)> {
    let rare = || prop::bool::weighted(0.06);
    let flags = (rare(), rare(), rare(), rare(), 0..1_000_u64);
    (0..100_i64, any::<u8>(), any::<prop::sample::Index>(), statuses(), 0..5_i64, flags).prop_map(
        |(step, choice, parent, status, hours, (is_held, in_use, deleting, verification_failed, size_bytes))| {
            let facts = BackupFacts {
                status,
                created_at: time("2026-01-01 00:00:00") - TimeDelta::hours(hours),
                ended_at: status.is_final().then(|| time("2026-01-01 00:00:00")),
                held: is_held.then(|| "a test".to_owned()),
                in_use,
                deleting,
                verification_failed,
                size_bytes,
                ..full(0, "2026-01-01 00:00:00")
            };
            (step, choice, parent, facts)
        },
    )
}

fn backups() -> impl Strategy<Value = Vec<BackupFacts>> {
    prop::collection::vec(backup(), 0..40).prop_map(|drafts| {
        let count = drafts.len();
        let mut passed = TimeDelta::zero();
        let mut backups = Vec::new();
        for (position, (step, choice, parent, facts)) in drafts.into_iter().enumerate() {
            passed += TimeDelta::hours(step);
            let number_at = |position: usize| i64::try_from(position).unwrap() + 1;
            let parent = match choice {
                0..90 => None,
                // Some parent before it, mostly the last one; seldom one that is not there, or any, itself included.
                90..180 => position.checked_sub(1).map(number_at),
                180..248 => (position > 0).then(|| number_at(parent.index(position))),
                248..250 => Some(1_000),
                250.. => Some(number_at(parent.index(count))),
            };
            backups.push(BackupFacts {
                id: id(number_at(position)),
                number: number_at(position),
                parent_id: parent.map(id),
                backup_type: if parent.is_some() && choice != 91 { BackupType::Incremental } else { BackupType::Full },
                created_at: facts.created_at + passed,
                ended_at: facts.ended_at.map(|at| at + passed),
                ..facts
            });
        }
        backups
    })
}

/// Policies, valid and not.
fn policies() -> impl Strategy<Value = RetentionPolicy> {
    let count = || prop::option::weighted(0.3, 0..6_u32);
    let days = || prop::option::weighted(0.4, 0..60_u32);
    (days(), count(), (count(), count(), count(), count(), count()), days(), 0..4_u32).prop_map(
        |(keep_days, keep_last, (hourly, daily, weekly, monthly, yearly), window, minimum_good_backups)| {
            RetentionPolicy {
                keep_days,
                keep_last,
                keep_hourly: hourly,
                keep_daily: daily,
                keep_weekly: weekly,
                keep_monthly: monthly,
                keep_yearly: yearly,
                point_in_time_window_days: window,
                minimum_good_backups,
            }
        },
    )
}

/// A time that no backup is after.
fn late(backups: &[BackupFacts], hours: i64) -> DateTime<Utc> {
    let newest = backups.iter().flat_map(|backup| [Some(backup.created_at), backup.ended_at]).flatten().max();
    newest.unwrap_or(time("2026-01-01 00:00:00")) + TimeDelta::hours(hours)
}

fn plan_of(policy: &RetentionPolicy, backups: &[BackupFacts], now: DateTime<Utc>) -> RetentionPlan {
    plan(policy, backups, now, &ClockFacts::default())
}

fn kept_ids(plan: &RetentionPlan) -> BTreeSet<Uuid> {
    plan.decisions.iter().filter(|one| one.verdict.is_keep()).map(|one| one.backup_id).collect()
}

/// The backups by their ids, with what can be told of them by walking.
struct Walk<'a>(BTreeMap<Uuid, &'a BackupFacts>);

impl<'a> Walk<'a> {
    fn over(backups: &'a [BackupFacts]) -> Self {
        Self(backups.iter().map(|backup| (backup.id, backup)).collect())
    }

    fn parent(&self, backup: &BackupFacts) -> Option<&'a BackupFacts> {
        backup.parent_id.and_then(|parent| self.0.get(&parent).copied())
    }

    /// All that it builds on, and whether that ends.
    fn ancestors(&self, backup: &BackupFacts) -> (Vec<&'a BackupFacts>, bool) {
        let mut ancestors = Vec::new();
        let mut above = self.parent(backup);
        while let Some(parent) = above {
            if ancestors.len() > self.0.len() {
                return (ancestors, false);
            }
            ancestors.push(parent);
            above = self.parent(parent);
        }
        (ancestors, true)
    }

    fn is_good(&self, backup: &BackupFacts) -> bool {
        let (ancestors, ends) = self.ancestors(backup);
        let is_sound = |backup: &BackupFacts| backup.status == JobStatus::Completed && !backup.verification_failed;
        let chain: Vec<_> = std::iter::once(backup).chain(ancestors.iter().copied()).collect();
        let full = chain.iter().position(|link| link.backup_type == BackupType::Full);
        ends && chain.iter().all(|link| !link.deleting)
            && full.is_some_and(|full| chain[..=full].iter().all(|link| is_sound(link)))
    }

    /// The full backup of a good one.
    fn full_of(&self, backup: &'a BackupFacts) -> Uuid {
        let (ancestors, _) = self.ancestors(backup);
        let mut chain = std::iter::once(backup).chain(ancestors);
        chain.find(|link| link.backup_type == BackupType::Full).unwrap().id
    }

    fn good(&self) -> Vec<&'a BackupFacts> {
        self.0.values().copied().filter(|backup| self.is_good(backup)).collect()
    }

    /// The good full backups, newest first.
    fn good_fulls(&self) -> Vec<&'a BackupFacts> {
        let mut fulls = self.good();
        fulls.retain(|backup| backup.backup_type == BackupType::Full);
        fulls.sort_by_key(|backup| std::cmp::Reverse(backup.order()));
        fulls
    }

    /// Up to when ages count.
    fn counted_to(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let Some(success) = self.good().iter().map(|backup| backup.at()).max() else { return now };
        let has_failed_since = self.0.values().any(|backup| {
            let (ancestors, ends) = self.ancestors(backup);
            matches!(backup.status, JobStatus::Failed | JobStatus::Completed)
                && backup.at() > success
                && ends
                && !backup.deleting
                && ancestors.iter().all(|link| !link.deleting)
        });
        if has_failed_since { success } else { now }
    }
}

fn days(days: u32) -> TimeDelta {
    TimeDelta::days(i64::from(days))
}

proptest! {
    #[test]
    fn f70_no_kept_backup_has_a_deleted_ancestor(backups in backups(), policy in policies(), hours in 0..9_000_i64) {
        let plan = plan_of(&policy, &backups, late(&backups, hours));
        let (kept, walk) = (kept_ids(&plan), Walk::over(&backups));
        for backup in backups.iter().filter(|backup| kept.contains(&backup.id)) {
            for ancestor in walk.ancestors(backup).0 {
                prop_assert!(kept.contains(&ancestor.id), "{} builds on {}", backup.number, ancestor.number);
            }
        }
    }

    #[test]
    fn a_plan_is_whole_and_children_go_before_parents(
        backups in backups(), policy in policies(), hours in 0..9_000_i64,
    ) {
        let plan = plan_of(&policy, &backups, late(&backups, hours));
        let kept = kept_ids(&plan);
        let gone: BTreeSet<_> = plan.deletions.iter().copied().collect();
        prop_assert_eq!(gone.len(), plan.deletions.len());
        prop_assert!(kept.is_disjoint(&gone));
        prop_assert_eq!(kept.len() + gone.len(), backups.len());
        prop_assert_eq!(plan.decisions.len(), backups.len());
        let bytes = |ids: &BTreeSet<Uuid>| backups.iter().filter(|one| ids.contains(&one.id)).map(|one| one.size_bytes).sum();
        let totals = RetentionTotals {
            kept_count: kept.len() as u64,
            kept_bytes: bytes(&kept),
            deleted_count: gone.len() as u64,
            freed_bytes: bytes(&gone),
        };
        prop_assert_eq!(plan.totals, totals);
        let walk = Walk::over(&backups);
        let mut before = BTreeSet::new();
        for id in &plan.deletions {
            let parent = walk.0[id].parent_id;
            prop_assert!(parent.is_none_or(|parent| !before.contains(&parent)));
            before.insert(*id);
        }
        for decision in &plan.decisions {
            if let RetentionVerdict::Keep { because } = &decision.verdict {
                prop_assert!(!because.is_empty());
            }
        }
    }

    #[test]
    fn f74_the_minimum_and_the_newest_chain_stay(backups in backups(), policy in policies(), hours in 0..90_000_i64) {
        let kept = kept_ids(&plan_of(&policy, &backups, late(&backups, hours)));
        let walk = Walk::over(&backups);
        let minimum = policy.minimum_good_backups.max(1) as usize;
        let mut chains: BTreeSet<_> = walk.good_fulls().iter().take(minimum).map(|full| full.id).collect();
        chains.extend(walk.good().into_iter().max_by_key(|one| one.order()).map(|one| walk.full_of(one)));
        for backup in walk.good() {
            prop_assert!(!chains.contains(&walk.full_of(backup)) || kept.contains(&backup.id), "{}", backup.number);
        }
    }

    #[test]
    fn each_rule_keeps_what_it_says(backups in backups(), policy in policies(), hours in 0..2_000_i64) {
        let now = late(&backups, hours);
        let kept = kept_ids(&plan_of(&policy, &backups, now));
        let walk = Walk::over(&backups);
        let mut must = BTreeSet::new();
        if let Some(keep_days) = policy.keep_days {
            let oldest = walk.counted_to(now) - days(keep_days);
            must.extend(walk.good().iter().filter(|backup| backup.at() >= oldest).map(|backup| backup.id));
        }
        let last: BTreeSet<_> =
            walk.good_fulls().iter().take(policy.keep_last.unwrap_or(0) as usize).map(|full| full.id).collect();
        must.extend(walk.good().into_iter().filter(|one| last.contains(&walk.full_of(one))).map(|one| one.id));
        for (period, count) in policy.calendar_rules() {
            let mut newest = BTreeMap::new();
            for full in walk.good_fulls().into_iter().rev() {
                newest.insert(period.label(full.at()), full.id);
            }
            // Labels of years with four digits sort as their periods do.
            must.extend(newest.into_values().rev().take(count.unwrap_or(0) as usize));
        }
        if policy.keeps_for_ever() {
            must.extend(walk.good().iter().map(|backup| backup.id));
        }
        prop_assert!(must.is_subset(&kept), "{:?}", must.difference(&kept));
        // And beyond what rules, holds and jobs demand, nothing good stays.
        if policy.point_in_time_window_days.is_none() && policy.keep_last.is_some() {
            let minimum = policy.minimum_good_backups.max(1) as usize;
            let mut chains: BTreeSet<_> = walk.good_fulls().iter().take(minimum).map(|full| full.id).collect();
            chains.extend(walk.good().into_iter().max_by_key(|one| one.order()).map(|one| walk.full_of(one)));
            let holds = |one: &BackupFacts| one.held.is_some() || one.in_use || !one.status.is_final();
            let mut may = must;
            may.extend(walk.good().into_iter().filter(|one| chains.contains(&walk.full_of(one))).map(|one| one.id));
            may.extend(backups.iter().filter(|one| holds(one) || !walk.is_good(one)).map(|one| one.id));
            let above: Vec<_> = backups.iter().filter(|one| may.contains(&one.id)).flat_map(|one| walk.ancestors(one).0).collect();
            may.extend(above.iter().map(|one| one.id));
            let age = policy.keep_days.map(|keep_days| walk.counted_to(now) - days(keep_days));
            let is_circular = backups.iter().any(|one| !walk.ancestors(one).1);
            prop_assert!(is_circular || age.is_some() || kept.is_subset(&may), "{:?}", kept.difference(&may));
        }
    }

    #[test]
    fn every_moment_of_the_window_stays_restorable(backups in backups(), policy in policies(), hours in 0..2_000_i64) {
        let now = late(&backups, hours);
        let plan = plan_of(&policy, &backups, now);
        let (kept, walk) = (kept_ids(&plan), Walk::over(&backups));
        // F-72: no backup that stays lacks the logs of its own making.
        for backup in backups.iter().filter(|one| kept.contains(&one.id) && one.status == JobStatus::Completed) {
            let (from, to) = (backup.created_at, backup.at());
            let holds = |range: &LogRange| {
                range.from.is_none_or(|start| start <= from) && range.to.is_none_or(|end| end >= to)
            };
            prop_assert!(plan.protected_logs.iter().any(holds), "logs of {}", backup.number);
        }
        let Some(window) = policy.point_in_time_window_days else { return Ok(()) };
        let start = walk.counted_to(now) - days(window);
        for step in 0..=20 {
            let moment = start + (now - start) / 20 * step;
            // The newest good backup before the moment, and the logs from there on.
            let newest = walk.good().into_iter().filter(|one| one.at() <= moment).max_by_key(|one| one.order());
            let Some(newest) = newest else { continue };
            if newest.at() >= start {
                prop_assert!(kept.contains(&newest.id), "{} for {moment}", newest.number);
            }
            // In a broken catalog an increment may end before what it builds on.
            let Some(full) = walk.good_fulls().into_iter().find(|one| one.at() <= moment) else { continue };
            prop_assert!(kept.contains(&full.id), "{} for {moment}", full.number);
            let has_all = |range: &LogRange| range.from.is_none_or(|from| from <= full.created_at) && range.to.is_none();
            prop_assert!(plan.protected_logs.iter().any(has_all), "logs from {} for {moment}", full.created_at);
        }
    }

    #[test]
    fn what_is_carried_out_leaves_nothing_to_do(backups in backups(), policy in policies(), hours in 0..9_000_i64) {
        let now = late(&backups, hours);
        let first = plan_of(&policy, &backups, now);
        let kept = kept_ids(&first);
        let left: Vec<_> = backups.into_iter().filter(|backup| kept.contains(&backup.id)).collect();
        let second = plan_of(&policy, &left, now);
        prop_assert!(second.deletions.is_empty(), "{:?}", second.deletions);
        prop_assert_eq!(second.protected_logs, first.protected_logs);
    }

    #[test]
    fn the_order_of_the_list_means_nothing(
        (backups, shuffled) in backups().prop_flat_map(|backups| (Just(backups.clone()), Just(backups).prop_shuffle())),
        policy in policies(),
        hours in 0..9_000_i64,
    ) {
        let now = late(&backups, hours);
        prop_assert_eq!(plan_of(&policy, &backups, now), plan_of(&policy, &shuffled, now));
    }

    #[test]
    fn time_brings_nothing_back(
        backups in backups(), policy in policies(), hours in 0..2_000_i64, later in 0..2_000_i64,
    ) {
        let now = late(&backups, hours);
        let (sooner, later) = (plan_of(&policy, &backups, now), plan_of(&policy, &backups, now + TimeDelta::hours(later)));
        prop_assert!(kept_ids(&later).is_subset(&kept_ids(&sooner)));
    }

    #[test]
    fn f71_what_is_held_or_used_stays_and_a_hold_costs_nothing_else(
        backups in backups(), policy in policies(), hours in 0..9_000_i64, chosen in any::<prop::sample::Index>(),
    ) {
        let now = late(&backups, hours);
        let before = kept_ids(&plan_of(&policy, &backups, now));
        for backup in &backups {
            let must = backup.held.is_some() || backup.in_use || !backup.status.is_final();
            prop_assert!(!must || before.contains(&backup.id), "{}", backup.number);
        }
        let mut backups = backups;
        prop_assume!(!backups.is_empty());
        let chosen = chosen.index(backups.len());
        backups[chosen].held = Some("now".to_owned());
        let after = kept_ids(&plan_of(&policy, &backups, now));
        prop_assert!(before.is_subset(&after) && after.contains(&backups[chosen].id));
    }

    #[test]
    fn f43_a_clock_before_the_newest_backup_deletes_nothing(
        backups in backups(), policy in policies(), hours in 1..9_000_i64,
    ) {
        prop_assume!(!backups.is_empty());
        let plan = plan_of(&policy, &backups, late(&backups, -hours));
        prop_assert!(plan.blocked.is_some() && plan.deletions.is_empty());
        prop_assert_eq!(kept_ids(&plan).len(), backups.len());
    }

    #[test]
    fn f74_failures_after_the_last_success_stop_all_ages(
        backups in backups(), policy in policies(), hours in 0..2_000_i64, failures in 1..6_i64,
    ) {
        let at = late(&backups, 1);
        let before = plan_of(&RetentionPolicy { keep_last: Some(1), ..policy.clone() }, &backups, at);
        let mut failing = backups.clone();
        failing.extend((0..failures).map(|number| {
            let at = (at + TimeDelta::hours(number)).format("%Y-%m-%d %H:%M:%S").to_string();
            failed(full(2_000 + number, &at))
        }));
        let walk = Walk::over(&backups);
        let policy = RetentionPolicy { keep_last: Some(1), ..policy };
        let after = kept_ids(&plan_of(&policy, &failing, late(&failing, hours)));
        // Whatever was good and young enough then is so still.
        for backup in walk.good().into_iter().filter(|one| kept_ids(&before).contains(&one.id)) {
            let rests_on_age = policy.keep_days.is_some_and(|keep_days| {
                walk.good().iter().map(|one| one.at()).max().is_some_and(|success| backup.at() >= success - days(keep_days))
            });
            prop_assert!(!rests_on_age || after.contains(&backup.id), "{}", backup.number);
        }
    }
}
