//! What the server reads out of a backup in the shared place.

use chrono::{DateTime, Duration, FixedOffset, NaiveDateTime, TimeZone, Utc};
use domain::transaction_log::LogRange;
use domain::{BackupType, ErrorCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::facts::lsn;
use super::row::Row;
use crate::EngineError;

/// `BackupType` in a header.
const DATABASE: i128 = 1;
const LOG: i128 = 2;
const DIFFERENTIAL: i128 = 5;

/// A header, as far as it is of use.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub range: LogRange,
    pub set_guid: Option<Uuid>,
}

/// One file of a database in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BackedUpFile {
    pub logical: String,
    pub physical: String,
    pub is_log: bool,
    pub size_bytes: u64,
}

impl Header {
    /// Reads the answer to `RESTORE HEADERONLY`. `clock` is the server's, for the offset that its times are told in.
    ///
    /// # Errors
    /// `backup_incomplete` when it is not the whole backup of that database and type.
    pub(super) fn read(
        rows: &[Row],
        database: &str,
        backup_type: BackupType,
        clock: DateTime<FixedOffset>,
    ) -> Result<Self, EngineError> {
        let wrong = |what: &str| {
            EngineError::known(
                ErrorCode::BackupIncomplete,
                format!("The backup of {database} {what}, its header says."),
            )
        };
        let [row] = rows else { return Err(wrong("is not the only one in its file")) };
        let expected = match backup_type {
            BackupType::Log => LOG,
            BackupType::Differential | BackupType::Incremental => DIFFERENTIAL,
            BackupType::Full => DATABASE,
        };
        if row.number("BackupType") != Some(expected) || row.text("DatabaseName") != Some(database) {
            return Err(wrong("is another database's or of another type"));
        }
        if row.is_set("IsDamaged") || row.is_set("HasIncompleteMetaData") {
            return Err(wrong("is damaged or incomplete"));
        }
        let fork = row.guid("RecoveryForkID").ok_or_else(|| wrong("has no recovery fork"))?;
        let number = |name: &'static str| lsn(row, name).ok_or_else(|| wrong("has no log sequence numbers"));
        // A log backup holds what was committed when it began; the others stand at their end, whose second is not over.
        let until = match backup_type {
            BackupType::Log => row.time("BackupStartDate"),
            _ => row.time("BackupFinishDate").map(up_to_a_whole_second),
        };
        Ok(Self {
            range: LogRange {
                database: database.to_owned(),
                recovery_fork: fork,
                first_recovery_fork: row.guid("FirstRecoveryForkID").filter(|first| *first != fork),
                fork_point_lsn: lsn(row, "ForkPointLSN"),
                first_lsn: number("FirstLSN")?,
                last_lsn: number("LastLSN")?,
                checkpoint_lsn: number("CheckpointLSN")?,
                database_backup_lsn: number("DatabaseBackupLSN")?,
                differential_base_lsn: lsn(row, "DifferentialBaseLSN").filter(|_| expected == DIFFERENTIAL),
                keeps_log: row.text("RecoveryModel") != Some("SIMPLE"),
                covered_until: until.and_then(|until| utc(until, clock)).ok_or_else(|| wrong("has no times"))?,
                is_copy_only: row.is_set("IsCopyOnly"),
            },
            set_guid: row.guid("BackupSetGUID"),
        })
    }
}

/// Headers tell whole seconds.
fn up_to_a_whole_second(time: NaiveDateTime) -> NaiveDateTime {
    let beyond = Duration::milliseconds(time.and_utc().timestamp_subsec_millis().into());
    if beyond.is_zero() { time + Duration::seconds(1) } else { time - beyond + Duration::seconds(1) }
}

fn utc(local: NaiveDateTime, clock: DateTime<FixedOffset>) -> Option<DateTime<Utc>> {
    clock.offset().from_local_datetime(&local).single().map(|time| time.to_utc())
}

/// Reads the answer to `RESTORE FILELISTONLY`.
pub(super) fn files(rows: &[Row]) -> Vec<BackedUpFile> {
    let file = |row: &Row| {
        Some(BackedUpFile {
            logical: row.text("LogicalName")?.to_owned(),
            physical: row.text("PhysicalName")?.to_owned(),
            is_log: row.text("Type") == Some("L"),
            size_bytes: row.size("Size")?,
        })
    };
    rows.iter().filter_map(file).collect()
}
