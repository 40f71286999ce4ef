use chrono::TimeDelta;

use super::*;
use crate::{BackupType, JobStatus};

mod calendar;
mod clock;
mod failures;
mod holds;
mod logs;
mod policy;
mod properties;
mod rules;
mod scale;
mod sentences;

fn time(text: &str) -> DateTime<Utc> {
    format!("{text}Z").replace(' ', "T").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A full backup that took an hour to make.
fn full(number: i64, ended_at: &str) -> BackupFacts {
    BackupFacts {
        id: id(number),
        number,
        parent_id: None,
        backup_type: BackupType::Full,
        status: JobStatus::Completed,
        created_at: time(ended_at) - TimeDelta::hours(1),
        ended_at: Some(time(ended_at)),
        held: None,
        in_use: false,
        deleting: false,
        verification_failed: false,
        size_bytes: 1 << number.min(40),
    }
}

fn increment(number: i64, parent: i64, ended_at: &str) -> BackupFacts {
    BackupFacts { parent_id: Some(id(parent)), backup_type: BackupType::Incremental, ..full(number, ended_at) }
}

fn failed(backup: BackupFacts) -> BackupFacts {
    BackupFacts { status: JobStatus::Failed, ..backup }
}

fn damaged(backup: BackupFacts) -> BackupFacts {
    BackupFacts { verification_failed: true, ..backup }
}

fn held(backup: BackupFacts) -> BackupFacts {
    BackupFacts { held: Some("the auditors".to_owned()), ..backup }
}

fn running(backup: BackupFacts) -> BackupFacts {
    BackupFacts { status: JobStatus::Running, ended_at: None, ..backup }
}

fn deleting(backup: BackupFacts) -> BackupFacts {
    BackupFacts { deleting: true, ..backup }
}

fn id(number: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(number).unwrap())
}

/// One full backup a day, numbered by the day of the year 2026, from one to another.
fn daily(days: std::ops::RangeInclusive<i64>) -> Vec<BackupFacts> {
    let year = time("2026-01-01 05:00:00");
    days.map(|day| full(day, &(year + TimeDelta::days(day - 1)).format("%Y-%m-%d %H:%M:%S").to_string())).collect()
}

fn policy_of(json: &str) -> RetentionPolicy {
    let policy: RetentionPolicy = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(policy.validate(), [], "{json}");
    policy
}

fn planned(policy: &str, backups: &[BackupFacts], now: &str) -> RetentionPlan {
    plan(&policy_of(policy), backups, time(now), &ClockFacts::default())
}

/// The numbers of the backups that stay, growing.
fn kept(plan: &RetentionPlan) -> Vec<i64> {
    let kept = plan.decisions.iter().filter(|decision| decision.verdict.is_keep());
    let mut numbers: Vec<_> = kept.map(|decision| decision.number).collect();
    numbers.sort_unstable();
    numbers
}

/// The numbers of the backups that go, in the order in which they go.
fn deleted(plan: &RetentionPlan) -> Vec<i64> {
    plan.deletions.iter().map(|id| i64::try_from(id.as_u128()).unwrap()).collect()
}

fn reasons(plan: &RetentionPlan, number: i64) -> Vec<KeepReason> {
    match verdict(plan, number) {
        RetentionVerdict::Keep { because } => because,
        verdict => panic!("{number}: {verdict:?}"),
    }
}

fn verdict(plan: &RetentionPlan, number: i64) -> RetentionVerdict {
    plan.decisions.iter().find(|decision| decision.number == number).unwrap().verdict.clone()
}
