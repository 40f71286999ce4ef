//! What people read about each backup.

use super::*;

#[test]
fn every_reason_is_a_sentence() {
    let at = time("2026-11-22 05:00:00");
    let keep = [
        KeepReason::Held { reason: "the auditors want it until March".to_owned() },
        KeepReason::Held { reason: " ".to_owned() },
        KeepReason::InUse,
        KeepReason::InProgress,
        KeepReason::NeededBy { number: 176, others: 0 },
        KeepReason::NeededBy { number: 176, others: 3 },
        KeepReason::NewestChain,
        KeepReason::MinimumGood { minimum: 1 },
        KeepReason::MinimumGood { minimum: 2 },
        KeepReason::ForEver,
        KeepReason::Age { keep_days: 1, counted_to: at, is_stopped: false },
        KeepReason::Age { keep_days: 30, counted_to: at, is_stopped: true },
        KeepReason::Last { keep_last: 1 },
        KeepReason::Last { keep_last: 7 },
        KeepReason::PointInTimeBase { point_in_time_window_days: 1 },
        KeepReason::PointInTimeBase { point_in_time_window_days: 7 },
        KeepReason::PointInTimeWindow { point_in_time_window_days: 7 },
        KeepReason::Damaged,
        KeepReason::TooFewGood { minimum: 2 },
        KeepReason::RecentFailure { days: FAILURE_DAYS },
        KeepReason::NewestFailure,
        KeepReason::NoSuccessSince { last_success_at: at },
        KeepReason::ParentUnknown,
        KeepReason::ClockInDoubt,
    ];
    let calendar = CalendarPeriod::ALL.iter().map(|&period| KeepReason::Calendar { period, label: period.label(at) });
    let expired = |keep_days, keep_last, has_calendar, point_in_time_window_days, is_increment| DeleteReason::Expired {
        keep_days,
        keep_last,
        has_calendar,
        point_in_time_window_days,
        is_increment,
    };
    let delete = [
        DeleteReason::DeletionBegun,
        DeleteReason::ParentDeleted { number: 175 },
        DeleteReason::Failed { days: FAILURE_DAYS },
        DeleteReason::Cancelled { days: 1 },
        expired(None, None, false, None, false),
        expired(Some(1), None, false, None, false),
        expired(None, Some(1), false, Some(1), false),
        expired(Some(30), Some(7), true, Some(7), false),
        expired(None, None, true, None, true),
    ];
    let mut table = String::new();
    for reason in keep.into_iter().chain(calendar) {
        table.push_str(&format!("{}\n  {reason}\n", serde_json::to_string(&reason).unwrap()));
    }
    for reason in delete {
        table.push_str(&format!("{}\n  {reason}\n", serde_json::to_string(&reason).unwrap()));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_plan_reads_as_a_list_of_reasons() {
    let backups = [
        full(1, "2025-12-31 05:00:00"),
        increment(2, 1, "2025-12-31 17:00:00"),
        held(full(3, "2026-01-04 05:00:00")),
        full(4, "2026-01-10 05:00:00"),
        increment(5, 4, "2026-01-11 05:00:00"),
        increment(6, 5, "2026-01-15 05:00:00"),
        failed(increment(7, 6, "2026-01-16 05:00:00")),
        damaged(full(8, "2026-01-17 05:00:00")),
        full(9, "2026-01-20 05:00:00"),
        increment(10, 9, "2026-01-21 05:00:00"),
        running(increment(11, 10, "2026-01-22 05:00:00")),
    ];
    let policy = r#"{"keep_days":7,"keep_last":2,"keep_monthly":3,"point_in_time_window_days":3}"#;
    let plan = planned(policy, &backups, "2026-01-22 06:00:00");
    let mut table = format!("{}\n\n", policy_of(policy).description());
    for decision in &plan.decisions {
        let (verdict, sentences) = match &decision.verdict {
            RetentionVerdict::Keep { because } => ("stays", because.iter().map(ToString::to_string).collect()),
            RetentionVerdict::Delete { because } => ("goes", vec![because.to_string()]),
        };
        table.push_str(&format!("{} {verdict}: {}\n", decision.number, sentences.join(" ")));
    }
    table.push_str(&format!("\nin this order: {:?}\n{:?}\n", deleted(&plan), plan.totals));
    insta::assert_snapshot!(table);
}

#[test]
fn a_plan_on_the_wire() {
    let backups = [full(1, "2026-01-01 05:00:00"), full(2, "2026-01-02 05:00:00"), full(3, "2026-01-03 05:00:00")];
    let plan = planned(r#"{"keep_last":2}"#, &backups, "2026-01-04 05:00:00");
    let json = serde_json::to_string_pretty(&plan).unwrap();
    assert_eq!(serde_json::from_str::<RetentionPlan>(&json).unwrap(), plan);
    insta::assert_snapshot!(json);
}
