//! Runs: a backup that holds whole databases, and the log backups that go on from it without a gap.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::LogBackup;
use super::place::{Advance, Position};
use crate::BackupType;

/// What a restore begins with: a full backup, or one and a differential on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base<'a> {
    pub full: &'a LogBackup,
    pub differential: Option<&'a LogBackup>,
}

impl<'a> Base<'a> {
    /// All that backups can begin a restore with, in any order.
    pub fn all(backups: &'a [LogBackup]) -> impl Iterator<Item = Self> {
        backups.iter().filter_map(|backup| Self::of(backup, backups))
    }

    /// Null for a log backup, and for a differential one whose full backup is not among these.
    pub fn of(backup: &'a LogBackup, backups: &'a [LogBackup]) -> Option<Self> {
        match backup.backup_type {
            BackupType::Full => Some(Self { full: backup, differential: None }),
            BackupType::Differential => {
                let full = find(backups, backup.parent_id?)?;
                is_base(full, backup).then_some(Self { full, differential: Some(backup) })
            }
            BackupType::Incremental | BackupType::Log => None,
        }
    }

    /// The backup at whose end it stands.
    pub fn last(&self) -> &'a LogBackup {
        self.differential.unwrap_or(self.full)
    }

    /// From when on its databases are consistent.
    pub fn from(&self) -> DateTime<Utc> {
        let last = self.last();
        last.ranges.iter().map(|range| range.covered_until).max().unwrap_or(last.ended_at)
    }
}

pub(super) fn find(backups: &[LogBackup], id: Uuid) -> Option<&LogBackup> {
    backups.iter().find(|backup| backup.id == id)
}

/// Whether a differential is built on a full backup, by the checkpoint of each database; in the same storage.
fn is_base(full: &LogBackup, differential: &LogBackup) -> bool {
    let fits = |range: &super::LogRange| {
        let of_full = full.ranges.iter().find(|base| base.database == range.database);
        of_full.is_some_and(|base| !base.is_copy_only && range.differential_base_lsn == Some(base.checkpoint_lsn))
    };
    full.backup_type == BackupType::Full
        && full.storage_id == differential.storage_id
        && differential.ranges.iter().all(fits)
}

/// A base and the log that goes on from it.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    pub base: Base<'a>,
    pub start: Position<'a>,
    pub end: Position<'a>,
    pub logs: Vec<Applied<'a>>,
    /// Why it goes no further, where a later log backup can't be applied.
    pub broken: Option<String>,
}

/// A log backup of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Applied<'a> {
    pub backup: &'a LogBackup,
    /// Up to when everything is known that happened, once it is applied.
    pub until: DateTime<Utc>,
    /// Whether there is anything in it.
    pub is_needed: bool,
}

impl<'a> Run<'a> {
    /// Follows the log from a base as far as it goes. `logs` are log backups of its storage; they come in order but for those
    /// that a rebuilt catalog gave new numbers, so all are looked at until none goes on any more. // F-53, F-60
    pub fn of(base: Base<'a>, logs: &[&'a LogBackup]) -> Self {
        let start = Position::after(base.last());
        let mut run = Self { base, end: start.clone(), start, logs: Vec::new(), broken: None };
        if !run.start.has_log() {
            return run;
        }
        loop {
            let before = run.logs.len();
            logs.iter().for_each(|log| run.take(log));
            if run.logs.len() == before {
                break;
            }
        }
        // Of those made before the run's end nothing is expected.
        let newest = run.logs.iter().map(|log| log.backup.number).max().unwrap_or(base.last().number);
        let later = logs.iter().filter(|log| log.number > newest).min_by_key(|log| log.number);
        run.broken = later.and_then(|log| match run.end.advance(log) {
            Advance::Broken(why) => Some(why),
            _ => None,
        });
        run
    }

    fn take(&mut self, log: &'a LogBackup) {
        let (end, is_needed) = match self.end.advance(log) {
            Advance::To(end) => (end, true),
            Advance::Idle if self.logs.iter().all(|applied| applied.backup.id != log.id) => (self.end.clone(), false),
            Advance::Idle | Advance::Passed | Advance::Broken(_) => return,
        };
        let covered = self.end.covered_until(log).unwrap_or(self.until());
        let until = covered.max(self.until());
        self.end = end;
        self.logs.push(Applied { backup: log, until, is_needed });
    }

    /// Up to when any moment can be restored.
    pub fn until(&self) -> DateTime<Utc> {
        self.logs.last().map_or_else(|| self.base.from(), |log| log.until)
    }
}
