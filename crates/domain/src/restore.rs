//! Restores as people see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::named_enum;
use crate::{Approval, JobError, Progress, StopPosition};

/// How long the replaced data is kept for an undo, in hours.
pub const UNDO_HOURS: i64 = 24;

named_enum! {
    /// Where a restore stands.
    RestoreStatus {
        Pending => "pending",
        Running => "running",
        Completed => "completed",
        Failed => "failed",
        Cancelled => "cancelled",
        /// It was completed, and then the earlier data was put back.
        Undone => "undone",
    }
}

named_enum! {
    /// What a restore does now, or did last.
    RestorePhase {
        Checking => "checking",
        Fetching => "fetching",
        Preparing => "preparing",
        Replaying => "replaying",
        Validating => "validating",
        Switching => "switching",
        Done => "done",
    }
}

/// Where a restore puts the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestoreTarget {
    /// Over the datastore that the backup was made of.
    InPlace,
    /// Into a new datastore of this name.
    NewDatastore { name: String },
}

/// One restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restore {
    pub id: Uuid,
    pub datastore_id: Uuid,
    pub backup_id: Uuid,
    /// The number of that backup.
    pub backup_number: i64,
    pub target: RestoreTarget,
    /// Up to which instant logs are replayed, or `latest`; null: exactly the backup, or up to a position.
    pub pitr_stop_time: Option<String>,
    /// Up to which place in the log logs are replayed.
    pub pitr_stop_position: Option<StopPosition>,
    /// Where the replay stopped, in the engine's own notation; null before that, and without a replay.
    pub reached_position: Option<String>,
    /// When the last replayed transaction was committed.
    pub reached_commit_at: Option<DateTime<Utc>>,
    pub status: RestoreStatus,
    pub phase: RestorePhase,
    /// The job that does it.
    pub job_id: Uuid,
    pub progress: Option<Progress>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<f64>,
    /// How long the server was stopped.
    pub downtime_seconds: Option<f64>,
    /// Until when the earlier data can be put back; null when it can't.
    pub undo_until: Option<DateTime<Utc>>,
    /// The request for a second person's approval; null where the datastore has no restore guard.
    #[serde(default)]
    pub approval: Option<Approval>,
    pub error: Option<JobError>,
}

/// A request for a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreCreate {
    pub target: RestoreTarget,
    /// A time, or `latest`; exactly the backup when null or left out.
    #[serde(default)]
    pub pitr_stop_time: Option<String>,
    /// A place in the log, in the engine's own notation; not both this and a time.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<StopPosition>))]
    pub pitr_stop_position: Option<serde_json::Value>,
    /// The datastore's name, typed by the person; required in place.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Take the configuration files inside the data directory from the backup too. The live server's stay otherwise.
    #[serde(default)]
    pub restore_configuration: bool,
}
