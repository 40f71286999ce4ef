//! A worker's report of the end of an attempt.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::JobStatus;
use domain::assignment::{Outcome, ResultReport, TaskResult};
use domain::job::{JobEvent, JobState};
use domain::{JobError, JobKind};
use uuid::Uuid;

use crate::jobs::log;
use crate::jobs::row::JobRow;
use crate::jobs::settle::{Ending, settle};
use crate::schema::jobs;
use crate::{Store, StoreError};

impl Store {
    /// Ends an attempt: the job, what it made or changed, and the datastore's status, in one transaction. The same report
    /// again is accepted and changes nothing, since the first answer may have been lost. // F-23
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the attempt is over otherwise, [`StoreError::UnexpectedResult`] when the result is
    /// of another kind than the job. // F-11
    pub fn job_finish(&self, id: Uuid, report: &ResultReport, now: DateTime<Utc>) -> Result<(), StoreError> {
        let id = id.to_string();
        let attempt = report.attempt;
        let (event, error, result) = match &report.outcome {
            Outcome::Completed { result } => (JobEvent::Completed { attempt }, None, Some(result)),
            Outcome::Failed { error } => (JobEvent::Failed { attempt }, Some(error), None),
            Outcome::Cancelled => (JobEvent::Cancelled { attempt }, None, None),
            Outcome::Released => (JobEvent::Released { attempt }, None, None),
        };
        self.write(now, |transaction| {
            transaction.lock_job(&id)?;
            let mut row: JobRow =
                jobs::table.find(&id).first(transaction.connection).optional()?.ok_or(StoreError::LeaseLost)?;
            let state = row.state()?;
            if is_repeated(state, report) {
                return Ok(());
            }
            let after = state.apply(event).map_err(|_| StoreError::LeaseLost)?;
            if let Some(result) = result
                && result_kind(result) != row.kind()?
            {
                return Err(StoreError::UnexpectedResult { expected: row.kind()?, given: result_kind(result) });
            }
            row.last_line = log::append(transaction, &id, row.last_line, &report.log_lines)?;
            // A job given back too often ends as one whose worker was lost.
            let given_up = (report.outcome == Outcome::Released && after.status == JobStatus::Failed).then(|| {
                JobError::new(
                    domain::ErrorCode::WorkerLost,
                    format!("The workers that had the job were shut down, {attempt} times in all. Start it again."),
                )
            });
            settle(transaction, row, after, Ending::Reported { error: error.or(given_up.as_ref()), result })
        })
    }
}

/// Whether the attempt has ended just so already.
fn is_repeated(state: JobState, report: &ResultReport) -> bool {
    if state.attempt != report.attempt {
        return false;
    }
    match (&report.outcome, state.status) {
        (Outcome::Completed { .. }, JobStatus::Completed)
        | (Outcome::Failed { .. }, JobStatus::Failed)
        | (Outcome::Cancelled, JobStatus::Cancelled) => true,
        (Outcome::Released, status) => !matches!(status, JobStatus::Running | JobStatus::Completed),
        _ => false,
    }
}

const fn result_kind(result: &TaskResult) -> JobKind {
    match result {
        TaskResult::Inspect { .. } => JobKind::Inspect,
        TaskResult::Backup { .. } => JobKind::Backup,
        TaskResult::Verify { .. } => JobKind::Verify,
        TaskResult::Delete => JobKind::Delete,
        TaskResult::PlanRestore { .. } => JobKind::PlanRestore,
        TaskResult::Restore { .. } => JobKind::Restore,
        TaskResult::Undo { .. } => JobKind::Undo,
        TaskResult::Sweep { .. } => JobKind::Sweep,
        TaskResult::EndLogArchiving => JobKind::EndLogArchiving,
        TaskResult::ScanLogs { .. } => JobKind::ScanLogs,
    }
}
