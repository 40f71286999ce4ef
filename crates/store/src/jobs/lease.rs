//! Leases that ran out: the worker is gone, or can't be heard. The job is tried again or ends, as `domain` says. // F-01

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::job::JobEvent;
use domain::{ErrorCode, JobError, JobStatus};
use uuid::Uuid;

use crate::columns::{micros, uuid};
use crate::jobs;
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
                .filter(jobs_table::status.eq(JobStatus::Running.as_str()))
                .filter(jobs_table::lease_until.lt(micros(now)))
                .order(jobs_table::lease_until.asc())
                .select(jobs_table::id)
                .load(connection)?)
        })?;
        let mut taken = Vec::new();
        for id in expired {
            if self.expire(&id, now)? {
                taken.push(uuid("jobs.id", &id)?);
            }
        }
        Ok(taken)
    }

    /// Takes back one job, unless its worker was quicker.
    fn expire(&self, id: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(now, |transaction| {
            transaction.lock_job(id)?;
            let row = jobs::find(transaction.connection, id)?;
            if row.lease_until.is_none_or(|until| until >= micros(now)) {
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
