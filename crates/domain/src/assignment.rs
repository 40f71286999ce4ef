//! The worker protocol: what the control plane hands to a worker, and what it hears back. Every message after the claim
//! carries the attempt's number; one with an old number is answered `lease_lost`. // F-11

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::log_archive::{LogScan, LogScanCreate, LogSegmentName, RecoveryStop, StoredLogs};
use crate::transaction_log::LogRange;
use crate::worker::WorkerIdentity;
use crate::{
    Backup, BackupType, Engine, Inspection, JobError, JobKind, LogLineDraft, LogPoint, Method, Progress, Restore,
    RestorePlan, RestoreTarget, Secret, Service, SharedDirectory, StorageAccess,
};

/// All that a worker needs to reach a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatastoreAccess {
    pub id: Uuid,
    pub name: String,
    pub engine: Engine,
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub data_directory: Option<String>,
    /// Where the server puts its backups for the worker, for engines whose servers write them themselves.
    #[serde(default)]
    pub shared_directory: Option<SharedDirectory>,
    /// The storage that takes the directory's place.
    #[serde(default)]
    pub shared_storage: Option<StorageAccess>,
    pub service: Service,
    /// The identity that the server had when it was registered, where known. // F-54
    pub server_identity: Option<String>,
    /// The branch of its logs that the server writes now (see [`crate::log_archive`]).
    pub log_branch: String,
}

/// `POST /worker/jobs/claim`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimRequest {
    pub worker: WorkerIdentity,
    /// How long the answer may wait for a job, in seconds, at most 30.
    pub wait_seconds: u64,
    /// Whether the worker has just started and runs nothing: jobs that an earlier process of this name held are taken
    /// back at once instead of when their leases end.
    #[serde(default)]
    pub has_just_started: bool,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimResponse {
    /// Null when there was nothing to do.
    pub assignment: Option<Assignment>,
}

/// A job with all that is needed to do it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Assignment {
    pub job_id: Uuid,
    pub attempt: i32,
    /// How long the lease lasts without a heartbeat, in seconds.
    pub lease_seconds: i64,
    pub task: Task,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is read once")]
pub enum Task {
    Inspect {
        datastore: DatastoreAccess,
    },
    Backup {
        backup: BackupTask,
        datastore: DatastoreAccess,
        storage: StorageAccess,
    },
    Verify {
        backup: Backup,
        storage: StorageAccess,
    },
    Delete {
        backup: Backup,
        storage: StorageAccess,
    },
    PlanRestore {
        target: RestoreTarget,
        backup: Backup,
        datastore: DatastoreAccess,
        storage: StorageAccess,
        /// See [`Task::Restore`].
        #[serde(default)]
        applied: Vec<BackupReference>,
        replay: Option<ReplayTask>,
    },
    Restore {
        restore: Restore,
        restore_configuration: bool,
        backup: Backup,
        datastore: DatastoreAccess,
        storage: StorageAccess,
        /// All backups that it takes, in the order in which they are applied, where the log is in backups: the full one first, the
        /// newest differential that helps, then the logs. Empty where the manifests tell what it takes.
        #[serde(default)]
        applied: Vec<BackupReference>,
        replay: Option<ReplayTask>,
    },
    Undo {
        restore: Restore,
        datastore: DatastoreAccess,
    },
    Sweep {
        /// Its server may still keep what an earlier restore replaced.
        datastore: DatastoreAccess,
        storage: StorageAccess,
        /// The datastore's completed backups that should be in this storage.
        backups: Vec<Uuid>,
        /// Segments of logs that retention let go.
        expired_logs: Vec<StoredLogs>,
    },
    EndLogArchiving {
        datastore: DatastoreAccess,
    },
    ScanLogs {
        datastore_id: Uuid,
        engine: Engine,
        engine_version: String,
        scan: LogScanCreate,
        /// Those that reach into the span, oldest first.
        logs: Vec<StoredLogs>,
    },
}

/// The log to replay on a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReplayTask {
    pub stop: RecoveryStop,
    /// Without a gap, from the one that holds the backup's position on.
    /// Empty where it is in backups.
    pub logs: Vec<StoredLogs>,
}

/// A stored backup, by what the catalog knows of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupReference {
    pub id: Uuid,
    /// Of its manifest; null where the catalog does not know. // F-90
    pub manifest_sha256: Option<String>,
}

impl Task {
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Inspect { .. } => JobKind::Inspect,
            Self::Backup { .. } => JobKind::Backup,
            Self::Verify { .. } => JobKind::Verify,
            Self::Delete { .. } => JobKind::Delete,
            Self::PlanRestore { .. } => JobKind::PlanRestore,
            Self::Restore { .. } => JobKind::Restore,
            Self::Undo { .. } => JobKind::Undo,
            Self::Sweep { .. } => JobKind::Sweep,
            Self::EndLogArchiving { .. } => JobKind::EndLogArchiving,
            Self::ScanLogs { .. } => JobKind::ScanLogs,
        }
    }
}

/// The backup to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupTask {
    pub id: Uuid,
    pub number: i64,
    pub method: Method,
    pub backup_type: BackupType,
    /// The backup that an incremental one is built on.
    pub parent_id: Option<Uuid>,
    /// SHA-256 of that backup's manifest, where it is known. // F-90
    #[serde(default)]
    pub parent_sha256: Option<String>,
    /// The full backup that a chain of log backups begins with, where the parent is another: the worker looks at both ends of
    /// such a chain, which may be long, and at all links of any other.
    #[serde(default)]
    pub chain_start: Option<BackupReference>,
    pub created_at: DateTime<Utc>,
    /// zstd's level, 1 to 19.
    pub compression_level: i32,
}

/// `POST /worker/jobs/{id}/heartbeat`: renews the lease and brings news.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    pub attempt: i32,
    pub progress: Option<Progress>,
    pub log_lines: Vec<LogLineDraft>,
}

/// The answer to a heartbeat. A lost lease is answered with the problem `lease_lost` instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatResponse {
    /// Whether somebody asked to stop the job.
    pub cancel_requested: bool,
    pub lease_seconds: i64,
}

/// `POST /worker/jobs/{id}/result`: the end of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultReport {
    pub attempt: i32,
    pub outcome: Outcome,
    /// The lines that no heartbeat brought yet.
    pub log_lines: Vec<LogLineDraft>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is read once")]
pub enum Outcome {
    Completed {
        result: TaskResult,
    },
    Failed {
        error: JobError,
    },
    Cancelled,
    /// The worker shuts down and gives the job back. // F-07
    Released,
}

/// What a completed task found or made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one exists at a time and is read once")]
pub enum TaskResult {
    Inspect {
        inspection: Inspection,
    },
    Backup {
        summary: BackupSummary,
    },
    /// `problems` is empty when every object is what was written; each names its object otherwise.
    Verify {
        problems: Vec<String>,
    },
    Delete,
    PlanRestore {
        plan: RestorePlan,
    },
    Restore {
        undo_until: DateTime<Utc>,
        downtime_seconds: f64,
        /// Who the server is now, where that is known: a restore may give it another identity.
        #[serde(default)]
        server_identity: Option<String>,
        /// Where the replay of logs stopped.
        reached: Option<ReachedStop>,
    },
    Undo {
        downtime_seconds: f64,
        /// As a restore's.
        #[serde(default)]
        server_identity: Option<String>,
    },
    /// What was cleared, what could not be and why, and which backups have no manifest in the storage any more.
    Sweep {
        deleted: u64,
        failed: Vec<String>,
        missing: Vec<Uuid>,
        /// Expired segments whose objects are gone now.
        deleted_logs: Vec<LogSegmentName>,
    },
    EndLogArchiving,
    ScanLogs {
        scan: LogScan,
    },
}

/// Where a replay of logs stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReachedStop {
    /// In the engine's own notation, for people.
    pub position: String,
    pub last_commit_at: Option<DateTime<Utc>>,
}

/// What the catalog keeps of a completed backup; its manifest holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupSummary {
    /// `full` where an increment was asked for and its parent turned out to be of no use.
    pub backup_type: BackupType,
    pub parent_id: Option<Uuid>,
    pub size_bytes: u64,
    pub original_size_bytes: u64,
    pub engine_version: String,
    pub log_position: Option<String>,
    pub server_identity: Option<String>,
    /// Where replaying logs on it begins; null where the engine has none.
    pub log_point: Option<LogPoint>,
    /// What it holds of each database's transaction log; empty where the log is not in backups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_ranges: Vec<LogRange>,
    pub encrypted: bool,
    /// SHA-256 of the manifest as it was written, in hexadecimal. // F-90
    pub manifest_sha256: String,
}
