//! Logs that are backed up instead of streamed: what each backup holds of the transaction log of each of a server's
//! databases, and what follows from it.
//!
//! SQL Server keeps one log per database and lets go of what a log backup has taken. A line of log is told apart by its
//! *recovery fork*: a database that was restored goes on with a new one, whose log sequence numbers come again with other
//! content. So everything here goes by fork and number, never by time or name. // F-53, F-60, F-61

mod continuation;
mod lsn;
mod place;
mod run;
mod stop;
mod windows;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::BackupType;
use crate::log_archive::RecoveryStop;
use crate::recovery::{Branch, Gap, StopRefusal, Window};

pub use continuation::MAXIMUM_LOGS;
pub use lsn::{InvalidLsn, Lsn};

/// What one backup holds of one database's transaction log, as its header tells (T-SQL reference, `RESTORE HEADERONLY`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = TransactionLogRange))]
pub struct LogRange {
    pub database: String,
    /// The line of log that it ends on (`RecoveryForkID`).
    pub recovery_fork: Uuid,
    /// The line that it begins on, where it goes over from one to the next (`FirstRecoveryForkID`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_recovery_fork: Option<Uuid>,
    /// Where it goes over, then (`ForkPointLSN`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_point_lsn: Option<Lsn>,
    /// Of its oldest record.
    pub first_lsn: Lsn,
    /// Of the first record behind it.
    pub last_lsn: Lsn,
    /// Of a full backup: what a differential on it names as its base.
    pub checkpoint_lsn: Lsn,
    /// The checkpoint of the newest full backup before it, whoever made that one.
    pub database_backup_lsn: Lsn,
    /// Of a differential: the checkpoint of the full backup that it is built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differential_base_lsn: Option<Lsn>,
    /// Up to when it holds what was committed, by the server's clock.
    pub covered_until: DateTime<Utc>,
    /// Whether the database kept its log for log backups then (recovery model FULL or BULK_LOGGED). One that did not can be
    /// restored to the ends of its backups alone.
    #[serde(default = "yes")]
    pub keeps_log: bool,
    /// Whether it stands beside the line of backups: nothing is built on such a full, and such a log frees no log.
    #[serde(default)]
    pub is_copy_only: bool,
}

const fn yes() -> bool {
    true
}

/// A completed backup of a datastore whose log is in backups, with what it holds. Those that are being deleted or were found
/// damaged are left out by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBackup {
    pub id: Uuid,
    /// Grows from backup to backup.
    pub number: i64,
    pub backup_type: BackupType,
    pub parent_id: Option<Uuid>,
    pub storage_id: Uuid,
    /// By the control plane's clock.
    pub ended_at: DateTime<Utc>,
    pub ranges: Vec<LogRange>,
}

/// All windows and gaps of a datastore, oldest first, of `backups` in any order.
///
/// All databases of a backup count together: a window ends where the log of one of them does, and the gap names it. A database
/// that does not keep its log does not count; a restore brings it back as it was in the newest full or differential backup.
pub fn windows(backups: &[LogBackup], branches: &[Branch]) -> (Vec<Window>, Vec<Gap>) {
    windows::find(backups, branches)
}

/// The backups that a restore of a backup to a stop takes, in the order in which they are applied. `now` is a moment that the
/// stop may not lie after.
///
/// # Errors
/// With the nearest instants that can be reached: `pitr_time_in_future`, `pitr_time_before_backup`, `pitr_time_not_covered`;
/// `pitr_not_supported` for a position.
pub fn backups_for<'a>(
    backup: Uuid,
    stop: &RecoveryStop,
    backups: &'a [LogBackup],
    now: DateTime<Utc>,
) -> Result<Vec<&'a LogBackup>, StopRefusal> {
    stop::backups_for(backup, stop, backups, now)
}

/// The backups that a restore to exactly what a backup holds takes, in the order in which they are applied: as short a way as that
/// to a stop. Null when those that it is built on are not all there, or not whole.
pub fn backups_of(backup: Uuid, backups: &[LogBackup]) -> Option<Vec<&LogBackup>> {
    stop::backups_of(backup, backups)
}

/// The moments that can be restored without any log: the ends of full and differential backups.
pub fn own_ends(backups: &[LogBackup]) -> impl Iterator<Item = DateTime<Utc>> {
    run::Base::all(backups).map(|base| base.from())
}

/// Up to when everything is known after a log backup that goes on from another backup; null where it does not.
pub fn is_continued_by(backup: &LogBackup, log: &LogBackup) -> Option<DateTime<Utc>> {
    use place::{Advance, Position};
    let position = Position::after(backup);
    match position.advance(log) {
        Advance::To(_) | Advance::Idle => position.covered_until(log),
        Advance::Passed | Advance::Broken(_) => None,
    }
}

/// Why the next backup of a type has to be a full one, as the end of a sentence; null when it can be built on `backups`, the
/// newest full one and those after it.
pub fn obstacle(backup_type: BackupType, backups: &[LogBackup]) -> Option<String> {
    continuation::obstacle(backup_type, backups)
}

#[cfg(test)]
mod tests;
