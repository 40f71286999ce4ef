//! Windows and gaps from log backups.

use std::collections::BTreeMap;

use super::LogBackup;
use super::run::{Base, Run};
use crate::BackupType;
use crate::recovery::{Branch, Gap, Window};

/// All windows and gaps of a datastore, oldest first. A moment that can be reached from several backups counts once, for the
/// oldest; those of different branches may overlap. // F-60
pub(super) fn find(backups: &[LogBackup], branches: &[Branch]) -> (Vec<Window>, Vec<Gap>) {
    let mut windows = Vec::new();
    let mut gaps = Vec::new();
    for (branch, runs) in by_branch(backups, branches) {
        let runs: Vec<_> = runs.into_iter().filter(|run| !run.logs.is_empty()).collect();
        for (index, run) in runs.iter().enumerate() {
            let next = runs.get(index + 1);
            let (from, until) = (run.base.from(), run.until());
            let to = next.map_or(until, |next| until.min(next.base.from()));
            windows.push(Window { from, to, backup_id: run.base.last().id, branch: branch.clone() });
            if let Some(next) = next.filter(|next| next.base.from() > until) {
                let unknown = || {
                    let (before, after) = (last_number(run), next.base.last().number);
                    format!("No log backup goes on from backup {before} as far as backup {after}.")
                };
                let reason = run.broken.clone().unwrap_or_else(unknown);
                gaps.push(Gap { from: until, to: next.base.from(), reason, branch: branch.clone() });
            }
        }
    }
    windows.sort_by_key(|window| window.from);
    gaps.sort_by_key(|gap| gap.from);
    (windows, gaps)
}

fn last_number(run: &Run<'_>) -> i64 {
    run.logs.last().map_or(run.base.last().number, |log| log.backup.number)
}

/// The runs that none of the others contains, by branch, oldest first.
fn by_branch<'a>(backups: &'a [LogBackup], branches: &[Branch]) -> BTreeMap<String, Vec<Run<'a>>> {
    let mut bases: Vec<_> = Base::all(backups).collect();
    bases.sort_by_key(|base| (base.from(), base.last().number));
    let mut found: BTreeMap<String, Vec<Run<'a>>> = BTreeMap::new();
    for base in bases {
        let run = Run::of(base, &logs_of(backups, base.full));
        let runs = found.entry(branch_at(branches, base.last())).or_default();
        if !runs.iter().any(|other| other.contains(&run)) {
            runs.push(run);
        }
    }
    found
}

/// The log backups in the storage of a backup: a restore reads one storage.
pub(super) fn logs_of<'a>(backups: &'a [LogBackup], full: &LogBackup) -> Vec<&'a LogBackup> {
    let is_log = |log: &&LogBackup| log.backup_type == BackupType::Log && log.storage_id == full.storage_id;
    backups.iter().filter(is_log).collect()
}

/// The branch that the server was on when a backup was made: its log numbers don't tell an undo.
fn branch_at(branches: &[Branch], backup: &LogBackup) -> String {
    let at = backup.ended_at;
    let holds = |branch: &&Branch| branch.from <= at && branch.to.is_none_or(|to| at <= to);
    let branch = branches.iter().filter(holds).max_by_key(|branch| branch.from);
    branch.map_or_else(|| crate::log_archive::FIRST_BRANCH.to_owned(), |branch| branch.branch.clone())
}

impl Run<'_> {
    /// Whether another run begins inside of this one and so ends with it.
    fn contains(&self, other: &Self) -> bool {
        self.start.is_reached_by(&other.start) && other.start.is_reached_by(&self.end)
    }
}
