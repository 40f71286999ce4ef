//! Logs that are backed up instead of streamed: what each backup holds of the transaction log of each of a server's
//! databases, and what follows from it.
//!
//! SQL Server keeps one log per database and lets go of what a log backup has taken. A line of log is told apart by its
//! *recovery fork*: a database that was restored goes on with a new one, whose log sequence numbers come again with other
//! content. So everything here goes by fork and number, never by time or name. // F-53, F-60, F-61

mod lsn;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
