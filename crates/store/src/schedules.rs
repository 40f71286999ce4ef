//! Schedules: kept, changed and carried out as `domain::schedule` decides. A schedule is changed only while its datastore
//! and its row are locked, in this order, so that an edit, a pause and the scheduler never act on a stale one.

mod act;
mod availability;
mod fire;
mod list;
pub(crate) mod row;
pub(crate) mod run;

pub use fire::Firing;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::schedule::decision::{self, Decision};
use domain::{Backup, Schedule, ScheduleDraft, ScheduleSettings, ScheduleStatus, Trigger};
use uuid::Uuid;

use crate::backups::begin::{NewBackup, insert_backup};
use crate::columns::{micros, new_id};
use crate::datastores::row as datastore_row;
use crate::schema::schedules;
use crate::transaction::Transaction;
use crate::{Store, StoreError};
use row::ScheduleRow;

/// Adds an active schedule. The caller knows that the datastore is there.
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    datastore: &str,
    draft: &ScheduleDraft,
    settings: &ScheduleSettings,
) -> Result<ScheduleRow, StoreError> {
    let now = transaction.now;
    let id = new_id(now);
    let begun = decision::begin(id, &draft.recurrence, now, settings);
    let mut row = ScheduleRow {
        id: id.to_string(),
        datastore_id: datastore.to_owned(),
        method: draft.method.as_str().to_owned(),
        backup_type: draft.backup_type.as_str().to_owned(),
        status: ScheduleStatus::Active.as_str().to_owned(),
        recurrence: draft.recurrence.to_string(),
        version: 1,
        created_at: micros(now),
        updated_at: micros(now),
        handled_until: micros(now),
        next_run_at: None,
        wake_at: None,
    };
    row.set_decided(&begun);
    diesel::insert_into(schedules::table).values(&row).execute(transaction.connection)?;
    row.note_change(transaction)?;
    Ok(row)
}

impl Store {
    /// Adds an active schedule to a datastore. Whether the draft suits it is the caller's to check.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the datastore.
    pub fn schedule_create(
        &self,
        datastore_id: Uuid,
        draft: &ScheduleDraft,
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<Schedule, StoreError> {
        let datastore = datastore_id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&datastore)?;
            datastore_row::find(transaction.connection, &datastore)?;
            insert(transaction, &datastore, draft, settings)?.into_schedule(transaction.connection)
        })
    }

    /// One schedule.
    pub fn schedule_get(&self, id: Uuid) -> Result<Schedule, StoreError> {
        self.read(|connection| row::find(connection, &id.to_string())?.into_schedule(connection))
    }

    /// Gives a schedule another method, type or recurrence; what came due before is settled by the old one. A draft that
    /// changes nothing leaves it as it is. Backups that exist or run are not touched.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::ScheduleChanged`] when `version` is given and not the newest.
    pub fn schedule_update(
        &self,
        id: Uuid,
        draft: &ScheduleDraft,
        version: Option<i64>,
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<Schedule, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let mut row = row::locked(transaction, &id)?;
            if version.is_some_and(|version| version != row.version) {
                return Err(StoreError::ScheduleChanged { version: row.version });
            }
            if row.draft()? != *draft {
                let state = row.state(transaction.connection)?;
                let availability = availability::of(transaction.connection, &row)?;
                let decision = decision::edit(&state, &draft.recurrence, now, &availability, settings);
                act::carry_out(transaction, &row, &decision)?;
                row.method = draft.method.as_str().to_owned();
                row.backup_type = draft.backup_type.as_str().to_owned();
                row.recurrence = draft.recurrence.to_string();
                change(transaction, &mut row, &decision)?;
            }
            row.into_schedule(transaction.connection)
        })
    }

    /// Keeps a schedule from starting backups; those that run go on. Pausing a paused one changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn schedule_pause(&self, id: Uuid, now: DateTime<Utc>) -> Result<Schedule, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let mut row = row::locked(transaction, &id)?;
            if row.status()? == ScheduleStatus::Active {
                let decision = decision::pause(&row.state(transaction.connection)?, now);
                act::carry_out(transaction, &row, &decision)?;
                row.status = ScheduleStatus::Paused.as_str().to_owned();
                change(transaction, &mut row, &decision)?;
            }
            row.into_schedule(transaction.connection)
        })
    }

    /// Lets a paused schedule go on with the first time that comes due from now on. Resuming an active one changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn schedule_resume(
        &self,
        id: Uuid,
        settings: &ScheduleSettings,
        now: DateTime<Utc>,
    ) -> Result<Schedule, StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            let mut row = row::locked(transaction, &text)?;
            if row.status()? == ScheduleStatus::Paused {
                let decision = decision::begin(id, &row.draft()?.recurrence, now, settings);
                row.status = ScheduleStatus::Active.as_str().to_owned();
                change(transaction, &mut row, &decision)?;
            }
            row.into_schedule(transaction.connection)
        })
    }

    /// Makes a backup as the schedule would, now, whether it is paused or not. It is recorded among the schedule's runs, and
    /// when it fails it is not tried again by itself.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Busy`].
    pub fn schedule_run(&self, id: Uuid, now: DateTime<Utc>) -> Result<Backup, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let row = row::locked(transaction, &id)?;
            let draft = row.draft()?;
            let datastore = datastore_row::find(transaction.connection, &row.datastore_id)?;
            let new = NewBackup {
                method: draft.method,
                backup_type: draft.backup_type,
                trigger: Trigger::Manual,
                schedule_id: Some(row.id.clone()),
            };
            let backup = insert_backup(transaction, datastore, new)?;
            run::record_started(transaction, &row.id, micros(now), 1, &backup.id)?;
            row.note_change(transaction)?;
            backup.into_backup(None)
        })
    }

    /// Forgets a schedule and the records of its runs. Its backups stay, also one that runs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn schedule_delete(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            let row = row::locked(transaction, &id)?;
            diesel::delete(schedules::table.find(&row.id)).execute(transaction.connection)?;
            row.note_change(transaction)
        })
    }
}

/// Writes a schedule that a person changed.
fn change(transaction: &mut Transaction<'_>, row: &mut ScheduleRow, decision: &Decision) -> Result<(), StoreError> {
    row.version += 1;
    row.updated_at = micros(transaction.now);
    row.set_decided(decision);
    row.save(transaction.connection)?;
    row.note_change(transaction)
}
