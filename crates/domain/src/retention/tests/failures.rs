//! What failed, was cancelled or is damaged.

use super::*;

#[test]
fn failures_go_after_a_week_except_the_newest() {
    let backups = [
        failed(full(1, "2026-01-01 05:00:00")),
        BackupFacts { status: JobStatus::Cancelled, ..full(2, "2026-01-02 05:00:00") },
        failed(full(3, "2026-01-03 05:00:00")),
        BackupFacts { status: JobStatus::Cancelled, ..full(4, "2026-01-04 05:00:00") },
        full(5, "2026-01-05 05:00:00"),
    ];
    for policy in ["{}", r#"{"keep_days":365}"#, r#"{"keep_last":100}"#] {
        for (now, gone) in [
            ("2026-01-08 04:59:59", vec![]),
            ("2026-01-08 05:00:00", vec![1]),
            ("2026-01-09 05:00:00", vec![1, 2]),
            ("2026-01-20 05:00:00", vec![1, 2, 4]),
        ] {
            assert_eq!(deleted(&planned(policy, &backups, now)), gone, "{policy} {now}");
        }
    }
}

#[test]
fn a_row_of_failures_never_lets_age_delete_the_last_good_ones() {
    let mut backups = daily(1..=10);
    let policy = r#"{"keep_days":5}"#;
    let late = "2026-03-01 05:00:00";
    // Nothing was tried since: age goes on, down to the minimum.
    assert_eq!(kept(&planned(policy, &backups, late)), [9, 10]);
    backups.extend(daily(11..=50).into_iter().map(failed));
    let plan = planned(policy, &backups, late);
    assert_eq!(kept(&plan), [5, 6, 7, 8, 9, 10, 50]);
    assert!(reasons(&plan, 5).contains(&KeepReason::Age {
        keep_days: 5,
        counted_to: time("2026-01-10 05:00:00"),
        is_stopped: true
    }));
    // The window does not move either.
    let windowed = r#"{"keep_last":2,"point_in_time_window_days":5}"#;
    assert_eq!(kept(&planned(windowed, &backups, late)), [5, 6, 7, 8, 9, 10, 50]);
    // One success, and the clock goes on.
    backups.extend(daily(51..=51));
    assert_eq!(kept(&planned(policy, &backups, late)), [10, 50, 51]);
}

#[test]
fn a_backup_that_fails_its_verification_is_no_success() {
    let mut backups = daily(1..=10);
    backups.extend(daily(11..=20).into_iter().map(damaged));
    let plan = planned(r#"{"keep_days":5}"#, &backups, "2026-03-01 05:00:00");
    assert_eq!(kept(&plan), (5..=20).collect::<Vec<_>>());
}

#[test]
fn a_damaged_backup_goes_no_sooner_than_a_good_one_would() {
    let mut backups = daily(1..=60);
    backups[58 - 1].verification_failed = true;
    backups[31 - 1].verification_failed = true;
    let now = "2026-03-01 12:00:00";
    // 58 is among the last three, but does not count.
    assert_eq!(kept(&planned(r#"{"keep_last":3}"#, &backups, now)), [57, 58, 59, 60]);
    // 31 is the newest of January, and 30 the newest good one.
    assert_eq!(kept(&planned(r#"{"keep_monthly":3}"#, &backups, now)), [30, 31, 59, 60]);
    let plan = planned(r#"{"keep_monthly":3}"#, &backups, now);
    assert!(reasons(&plan, 31).contains(&KeepReason::Damaged));
    assert_eq!(kept(&planned(r#"{"keep_days":2}"#, &backups, now)), [59, 60]);
}

#[test]
fn a_failed_increment_keeps_no_chain() {
    let backups = [
        full(1, "2026-01-01 05:00:00"),
        failed(increment(2, 1, "2026-01-02 05:00:00")),
        full(3, "2026-01-08 05:00:00"),
        full(4, "2026-01-09 05:00:00"),
    ];
    let plan = planned(r#"{"keep_last":2}"#, &backups, "2026-01-09 06:00:00");
    assert_eq!(deleted(&plan), [2, 1]);
    assert_eq!(verdict(&plan, 2), RetentionVerdict::Delete { because: DeleteReason::ParentDeleted { number: 1 } });
}
