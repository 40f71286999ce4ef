//! A claimed job's lease: renewed in the background, independent of the data path (F-15), and the first to know when the
//! job is no longer ours. What must not happen without the lease asks [`Lease::confirm`] right before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{Client, ClientError};
use domain::assignment::Heartbeat;
use domain::job::HEARTBEAT_SECONDS;
use domain::log_archive::SuspendArchiving;
use domain::{ErrorCode, JobError, LogSegment, Progress};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::job_log::JobLog;
use crate::progress::ProgressTracker;

/// News are sent this often while something moves.
const NEWS_INTERVAL: Duration = Duration::from_secs(1);

/// Why a job's work is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody asked for it.
    CancelRequested,
    /// The control plane gave the job to somebody else, or could not be reached for a whole lease. // F-11, F-21
    LeaseLost,
    /// The worker shuts down. // F-07
    Shutdown,
}

/// One attempt at one job.
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    job_id: Uuid,
    attempt: i32,
    lease: Duration,
    log: JobLog,
    progress: ProgressTracker,
    stop: CancellationToken,
    cause: Mutex<Option<StopCause>>,
    renewed_at: Mutex<Instant>,
}

impl Lease {
    /// Takes over a claim. `lease` is how long it lasts without a heartbeat.
    pub fn new(
        client: Client,
        job_id: Uuid,
        attempt: i32,
        lease: Duration,
        log: JobLog,
        progress: ProgressTracker,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                job_id,
                attempt,
                lease,
                log,
                progress,
                stop: CancellationToken::new(),
                cause: Mutex::new(None),
                renewed_at: Mutex::new(Instant::now()),
            }),
        }
    }

    /// Cancelled when the work is to stop.
    pub fn stop_token(&self) -> CancellationToken {
        self.shared.stop.clone()
    }

    /// Why the work was told to stop; null while it may go on.
    pub fn stop_cause(&self) -> Option<StopCause> {
        *self.shared.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the work to stop. The first cause counts.
    pub fn stop(&self, cause: StopCause) {
        self.shared.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        self.shared.stop.cancel();
    }

    /// Renews the lease until `done` is cancelled. A heartbeat that fails is tried again until the lease has run out by
    /// this worker's own clock; then the work is stopped, since another worker may have begun. // F-21
    pub async fn keep_alive(&self, done: CancellationToken) {
        loop {
            let interval = if self.shared.log.is_empty() { HEARTBEAT_SECONDS } else { 1 };
            let mut waited = Duration::ZERO;
            let before = self.shared.progress.snapshot();
            while waited < Duration::from_secs(interval) {
                tokio::select! {
                    () = done.cancelled() => {
                        // The last phases belong to the story, whether or not anybody hears it.
                        let _ = self.heartbeat().await;
                        return;
                    }
                    () = self.shared.progress.phase_begun() => break,
                    () = tokio::time::sleep(NEWS_INTERVAL) => waited += NEWS_INTERVAL,
                }
                if !self.shared.log.is_empty() || self.shared.progress.snapshot() != before {
                    break;
                }
            }
            match self.heartbeat().await {
                Ok(()) => {}
                Err(error) if error.code() == Some(ErrorCode::LeaseLost) => self.stop(StopCause::LeaseLost),
                Err(error) => {
                    tracing::warn!(job = %self.shared.job_id, %error, "the heartbeat failed");
                    let renewed_at = *self.shared.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
                    if renewed_at.elapsed() >= self.shared.lease {
                        self.stop(StopCause::LeaseLost);
                    }
                }
            }
        }
    }

    /// Asks that nobody archives the logs of the job's datastore; says whether that is so.
    pub async fn suspend_archiving(&self) -> bool {
        let body = SuspendArchiving { attempt: self.shared.attempt };
        match self.shared.client.worker_suspend_archiving(self.shared.job_id, &body).await {
            Ok(answer) => answer.is_free,
            Err(error) => {
                tracing::warn!(job = %self.shared.job_id, %error, "could not pause the archiving of logs");
                false
            }
        }
    }

    /// A segment of log as it is archived by now; none when the catalog no longer has it.
    ///
    /// # Errors
    /// When the control plane can't be asked.
    pub async fn archived_segment(
        &self,
        datastore: Uuid,
        segment: &LogSegment,
    ) -> Result<Option<LogSegment>, JobError> {
        let asked = self.shared.client.worker_log_segments(datastore).await;
        let segments = asked.map_err(|error| {
            let code = error.code().unwrap_or(ErrorCode::DatabaseUnavailable);
            JobError::new(code, crate::context::describe(&error))
        })?;
        Ok(segments.into_iter().find(|of| of.incarnation == segment.incarnation && of.name == segment.name))
    }

    /// Makes sure, by asking, that the job is still this attempt's: called right before what can't be taken back.
    ///
    /// # Errors
    /// `lease_lost` when it is not, or when nobody answers before the lease runs out.
    pub async fn confirm(&self) -> Result<(), JobError> {
        let lost =
            || JobError::new(ErrorCode::LeaseLost, "The control plane gave this job up or could not be reached.");
        loop {
            if self.stop_cause() == Some(StopCause::LeaseLost) {
                return Err(lost());
            }
            match self.heartbeat().await {
                Ok(()) => return Ok(()),
                Err(ClientError::Problem(_)) => {
                    self.stop(StopCause::LeaseLost);
                    return Err(lost());
                }
                Err(_) => {
                    let renewed_at = *self.shared.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
                    if renewed_at.elapsed() >= self.shared.lease {
                        self.stop(StopCause::LeaseLost);
                        return Err(lost());
                    }
                    tokio::time::sleep(NEWS_INTERVAL).await;
                }
            }
        }
    }

    async fn heartbeat(&self) -> Result<(), ClientError> {
        for progress in self.shared.progress.take_report() {
            self.send(progress).await?;
        }
        Ok(())
    }

    async fn send(&self, progress: Progress) -> Result<(), ClientError> {
        let log_lines = self.shared.log.take();
        // The lease counts from before the question, so that a slow answer never makes it look longer than it is.
        let asked_at = Instant::now();
        let message =
            Heartbeat { attempt: self.shared.attempt, progress: Some(progress), log_lines: log_lines.clone() };
        match self.shared.client.worker_heartbeat(self.shared.job_id, &message).await {
            Ok(answer) => {
                *self.shared.renewed_at.lock().unwrap_or_else(PoisonError::into_inner) = asked_at;
                if answer.cancel_requested {
                    self.stop(StopCause::CancelRequested);
                }
                Ok(())
            }
            Err(error) => {
                self.shared.log.put_back(log_lines);
                Err(error)
            }
        }
    }
}
