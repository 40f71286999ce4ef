//! Whether a differential or log backup would build on the parent that the catalog has for it. Databases are backed up by others,
//! too, and restored: the server is asked, by log sequence number and recovery fork, never by time or name. // F-53

use domain::transaction_log::LogRange;
use domain::{BackupType, Manifest};

use super::facts::DatabaseFacts;
use crate::EngineError;

/// Compares each database with what the parent holds of it.
///
/// # Errors
/// [`EngineError::ParentUnusable`] with the first database that does not fit.
pub(super) fn check(
    parent: &Manifest,
    databases: &[DatabaseFacts],
    backup_type: BackupType,
) -> Result<(), EngineError> {
    if backup_type == BackupType::Log {
        log_goes_on(parent, databases)?;
    }
    for database in databases {
        let range = parent.log_ranges.iter().find(|range| range.database == database.name);
        let judged = match (range, backup_type) {
            (None, _) => Err("was not in the backup before, or could not be built upon then".to_owned()),
            (Some(range), BackupType::Log) => log_follows(range, database),
            (Some(range), _) => base_is(range, database),
        };
        judged
            .map_err(|what| EngineError::ParentUnusable { reason: format!("database {:?} {what}", database.name) })?;
    }
    Ok(())
}

/// Each database whose log the parent holds must be in the next one: a line of log backups holds the same databases throughout.
fn log_goes_on(parent: &Manifest, databases: &[DatabaseFacts]) -> Result<(), EngineError> {
    let is_gone = |range: &&LogRange| !databases.iter().any(|database| database.name == range.database);
    let Some(gone) = parent.log_ranges.iter().filter(|range| range.keeps_log).find(is_gone) else { return Ok(()) };
    let reason = format!("database {:?} is not there any more, not online, or keeps no log now", gone.database);
    Err(EngineError::ParentUnusable { reason })
}

fn same_fork(range: &LogRange, database: &DatabaseFacts) -> Result<(), String> {
    if database.fork == Some(range.recovery_fork) {
        return Ok(());
    }
    Err("was restored or made anew since the backup before".to_owned())
}

/// A differential backup holds what changed since its base, the newest full backup that is not copy-only, whoever made it.
fn base_is(range: &LogRange, database: &DatabaseFacts) -> Result<(), String> {
    same_fork(range, database)?;
    match database.differential_base {
        Some(base) if base == range.checkpoint_lsn => Ok(()),
        Some(_) if range.is_copy_only => Err("was backed up copy-only, which nothing can be built on".to_owned()),
        Some(base) => Err(format!(
            "has had a full backup by somebody else (at LSN {base}, not {}), and differential backups are built on the newest",
            range.checkpoint_lsn
        )),
        None => Err("has no full backup that a differential one could be built on".to_owned()),
    }
}

/// A log backup begins where the one before it ended, whoever made that one.
fn log_follows(range: &LogRange, database: &DatabaseFacts) -> Result<(), String> {
    let Some(start) = database.log_start else {
        return Err("has a broken log chain: its recovery model was SIMPLE since the last backup of its log".to_owned());
    };
    same_fork(range, database)?;
    if start > range.last_lsn {
        return Err(format!(
            "has a gap in its log: what is not backed up begins at LSN {start} and the last backup here ends at {}; somebody else \
             backed up its log, or such a backup was lost",
            range.last_lsn
        ));
    }
    Ok(())
}
