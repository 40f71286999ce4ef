//! Which backups a restore takes, to a stop or to exactly what a backup holds, and whether a stop can be reached.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::LogBackup;
use super::place::Position;
use super::run::{Base, Run, find};
use super::windows::logs_of;
use crate::log_archive::RecoveryStop;
use crate::recovery::StopRefusal;
use crate::{BackupType, ErrorCode};

/// The backups that a restore of `id` to `stop` takes, in the order in which they are applied: logs go up to the first that covers
/// it. // F-60, F-61
///
/// # Errors
/// As of [`crate::recovery::logs_for`], with the nearest instants that can be reached.
pub(super) fn backups_for<'a>(
    id: Uuid,
    stop: &RecoveryStop,
    backups: &'a [LogBackup],
    now: DateTime<Utc>,
) -> Result<Vec<&'a LogBackup>, StopRefusal> {
    let refused = |code, detail: String| Err(StopRefusal { code, detail });
    if let RecoveryStop::Position { .. } = stop {
        let detail = "Log backups are restored to a time, not to a position in the log.";
        return refused(ErrorCode::PitrNotSupported, detail.to_owned());
    }
    let Some(reach) = Reach::of(id, backups) else {
        let detail = "The backups that this one is built on are not all there, or not whole.";
        return refused(ErrorCode::PitrTimeNotCovered, detail.to_owned());
    };
    let number = reach.chosen.number;
    let from = reach.from().ok_or_else(|| StopRefusal {
        code: ErrorCode::PitrTimeNotCovered,
        detail: format!("Log backup {number} can't be applied.{} Choose an older backup.", reach.why()),
    })?;
    let until = reach.runs.iter().map(Run::until).max().unwrap_or(from);
    let has_log = reach.runs.iter().any(|run| !run.logs.is_empty());
    let reachable = if has_log {
        format!("From backup {number} any instant {} can be reached", reach.spans(from).join(" or "))
    } else {
        format!("From backup {number} only its own end can be reached, without a stop time")
    };
    let at = match stop {
        RecoveryStop::Time { at } if *at > now => {
            return refused(ErrorCode::PitrTimeInFuture, format!("The stop time is in the future. {reachable}."));
        }
        RecoveryStop::Time { at } if *at < from => {
            let detail =
                format!("{} is before what backup {number} holds. {reachable}; choose an older backup.", text(*at));
            return refused(ErrorCode::PitrTimeBeforeBackup, detail);
        }
        RecoveryStop::Time { at } => *at,
        RecoveryStop::Latest | RecoveryStop::Position { .. } => until,
    };
    if !has_log {
        let detail = format!("No log backup goes on from backup {number}.{} {reachable}.", reach.why());
        return refused(ErrorCode::PitrTimeNotCovered, detail);
    }
    reach.shortest_way(|run| if run.base.from() <= at { run.logs_until(at) } else { None }).ok_or_else(|| StopRefusal {
        code: ErrorCode::PitrTimeNotCovered,
        detail: format!("No log backup reaches from backup {number} to {}.{} {reachable}.", text(at), reach.why()),
    })
}

/// The backups that a restore to exactly what `id` holds takes, in the order in which they are applied; null when those that it
/// is built on are not all there, or not whole.
pub(super) fn backups_of(id: Uuid, backups: &[LogBackup]) -> Option<Vec<&LogBackup>> {
    let reach = Reach::of(id, backups)?;
    let end = Position::after(reach.chosen);
    reach.shortest_way(|run| {
        if run.base.last().id == id {
            return Some(0);
        }
        let with_it = run.logs.iter().position(|log| log.backup.id == id)? + 1;
        // A base that lies behind the backup's end in any database holds more than the backup.
        run.start.is_reached_by(&end).then_some(with_it)
    })
}

/// What can be reached from a backup.
struct Reach<'a> {
    chosen: &'a LogBackup,
    /// From the backup's own base, and from all differentials on the same full backup, which get there sooner.
    runs: Vec<Run<'a>>,
    /// What the backup is built on; none for a full one.
    parent: Option<&'a LogBackup>,
}

impl<'a> Reach<'a> {
    fn of(id: Uuid, backups: &'a [LogBackup]) -> Option<Self> {
        let chosen = find(backups, id)?;
        let parent = chosen.parent_id.and_then(|parent| find(backups, parent));
        let own = match chosen.backup_type {
            BackupType::Log => Base::of(full_of(chosen, backups)?, backups)?,
            _ => Base::of(chosen, backups)?,
        };
        let differentials = Base::all(backups)
            .filter(|base| base.differential.is_some() && base.full.id == own.full.id && base.from() > own.from());
        let logs = logs_of(backups, own.full);
        let runs = std::iter::once(own).chain(differentials).map(|base| Run::of(base, &logs)).collect();
        Some(Self { chosen, runs, parent })
    }

    /// The first instant that restores of the backup can stop at: of a log backup that is where the one before it ends. Null
    /// for one that does not join what it should go on from.
    fn from(&self) -> Option<DateTime<Utc>> {
        let own = self.runs.first()?;
        let until = |backup: &LogBackup| own.logs.iter().find(|log| log.backup.id == backup.id).map(|log| log.until);
        if self.chosen.backup_type != BackupType::Log {
            return Some(own.base.from());
        }
        until(self.chosen)?;
        Some(self.parent.and_then(until).unwrap_or_else(|| own.base.from()))
    }

    /// The full backup, the newest differential that helps, and of the logs on it those with anything in them, as many as `logs`
    /// says of a run; that says null of one that does not lead there.
    fn shortest_way(&self, logs: impl Fn(&Run<'a>) -> Option<usize>) -> Option<Vec<&'a LogBackup>> {
        let leading = self.runs.iter().filter_map(|run| Some((run, logs(run)?)));
        let (run, count) = leading.max_by_key(|(run, _)| run.base.from())?;
        let logs = run.logs.iter().take(count).filter(|log| log.is_needed).map(|log| log.backup);
        Some(std::iter::once(run.base.full).chain(run.base.differential).chain(logs).collect())
    }

    /// The stretches of time that can be reached from an instant on, in words.
    fn spans(&self, from: DateTime<Utc>) -> Vec<String> {
        let mut spans: Vec<(DateTime<Utc>, DateTime<Utc>)> = self
            .runs
            .iter()
            .map(|run| (run.base.from().max(from), run.until()))
            .filter(|(from, to)| from <= to)
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged.into_iter().map(|(from, to)| format!("from {} to {}", text(from), text(to))).collect()
    }

    /// Why the way goes no further, as a sentence after others.
    fn why(&self) -> String {
        self.runs.first().and_then(|run| run.broken.as_ref()).map(|why| format!(" {why}")).unwrap_or_default()
    }
}

/// The full backup that a log backup hangs on.
fn full_of<'a>(log: &LogBackup, backups: &'a [LogBackup]) -> Option<&'a LogBackup> {
    let mut above = find(backups, log.parent_id?)?;
    // Each has a smaller number than what is built on it, so this ends.
    while above.backup_type != BackupType::Full {
        above = find(backups, above.parent_id?).filter(|parent| parent.number < above.number)?;
    }
    Some(above)
}

impl Run<'_> {
    /// How many of its logs it takes to get to a moment after its base; null when all of them don't.
    fn logs_until(&self, at: DateTime<Utc>) -> Option<usize> {
        if at <= self.base.from() {
            return Some(0);
        }
        self.logs.iter().position(|log| log.until >= at).map(|last| last + 1)
    }
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
