//! Why the next differential or log backup can't be built on those that there are, as far as the catalog tells. What only the
//! server knows it is asked by the worker.

use super::LogBackup;
use super::run::{Base, Run};
use super::windows::logs_of;
use crate::BackupType;

/// How many log backups may follow one full backup. Each makes a restore a little longer.
pub const MAXIMUM_LOGS: usize = 5_000;

/// Why a full backup has to be made instead, as the end of a sentence; null when one of the type can be built. `backups` are
/// the newest full backup and those after it. // F-60, F-70
pub(super) fn obstacle(backup_type: BackupType, backups: &[LogBackup]) -> Option<String> {
    let full = backups.iter().filter(|backup| backup.backup_type == BackupType::Full).max_by_key(|full| full.number)?;
    match backup_type {
        BackupType::Full | BackupType::Incremental => None,
        BackupType::Differential => foreign_full(full, backups),
        BackupType::Log => gap(full, backups),
    }
}

/// Whether somebody else has made a full backup, on which the server would build the next differential one.
fn foreign_full(full: &LogBackup, backups: &[LogBackup]) -> Option<String> {
    let later = backups.iter().filter(|backup| backup.number > full.number);
    let mut seen: Vec<_> = later.flat_map(|backup| backup.ranges.iter().map(move |range| (backup, range))).collect();
    seen.sort_by_key(|(backup, _)| backup.number);
    seen.into_iter().find_map(|(backup, range)| {
        let own = full.ranges.iter().find(|own| own.database == range.database)?;
        let base = range.differential_base_lsn.unwrap_or(range.database_backup_lsn);
        (base != own.checkpoint_lsn).then(|| {
            format!(
                "somebody else has made a full backup of database {} since backup {}, backup {} tells",
                range.database, full.number, backup.number
            )
        })
    })
}

/// Whether the newest log backup can't be applied itself.
fn gap(full: &LogBackup, backups: &[LogBackup]) -> Option<String> {
    let base = Base::of(full, backups)?;
    let logs: Vec<_> = logs_of(backups, full).into_iter().filter(|log| log.number > full.number).collect();
    let run = Run::of(base, &logs);
    if !run.start.has_log() {
        return Some(format!("no database of backup {} keeps its log", full.number));
    }
    if logs.len() >= MAXIMUM_LOGS {
        return Some(format!("{} log backups follow backup {}", logs.len(), full.number));
    }
    run.broken.map(|why| format!("the log has a gap. {why}"))
}
