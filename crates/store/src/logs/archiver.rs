//! Who archives a datastore's logs, and how it goes.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use domain::log_archive::{
    ARCHIVER_LEASE_SECONDS, ArchiverAssignment, ArchiverClaim, ArchiverClaims, ArchiverReport, LogArchiving,
    LogArchivingStatus,
};
use domain::{EventKind, JobKind};
use uuid::Uuid;

use super::segment;
use crate::columns::{error, from_json, micros, size, time, to_json, uuid, word};
use crate::connection::AnyConnection;
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::jobs::create::insert_sealed;
use crate::schema::{datastores, jobs, log_archivers, log_segments};
use crate::transaction::Transaction;
use crate::{Store, StoreError, storages, upkeep, workers};

/// How often the growth of an open segment is archived, in seconds: what a person loses at most, with the time that one
/// upload takes.
const INTERVAL_SECONDS: u64 = 5;

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = log_archivers, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct ArchiverRow {
    pub datastore_id: String,
    pub worker: Option<String>,
    pub suspended_by: Option<String>,
    pub epoch: i64,
    pub lease_until: Option<i64>,
    pub status: String,
    pub error_code: Option<String>,
    pub error_detail: Option<String>,
    pub incarnation: Option<String>,
    pub complete_until: Option<i64>,
    pub is_based: bool,
    pub lag_bytes: Option<i64>,
    pub warnings: String,
    pub updated_at: i64,
}

impl ArchiverRow {
    fn save(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        diesel::update(log_archivers::table.find(&self.datastore_id)).set(self).execute(connection)?;
        Ok(())
    }

    /// How it goes, for people.
    pub fn into_archiving(self, last_commit_at: Option<DateTime<Utc>>) -> Result<LogArchiving, StoreError> {
        let error = error(self.error_code.as_deref(), self.error_detail.as_deref())?;
        Ok(LogArchiving {
            status: word("log_archivers.status", &self.status)?,
            worker: self.worker,
            code: error.as_ref().map(|error| error.code),
            detail: error.map(|error| error.detail),
            complete_until: self.complete_until.map(time),
            last_commit_at,
            lag_bytes: self.lag_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            warnings: from_json("log_archivers.warnings", &self.warnings)?,
        })
    }
}

pub fn find(connection: &mut AnyConnection, datastore: &str) -> Result<Option<ArchiverRow>, StoreError> {
    Ok(log_archivers::table.find(datastore).first(connection).optional()?)
}

/// Begins to archive a datastore's logs; changes nothing where that is so already.
pub fn begin(transaction: &mut Transaction<'_>, datastore: &str) -> Result<(), StoreError> {
    if find(transaction.connection, datastore)?.is_some() {
        return Ok(());
    }
    let row = ArchiverRow {
        datastore_id: datastore.to_owned(),
        worker: None,
        suspended_by: None,
        // Greater than that of any row before, whose worker may still report.
        epoch: micros(transaction.now),
        lease_until: None,
        status: LogArchivingStatus::Waiting.as_str().to_owned(),
        error_code: None,
        error_detail: None,
        incarnation: None,
        complete_until: None,
        is_based: false,
        lag_bytes: None,
        warnings: "[]".to_owned(),
        updated_at: micros(transaction.now),
    };
    diesel::insert_into(log_archivers::table).values(&row).execute(transaction.connection)?;
    Ok(())
}

/// Ends it, and has a worker take back what the server keeps for us. The access is sealed in the job, since the datastore may
/// be gone by then. // F-52
pub fn end(transaction: &mut Transaction<'_>, datastore: DatastoreRow) -> Result<(), StoreError> {
    if diesel::delete(log_archivers::table.find(&datastore.id)).execute(transaction.connection)? == 0 {
        return Ok(());
    }
    let (name, worker) = (datastore.name.clone(), datastore.worker.clone());
    let access = to_json("jobs.input", &datastore.access(transaction.connection, transaction.key)?)?;
    insert_sealed(transaction, JobKind::EndLogArchiving, name, worker, &access)?;
    Ok(())
}

/// Lets archiving go on after a job that had suspended it.
pub fn resume(transaction: &mut Transaction<'_>, job: &str) -> Result<(), StoreError> {
    diesel::update(log_archivers::table.filter(log_archivers::suspended_by.eq(job)))
        .set(log_archivers::suspended_by.eq(None::<String>))
        .execute(transaction.connection)?;
    Ok(())
}

impl Store {
    /// All datastores whose logs a worker archives from now on: those that it held and those that nobody holds.
    pub fn log_archivers_claim(&self, claim: &ArchiverClaim, now: DateTime<Utc>) -> Result<ArchiverClaims, StoreError> {
        let nobody = ArchiverClaims { lease_seconds: ARCHIVER_LEASE_SECONDS, assignments: Vec::new() };
        if self.read(|connection| Ok(log_archivers::table.count().get_result::<i64>(connection)?))? == 0 {
            return Ok(nobody);
        }
        self.write(now, |transaction| {
            workers::seen(transaction, &claim.worker)?;
            let name = &claim.worker.name;
            let rows: Vec<ArchiverRow> = log_archivers::table
                .inner_join(datastores::table)
                .filter(datastores::worker.is_null().or(datastores::worker.eq(name)))
                .order(log_archivers::datastore_id.asc())
                .select(log_archivers::all_columns)
                .load(transaction.connection)?;
            let mut assignments = Vec::new();
            for row in rows {
                assignments.extend(take(transaction, row, claim)?);
            }
            Ok(ArchiverClaims { assignments, ..nobody.clone() })
        })
    }

    /// The datastores whose logs are to be archived.
    pub fn log_archived_datastores(&self) -> Result<Vec<Uuid>, StoreError> {
        self.read(|connection| {
            let ids: Vec<String> = log_archivers::table.select(log_archivers::datastore_id).load(connection)?;
            ids.iter().map(|id| uuid("log_archivers.datastore_id", id)).collect()
        })
    }

    /// Notes whether a backup leads into the log that is archived now, up to its end.
    pub fn log_archiver_based(&self, datastore_id: Uuid, is_based: bool, now: DateTime<Utc>) -> Result<(), StoreError> {
        let changed = log_archivers::table.find(datastore_id.to_string()).filter(log_archivers::is_based.ne(is_based));
        if self.read(|connection| Ok(changed.clone().count().get_result::<i64>(connection)?))? == 0 {
            return Ok(());
        }
        self.write(now, |transaction| {
            diesel::update(changed.clone())
                .set(log_archivers::is_based.eq(is_based))
                .execute(transaction.connection)?;
            transaction.changed(EventKind::Datastore, datastore_id, Some(datastore_id));
            Ok(())
        })
    }

    /// Records what a worker archived and how it goes.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when another worker has taken over, or nobody is to archive it any more. // F-11
    pub fn log_archiver_report(
        &self,
        datastore_id: Uuid,
        report: &ArchiverReport,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let id = datastore_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&id)?;
            let mut row = find(transaction.connection, &id)?.ok_or(StoreError::LeaseLost)?;
            if row.epoch != report.epoch || row.worker.is_none() {
                return Err(StoreError::LeaseLost);
            }
            let storage = datastore_row::find(transaction.connection, &id)?.storage_id;
            let mut is_news = false;
            for segment in &report.segments {
                is_news |= segment::save(transaction, &id, &storage, segment)?;
            }
            for missing in &report.missing {
                is_news |= segment::mark_missing(transaction, &id, missing)?;
            }
            is_news |= row.status != report.status.as_str();
            row.status = report.status.as_str().to_owned();
            row.error_code = report.code.map(|code| code.as_str().to_owned());
            row.error_detail = report.detail.as_deref().map(crate::columns::without_nul);
            if let (Some(incarnation), Some(until)) = (&report.incarnation, report.complete_until) {
                row.incarnation = Some(incarnation.clone());
                row.complete_until = Some(micros(until.min(now)));
            }
            row.lag_bytes = report.lag_bytes.map(size);
            row.warnings = to_json("log_archivers.warnings", &report.warnings)?;
            row.updated_at = micros(now);
            row.save(transaction.connection)?;
            if is_news {
                transaction.changed(EventKind::Datastore, datastore_id, Some(datastore_id));
            }
            Ok(())
        })
    }

    /// Asks that nobody archives the logs of a job's datastore until the job ends, and says whether that is so.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is not that attempt's any more.
    pub fn log_archiver_suspend(&self, job_id: Uuid, attempt: i32, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let job_id = job_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_job(&job_id)?;
            let held: Option<Option<String>> = jobs::table
                .find(&job_id)
                .filter(jobs::attempt.eq(attempt))
                .filter(jobs::status.eq(domain::JobStatus::Running.as_str()))
                .select(jobs::datastore_id)
                .first(transaction.connection)
                .optional()?;
            let Some(datastore) = held.ok_or(StoreError::LeaseLost)? else { return Ok(true) };
            transaction.lock_datastore(&datastore)?;
            let Some(mut row) = find(transaction.connection, &datastore)? else { return Ok(true) };
            row.suspended_by = Some(job_id.clone());
            if row.lease_until.is_none_or(|until| until < micros(now)) {
                row.worker = None;
            }
            row.save(transaction.connection)?;
            Ok(row.worker.is_none())
        })
    }

    /// Every archived segment of a datastore's log that should be in its present storage, oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn log_segments(&self, datastore_id: Uuid) -> Result<Vec<domain::LogSegment>, StoreError> {
        let id = datastore_id.to_string();
        self.read(|connection| {
            let storage = datastore_row::find(connection, &id)?.storage_id;
            let rows: Vec<segment::SegmentRow> = log_segments::table
                .filter(log_segments::datastore_id.eq(&id))
                .filter(log_segments::storage_id.eq(storage))
                .filter(log_segments::missing.eq(false))
                .filter(log_segments::deleting.eq(false))
                .order((log_segments::incarnation.asc(), log_segments::start_position.asc()))
                .load(connection)?;
            rows.into_iter().map(segment::SegmentRow::into_segment).collect()
        })
    }
}

/// Gives a worker the archiving of a datastore, or keeps it there; null when it is another's, or nobody's for now.
fn take(
    transaction: &mut Transaction<'_>,
    mut row: ArchiverRow,
    claim: &ArchiverClaim,
) -> Result<Option<ArchiverAssignment>, StoreError> {
    let now = transaction.now;
    let id = uuid("log_archivers.datastore_id", &row.datastore_id)?;
    let is_mine = row.worker.as_ref() == Some(&claim.worker.name);
    let is_free = row.worker.is_none() || row.lease_until.is_none_or(|until| until < micros(now));
    if row.suspended_by.is_some() {
        if is_mine && !claim.holds.contains(&id) {
            row.worker = None;
            row.save(transaction.connection)?;
        }
        return Ok(None);
    }
    if !is_mine && !is_free {
        return Ok(None);
    }
    let is_begun = !is_mine || !claim.holds.contains(&id);
    if is_begun {
        row.epoch += 1;
        row.worker = Some(claim.worker.name.clone());
    }
    let renewed_below = micros(now + Duration::seconds(ARCHIVER_LEASE_SECONDS * 2 / 3));
    if is_begun || row.lease_until.is_none_or(|until| until < renewed_below) {
        row.lease_until = Some(micros(now + Duration::seconds(ARCHIVER_LEASE_SECONDS)));
        row.save(transaction.connection)?;
    }
    let datastore = datastore_row::find(transaction.connection, &row.datastore_id)?;
    Ok(Some(ArchiverAssignment {
        epoch: row.epoch,
        branch: datastore.log_branch.clone(),
        storage: storages::access(transaction.connection, transaction.key, &datastore.storage_id)?,
        compression_level: upkeep::settings(transaction.connection, &datastore)?.compression_level,
        datastore: datastore.access(transaction.connection, transaction.key)?,
        interval_seconds: INTERVAL_SECONDS,
    }))
}
