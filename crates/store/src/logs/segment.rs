//! The rows of archived segments.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::LogSegment;
use domain::log_archive::{LogArchivingStatus, LogSegmentName, StoredLogs};

use crate::StoreError;
use crate::columns::{from_json, micros, size, time, to_json, word};
use crate::connection::AnyConnection;
use crate::schema::{log_archivers, log_segments};
use crate::storages;
use crate::transaction::Transaction;

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = log_segments, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct SegmentRow {
    pub datastore_id: String,
    pub incarnation: String,
    pub start_position: i64,
    pub end_position: i64,
    pub name: String,
    pub storage_id: String,
    pub closed: bool,
    pub first_commit_at: Option<i64>,
    pub last_commit_at: Option<i64>,
    pub gap_before: Option<String>,
    pub missing: bool,
    pub deleting: bool,
    pub objects: String,
    pub size_bytes: i64,
    pub archived_at: i64,
}

impl SegmentRow {
    pub fn into_segment(self) -> Result<LogSegment, StoreError> {
        let position = |position: i64| u64::try_from(position).unwrap_or(0);
        Ok(LogSegment {
            objects: from_json("log_segments.objects", &self.objects)?,
            start: position(self.start_position),
            end: position(self.end_position),
            closed: self.closed,
            first_commit_at: self.first_commit_at.map(time),
            last_commit_at: self.last_commit_at.map(time),
            gap_before: self.gap_before,
            incarnation: self.incarnation,
            name: self.name,
        })
    }
}

/// Writes a new or grown segment; says whether people should hear of it, which is when log is missing before it.
pub fn save(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    storage: &str,
    segment: &LogSegment,
) -> Result<bool, StoreError> {
    let row = SegmentRow {
        datastore_id: datastore.to_owned(),
        incarnation: segment.incarnation.clone(),
        start_position: size(segment.start),
        end_position: size(segment.end),
        name: segment.name.clone(),
        storage_id: storage.to_owned(),
        closed: segment.closed,
        first_commit_at: segment.first_commit_at.map(micros),
        last_commit_at: segment.last_commit_at.map(micros),
        gap_before: segment.gap_before.clone(),
        missing: false,
        deleting: false,
        objects: to_json("log_segments.objects", &segment.objects)?,
        size_bytes: size(segment.size_bytes()),
        archived_at: micros(transaction.now),
    };
    let known = log_segments::table.find((datastore, &segment.incarnation, &segment.name));
    if diesel::update(known).set(&row).execute(transaction.connection)? > 0 {
        return Ok(false);
    }
    diesel::insert_into(log_segments::table).values(&row).execute(transaction.connection)?;
    Ok(segment.gap_before.is_some())
}

/// Notes that a segment's objects are gone; says whether that is new.
pub fn mark_missing(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    segment: &LogSegmentName,
) -> Result<bool, StoreError> {
    let known = log_segments::table
        .find((datastore, &segment.incarnation, &segment.name))
        .filter(log_segments::missing.eq(false))
        .filter(log_segments::deleting.eq(false));
    Ok(diesel::update(known).set(log_segments::missing.eq(true)).execute(transaction.connection)? > 0)
}

/// The segments that retention let go and whose objects may still be there.
pub fn expired(transaction: &mut Transaction<'_>, datastore: &str) -> Result<Vec<StoredLogs>, StoreError> {
    let rows: Vec<SegmentRow> = log_segments::table
        .filter(log_segments::datastore_id.eq(datastore))
        .filter(log_segments::deleting.eq(true))
        .load(transaction.connection)?;
    stored(transaction, rows)
}

/// Rows as a worker takes them: those of one storage after the other, in the order given.
pub fn stored(transaction: &mut Transaction<'_>, rows: Vec<SegmentRow>) -> Result<Vec<StoredLogs>, StoreError> {
    let mut stored: Vec<StoredLogs> = Vec::new();
    for row in rows {
        let storage = row.storage_id.clone();
        let segment = row.into_segment()?;
        match stored.last_mut() {
            Some(last) if last.storage.id.to_string() == storage => last.segments.push(segment),
            _ => stored.push(StoredLogs {
                storage: storages::access(transaction.connection, transaction.key, &storage)?,
                segments: vec![segment],
            }),
        }
    }
    Ok(stored)
}

/// Forgets expired segments whose objects are gone. // F-73
pub fn delete(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    segments: &[LogSegmentName],
) -> Result<(), StoreError> {
    for segment in segments {
        let gone = log_segments::table
            .find((datastore, &segment.incarnation, &segment.name))
            .filter(log_segments::deleting.eq(true));
        diesel::delete(gone).execute(transaction.connection)?;
    }
    Ok(())
}

/// How archiving goes, and up to when it is complete.
pub type ArchivingOverview = (LogArchivingStatus, Option<DateTime<Utc>>);

/// How archiving goes for a page of datastores, by their ids.
pub fn overviews(
    connection: &mut AnyConnection,
    ids: &[String],
) -> Result<HashMap<String, ArchivingOverview>, StoreError> {
    let rows: Vec<(String, String, Option<i64>, bool)> = log_archivers::table
        .filter(log_archivers::datastore_id.eq_any(ids))
        .select((
            log_archivers::datastore_id,
            log_archivers::status,
            log_archivers::complete_until,
            log_archivers::is_based,
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(id, status, until, is_based)| {
            // Without a backup that leads into it, a log is no promise.
            Ok((id, (word("log_archivers.status", &status)?, until.map(time).filter(|_| is_based))))
        })
        .collect()
}
