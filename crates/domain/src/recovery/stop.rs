//! Whether a stop can be reached from a backup, and which logs that takes.

use chrono::{DateTime, SecondsFormat, Utc};

use super::windows::{Run, runs};
use super::{BackupPoint, Frontier};
use crate::ErrorCode;
use crate::log_archive::{LogSegment, RecoveryStop};

/// Why a stop can't be reached from a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRefusal {
    pub code: ErrorCode,
    pub detail: String,
}

/// The segments that a restore of `backup` to `stop` replays, in order: from the one that holds the backup's position to the
/// first one that tells that the stop was passed, or the last one of the run. // F-60, F-61
///
/// `now` is a moment that the stop may not lie after.
///
/// # Errors
/// With the nearest instants that can be reached: `pitr_time_in_future`, `pitr_time_before_backup`, `pitr_time_not_covered`;
/// `pitr_not_supported` when no log goes on from the backup at all.
pub fn logs_for<'a>(
    backup: &BackupPoint,
    stop: &RecoveryStop,
    segments: &'a [LogSegment],
    missing: &'a [LogSegment],
    frontier: Option<&Frontier>,
    now: DateTime<Utc>,
) -> Result<Vec<&'a LogSegment>, StopRefusal> {
    let refused = |code, detail: String| Err(StopRefusal { code, detail });
    let runs = runs(segments, missing, frontier);
    let run = runs.iter().find(|run| run.holds(&backup.point));
    let reach = run.and_then(|run| run.until).filter(|until| *until >= backup.ended_at);
    if let RecoveryStop::Time { at } = stop {
        let reachable = match reach {
            Some(until) => {
                format!(
                    "From backup {} any instant from {} to {} can be reached",
                    backup.number,
                    text(backup.ended_at),
                    text(until)
                )
            }
            None => format!("From backup {} only its own end can be reached, without a stop time", backup.number),
        };
        if *at > now {
            return refused(ErrorCode::PitrTimeInFuture, format!("The stop time is in the future. {reachable}."));
        }
        if *at < backup.ended_at {
            let detail = format!(
                "{} is before the end of backup {}. {reachable}; choose an older backup.",
                text(*at),
                backup.number
            );
            return refused(ErrorCode::PitrTimeBeforeBackup, detail);
        }
        if reach.is_none_or(|until| *at > until) {
            let why = gap_after(run, &runs).map(|reason| format!(" {reason}")).unwrap_or_default();
            let detail =
                format!("No archived log reaches from backup {} to {}.{why} {reachable}.", backup.number, text(*at));
            return refused(ErrorCode::PitrTimeNotCovered, detail);
        }
    }
    let Some(run) = run else {
        let detail = format!("No archived log goes on from backup {}.", backup.number);
        return refused(ErrorCode::PitrTimeNotCovered, detail);
    };
    let first = run.segments.partition_point(|segment| segment.end <= backup.point.position && segment.closed);
    let mut needed: Vec<_> = run.segments.iter().copied().skip(first).collect();
    if let RecoveryStop::Time { at } = stop
        && let Some(last) = needed.iter().position(|segment| is_past(segment, *at))
    {
        needed.truncate(last + 1);
    }
    Ok(needed)
}

/// Whether a segment holds a commit that tells that the instant was passed. Some engines' logs carry whole seconds, and their
/// times may step back a little.
fn is_past(segment: &LogSegment, at: DateTime<Utc>) -> bool {
    segment.last_commit_at.is_some_and(|commit| commit > at + chrono::TimeDelta::seconds(2))
}

/// Why the run ended.
fn gap_after(run: Option<&Run<'_>>, runs: &[Run<'_>]) -> Option<String> {
    let run = run?;
    let end = run.segments.last()?.end;
    let next = runs.iter().filter(|other| other.incarnation == run.incarnation);
    next.filter(|other| other.segments.first().is_some_and(|segment| segment.start >= end))
        .find_map(|other| other.reason.clone())
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
