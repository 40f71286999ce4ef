//! Whether a stop can be reached from a backup, and which backups that takes.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::LogBackup;
use super::run::{Base, Run, find};
use super::windows::logs_of;
use crate::log_archive::RecoveryStop;
use crate::recovery::StopRefusal;
use crate::{BackupType, ErrorCode};

/// The backups that a restore of `id` to `stop` takes, in the order in which they are applied: the full one, the newest
/// differential that ended before the stop, and logs up to the first that covers it. // F-60, F-61
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
    let holding = reach.runs.iter().filter(|run| run.base.from() <= at && at <= run.until());
    match holding.max_by_key(|run| run.base.from()) {
        Some(run) => Ok(run.backups_until(at)),
        None => {
            let detail =
                format!("No log backup reaches from backup {number} to {}.{} {reachable}.", text(at), reach.why());
            refused(ErrorCode::PitrTimeNotCovered, detail)
        }
    }
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

impl<'a> Run<'a> {
    fn backups_until(&self, at: DateTime<Utc>) -> Vec<&'a LogBackup> {
        let mut needed = vec![self.base.full];
        needed.extend(self.base.differential);
        if at > self.base.from() {
            let last = self.logs.iter().position(|log| log.until >= at).map_or(self.logs.len(), |last| last + 1);
            needed.extend(self.logs.iter().take(last).filter(|log| log.is_needed).map(|log| log.backup));
        }
        needed
    }
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
