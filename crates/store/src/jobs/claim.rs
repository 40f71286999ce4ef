//! Claiming: of all workers that ask at once exactly one gets a job. // F-10

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use domain::assignment::Assignment;
use domain::job::JobEvent;
use domain::worker::WorkerIdentity;
use domain::{DatastoreStatus, ErrorCode, JobError, JobKind, RestorePhase, RestoreStatus};

use crate::columns::{micros, uuid};
use crate::connection::AnyConnection;
use crate::datastores::row as datastore_row;
use crate::jobs::condition;
use crate::jobs::row::JobRow;
use crate::jobs::settle::{Ending, settle};
use crate::jobs::task::task;
use crate::restores;
use crate::schema::{backups, jobs, restores as restores_table};
use crate::transaction::Transaction;
use crate::{Store, StoreError, schedules, workers};

/// The oldest waiting job that a worker may take: of a datastore that is pinned to no worker or to this one.
fn next(connection: &mut AnyConnection, worker: &str) -> Result<Option<JobRow>, StoreError> {
    macro_rules! waiting {
        () => {
            jobs::table
                .filter(condition::waiting())
                .filter(jobs::pinned_worker.is_null().or(jobs::pinned_worker.eq(worker)))
                .order((jobs::created_at.asc(), jobs::id.asc()))
        };
    }
    Ok(match connection {
        AnyConnection::Sqlite(sqlite) => waiting!().first(sqlite).optional()?,
        // What another worker is just taking is passed over instead of waited for.
        AnyConnection::Postgres(postgres) => waiting!().for_update().skip_locked().first(postgres).optional()?,
    })
}

impl Store {
    /// Gives a worker the oldest job that it may run, with a lease of `lease_seconds`; null when there is none. Raises the
    /// job's attempt. A claim whose answer is lost ends with its lease.
    pub fn job_claim(
        &self,
        worker: &WorkerIdentity,
        lease_seconds: i64,
        now: DateTime<Utc>,
    ) -> Result<Option<Assignment>, StoreError> {
        let idle = self.read(|connection| {
            let waiting = jobs::table
                .filter(condition::waiting())
                .filter(jobs::pinned_worker.is_null().or(jobs::pinned_worker.eq(&worker.name)))
                .select(jobs::id)
                .first::<String>(connection)
                .optional()?;
            Ok(waiting.is_none() && workers::is_fresh(connection, worker, now)?)
        })?;
        if idle {
            return Ok(None);
        }
        self.write(now, |transaction| {
            workers::seen(transaction, worker)?;
            while let Some(job) = next(transaction.connection, &worker.name)? {
                if let Some(assignment) = take(transaction, job, worker, lease_seconds)? {
                    return Ok(Some(assignment));
                }
            }
            Ok(None)
        })
    }
}

/// Takes a waiting job. Null when it was not to be had, or can't be run and has failed for that.
fn take(
    transaction: &mut Transaction<'_>,
    mut job: JobRow,
    worker: &WorkerIdentity,
    lease_seconds: i64,
) -> Result<Option<Assignment>, StoreError> {
    let before = job.state()?;
    let Ok(after) = before.apply(JobEvent::Claimed) else { return Ok(None) };
    job.set_state(after);
    job.worker = Some(worker.name.clone());
    job.lease_until = Some(micros(transaction.now + Duration::seconds(lease_seconds)));
    job.started_at = Some(micros(transaction.now));
    // What leads back lies with this worker from now on: no other may try again. // F-12
    if let (JobKind::Restore, Some(restore)) = (job.kind()?, &job.restore_id)
        && restores::goes_through_server(transaction.connection, restore)?
    {
        job.pinned_worker = Some(worker.name.clone());
    }
    let still_waiting = jobs::table
        .find(&job.id)
        .filter(jobs::status.eq(before.status.as_str()))
        .filter(jobs::attempt.eq(before.attempt));
    if diesel::update(still_waiting).set(&job).execute(transaction.connection)? == 0 {
        return Ok(None);
    }
    begin(transaction, &job)?;
    match task(transaction, &job) {
        Ok(task) => {
            Ok(Some(Assignment { job_id: uuid("jobs.id", &job.id)?, attempt: job.attempt, lease_seconds, task }))
        }
        // Such a job would stand in the way of all others for ever.
        Err(
            error @ (StoreError::NotFound { .. } | StoreError::WrongMasterKey | StoreError::UnreadableColumn { .. }),
        ) => {
            tracing::error!(job = job.id, error = &error as &dyn std::error::Error, "a job can't be handed out");
            let reason = JobError::new(ErrorCode::Internal, format!("The job could not be prepared: {error}."));
            let failed = after.apply(JobEvent::Failed { attempt: after.attempt }).map_err(StoreError::Illegal)?;
            settle(transaction, job, failed, Ending::Reported { error: Some(&reason), result: None })?;
            Ok(None)
        }
        // What it was to replay is not there any more.
        Err(StoreError::StopRefused(refusal)) => {
            let reason = JobError::new(refusal.code, refusal.detail);
            let failed = after.apply(JobEvent::Failed { attempt: after.attempt }).map_err(StoreError::Illegal)?;
            settle(transaction, job, failed, Ending::Reported { error: Some(&reason), result: None })?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What the start of a job means for the things that it is about.
fn begin(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<(), StoreError> {
    let kind = job.kind()?;
    if kind == JobKind::Backup {
        diesel::update(backups::table.filter(backups::job_id.eq(&job.id)))
            .set((backups::status.eq(&job.status), backups::started_at.eq(job.started_at)))
            .execute(transaction.connection)?;
        schedules::run::follow(transaction, job)?;
    }
    if kind == JobKind::Restore {
        diesel::update(restores_table::table.filter(restores_table::job_id.eq(&job.id)))
            .set((
                restores_table::status.eq(RestoreStatus::Running.as_str()),
                restores_table::phase.eq(RestorePhase::Checking.as_str()),
                restores_table::started_at.eq(job.started_at),
            ))
            .execute(transaction.connection)?;
    }
    if let (true, Some(datastore)) = (restores::touches_data_in_use(transaction.connection, job)?, &job.datastore_id) {
        datastore_row::set_status(transaction, datastore, DatastoreStatus::Restoring)?;
    }
    job.note_change(transaction)
}
