//! How jobs begin. One that changes a datastore is refused while another one does: looked up first, and the unique index
//! `jobs_one_change` behind it. // F-16

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::assignment::DatastoreAccess;
use domain::job::JobState;
use domain::log_archive::{FIRST_BRANCH, LogScanCreate};
use domain::{DatastoreCreate, Job, JobKind, RecoveryStop, RestoreTarget, Service};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backups::row::{self as backup_row};
use crate::columns::{micros, new_id, to_json};
use crate::connection::AnyConnection;
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::jobs::condition;
use crate::jobs::row::JobRow;
use crate::schema::jobs;
use crate::storages;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// What a new job is about.
pub struct NewJob<'a> {
    pub kind: JobKind,
    pub datastore: Option<&'a DatastoreRow>,
    pub backup_id: Option<String>,
    pub backup_number: Option<i64>,
    pub restore_id: Option<String>,
}

/// What the job that plans a restore is told.
#[derive(Serialize, Deserialize)]
pub struct PlanInput {
    pub target: RestoreTarget,
    pub stop: Option<RecoveryStop>,
}

/// Where the input of a job is sealed.
pub fn input_place(job: &str) -> String {
    format!("jobs.input:{job}")
}

/// The job that changes a datastore now or waits to, if there is one.
pub fn changing(connection: &mut AnyConnection, datastore: &str) -> Result<Option<JobRow>, StoreError> {
    Ok(jobs::table
        .filter(jobs::datastore_id.eq(datastore))
        .filter(condition::changing())
        .first(connection)
        .optional()?)
}

/// Refuses while a job changes the datastore. The caller holds the datastore's lock.
pub fn refuse_busy(connection: &mut AnyConnection, datastore: &str) -> Result<(), StoreError> {
    match changing(connection, datastore)? {
        Some(row) => Err(StoreError::Busy { job: Box::new(row.into_job(connection)?) }),
        None => Ok(()),
    }
}

/// Adds a job. For an exclusive one the caller holds the datastore's lock.
pub fn insert(transaction: &mut Transaction<'_>, new: NewJob<'_>) -> Result<JobRow, StoreError> {
    insert_prepared(transaction, new, |_, _| Ok(()))
}

/// Has a worker find out what a registered server can do.
pub fn insert_inspect(transaction: &mut Transaction<'_>, datastore: &DatastoreRow) -> Result<JobRow, StoreError> {
    let new = NewJob {
        kind: JobKind::Inspect,
        datastore: Some(datastore),
        backup_id: None,
        backup_number: None,
        restore_id: None,
    };
    insert(transaction, new)
}

/// Adds a job that nobody may claim until a person approves it. It excludes no other meanwhile.
pub fn insert_awaiting_approval(transaction: &mut Transaction<'_>, new: NewJob<'_>) -> Result<JobRow, StoreError> {
    write(transaction, new, |_, row| {
        row.exclusive = false;
        row.awaiting_approval = true;
        Ok(())
    })
}

fn insert_prepared(
    transaction: &mut Transaction<'_>,
    new: NewJob<'_>,
    prepare: impl FnOnce(&Transaction<'_>, &mut JobRow) -> Result<(), StoreError>,
) -> Result<JobRow, StoreError> {
    if let (true, Some(datastore)) = (new.kind.is_exclusive(), new.datastore) {
        refuse_busy(transaction.connection, &datastore.id)?;
    }
    write(transaction, new, prepare)
}

fn write(
    transaction: &mut Transaction<'_>,
    new: NewJob<'_>,
    prepare: impl FnOnce(&Transaction<'_>, &mut JobRow) -> Result<(), StoreError>,
) -> Result<JobRow, StoreError> {
    let mut row = row_of(new, transaction.now);
    prepare(transaction, &mut row)?;
    diesel::insert_into(jobs::table).values(&row).execute(transaction.connection)?;
    row.note_change(transaction)?;
    Ok(row)
}

/// The row of a job that nobody has had yet.
pub fn row_of(new: NewJob<'_>, now: DateTime<Utc>) -> JobRow {
    let state = JobState::new();
    JobRow {
        id: new_id(now).to_string(),
        kind: new.kind.as_str().to_owned(),
        exclusive: new.kind.is_exclusive(),
        visible: new.kind.is_visible(),
        status: state.status.as_str().to_owned(),
        attempt: state.attempt,
        cancel_requested: state.cancel_requested,
        datastore_id: new.datastore.map(|datastore| datastore.id.clone()),
        datastore_name: new.datastore.map(|datastore| datastore.name.clone()),
        backup_id: new.backup_id,
        backup_number: new.backup_number,
        restore_id: new.restore_id,
        pinned_worker: new.datastore.and_then(|datastore| datastore.worker.clone()),
        worker: None,
        lease_until: None,
        input_sealed: None,
        progress: None,
        steps: "[]".to_owned(),
        error_code: None,
        error_detail: None,
        result: None,
        last_line: 0,
        created_at: micros(now),
        started_at: None,
        ended_at: None,
        awaiting_approval: false,
    }
}

fn seal_input(transaction: &Transaction<'_>, row: &JobRow, input: &str) -> Result<String, StoreError> {
    transaction.key.seal(&input_place(&row.id), input.as_bytes())
}

/// Adds a job about a server that is not, or soon no more, registered: its access is sealed in the job, and goes when the
/// job ends.
pub fn insert_sealed(
    transaction: &mut Transaction<'_>,
    kind: JobKind,
    datastore_name: String,
    worker: Option<String>,
    access: &str,
) -> Result<JobRow, StoreError> {
    let new = NewJob { kind, datastore: None, backup_id: None, backup_number: None, restore_id: None };
    insert_prepared(transaction, new, |transaction, row| {
        row.datastore_name = Some(datastore_name);
        row.pinned_worker = worker;
        row.input_sealed = Some(seal_input(transaction, row, access)?);
        Ok(())
    })
}

impl Store {
    /// Has a worker look at a registered server. What it finds is recorded with the datastore when the job ends.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn job_create_inspect(&self, datastore_id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        self.write(now, |transaction| {
            let datastore = datastore_row::find(transaction.connection, &datastore_id.to_string())?;
            insert_inspect(transaction, &datastore)?.into_job(transaction.connection)
        })
    }

    /// Has a worker look at a server that is not registered. Its access is sealed in the job and goes when that ends;
    /// nothing else is recorded.
    ///
    /// # Errors
    /// [`StoreError::NotShareable`].
    pub fn job_create_inspect_draft(&self, draft: &DatastoreCreate, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let shared_storage = draft.shared_storage_id.map(|id| id.to_string());
        let access = |shared_storage| DatastoreAccess {
            id: new_id(now),
            name: draft.name.clone(),
            engine: draft.engine,
            host: draft.host.clone(),
            port: draft.port.unwrap_or(draft.engine.default_port()),
            username: draft.username.clone(),
            password: draft.password.clone(),
            data_directory: draft.data_directory.clone(),
            shared_directory: draft.shared_directory.clone(),
            shared_storage,
            service: draft.service.clone().unwrap_or(Service::None),
            server_identity: None,
            log_branch: FIRST_BRANCH.to_owned(),
        };
        self.write(now, |transaction| {
            let shared_storage = shared_storage
                .as_deref()
                .map(|id| storages::shared_access(transaction.connection, transaction.key, id))
                .transpose()?;
            let access = to_json("jobs.input", &access(shared_storage))?;
            let (name, worker) = (draft.name.clone(), draft.worker.clone());
            insert_sealed(transaction, JobKind::Inspect, name, worker, &access)?.into_job(transaction.connection)
        })
    }

    /// Has a worker say what a restore of a backup onto the server that it is of would do, up to a stop where one is given. Touches
    /// nothing, so it may run beside other jobs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn job_create_plan(
        &self,
        backup_id: Uuid,
        target: &RestoreTarget,
        stop: Option<&RecoveryStop>,
        now: DateTime<Utc>,
    ) -> Result<Job, StoreError> {
        let request = PlanInput { target: target.clone(), stop: stop.cloned() };
        let request = to_json("jobs.input", &request)?;
        self.write(now, |transaction| {
            let backup = backup_row::find(transaction.connection, &backup_id.to_string())?;
            let datastore = datastore_row::find(transaction.connection, &backup.datastore_id)?;
            let new = NewJob {
                kind: JobKind::PlanRestore,
                datastore: Some(&datastore),
                backup_id: Some(backup.id),
                backup_number: Some(backup.number),
                restore_id: None,
            };
            let prepared = insert_prepared(transaction, new, |transaction, row| {
                row.input_sealed = Some(seal_input(transaction, row, &request)?);
                Ok(())
            })?;
            prepared.into_job(transaction.connection)
        })
    }

    /// Has a worker look through a datastore's archived logs. Touches nothing, so it may run beside other jobs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn job_create_scan(
        &self,
        datastore_id: Uuid,
        scan: &LogScanCreate,
        now: DateTime<Utc>,
    ) -> Result<Job, StoreError> {
        let scan = to_json("jobs.input", scan)?;
        self.write(now, |transaction| {
            let datastore = datastore_row::find(transaction.connection, &datastore_id.to_string())?;
            let new = NewJob {
                kind: JobKind::ScanLogs,
                datastore: Some(&datastore),
                backup_id: None,
                backup_number: None,
                restore_id: None,
            };
            let prepared = insert_prepared(transaction, new, |transaction, row| {
                row.input_sealed = Some(seal_input(transaction, row, &scan)?);
                Ok(())
            })?;
            prepared.into_job(transaction.connection)
        })
    }
}
