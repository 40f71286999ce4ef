//! Backups as people see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::named_enum;
use crate::problem::FieldError;
use crate::{BackupType, JobError, JobStatus, Method, Progress};

named_enum! {
    /// Who asked for a backup.
    Trigger {
        Manual => "manual",
        Schedule => "schedule",
    }
}

named_enum! {
    /// What the newest full re-read of a backup found.
    VerificationStatus {
        Never => "never",
        Passed => "passed",
        Failed => "failed",
    }
}

/// The newest full re-read of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verification {
    pub status: VerificationStatus,
    pub at: Option<DateTime<Utc>>,
}

impl Default for Verification {
    fn default() -> Self {
        Self { status: VerificationStatus::Never, at: None }
    }
}

/// One backup. Its `status` is that of the job that makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backup {
    pub id: Uuid,
    /// The small integer that people see and say.
    pub number: i64,
    pub datastore_id: Uuid,
    /// The backup that this one is built on; null for a full one.
    pub parent_id: Option<Uuid>,
    pub method: Method,
    #[serde(rename = "type")]
    pub backup_type: BackupType,
    pub status: JobStatus,
    pub trigger: Trigger,
    pub schedule_id: Option<Uuid>,
    /// The job that makes or made it; its log and steps tell how.
    pub job_id: Uuid,
    pub storage_id: Uuid,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub duration_seconds: Option<f64>,
    /// What it occupies in the storage.
    pub size_bytes: Option<i64>,
    /// What the tool wrote before compression.
    pub original_size_bytes: Option<i64>,
    pub engine_version: Option<String>,
    /// Where in the server's log the backup stands, in the engine's own notation.
    pub log_position: Option<String>,
    pub encrypted: bool,
    /// SHA-256 of the manifest that was written, in hexadecimal: a backup whose manifest is another one meanwhile is not
    /// restored. Null until it is completed. // F-90
    #[serde(default)]
    pub manifest_sha256: Option<String>,
    pub verification: Verification,
    pub progress: Option<Progress>,
    pub error: Option<JobError>,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// Why nobody may delete it, not retention either; null when it is not held.
    pub held: Option<String>,
}

/// The most characters that the reason of a hold may have.
const HOLD_REASON_MAX_CHARS: usize = 200;

/// Exempts a backup from deletion until the hold is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupHold {
    /// Why, for people; 1 to 200 characters.
    pub reason: String,
}

impl BackupHold {
    /// Checks the reason. An empty list means that nothing is wrong.
    pub fn validate(&self) -> Vec<FieldError> {
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > HOLD_REASON_MAX_CHARS || reason.chars().any(char::is_control) {
            let detail = format!("must have 1 to {HOLD_REASON_MAX_CHARS} characters, on one line");
            return vec![FieldError::new("/reason", detail)];
        }
        Vec::new()
    }
}

/// A request for a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupCreate {
    /// The engine's default when left out.
    #[serde(default)]
    pub method: Option<Method>,
    /// `full` when left out. One of another type that there is nothing to build on becomes a full one.
    #[serde(default, rename = "type")]
    pub backup_type: Option<BackupType>,
}
