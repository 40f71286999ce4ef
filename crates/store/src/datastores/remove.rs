//! Forgetting a datastore. The stored files stay in any case; so do its jobs, which are history.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{EventKind, JobStatus};
use uuid::Uuid;

use crate::datastores::row;
use crate::jobs::cancel;
use crate::jobs::create::refuse_busy;
use crate::jobs::row::JobRow;
use crate::schema::{backups, datastores, jobs, restores};
use crate::transaction::Transaction;
use crate::{Store, StoreError, logs};

impl Store {
    /// Forgets a datastore. Backups that hold something keep it, unless `forget_backups` says that their catalog entries may
    /// go too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Busy`] while a job changes it, [`StoreError::HasBackups`].
    pub fn datastore_delete(&self, id: Uuid, forget_backups: bool, now: DateTime<Utc>) -> Result<(), StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&text)?;
            let datastore = row::find(transaction.connection, &text)?;
            refuse_busy(transaction.connection, &text)?;
            let kept = backups::table
                .filter(backups::datastore_id.eq(&text))
                .filter(backups::status.eq(JobStatus::Completed.as_str()).or(backups::deleting.eq(true)))
                .count()
                .get_result::<i64>(transaction.connection)?;
            if kept > 0 && !forget_backups {
                return Err(StoreError::HasBackups { count: kept });
            }
            stop_looking(transaction, &text)?;
            logs::end(transaction, datastore)?;
            diesel::delete(restores::table.filter(restores::datastore_id.eq(&text))).execute(transaction.connection)?;
            diesel::delete(backups::table.filter(backups::datastore_id.eq(&text))).execute(transaction.connection)?;
            diesel::delete(datastores::table.find(&text)).execute(transaction.connection)?;
            transaction.changed(EventKind::Datastore, id, Some(id));
            Ok(())
        })
    }
}

/// Cancels the jobs that only look at the datastore.
fn stop_looking(transaction: &mut Transaction<'_>, datastore: &str) -> Result<(), StoreError> {
    let active: Vec<JobRow> = jobs::table
        .filter(jobs::datastore_id.eq(datastore))
        .filter(jobs::status.eq(JobStatus::Pending.as_str()).or(jobs::status.eq(JobStatus::Running.as_str())))
        .load(transaction.connection)?;
    for job in active {
        transaction.lock_job(&job.id)?;
        let job = crate::jobs::find(transaction.connection, &job.id)?;
        match cancel::request(transaction, job) {
            // It ended just now.
            Ok(()) | Err(StoreError::Illegal(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
