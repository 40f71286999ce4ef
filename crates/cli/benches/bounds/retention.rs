//! Planning the retention of 100,000 backups: eleven years of a full backup a day with its increments.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::{TimeDelta, Utc};
use domain::retention::{BackupFacts, ClockFacts, RetentionPolicy, plan};
use domain::{BackupType, JobStatus};
use uuid::Uuid;

use crate::rounds::median;
use crate::table::{Table, milliseconds};

const BACKUPS: i64 = 100_000;
const LINKS_A_CHAIN: i64 = 24;
const ROUNDS: usize = 11;
const MOST: Duration = Duration::from_millis(100);

/// Measures and adds the row.
pub fn measure(table: &mut Table) -> Result<()> {
    let now = Utc::now();
    let facts: Vec<BackupFacts> = (0..BACKUPS).map(|number| fact(number, now)).collect();
    let policy = RetentionPolicy {
        keep_days: Some(30),
        keep_last: Some(10),
        keep_weekly: Some(12),
        keep_monthly: Some(24),
        keep_yearly: Some(10),
        ..RetentionPolicy::default()
    };
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let plan = plan(&policy, &facts, now, &ClockFacts::default());
        times.push(started.elapsed());
        ensure!(plan.deletions.len() > 90_000, "the plan deletes {}", plan.deletions.len());
    }
    let time = median(times)?;
    let what = format!("Planning the retention of {BACKUPS} backups");
    table.add_bounded(what, milliseconds(time), format!("< {}", milliseconds(MOST)), time < MOST);
    Ok(())
}

/// An hour apart, the newest an hour old; each chain begins with a full backup.
fn fact(number: i64, now: chrono::DateTime<Utc>) -> BackupFacts {
    let id = |number: i64| Uuid::from_u128(u128::from(number.unsigned_abs()) + 1);
    let created_at = now - TimeDelta::hours(BACKUPS - number);
    let is_full = number % LINKS_A_CHAIN == 0;
    BackupFacts {
        id: id(number),
        number,
        parent_id: (!is_full).then(|| id(number - 1)),
        backup_type: if is_full { BackupType::Full } else { BackupType::Incremental },
        status: JobStatus::Completed,
        created_at,
        ended_at: Some(created_at + TimeDelta::minutes(5)),
        held: None,
        in_use: false,
        deleting: false,
        verification_failed: false,
        size_bytes: 1 << 30,
    }
}
