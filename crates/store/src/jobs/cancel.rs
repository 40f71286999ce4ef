//! Cancelling: a waiting job is cancelled at once, a running one is asked to stop.

use chrono::{DateTime, Utc};
use domain::job::{IllegalTransition, JobEvent};
use domain::{Job, JobStatus};
use uuid::Uuid;

use crate::jobs;
use crate::jobs::row::JobRow;
use crate::jobs::settle::{Ending, settle};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

impl Store {
    /// Asks a job to stop. A job that is cancelled already is left as it is. // F-04
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Illegal`] when the job has completed or failed.
    pub fn job_cancel(&self, id: Uuid, now: DateTime<Utc>) -> Result<Job, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            transaction.lock_job(&id)?;
            let row = jobs::find(transaction.connection, &id)?;
            match request(transaction, row) {
                Ok(()) | Err(StoreError::Illegal(IllegalTransition::AlreadyFinal(JobStatus::Cancelled))) => {}
                Err(error) => return Err(error),
            }
            jobs::find(transaction.connection, &id)?.into_job(transaction.connection)
        })
    }
}

/// Notes the request. The caller holds the job's lock.
pub fn request(transaction: &mut Transaction<'_>, mut row: JobRow) -> Result<(), StoreError> {
    let after = row.state()?.apply(JobEvent::CancelRequested).map_err(StoreError::Illegal)?;
    if after.status.is_final() {
        return settle(transaction, row, after, Ending::NeverRan);
    }
    row.set_state(after);
    row.save(transaction.connection)?;
    row.note_change(transaction)
}
