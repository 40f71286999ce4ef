//! The logs that stay. // F-72

use super::*;

fn ranges(policy: &str, backups: &[BackupFacts], now: &str) -> Vec<String> {
    let written = |at: Option<DateTime<Utc>>| at.map_or("…".to_owned(), |at| at.format("%m-%d %H:%M").to_string());
    let plan = planned(policy, backups, now);
    plan.protected_logs.iter().map(|range| format!("{} – {}", written(range.from), written(range.to))).collect()
}

#[test]
fn f72_each_kept_backup_needs_the_logs_while_it_was_made_and_the_window_all() {
    let backups = daily(1..=20);
    let now = "2026-01-20 12:00:00";
    // Each took from 04:00 to 05:00; an hour more stays at both ends.
    for (policy, expected) in [
        ("{}", vec!["01-01 03:00 – …"]),
        (r#"{"keep_days":3}"#, vec!["01-18 03:00 – …"]),
        // Without base: from the window's start on, should there be older logs.
        (r#"{"keep_last":9,"point_in_time_window_days":25}"#, vec!["12-26 11:00 – …"]),
        (r#"{"keep_days":3,"point_in_time_window_days":2}"#, vec!["01-18 03:00 – …"]),
        (
            r#"{"keep_weekly":3,"point_in_time_window_days":1}"#,
            vec!["01-11 03:00 – 01-11 06:00", "01-18 03:00 – 01-18 06:00", "01-19 03:00 – …"],
        ),
    ] {
        assert_eq!(ranges(policy, &backups, now), expected, "{policy}");
    }
}

#[test]
fn f72_a_backup_that_is_being_made_needs_all_logs_from_its_beginning() {
    let backups = [full(1, "2026-01-01 05:00:00"), running(full(2, "2026-01-05 05:00:00"))];
    let policy = r#"{"keep_last":2,"point_in_time_window_days":1}"#;
    assert_eq!(ranges(policy, &backups, "2026-01-05 06:00:00"), ["01-01 03:00 – …"]);
    let backups =
        [held(full(1, "2026-01-01 05:00:00")), full(2, "2026-01-04 05:00:00"), running(full(3, "2026-01-05 05:00:00"))];
    assert_eq!(ranges(policy, &backups, "2026-01-05 06:00:00"), ["01-01 03:00 – 01-01 06:00", "01-04 03:00 – …"]);
}

#[test]
fn f72_nobody_knows_which_logs_are_needed_without_a_good_full_backup() {
    for backups in [vec![], vec![failed(full(1, "2026-01-01 05:00:00"))], vec![damaged(full(1, "2026-01-01 05:00:00"))]]
    {
        for policy in ["{}", r#"{"keep_last":2,"point_in_time_window_days":1}"#] {
            assert_eq!(ranges(policy, &backups, "2026-01-05 06:00:00"), ["… – …"]);
        }
    }
}

#[test]
fn f72_a_log_that_reaches_into_a_range_stays() {
    let plan = planned(r#"{"keep_weekly":3,"point_in_time_window_days":1}"#, &daily(1..=20), "2026-01-20 12:00:00");
    for (from, to, stays) in [
        ("2026-01-01 00:00:00", "2026-01-11 02:59:59", false),
        ("2026-01-01 00:00:00", "2026-01-11 03:00:00", true),
        ("2026-01-11 04:00:00", "2026-01-11 04:10:00", true),
        ("2026-01-11 06:00:00", "2026-01-12 00:00:00", true),
        ("2026-01-11 06:00:01", "2026-01-12 00:00:00", false),
        ("2027-01-01 00:00:00", "2027-01-01 00:00:01", true),
    ] {
        assert_eq!(plan.protects_logs(time(from), time(to)), stays, "{from} {to}");
    }
}
