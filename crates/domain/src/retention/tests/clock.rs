//! A clock that can't be right. // F-43

use super::*;

fn blocked(last: Option<&str>, elapsed: Option<TimeDelta>, now: &str) -> Option<String> {
    let clock = ClockFacts { last_plan_at: last.map(time), elapsed };
    let plan = plan(&policy_of(r#"{"keep_days":1}"#), &daily(1..=9), time(now), &clock);
    assert_eq!(plan.deletions.is_empty(), plan.blocked.is_some());
    if plan.blocked.is_some() {
        assert_eq!((plan.totals.kept_count, plan.totals.freed_bytes), (9, 0));
        assert!(plan.protects_logs(time("1999-01-01 00:00:00"), time("1999-01-01 00:00:01")));
        assert!(plan.decisions.iter().all(|decision| decision.verdict.is_keep()));
    }
    plan.blocked
}

#[test]
fn f43_nothing_goes_while_the_clock_is_in_doubt() {
    let hours = |hours| Some(TimeDelta::hours(hours));
    let mut table = String::new();
    for (last, elapsed, now) in [
        (None, None, "2026-01-10 05:00:00"),
        (None, None, "2026-01-09 05:00:00"),
        (None, None, "2026-01-09 04:59:59"),
        (Some("2026-01-09 06:00:00"), hours(24), "2026-01-10 06:00:00"),
        (Some("2026-01-09 06:00:00"), hours(24), "2026-01-10 07:00:00"),
        (Some("2026-01-09 06:00:00"), hours(24), "2026-01-10 07:00:01"),
        (Some("2026-01-09 06:00:00"), hours(24), "2026-01-10 04:59:59"),
        (Some("2026-01-09 06:00:00"), hours(2_400), "2026-04-19 06:00:00"),
        (Some("2026-01-09 06:00:00"), Some(TimeDelta::MIN), "2026-04-19 06:00:00"),
        (Some("2026-01-09 06:00:00"), None, "2026-01-12 06:00:00"),
        (Some("2026-01-09 06:00:00"), None, "2026-01-12 06:00:01"),
        (Some("2026-01-12 06:00:00"), None, "2026-01-12 05:00:00"),
        (Some("2026-01-12 06:00:00"), None, "2026-01-12 04:59:59"),
    ] {
        let outcome = blocked(last, elapsed, now).unwrap_or_else(|| "goes on".to_owned());
        let elapsed = elapsed.map_or("-".to_owned(), |elapsed| elapsed.num_hours().to_string());
        table.push_str(&format!("last {}, {elapsed} h ago, now {now}\n  {outcome}\n", last.unwrap_or("never")));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn f43_one_backup_from_the_future_blocks_whatever_became_of_it() {
    let mut backups = daily(1..=9);
    backups.push(running(full(10, "2027-01-01 05:00:00")));
    let plan = planned(r#"{"keep_days":1}"#, &backups, "2026-12-01 05:00:00");
    assert!(plan.blocked.is_some() && plan.deletions.is_empty());
    assert_eq!(reasons(&plan, 1), [KeepReason::ClockInDoubt]);
}
