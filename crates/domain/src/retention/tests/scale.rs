//! Long lists and long chains.

use super::*;

#[test]
fn a_hundred_thousand_backups_add_up() {
    let start = time("2015-01-01 00:00:00");
    let now = start + TimeDelta::hours(100_000);
    // A full backup each day and an increment on the newest each hour.
    let backups: Vec<_> = (0..100_000_i64)
        .map(|hour| {
            let at = (start + TimeDelta::hours(hour)).format("%Y-%m-%d %H:%M:%S").to_string();
            let backup = if hour % 24 == 0 { full(hour, &at) } else { increment(hour, hour - 1, &at) };
            BackupFacts { size_bytes: 10, ..backup }
        })
        .collect();
    let policy = policy_of(r#"{"keep_days":30,"keep_yearly":20}"#);
    let plan = plan(&policy, &backups, now, &ClockFacts::default());
    // The window of 30 days begins 16 hours after a full backup, on which what follows builds. One full backup stays of
    // each of the 11 years before.
    assert_eq!(plan.totals.kept_count, 30 * 24 + 16 + 11);
    assert_eq!(plan.totals.kept_count + plan.totals.deleted_count, 100_000);
    assert_eq!(plan.totals.kept_bytes, plan.totals.kept_count * 10);
    assert_eq!(plan.totals.freed_bytes, plan.totals.deleted_count * 10);
    assert_eq!(plan.deletions.len() as u64, plan.totals.deleted_count);
    // The oldest chain goes first, its last increment before the others.
    assert_eq!(deleted(&plan)[..3], [23, 22, 21]);
}

#[test]
fn one_chain_of_a_hundred_thousand_links() {
    let start = time("2015-01-01 00:00:00");
    let mut backups: Vec<_> = (0..100_000_i64)
        .map(|minute| {
            let at = (start + TimeDelta::minutes(minute)).format("%Y-%m-%d %H:%M:%S").to_string();
            if minute == 0 { full(0, &at) } else { increment(minute, minute - 1, &at) }
        })
        .collect();
    backups.extend([full(200_000, "2026-01-01 05:00:00"), full(200_001, "2026-01-02 05:00:00")]);
    let plan_of = |backups: &[BackupFacts]| planned(r#"{"keep_last":2}"#, backups, "2026-01-03 05:00:00");
    let plan = plan_of(&backups);
    assert_eq!(deleted(&plan), (0..100_000).rev().collect::<Vec<_>>());
    backups[70_000].in_use = true;
    assert_eq!(plan_of(&backups).totals.deleted_count, 29_999);
}
