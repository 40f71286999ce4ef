//! Recovery windows of 10,000 archived segments, a gap in every hundredth, and the logs that a restore to the newest instant
//! takes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use domain::recovery::{BackupPoint, logs_for, windows};
use domain::{LogPoint, LogSegment, RecoveryStop};
use uuid::Uuid;

use crate::rounds::median;
use crate::table::{Table, milliseconds};

const SEGMENTS: u64 = 10_000;
const SEGMENT_BYTES: u64 = 16 << 20;
const GAP_EVERY: u64 = 100;
const BACKUP_EVERY: u64 = 10;
const ROUNDS: usize = 11;
const MOST: Duration = Duration::from_millis(50);

/// Measures and adds the row.
pub fn measure(table: &mut Table) -> Result<()> {
    let began = Utc::now() - TimeDelta::days(30);
    let segments: Vec<LogSegment> = (0..SEGMENTS).map(|number| segment(number, began)).collect();
    let backups: Vec<BackupPoint> =
        (0..SEGMENTS / BACKUP_EVERY).map(|number| backup(number * BACKUP_EVERY, began)).collect();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let (windows, gaps) = windows(&backups, &segments, &[], None);
        let newest =
            backups.last().map(|newest| logs_for(newest, &RecoveryStop::Latest, &segments, &[], None, Utc::now()));
        times.push(started.elapsed());
        ensure!(windows.len() == 100 && gaps.len() == 99, "{} windows, {} gaps", windows.len(), gaps.len());
        ensure!(newest.is_some_and(|logs| logs.is_ok_and(|logs| logs.len() == 10)), "the newest logs are found");
    }
    let time = median(times)?;
    let what = format!("Recovery windows of {SEGMENTS} segments");
    table.add_bounded(what, milliseconds(time), format!("< {}", milliseconds(MOST)), time < MOST);
    Ok(())
}

fn minutes(number: u64) -> TimeDelta {
    TimeDelta::minutes(i64::try_from(number).unwrap_or(i64::MAX))
}

fn segment(number: u64, began: DateTime<Utc>) -> LogSegment {
    LogSegment {
        incarnation: "7312345678901234567-1.origin".to_owned(),
        name: format!("{number:024X}"),
        start: number * SEGMENT_BYTES,
        end: (number + 1) * SEGMENT_BYTES,
        closed: true,
        first_commit_at: Some(began + minutes(number)),
        last_commit_at: Some(began + minutes(number) + TimeDelta::seconds(59)),
        gap_before: (number > 0 && number.is_multiple_of(GAP_EVERY)).then(|| "the slot was lost".to_owned()),
        objects: Vec::new(),
    }
}

fn backup(number: u64, began: DateTime<Utc>) -> BackupPoint {
    BackupPoint {
        id: Uuid::from_u128(u128::from(number) + 1),
        number: i64::try_from(number).unwrap_or(i64::MAX),
        ended_at: began + minutes(number) + TimeDelta::seconds(30),
        point: LogPoint {
            incarnation: "7312345678901234567-1.origin".to_owned(),
            position: number * SEGMENT_BYTES + 1000,
        },
    }
}
