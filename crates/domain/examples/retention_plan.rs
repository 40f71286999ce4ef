//! Measures a plan over many backups: `cargo run --release -p domain --example retention_plan -- 100000`.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use domain::retention::plan;
use domain::{BackupFacts, BackupType, ClockFacts, JobStatus, RetentionPolicy};
use uuid::Uuid;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let start: DateTime<Utc> = "2015-01-01T00:00:00Z".parse().expect("a time");
    let policy = RetentionPolicy {
        keep_days: Some(30),
        keep_last: Some(7),
        keep_hourly: Some(24),
        keep_daily: Some(7),
        keep_weekly: Some(4),
        keep_monthly: Some(12),
        keep_yearly: Some(20),
        point_in_time_window_days: Some(14),
        ..RetentionPolicy::default()
    };
    // A full backup each day and an increment on the newest each hour; then one chain of all.
    for (what, full_every) in [("a full backup a day", 24), ("one chain", u32::MAX), ("full backups only", 1)] {
        let backups: Vec<_> = (0..count).map(|number| facts(number, full_every, start)).collect();
        let now = start + TimeDelta::hours(i64::from(count));
        for policy in [&policy, &RetentionPolicy::default()] {
            let begun = Instant::now();
            let plan = plan(policy, &backups, now, &ClockFacts::default());
            let took = begun.elapsed();
            println!("{what}: {count} backups, {} go, {took:.1?}", plan.totals.deleted_count);
        }
    }
}

fn facts(number: u32, full_every: u32, start: DateTime<Utc>) -> BackupFacts {
    let is_full = number.is_multiple_of(full_every);
    // Ids that don't sort like times do, as the worst case.
    let id = |number: u32| Uuid::from_u128(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let at = start + TimeDelta::hours(i64::from(number));
    BackupFacts {
        id: id(number),
        number: i64::from(number),
        parent_id: (!is_full).then(|| id(number - 1)),
        backup_type: if is_full { BackupType::Full } else { BackupType::Incremental },
        status: JobStatus::Completed,
        created_at: at - TimeDelta::minutes(10),
        ended_at: Some(at),
        held: None,
        in_use: false,
        deleting: false,
        verification_failed: false,
        size_bytes: 1 << 20,
    }
}
