//! A schedule's row, and what becomes of it outside.

use diesel::prelude::*;
use domain::schedule::decision::{Decision, ScheduleState};
use domain::{EventKind, Frequency, Schedule, ScheduleDraft, ScheduleStatus};

use crate::StoreError;
use crate::columns::{micros, time, uuid, word};
use crate::connection::AnyConnection;
use crate::schedules::run;
use crate::schema::schedules;
use crate::transaction::Transaction;

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = schedules, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct ScheduleRow {
    pub id: String,
    pub datastore_id: String,
    pub method: String,
    pub backup_type: String,
    pub status: String,
    pub recurrence: String,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub handled_until: i64,
    pub next_run_at: Option<i64>,
    pub wake_at: Option<i64>,
}

pub fn find(connection: &mut AnyConnection, id: &str) -> Result<ScheduleRow, StoreError> {
    schedules::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "schedule" })
}

/// Locks the schedule's datastore and the schedule, and reads it as it is then.
pub fn locked(transaction: &mut Transaction<'_>, id: &str) -> Result<ScheduleRow, StoreError> {
    let datastore = find(transaction.connection, id)?.datastore_id;
    transaction.lock_datastore(&datastore)?;
    transaction.lock_schedule(id)?;
    find(transaction.connection, id)
}

impl ScheduleRow {
    pub fn status(&self) -> Result<ScheduleStatus, StoreError> {
        word("schedules.status", &self.status)
    }

    pub fn draft(&self) -> Result<ScheduleDraft, StoreError> {
        Ok(ScheduleDraft {
            method: word("schedules.method", &self.method)?,
            backup_type: word("schedules.type", &self.backup_type)?,
            recurrence: word("schedules.recurrence", &self.recurrence)?,
        })
    }

    /// What decisions are made from.
    pub fn state(&self, connection: &mut AnyConnection) -> Result<ScheduleState, StoreError> {
        Ok(ScheduleState {
            id: uuid("schedules.id", &self.id)?,
            status: self.status()?,
            recurrence: word("schedules.recurrence", &self.recurrence)?,
            handled_until: time(self.handled_until),
            open_runs: run::open(connection, &self.id)?,
        })
    }

    pub fn set_decided(&mut self, decision: &Decision) {
        self.handled_until = micros(decision.handled_until);
        self.next_run_at = decision.next_run_at.map(micros);
        self.wake_at = decision.wake_at.map(micros);
    }

    /// Writes the row back. The caller holds its lock.
    pub fn save(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        diesel::update(schedules::table.find(&self.id)).set(self).execute(connection)?;
        Ok(())
    }

    pub fn note_change(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let datastore = uuid("schedules.datastore_id", &self.datastore_id)?;
        transaction.changed(EventKind::Schedule, uuid("schedules.id", &self.id)?, Some(datastore));
        Ok(())
    }

    pub fn into_schedule(self, connection: &mut AnyConnection) -> Result<Schedule, StoreError> {
        let last_run = run::newest(connection, &self.id)?;
        let ScheduleDraft { method, backup_type, recurrence } = self.draft()?;
        Ok(Schedule {
            id: uuid("schedules.id", &self.id)?,
            datastore_id: uuid("schedules.datastore_id", &self.datastore_id)?,
            method,
            backup_type,
            status: self.status()?,
            recurrence: recurrence.to_string(),
            frequency: Frequency::of(&recurrence, backup_type),
            description: recurrence.description(),
            version: self.version,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            next_run_at: self.next_run_at.map(time),
            last_run,
        })
    }
}
