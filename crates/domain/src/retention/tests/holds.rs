//! Holds, jobs in progress, deletions that have begun and parents that nobody knows.

use super::*;

const LATE: &str = "2026-06-01 05:00:00";
const POLICY: &str = r#"{"keep_days":1,"minimum_good_backups":1}"#;

fn chain() -> [BackupFacts; 5] {
    [
        full(1, "2026-01-01 05:00:00"),
        increment(2, 1, "2026-01-01 06:00:00"),
        increment(3, 2, "2026-01-01 07:00:00"),
        increment(4, 3, "2026-01-01 08:00:00"),
        full(9, "2026-01-02 05:00:00"),
    ]
}

#[test]
fn f70_what_a_held_backup_builds_on_stays_until_it_is_released() {
    assert_eq!(deleted(&planned(POLICY, &chain(), LATE)), [4, 3, 2, 1]);
    let mut backups = chain();
    backups[2] = held(backups[2].clone());
    let plan = planned(POLICY, &backups, LATE);
    assert_eq!((kept(&plan), deleted(&plan)), (vec![1, 2, 3, 9], vec![4]));
    assert_eq!(reasons(&plan, 2), [KeepReason::NeededBy { number: 3, others: 0 }]);
}

#[test]
fn f71_what_a_job_in_progress_builds_on_stays() {
    for status in [JobStatus::Pending, JobStatus::Running] {
        let mut backups = chain().to_vec();
        backups.push(BackupFacts { status, ..running(increment(10, 2, LATE)) });
        assert_eq!(kept(&planned(POLICY, &backups, LATE)), [1, 2, 9, 10]);
    }
    let mut backups = chain();
    backups[3].in_use = true;
    assert_eq!(kept(&planned(POLICY, &backups, LATE)), [1, 2, 3, 4, 9]);
}

#[test]
fn a_deletion_that_has_begun_is_finished_and_does_not_count() {
    let mut backups = daily(1..=4).into_iter().map(deleting).collect::<Vec<_>>();
    backups.extend([increment(10, 4, "2026-01-04 06:00:00")]);
    backups.extend(daily(5..=6));
    let plan = planned("{}", &backups, "2026-01-07 05:00:00");
    assert_eq!(deleted(&plan), [1, 2, 3, 10, 4]);
    assert_eq!(verdict(&plan, 4), RetentionVerdict::Delete { because: DeleteReason::DeletionBegun });
    // A hold that came too late still stops what is left of it.
    let backups = [deleting(full(1, "2026-01-01 05:00:00")), held(increment(2, 1, "2026-01-02 05:00:00"))];
    assert_eq!(kept(&planned("{}", &backups, LATE)), [1, 2]);
}

#[test]
fn what_has_no_known_parent_is_left_to_a_person() {
    let backups = [
        increment(1, 100, "2026-01-01 05:00:00"),
        increment(2, 1, "2026-01-01 06:00:00"),
        BackupFacts { parent_id: None, ..increment(3, 100, "2026-01-01 07:00:00") },
        // A circle, and one that builds on it.
        failed(increment(4, 5, "2026-01-01 08:00:00")),
        increment(5, 4, "2026-01-01 09:00:00"),
        increment(6, 5, "2026-01-01 10:00:00"),
        increment(7, 7, "2026-01-01 11:00:00"),
        failed(increment(8, 100, "2026-01-01 12:00:00")),
        failed(full(9, "2026-01-01 13:00:00")),
        full(10, "2026-02-01 05:00:00"),
    ];
    let plan = planned(POLICY, &backups, LATE);
    assert_eq!((kept(&plan), deleted(&plan)), (vec![1, 2, 3, 4, 5, 6, 7, 9, 10], vec![8]));
    assert_eq!(reasons(&plan, 2), [KeepReason::ParentUnknown]);
}
