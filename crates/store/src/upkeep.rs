//! What is set for a datastore's backups, and the facts from which their retention is planned.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::retention::BackupFacts;
use domain::{BackupSettings, EventKind, Job, JobKind, JobStatus, VerificationStatus};
use uuid::Uuid;

use crate::backups::row::BackupRow;
use crate::columns::{from_json, micros, optional_uuid, time, to_json, uuid, word};
use crate::connection::AnyConnection;
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::jobs::condition;
use crate::jobs::create::{NewJob, insert};
use crate::schema::{backup_settings, backup_totals, backups, datastores, jobs, upkeep};
use crate::transaction::Transaction;
use crate::{Store, StoreError, logs, storages};

/// When the service last looked after a datastore's stored backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upkeep {
    pub datastore_id: Uuid,
    pub created_at: DateTime<Utc>,
    /// When its settings were last saved.
    pub settings_at: Option<DateTime<Utc>>,
    /// When its retention was last planned without being blocked.
    pub retained_at: Option<DateTime<Utc>>,
    /// When its storage was last swept.
    pub swept_at: Option<DateTime<Utc>>,
}

#[derive(Queryable)]
struct UpkeepRow {
    datastore_id: String,
    created_at: i64,
    settings_at: Option<i64>,
    retained_at: Option<i64>,
    swept_at: Option<i64>,
}

impl UpkeepRow {
    fn into_upkeep(self) -> Result<Upkeep, StoreError> {
        Ok(Upkeep {
            datastore_id: uuid("datastores.id", &self.datastore_id)?,
            created_at: time(self.created_at),
            settings_at: self.settings_at.map(time),
            retained_at: self.retained_at.map(time),
            swept_at: self.swept_at.map(time),
        })
    }
}

/// The settings of a datastore. The storage is the datastore's own, so that there is one truth about it.
pub(crate) fn settings(connection: &mut AnyConnection, datastore: &DatastoreRow) -> Result<BackupSettings, StoreError> {
    let storage_id = uuid("datastores.storage_id", &datastore.storage_id)?;
    let saved: Option<String> =
        backup_settings::table.find(&datastore.id).select(backup_settings::settings).first(connection).optional()?;
    Ok(match saved {
        Some(saved) => BackupSettings { storage_id, ..from_json("backup_settings.settings", &saved)? },
        None => BackupSettings::new(storage_id),
    })
}

/// Notes a time of upkeep. The caller holds the datastore's lock.
fn note(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    retained_at: Option<i64>,
    swept_at: Option<i64>,
) -> Result<(), StoreError> {
    let known: Option<(Option<i64>, Option<i64>)> = upkeep::table
        .find(datastore)
        .select((upkeep::retained_at, upkeep::swept_at))
        .first(transaction.connection)
        .optional()?;
    let (known_retained, known_swept) = known.unwrap_or_default();
    let times = (upkeep::retained_at.eq(retained_at.or(known_retained)), upkeep::swept_at.eq(swept_at.or(known_swept)));
    if known.is_some() {
        diesel::update(upkeep::table.find(datastore)).set(times).execute(transaction.connection)?;
    } else {
        let row = (upkeep::datastore_id.eq(datastore), times.0, times.1);
        diesel::insert_into(upkeep::table).values(row).execute(transaction.connection)?;
    }
    Ok(())
}

impl Store {
    /// What is set for a datastore's backups.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn backup_settings_get(&self, datastore_id: Uuid) -> Result<BackupSettings, StoreError> {
        self.read(|connection| {
            let datastore = datastore_row::find(connection, &datastore_id.to_string())?;
            settings(connection, &datastore)
        })
    }

    /// Sets it. Backups that exist stay where and as they are. Since a person says so now, the clock is taken to be right.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for the storage.
    pub fn backup_settings_put(
        &self,
        datastore_id: Uuid,
        new: &BackupSettings,
        now: DateTime<Utc>,
    ) -> Result<BackupSettings, StoreError> {
        let id = datastore_id.to_string();
        let text = to_json("backup_settings.settings", new)?;
        self.write(now, |transaction| {
            transaction.lock_datastore(&id)?;
            let datastore = datastore_row::find(transaction.connection, &id)?;
            storages::require(transaction.connection, new.storage_id)?;
            let values = (backup_settings::settings.eq(&text), backup_settings::updated_at.eq(micros(now)));
            let of_datastore = backup_settings::table.find(&id);
            if diesel::update(of_datastore).set(values).execute(transaction.connection)? == 0 {
                let row = (backup_settings::datastore_id.eq(&id), values.0, values.1);
                diesel::insert_into(backup_settings::table).values(row).execute(transaction.connection)?;
            }
            diesel::update(datastores::table.find(&id))
                .set(datastores::storage_id.eq(new.storage_id.to_string()))
                .execute(transaction.connection)?;
            if new.log_archiving {
                logs::begin(transaction, &id)?;
            } else {
                logs::end(transaction, datastore)?;
            }
            note(transaction, &id, Some(micros(now)), None)?;
            transaction.changed(EventKind::Datastore, datastore_id, Some(datastore_id));
            Ok(new.clone())
        })
    }

    /// When each datastore that has backups was last looked after; of the others nothing is stored.
    pub fn upkeep_list(&self) -> Result<Vec<Upkeep>, StoreError> {
        self.read(|connection| {
            let rows: Vec<UpkeepRow> = datastores::table
                .left_join(upkeep::table)
                .left_join(backup_settings::table)
                .select((
                    datastores::id,
                    datastores::created_at,
                    backup_settings::updated_at.nullable(),
                    upkeep::retained_at.nullable(),
                    upkeep::swept_at.nullable(),
                ))
                .filter(datastores::id.eq_any(backup_totals::table.select(backup_totals::datastore_id)))
                .order(datastores::id.asc())
                .load(connection)?;
            rows.into_iter().map(UpkeepRow::into_upkeep).collect()
        })
    }

    /// Notes that a datastore's retention was planned, and that the clock was not in doubt.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn upkeep_retained(&self, datastore_id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        let id = datastore_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&id)?;
            datastore_row::find(transaction.connection, &id)?;
            note(transaction, &id, Some(micros(now)), None)
        })
    }

    /// Starts a sweep of a datastore's storage.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Busy`].
    pub fn sweep_start(&self, datastore_id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let id = datastore_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&id)?;
            let datastore = datastore_row::find(transaction.connection, &id)?;
            let new = NewJob {
                kind: JobKind::Sweep,
                datastore: Some(&datastore),
                backup_id: None,
                backup_number: None,
                restore_id: None,
            };
            let job = insert(transaction, new)?;
            note(transaction, &id, None, Some(micros(now)))?;
            job.into_job(transaction.connection)
        })
    }

    /// What retention is planned from: all backups of a datastore, and when that was last done.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn retention_facts(&self, datastore_id: Uuid) -> Result<(Vec<BackupFacts>, Option<DateTime<Utc>>), StoreError> {
        let id = datastore_id.to_string();
        self.read(|connection| {
            datastore_row::find(connection, &id)?;
            let last: Option<Option<i64>> =
                upkeep::table.find(&id).select(upkeep::retained_at).first(connection).optional()?;
            let used: Vec<Option<String>> = jobs::table
                .filter(jobs::datastore_id.eq(&id))
                .filter(condition::using_backup())
                .filter(jobs::kind.ne(JobKind::Delete.as_str()))
                .select(jobs::backup_id)
                .load(connection)?;
            let rows: Vec<BackupRow> = backups::table.filter(backups::datastore_id.eq(&id)).load(connection)?;
            let facts = rows.into_iter().map(|row| facts(row, &used)).collect::<Result<_, _>>()?;
            Ok((facts, last.flatten().map(time)))
        })
    }
}

fn facts(row: BackupRow, used: &[Option<String>]) -> Result<BackupFacts, StoreError> {
    let status: JobStatus = row.status()?;
    let verification: VerificationStatus = word("backups.verification", &row.verification)?;
    Ok(BackupFacts {
        id: uuid("backups.id", &row.id)?,
        number: row.number,
        parent_id: optional_uuid("backups.parent_id", row.parent_id.as_deref())?,
        backup_type: word("backups.type", &row.backup_type)?,
        status,
        created_at: time(row.created_at),
        ended_at: row.ended_at.map(time),
        in_use: used.iter().flatten().any(|id| *id == row.id),
        held: row.held,
        deleting: row.deleting,
        verification_failed: verification == VerificationStatus::Failed,
        size_bytes: row.size_bytes.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
    })
}
