//! What became of each time at which a schedule was due. There is one record per schedule and due time, whatever
//! happened: a time that passed without a backup is told, never left out. // F-13, F-14

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::JobStatus;
use crate::engine::named_enum;

named_enum! {
    /// What became of a run.
    RunStatus {
        /// Due, but the datastore is busy.
        Waiting => "waiting",
        /// Its backup waits for a worker.
        Pending => "pending",
        Running => "running",
        Completed => "completed",
        Failed => "failed",
        Cancelled => "cancelled",
        /// No scheduler ran when it was due, and a later one was run instead.
        Missed => "missed",
        /// It could not start; the reason tells why.
        Skipped => "skipped",
    }
}

impl RunStatus {
    /// Whether the datastore has no backup of this run though it should: what counts as a failure in outcomes and metrics.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Missed | Self::Skipped)
    }
}

impl From<JobStatus> for RunStatus {
    fn from(status: JobStatus) -> Self {
        match status {
            JobStatus::Pending => Self::Pending,
            JobStatus::Running => Self::Running,
            JobStatus::Completed => Self::Completed,
            JobStatus::Failed => Self::Failed,
            JobStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// One time at which a schedule was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleRun {
    pub schedule_id: Uuid,
    /// Unique within the schedule.
    pub due_at: DateTime<Utc>,
    pub status: RunStatus,
    /// Why it was missed or skipped, or what it waits for.
    pub reason: Option<String>,
    /// How many backups were started for it: 0 when none, more than 1 after failures.
    pub attempt: i32,
    /// The newest of those backups.
    pub backup_id: Option<Uuid>,
    /// Its number; stays when the backup is deleted.
    pub backup_number: Option<i64>,
    /// When it will be tried again, after a failure.
    pub retry_at: Option<DateTime<Utc>>,
    pub recorded_at: DateTime<Utc>,
}

/// The newest run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastRun {
    /// When it was due.
    pub at: DateTime<Utc>,
    /// Null when no backup was started.
    pub backup_id: Option<Uuid>,
    /// The number of that backup; stays when it is deleted.
    pub backup_number: Option<i64>,
    pub status: RunStatus,
}
