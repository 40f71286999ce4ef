//! Days, counts, the point-in-time window, the minimum and the newest chain.

use super::*;

#[test]
fn without_rules_everything_stays_for_ever() {
    let backups =
        [full(1, "1999-01-01 05:00:00"), increment(2, 1, "1999-01-02 05:00:00"), full(3, "2026-01-01 05:00:00")];
    for policy in ["{}", r#"{"point_in_time_window_days":1}"#] {
        let plan = planned(policy, &backups, "2026-01-02 05:00:00");
        assert_eq!(kept(&plan), [1, 2, 3]);
        assert!(reasons(&plan, 1).contains(&KeepReason::ForEver));
    }
}

#[test]
fn days_count_from_the_end_of_a_backup() {
    let backups = daily(1..=10);
    for (now, expected) in [
        ("2026-01-10 05:00:00", vec![3, 4, 5, 6, 7, 8, 9, 10]),
        ("2026-01-10 05:00:01", vec![4, 5, 6, 7, 8, 9, 10]),
        ("2026-01-16 05:00:00", vec![9, 10]),
        // However old, two stay.
        ("2036-01-16 05:00:00", vec![9, 10]),
    ] {
        assert_eq!(kept(&planned(r#"{"keep_days":7}"#, &backups, now)), expected, "{now}");
    }
}

#[test]
fn a_chain_is_as_old_as_its_newest_link() {
    let backups = [
        full(1, "2026-01-01 05:00:00"),
        increment(2, 1, "2026-01-02 05:00:00"),
        increment(3, 2, "2026-01-03 05:00:00"),
        increment(4, 2, "2026-01-04 05:00:00"),
        full(5, "2026-01-05 05:00:00"),
    ];
    let policy = r#"{"keep_days":7,"minimum_good_backups":1}"#;
    for (now, expected, gone) in [
        ("2026-01-10 05:00:00", vec![1, 2, 3, 4, 5], vec![]),
        // 3 goes by its own age; 1 and 2 stay for 4.
        ("2026-01-11 05:00:00", vec![1, 2, 4, 5], vec![3]),
        ("2026-01-12 05:00:00", vec![5], vec![3, 4, 2, 1]),
    ] {
        let plan = planned(policy, &backups, now);
        assert_eq!((kept(&plan), deleted(&plan)), (expected, gone), "{now}");
    }
}

#[test]
fn the_last_count_full_backups_and_take_their_increments_along() {
    let backups = [
        full(1, "2026-01-01 05:00:00"),
        increment(2, 1, "2026-01-02 05:00:00"),
        full(3, "2026-01-03 05:00:00"),
        increment(4, 3, "2026-01-03 06:00:00"),
        increment(5, 4, "2026-01-03 07:00:00"),
        increment(6, 3, "2026-01-03 08:00:00"),
        damaged(full(7, "2026-01-04 05:00:00")),
        failed(full(8, "2026-01-05 05:00:00")),
        full(9, "2026-01-06 05:00:00"),
        full(10, "2026-01-07 05:00:00"),
    ];
    for (policy, expected) in [
        (r#"{"keep_last":4}"#, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        // 7 is third if damaged ones counted; they don't, so 3 is.
        (r#"{"keep_last":3}"#, vec![3, 4, 5, 6, 7, 8, 9, 10]),
        (r#"{"keep_last":2}"#, vec![8, 9, 10]),
        (r#"{"keep_last":1,"minimum_good_backups":1}"#, vec![8, 10]),
    ] {
        assert_eq!(kept(&planned(policy, &backups, "2026-01-07 06:00:00")), expected, "{policy}");
    }
}

#[test]
fn a_window_keeps_the_full_before_its_start_and_all_after() {
    let backups = [
        full(1, "2026-01-01 05:00:00"),
        full(2, "2026-01-05 05:00:00"),
        increment(3, 2, "2026-01-06 05:00:00"),
        // An increment on an older chain may serve a restore too.
        increment(4, 1, "2026-01-07 05:00:00"),
        full(5, "2026-01-10 05:00:00"),
        full(6, "2026-01-15 05:00:00"),
    ];
    let policy = r#"{"keep_last":1,"point_in_time_window_days":7,"minimum_good_backups":1}"#;
    for (now, expected, base) in [
        ("2026-01-15 05:00:00", vec![1, 2, 3, 4, 5, 6], 2),
        ("2026-01-17 04:59:59", vec![1, 2, 3, 4, 5, 6], 2),
        ("2026-01-17 05:00:00", vec![5, 6], 5),
        ("2026-01-22 05:00:00", vec![6], 6),
    ] {
        let plan = planned(policy, &backups, now);
        assert_eq!(kept(&plan), expected, "{now}");
        assert!(reasons(&plan, base).contains(&KeepReason::PointInTimeBase { point_in_time_window_days: 7 }), "{now}");
    }
    // No full backup is so old: the oldest may not go.
    let plan = planned(policy, &backups, "2026-01-07 06:00:00");
    assert_eq!(kept(&plan), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn f74_the_newest_chain_and_the_minimum_stay_however_old() {
    let backups = [
        full(1, "2020-01-01 05:00:00"),
        full(2, "2020-01-02 05:00:00"),
        increment(3, 2, "2020-01-02 06:00:00"),
        full(4, "2020-01-03 05:00:00"),
        damaged(increment(5, 4, "2020-01-03 06:00:00")),
        increment(6, 5, "2020-01-03 07:00:00"),
        damaged(full(7, "2020-01-04 05:00:00")),
        full(8, "2020-01-05 05:00:00"),
    ];
    let late = "2026-01-01 05:00:00";
    let plan = planned(r#"{"keep_days":1}"#, &backups, late);
    // The damaged increments of a chain stay along with it.
    assert_eq!((kept(&plan), deleted(&plan)), (vec![4, 5, 6, 8], vec![1, 3, 2, 7]));
    let plan = planned(r#"{"keep_days":1,"minimum_good_backups":3}"#, &backups, late);
    assert_eq!(kept(&plan), [2, 3, 4, 5, 6, 8]);
    // Too few good ones: a damaged one is better than none.
    let plan = planned(r#"{"keep_days":1,"minimum_good_backups":5}"#, &backups, late);
    assert_eq!(deleted(&plan), [0_i64; 0]);
    assert_eq!(reasons(&plan, 7), [KeepReason::TooFewGood { minimum: 5 }]);
    // The newest state hangs on an older full backup than the newest one.
    let backups =
        [full(1, "2020-01-01 05:00:00"), full(2, "2020-01-02 05:00:00"), increment(3, 1, "2020-01-02 06:00:00")];
    let plan = planned(r#"{"keep_days":1,"minimum_good_backups":1}"#, &backups, late);
    assert_eq!(kept(&plan), [1, 2, 3]);
    assert!(reasons(&plan, 3).contains(&KeepReason::NewestChain));
}

#[test]
fn a_policy_of_zeros_still_leaves_the_last_good_chain() {
    let zeros = RetentionPolicy {
        keep_days: Some(0),
        keep_last: Some(0),
        keep_yearly: Some(0),
        point_in_time_window_days: Some(u32::MAX),
        minimum_good_backups: 0,
        ..RetentionPolicy::default()
    };
    let now = time("2026-02-01 05:00:00");
    let plan_of = |policy: &RetentionPolicy| kept(&plan(policy, &daily(1..=9), now, &ClockFacts::default()));
    assert_eq!(plan_of(&zeros), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(plan_of(&RetentionPolicy { point_in_time_window_days: Some(0), ..zeros.clone() }), [9]);
    assert_eq!(plan_of(&RetentionPolicy { point_in_time_window_days: None, ..zeros }), [9]);
}

#[test]
fn totals_add_up() {
    let plan = planned(r#"{"keep_last":2}"#, &daily(1..=5), "2026-01-06 05:00:00");
    assert_eq!(
        plan.totals,
        RetentionTotals { kept_count: 2, kept_bytes: 0b11_0000, deleted_count: 3, freed_bytes: 0b1110 }
    );
}
