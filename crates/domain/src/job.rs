//! Jobs: everything that a worker does. One state machine decides what may happen to them; `store` only persists what
//! it says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ErrorCode;
use crate::engine::named_enum;
use crate::error_code::RetryClass;

/// How long a claim lasts unless renewed, in seconds. At least three heartbeats fit in it. // F-15
pub const LEASE_SECONDS: i64 = 30;
/// How often a worker renews its lease, in seconds.
pub const HEARTBEAT_SECONDS: u64 = 3;
/// How often a job whose worker was lost is tried in all.
pub const MAX_ATTEMPTS: i32 = 3;

named_enum! {
    /// What a job does.
    JobKind {
        /// Connects to a server and finds out what it is and what is missing.
        Inspect => "inspect",
        Backup => "backup",
        /// Reads a backup again, whole, and compares every checksum.
        Verify => "verify",
        /// Deletes a backup's objects.
        Delete => "delete",
        /// Says what a restore would do and what stands in its way, touching nothing.
        PlanRestore => "plan_restore",
        Restore => "restore",
        /// Switches back to the data that a restore set aside.
        Undo => "undo",
        /// Clears from the storage what no manifest names, and looks for backups that are missing there.
        Sweep => "sweep",
        /// Takes back what a server keeps for a receiver of its logs.
        EndLogArchiving => "end_log_archiving",
        /// Looks through archived logs.
        ScanLogs => "scan_logs",
    }
}

impl JobKind {
    /// Whether the job excludes every other such job on the same datastore. // F-16
    pub const fn is_exclusive(self) -> bool {
        matches!(self, Self::Backup | Self::Delete | Self::Restore | Self::Undo | Self::Verify | Self::Sweep)
    }

    /// Whether the job is shown in the list of activity.
    pub const fn is_visible(self) -> bool {
        !matches!(self, Self::Inspect | Self::PlanRestore | Self::EndLogArchiving | Self::ScanLogs)
    }
}

named_enum! {
    /// Where a job stands.
    JobStatus {
        Pending => "pending",
        Running => "running",
        Completed => "completed",
        Failed => "failed",
        Cancelled => "cancelled",
    }
}

impl JobStatus {
    /// Whether nothing will happen any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// The part of a job that the state machine decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobState {
    pub status: JobStatus,
    /// How often it was claimed; a message with any other number is refused.
    pub attempt: i32,
    /// Whether somebody asked to stop it.
    pub cancel_requested: bool,
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// A worker takes it.
    Claimed,
    /// The worker that holds this attempt reports the end.
    Completed {
        attempt: i32,
    },
    Failed {
        attempt: i32,
    },
    /// The worker stopped because it was asked to.
    Cancelled {
        attempt: i32,
    },
    /// A worker that shuts down gives the job back unfinished. // F-07
    Released {
        attempt: i32,
    },
    /// A person asks to stop it.
    CancelRequested,
    /// The lease ran out. // F-01
    LeaseExpired,
}

/// Why an event can't happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IllegalTransition {
    #[error("the job is already {0}")]
    AlreadyFinal(JobStatus),
    #[error("the job is not running")]
    NotRunning,
    #[error("the job was already claimed")]
    AlreadyClaimed,
    #[error("the job is at attempt {current}, not {given}")]
    StaleAttempt { current: i32, given: i32 },
}

impl JobState {
    /// A new job.
    pub const fn new() -> Self {
        Self { status: JobStatus::Pending, attempt: 0, cancel_requested: false }
    }

    /// The state after an event.
    ///
    /// # Errors
    /// When the event can't happen in this state; the state then stays. // F-10, F-11
    pub fn apply(self, event: JobEvent) -> Result<Self, IllegalTransition> {
        use JobStatus::{Cancelled, Completed, Failed, Pending, Running};
        if self.status.is_final() {
            return Err(IllegalTransition::AlreadyFinal(self.status));
        }
        let held = |attempt: i32| match self.status {
            Running if attempt == self.attempt => Ok(()),
            Running => Err(IllegalTransition::StaleAttempt { current: self.attempt, given: attempt }),
            _ => Err(IllegalTransition::NotRunning),
        };
        match event {
            JobEvent::Claimed if self.status == Pending => {
                Ok(Self { status: Running, attempt: self.attempt + 1, ..self })
            }
            JobEvent::Claimed => Err(IllegalTransition::AlreadyClaimed),
            JobEvent::Completed { attempt } => held(attempt).map(|()| Self { status: Completed, ..self }),
            JobEvent::Failed { attempt } => held(attempt).map(|()| Self { status: Failed, ..self }),
            JobEvent::Cancelled { attempt } => held(attempt).map(|()| Self { status: Cancelled, ..self }),
            JobEvent::Released { attempt } => held(attempt).map(|()| self.unfinished()),
            JobEvent::CancelRequested if self.status == Pending => {
                Ok(Self { status: Cancelled, cancel_requested: true, ..self })
            }
            JobEvent::CancelRequested => Ok(Self { cancel_requested: true, ..self }),
            JobEvent::LeaseExpired if self.status == Running => Ok(self.unfinished()),
            JobEvent::LeaseExpired => Err(IllegalTransition::NotRunning),
        }
    }

    /// What becomes of a job whose attempt ended without a result: cancelled when that was asked for, tried again while
    /// attempts are left, otherwise failed.
    fn unfinished(self) -> Self {
        let status = if self.cancel_requested {
            JobStatus::Cancelled
        } else if self.attempt < MAX_ATTEMPTS {
            JobStatus::Pending
        } else {
            JobStatus::Failed
        };
        Self { status, ..self }
    }
}

impl Default for JobState {
    fn default() -> Self {
        Self::new()
    }
}

/// How far a job has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// What it does now, one word: `streaming`, `fetching`, …
    pub phase: String,
    /// Bytes of the database's data that are done.
    pub bytes_done: u64,
    /// Bytes in all, where they can be told.
    pub bytes_total: Option<u64>,
    /// 0 to 100, where the total is known.
    pub percent: Option<f64>,
    /// The rate of the last seconds.
    pub bytes_per_second: Option<u64>,
    /// How long it will take still, at this rate.
    pub eta_seconds: Option<u64>,
}

/// One phase that a job went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    pub phase: String,
    pub started_at: DateTime<Utc>,
    /// Null while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobError {
    pub code: ErrorCode,
    /// What happened and what to do about it; holds no secret.
    pub detail: String,
}

impl JobError {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Whether the same may work by itself after a while.
    pub fn is_transient(&self) -> bool {
        self.code.retry_class() == RetryClass::WithBackoff
    }
}

/// A job, as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    pub id: Uuid,
    pub kind: JobKind,
    pub datastore_id: Option<Uuid>,
    pub datastore_name: Option<String>,
    pub backup_id: Option<Uuid>,
    /// The number of that backup.
    pub backup_number: Option<i64>,
    pub restore_id: Option<Uuid>,
    pub status: JobStatus,
    pub attempt: i32,
    pub cancel_requested: bool,
    /// Whether it waits for a person's approval and not for a worker.
    #[serde(default)]
    pub awaiting_approval: bool,
    /// The name of the worker that has it or had it last.
    pub worker: Option<String>,
    pub progress: Option<Progress>,
    pub steps: Vec<Step>,
    pub error: Option<JobError>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<f64>,
}

named_enum! {
    /// How loud a log line is.
    LogLevel {
        /// A line that a tool wrote.
        Tool => "tool",
        Info => "info",
        Warning => "warning",
        Error => "error",
    }
}

/// A line that a worker sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLineDraft {
    pub at: DateTime<Utc>,
    pub level: LogLevel,
    /// At most 4 KiB, secrets redacted.
    pub text: String,
}

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// Grows by the line within a job, from 1.
    pub sequence: i64,
    pub at: DateTime<Utc>,
    pub level: LogLevel,
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<JobState> {
        let mut all = Vec::new();
        for &status in JobStatus::ALL {
            for cancel_requested in [false, true] {
                for attempt in [1, MAX_ATTEMPTS] {
                    all.push(JobState { status, attempt, cancel_requested });
                }
            }
        }
        all
    }

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        let mut table = String::new();
        for state in states() {
            for event in [
                JobEvent::Claimed,
                JobEvent::Completed { attempt: 1 },
                JobEvent::Failed { attempt: 1 },
                JobEvent::Cancelled { attempt: 1 },
                JobEvent::Released { attempt: 1 },
                JobEvent::CancelRequested,
                JobEvent::LeaseExpired,
            ] {
                let outcome = match state.apply(event) {
                    Ok(after) => {
                        format!("{} attempt {} cancel {}", after.status, after.attempt, after.cancel_requested)
                    }
                    Err(error) => format!("refused: {error}"),
                };
                table.push_str(&format!(
                    "{} attempt {} cancel {} | {event:?} -> {outcome}\n",
                    state.status, state.attempt, state.cancel_requested
                ));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn f11_a_stale_attempt_changes_nothing() {
        let state = JobState { status: JobStatus::Running, attempt: 2, cancel_requested: false };
        assert_eq!(
            state.apply(JobEvent::Completed { attempt: 1 }),
            Err(IllegalTransition::StaleAttempt { current: 2, given: 1 })
        );
    }

    proptest::proptest! {
        #[test]
        fn attempts_only_grow_and_final_states_stay(events in proptest::collection::vec(0u8..7, 0..40)) {
            let mut state = JobState::new();
            for event in events {
                let attempt = state.attempt;
                let event = match event {
                    0 => JobEvent::Claimed,
                    1 => JobEvent::Completed { attempt },
                    2 => JobEvent::Failed { attempt },
                    3 => JobEvent::Cancelled { attempt },
                    4 => JobEvent::Released { attempt },
                    5 => JobEvent::CancelRequested,
                    _ => JobEvent::LeaseExpired,
                };
                let before = state;
                if let Ok(after) = state.apply(event) {
                    state = after;
                }
                proptest::prop_assert!(state.attempt >= before.attempt && state.attempt <= MAX_ATTEMPTS);
                if before.status.is_final() {
                    proptest::prop_assert_eq!(state, before);
                }
            }
        }
    }
}
