//! Leases that ran out: the worker is gone, or can't be heard. The job is tried again or ends, as `domain` says. // F-01

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::job::JobEvent;
use domain::{ErrorCode, JobError};
use uuid::Uuid;

use crate::columns::{micros, uuid};
use crate::jobs;
use crate::jobs::condition;
use crate::jobs::row::JobRow;
use crate::jobs::settle::{Ending, settle};
use crate::schema::jobs as jobs_table;
use crate::{Store, StoreError};

impl Store {
    /// Takes back every running job whose lease ended before `now`, and gives their ids.
    ///
    /// The caller should pass over a round right after its start and after its wall clock jumped: workers that are alive
    /// then renew their leases first. // F-43
    pub fn job_expire_leases(&self, now: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
        let expired: Vec<String> = self.read(|connection| {
            Ok(jobs_table::table
                .filter(condition::running())
                .filter(jobs_table::lease_until.lt(micros(now)))
                .order(jobs_table::lease_until.asc())
                .select(jobs_table::id)
                .load(connection)?)
        })?;
        self.take_back(expired, now, |row| row.lease_until.is_some_and(|until| until < micros(now)))
    }

    /// Takes back every running job of a worker that has just started, and so runs none of them, and gives their ids.
    pub fn job_abandon_all_of(&self, worker: &str, now: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
        let held: Vec<String> = self.read(|connection| {
            Ok(jobs_table::table
                .filter(condition::running())
                .filter(jobs_table::worker.eq(worker))
                .select(jobs_table::id)
                .load(connection)?)
        })?;
        self.take_back(held, now, |row| row.worker.as_deref() == Some(worker))
    }

    /// Takes back those of the jobs that are still `abandoned`; their workers may have been quicker.
    fn take_back(
        &self,
        candidates: Vec<String>,
        now: DateTime<Utc>,
        abandoned: impl Fn(&JobRow) -> bool,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut taken = Vec::new();
        for id in candidates {
            if self.take_back_one(&id, now, &abandoned)? {
                taken.push(uuid("jobs.id", &id)?);
            }
        }
        Ok(taken)
    }

    fn take_back_one(
        &self,
        id: &str,
        now: DateTime<Utc>,
        abandoned: &impl Fn(&JobRow) -> bool,
    ) -> Result<bool, StoreError> {
        self.write(now, |transaction| {
            transaction.lock_job(id)?;
            let row = jobs::find(transaction.connection, id)?;
            if !abandoned(&row) {
                return Ok(false);
            }
            let Ok(after) = row.state()?.apply(JobEvent::LeaseExpired) else { return Ok(false) };
            let worker = row.worker.as_deref().unwrap_or("unknown");
            let lost = JobError::new(
                ErrorCode::WorkerLost,
                format!("The worker {worker} stopped answering in attempt {}. Look at its log.", row.attempt),
            );
            settle(transaction, row, after, Ending::LeaseExpired { error: &lost })?;
            Ok(true)
        })
    }
}
