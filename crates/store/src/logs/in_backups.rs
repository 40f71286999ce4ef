//! Logs that are in backups: what the rules of [`domain::transaction_log`] look at, and the backups that a restore is given.

use diesel::prelude::*;
use domain::assignment::BackupReference;
use domain::transaction_log::{LogBackup, LogRange, backups_for, backups_of, is_continued_by};
use domain::{BackupType, JobStatus, Method, RecoveryStop, VerificationStatus};
use uuid::Uuid;

use crate::StoreError;
use crate::backups::row::BackupRow;
use crate::columns::{from_json, optional_uuid, time, uuid, word};
use crate::connection::{AnyConnection, MultiBackend};
use crate::schema::backups;
use crate::transaction::Transaction;

/// What is written for a backup that holds no log.
pub const NO_RANGES: &str = "[]";

/// The completed backups of a datastore that hold log.
fn rows(datastore: &str) -> backups::BoxedQuery<'_, MultiBackend> {
    backups::table
        .filter(backups::datastore_id.eq(datastore))
        .filter(backups::status.eq(JobStatus::Completed.as_str()))
        .filter(backups::log_ranges.ne(NO_RANGES))
        .order(backups::number.asc())
        .into_boxed()
}

fn read(row: &BackupRow) -> Result<LogBackup, StoreError> {
    Ok(LogBackup {
        id: uuid("backups.id", &row.id)?,
        number: row.number,
        backup_type: word("backups.type", &row.backup_type)?,
        parent_id: optional_uuid("backups.parent_id", row.parent_id.as_deref())?,
        storage_id: uuid("backups.storage_id", &row.storage_id)?,
        ended_at: time(row.ended_at.unwrap_or(row.created_at)),
        ranges: from_json("backups.log_ranges", &row.log_ranges)?,
    })
}

/// All backups of a datastore that log can be restored from.
pub fn log_backups(connection: &mut AnyConnection, datastore: &str) -> Result<Vec<LogBackup>, StoreError> {
    let rows: Vec<BackupRow> = rows(datastore)
        .filter(backups::deleting.eq(false))
        .filter(backups::verification.ne(VerificationStatus::Failed.as_str()))
        .load(connection)?;
    rows.iter().map(read).collect()
}

/// The newest full backup by a method and all after it, in order, whatever their state: what the next one may be built on.
pub fn newest_line(
    connection: &mut AnyConnection,
    datastore: &str,
    method: Method,
) -> Result<Vec<(BackupRow, LogBackup)>, StoreError> {
    let Some(newest) = newest_full(connection, datastore, method, i64::MAX)? else { return Ok(Vec::new()) };
    let rows: Vec<BackupRow> = rows(datastore)
        .filter(backups::method.eq(method.as_str()))
        .filter(backups::number.ge(newest.number))
        .load(connection)?;
    rows.into_iter().map(|row| Ok((row.clone(), read(&row)?))).collect()
}

/// The full backup that a log backup hangs on by way of its parent, another log backup. Null where there is none between.
pub fn chain_start(connection: &mut AnyConnection, parent: &BackupRow) -> Result<Option<BackupReference>, StoreError> {
    if parent.backup_type != BackupType::Log.as_str() {
        return Ok(None);
    }
    let method = word("backups.method", &parent.method)?;
    let full = newest_full(connection, &parent.datastore_id, method, parent.number)?;
    full.map(|full| Ok(BackupReference { id: uuid("backups.id", &full.id)?, manifest_sha256: full.manifest_sha256 }))
        .transpose()
}

/// The newest full backup by a method among those up to a number.
fn newest_full(
    connection: &mut AnyConnection,
    datastore: &str,
    method: Method,
    up_to: i64,
) -> Result<Option<BackupRow>, StoreError> {
    Ok(rows(datastore)
        .filter(backups::method.eq(method.as_str()))
        .filter(backups::backup_type.eq(BackupType::Full.as_str()))
        .filter(backups::number.le(up_to))
        .order(backups::number.desc())
        .first(connection)
        .optional()?)
}

/// The backups that a restore of a backup takes, to a stop or to exactly what it holds. None for a backup that holds no log, and
/// without a stop for one that is built on what is not whole: the storage tells what is wrong.
///
/// # Errors
/// [`StoreError::StopRefused`].
pub fn applied(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    backup: Uuid,
    stop: Option<&RecoveryStop>,
) -> Result<Vec<BackupReference>, StoreError> {
    let known = log_backups(transaction.connection, datastore)?;
    if known.iter().all(|other| other.id != backup) {
        return Ok(Vec::new());
    }
    let taken = match stop {
        Some(stop) => backups_for(backup, stop, &known, transaction.now).map_err(StoreError::StopRefused)?,
        None => backups_of(backup, &known).unwrap_or_default(),
    };
    let digests: Vec<(String, Option<String>)> =
        rows(datastore).select((backups::id, backups::manifest_sha256)).load(transaction.connection)?;
    let reference = |backup: &LogBackup| {
        let text = backup.id.to_string();
        let digest = digests.iter().find(|(id, _)| *id == text).and_then(|(_, digest)| digest.clone());
        BackupReference { id: backup.id, manifest_sha256: digest }
    };
    Ok(taken.into_iter().map(reference).collect())
}

/// Up to when each of these datastores can be restored with its newest log backup.
pub fn covered_until(
    connection: &mut AnyConnection,
    datastores: &[String],
) -> Result<Vec<(String, chrono::DateTime<chrono::Utc>)>, StoreError> {
    let numbers: Vec<Option<i64>> = backups::table
        .filter(backups::datastore_id.eq_any(datastores))
        .filter(backups::status.eq(JobStatus::Completed.as_str()))
        .filter(backups::backup_type.eq(BackupType::Log.as_str()))
        .filter(backups::deleting.eq(false))
        .group_by(backups::datastore_id)
        .select(diesel::dsl::max(backups::number))
        .load(connection)?;
    let newest: Vec<BackupRow> =
        backups::table.filter(backups::number.eq_any(numbers.into_iter().flatten())).load(connection)?;
    let parents: Vec<BackupRow> = backups::table
        .filter(backups::id.eq_any(newest.iter().filter_map(|row| row.parent_id.as_ref())))
        .load(connection)?;
    let mut found = Vec::new();
    for row in newest {
        let Some(parent) = parents.iter().find(|parent| Some(&parent.id) == row.parent_id.as_ref()) else { continue };
        if let Some(until) = is_continued_by(&read(parent)?, &read(&row)?) {
            found.push((row.datastore_id, until));
        }
    }
    Ok(found)
}

/// The column's text.
pub fn column(ranges: &[LogRange]) -> Result<String, StoreError> {
    crate::columns::to_json("backups.log_ranges", &ranges)
}
