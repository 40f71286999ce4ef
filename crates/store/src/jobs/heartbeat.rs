//! Heartbeats: they renew the lease and bring progress and log lines. One with an old attempt is refused. // F-11

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use domain::assignment::{Heartbeat, HeartbeatResponse};
use domain::{JobStatus, Progress, RestorePhase, Step};
use uuid::Uuid;

use crate::columns::{micros, time, to_json};
use crate::jobs::log;
use crate::jobs::row::JobRow;
use crate::schema::{jobs, restores};
use crate::transaction::Transaction;
use crate::{Store, StoreError, workers};

impl Store {
    /// Renews a lease by `lease_seconds` from now. A lease that ran out may still be renewed as long as nobody took notice.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the attempt is over.
    pub fn job_heartbeat(
        &self,
        id: Uuid,
        heartbeat: &Heartbeat,
        lease_seconds: i64,
        now: DateTime<Utc>,
    ) -> Result<HeartbeatResponse, StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            transaction.lock_job(&id)?;
            let mut job: JobRow =
                jobs::table.find(&id).first(transaction.connection).optional()?.ok_or(StoreError::LeaseLost)?;
            if job.status != JobStatus::Running.as_str() || job.attempt != heartbeat.attempt {
                return Err(StoreError::LeaseLost);
            }
            if let Some(progress) = &heartbeat.progress {
                note_progress(transaction, &mut job, progress)?;
            }
            let last_line = log::append(transaction, &id, job.last_line, &heartbeat.log_lines)?;
            diesel::update(jobs::table.find(&id))
                .set((
                    jobs::lease_until.eq(micros(now + Duration::seconds(lease_seconds))),
                    jobs::progress.eq(&job.progress),
                    jobs::steps.eq(&job.steps),
                    jobs::last_line.eq(last_line),
                ))
                .execute(transaction.connection)?;
            if let Some(worker) = &job.worker {
                workers::seen_by_name(transaction, worker)?;
            }
            if heartbeat.progress.is_some() || !heartbeat.log_lines.is_empty() {
                job.note_change(transaction)?;
            }
            Ok(HeartbeatResponse { cancel_requested: job.cancel_requested, lease_seconds })
        })
    }
}

/// Keeps the progress, and begins a new step when the phase is another.
fn note_progress(transaction: &mut Transaction<'_>, job: &mut JobRow, progress: &Progress) -> Result<(), StoreError> {
    job.progress = Some(to_json("jobs.progress", progress)?);
    let mut steps = job.steps()?;
    if steps.last().is_some_and(|step| step.phase == progress.phase) {
        return Ok(());
    }
    close_last_step(&mut steps, transaction.now);
    steps.push(Step { phase: progress.phase.clone(), started_at: time(micros(transaction.now)), ended_at: None });
    job.set_steps(&steps)?;
    if let (Some(restore), Ok(phase)) = (&job.restore_id, progress.phase.parse::<RestorePhase>())
        && job.kind()? == domain::JobKind::Restore
    {
        diesel::update(restores::table.find(restore))
            .set(restores::phase.eq(phase.as_str()))
            .execute(transaction.connection)?;
    }
    Ok(())
}

/// Ends the step that lasts.
pub fn close_last_step(steps: &mut [Step], now: DateTime<Utc>) {
    if let Some(step) = steps.last_mut().filter(|step| step.ended_at.is_none()) {
        step.ended_at = Some(time(micros(now)));
    }
}
