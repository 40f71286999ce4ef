//! Grandfather-father-son rules over the ends of days, weeks, months and years.

use super::*;

#[test]
fn the_newest_full_backup_of_each_period_that_has_one() {
    let backups: Vec<_> = [
        "2024-06-01 05:00:00", // 1
        "2025-12-28 23:59:59", // 2: Sunday, the last second of week 52
        "2025-12-29 00:00:00", // 3: Monday, week 1 of 2026, still in the year 2025
        "2025-12-31 23:59:59", // 4
        "2026-01-01 00:00:00", // 5
        "2026-01-04 23:59:59", // 6: Sunday, still week 1
        "2026-01-31 05:00:00", // 7
        "2026-01-31 23:30:00", // 8
        "2026-02-28 05:00:00", // 9: no 29th in this year
        "2026-03-01 04:59:59", // 10
        "2026-03-01 05:00:00", // 11
        "2026-03-01 05:40:00", // 12
    ]
    .iter()
    .zip(1..)
    .map(|(at, number)| full(number, at))
    .collect();
    for (policy, expected) in [
        (r#"{"keep_hourly":1,"minimum_good_backups":1}"#, vec![12]),
        (r#"{"keep_hourly":2,"minimum_good_backups":1}"#, vec![10, 12]),
        (r#"{"keep_hourly":4,"minimum_good_backups":1}"#, vec![8, 9, 10, 12]),
        (r#"{"keep_daily":3,"minimum_good_backups":1}"#, vec![8, 9, 12]),
        (r#"{"keep_daily":6,"minimum_good_backups":1}"#, vec![4, 5, 6, 8, 9, 12]),
        (r#"{"keep_weekly":2,"minimum_good_backups":1}"#, vec![8, 12]),
        (r#"{"keep_weekly":4,"minimum_good_backups":1}"#, vec![2, 6, 8, 12]),
        (r#"{"keep_monthly":2,"minimum_good_backups":1}"#, vec![9, 12]),
        (r#"{"keep_monthly":5,"minimum_good_backups":1}"#, vec![1, 4, 8, 9, 12]),
        (r#"{"keep_yearly":1,"minimum_good_backups":1}"#, vec![12]),
        (r#"{"keep_yearly":2,"minimum_good_backups":1}"#, vec![4, 12]),
        (r#"{"keep_yearly":9,"minimum_good_backups":1}"#, vec![1, 4, 12]),
        (r#"{"keep_daily":2,"keep_monthly":3,"keep_yearly":2,"minimum_good_backups":1}"#, vec![4, 8, 9, 12]),
        (r#"{"keep_yearly":1}"#, vec![11, 12]),
    ] {
        assert_eq!(kept(&planned(policy, &backups, "2026-03-01 06:00:00")), expected, "{policy}");
    }
}

#[test]
fn a_year_of_daily_backups() {
    let backups = daily(1..=365);
    let plan = planned(
        r#"{"keep_daily":7,"keep_weekly":4,"keep_monthly":12,"keep_yearly":3}"#,
        &backups,
        "2026-12-31 12:00:00",
    );
    // The last seven days; the Sundays before them, the 27th, 20th and 13th; the ends of the months.
    assert_eq!(
        kept(&plan),
        [31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 347, 354, 359, 360, 361, 362, 363, 364, 365]
    );
    assert_eq!(
        reasons(&plan, 365).into_iter().filter(|reason| matches!(reason, KeepReason::Calendar { .. })).count(),
        4
    );
}

#[test]
fn increments_are_no_copies_of_a_period() {
    let backups = [
        full(1, "2026-01-30 05:00:00"),
        increment(2, 1, "2026-01-31 05:00:00"),
        full(3, "2026-02-10 05:00:00"),
        increment(4, 3, "2026-02-11 05:00:00"),
        full(5, "2026-02-20 05:00:00"),
        increment(6, 5, "2026-02-21 05:00:00"),
    ];
    let plan = planned(r#"{"keep_monthly":2,"minimum_good_backups":1}"#, &backups, "2026-02-22 05:00:00");
    assert_eq!(kept(&plan), [1, 5, 6]);
    assert_eq!(deleted(&plan), [2, 4, 3]);
}
