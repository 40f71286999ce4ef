//! A job's row, and the job that it tells of.

use std::collections::HashMap;

use diesel::prelude::*;
use domain::job::JobState;
use domain::{EventKind, Job, JobError, JobKind, Step};

use crate::StoreError;
use crate::columns::{duration_seconds, error, from_json, optional_uuid, time, to_json, uuid, word};
use crate::connection::AnyConnection;
use crate::schema::{datastores, jobs};
use crate::transaction::Transaction;

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = jobs, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct JobRow {
    pub id: String,
    pub kind: String,
    pub exclusive: bool,
    pub visible: bool,
    pub status: String,
    pub attempt: i32,
    pub cancel_requested: bool,
    pub datastore_id: Option<String>,
    /// As it was when the job began; shown when the datastore is gone.
    pub datastore_name: Option<String>,
    pub backup_id: Option<String>,
    pub backup_number: Option<i64>,
    pub restore_id: Option<String>,
    pub pinned_worker: Option<String>,
    pub worker: Option<String>,
    pub lease_until: Option<i64>,
    pub input_sealed: Option<String>,
    pub progress: Option<String>,
    pub steps: String,
    pub error_code: Option<String>,
    pub error_detail: Option<String>,
    pub result: Option<String>,
    pub last_line: i64,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub awaiting_approval: bool,
}

impl JobRow {
    pub fn kind(&self) -> Result<JobKind, StoreError> {
        word("jobs.kind", &self.kind)
    }

    pub fn state(&self) -> Result<JobState, StoreError> {
        Ok(JobState {
            status: word("jobs.status", &self.status)?,
            attempt: self.attempt,
            cancel_requested: self.cancel_requested,
        })
    }

    pub fn set_state(&mut self, state: JobState) {
        self.status = state.status.as_str().to_owned();
        self.attempt = state.attempt;
        self.cancel_requested = state.cancel_requested;
    }

    pub fn set_error(&mut self, error: Option<&JobError>) {
        self.error_code = error.map(|error| error.code.as_str().to_owned());
        self.error_detail = error.map(|error| crate::columns::without_nul(&error.detail));
    }

    pub fn steps(&self) -> Result<Vec<Step>, StoreError> {
        from_json("jobs.steps", &self.steps)
    }

    pub fn set_steps(&mut self, steps: &[Step]) -> Result<(), StoreError> {
        self.steps = to_json("jobs.steps", &steps)?;
        Ok(())
    }

    /// Writes the row back. The caller holds its lock.
    pub fn save(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        diesel::update(jobs::table.find(&self.id)).set(self).execute(connection)?;
        Ok(())
    }

    /// Notes the change of the job, and of the backup or restore that it makes.
    pub fn note_change(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let datastore = optional_uuid("jobs.datastore_id", self.datastore_id.as_deref())?;
        transaction.changed(EventKind::Job, uuid("jobs.id", &self.id)?, datastore);
        if let (true, Some(backup)) = (self.visible, optional_uuid("jobs.backup_id", self.backup_id.as_deref())?) {
            transaction.changed(EventKind::Backup, backup, datastore);
        }
        if let Some(restore) = optional_uuid("jobs.restore_id", self.restore_id.as_deref())? {
            transaction.changed(EventKind::Restore, restore, datastore);
        }
        Ok(())
    }

    /// The job as people see it, with the datastore's name of today.
    pub fn into_job(self, connection: &mut AnyConnection) -> Result<Job, StoreError> {
        let name = match &self.datastore_id {
            Some(id) => datastores::table.find(id).select(datastores::name).first(connection).optional()?,
            None => None,
        };
        self.named(name)
    }

    fn named(self, name: Option<String>) -> Result<Job, StoreError> {
        Ok(Job {
            id: uuid("jobs.id", &self.id)?,
            kind: self.kind()?,
            datastore_id: optional_uuid("jobs.datastore_id", self.datastore_id.as_deref())?,
            backup_id: optional_uuid("jobs.backup_id", self.backup_id.as_deref())?,
            backup_number: self.backup_number,
            restore_id: optional_uuid("jobs.restore_id", self.restore_id.as_deref())?,
            status: word("jobs.status", &self.status)?,
            attempt: self.attempt,
            cancel_requested: self.cancel_requested,
            awaiting_approval: self.awaiting_approval && self.status == domain::JobStatus::Pending.as_str(),
            progress: self.progress.as_deref().map(|text| from_json("jobs.progress", text)).transpose()?,
            steps: self.steps()?,
            error: error(self.error_code.as_deref(), self.error_detail.as_deref())?,
            created_at: time(self.created_at),
            started_at: self.started_at.map(time),
            ended_at: self.ended_at.map(time),
            duration_seconds: duration_seconds(self.started_at, self.ended_at),
            datastore_name: name.or(self.datastore_name),
            worker: self.worker,
        })
    }
}

/// The jobs of many rows, with one query for the names of their datastores.
pub fn into_jobs(connection: &mut AnyConnection, rows: Vec<JobRow>) -> Result<Vec<Job>, StoreError> {
    let mut ids: Vec<&String> = rows.iter().filter_map(|row| row.datastore_id.as_ref()).collect();
    ids.sort_unstable();
    ids.dedup();
    let names: HashMap<String, String> = datastores::table
        .filter(datastores::id.eq_any(ids))
        .select((datastores::id, datastores::name))
        .load::<(String, String)>(connection)?
        .into_iter()
        .collect();
    rows.into_iter()
        .map(|row| {
            let name = row.datastore_id.as_ref().and_then(|id| names.get(id)).cloned();
            row.named(name)
        })
        .collect()
}
