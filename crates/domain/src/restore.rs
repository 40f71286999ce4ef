//! Restores as people see them.

mod copies;

pub use copies::{DatabaseCopy, validate_copies};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::named_enum;
use crate::problem::FieldError;
use crate::{
    Approval, Datastore, DatastoreCreate, ErrorCode, JobError, Method, Progress, Secret, Service, SharedDirectory,
    StopPosition,
};

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

/// Where a restore put the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestoreTarget {
    /// Over the datastore that the backup was made of.
    InPlace,
    /// Into a new datastore of this name.
    NewDatastore { name: String },
    /// Some databases of the backup, beside those of the datastore that it was made of.
    NewDatabases { databases: Vec<DatabaseCopy> },
}

/// Where a restore is to put the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RestoreTargetDraft {
    /// Over the datastore that the backup was made of.
    InPlace,
    /// Into an empty data directory, or an empty server where the data goes through one, registered as a new datastore.
    NewDatastore(Box<NewDatastore>),
    /// Some databases of the backup onto the server that it was made of, under names that are not there yet: nothing is overwritten.
    /// Backups by `pg_dump` and `mssql-backup` can.
    NewDatabases { databases: Vec<DatabaseCopy> },
}

/// A datastore to be made by a restore. What is left out is as it is of the datastore that the backup was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewDatastore {
    /// One that is not taken. That of a datastore which an earlier restore was to make, and put nothing into, may be given again.
    pub name: String,
    /// An empty directory on the worker's machine, with the owner and the mode that the server's data directory is to have. Needed
    /// unless the data goes through a server (a dump): then that one has to run at the address, and to be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<String>,
    /// For engines whose servers write their backups into files themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_directory: Option<SharedDirectory>,
    /// Instead of a shared directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_storage_id: Option<Uuid>,
    /// How the server on it is started and stopped. When left out the data is put into the directory, and nothing is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The engine's usual port when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
}

impl NewDatastore {
    /// What is wrong with it as the target of a backup by `method` of `source`, by the fields' pointers.
    pub fn validate(&self, source: &Datastore, method: Method) -> Vec<FieldError> {
        let mut errors = self.registration(source).validate();
        if self.data_directory.is_none() && !method.restores_through_server() {
            errors.push(FieldError::new("/data_directory", "must be an empty directory on the worker's machine"));
        }
        errors
    }

    /// The datastore to register, beside the one that the backup is of.
    pub fn registration(&self, source: &Datastore) -> DatastoreCreate {
        let (shared_directory, shared_storage_id) = match (&self.shared_directory, self.shared_storage_id) {
            (None, None) => (source.shared_directory.clone(), source.shared_storage_id),
            (directory, storage) => (directory.clone(), storage),
        };
        DatastoreCreate {
            name: self.name.clone(),
            engine: source.engine,
            host: self.host.clone().unwrap_or_else(|| source.host.clone()),
            port: self.port,
            username: self.username.clone().or_else(|| source.username.clone()),
            password: self.password.clone(),
            data_directory: self.data_directory.clone(),
            shared_directory,
            shared_storage_id,
            service: self.service.clone(),
            worker: self.worker.clone().or_else(|| source.worker.clone()),
            storage_id: Some(source.storage_id),
            project_id: source.project_id,
        }
    }
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

impl Restore {
    /// Whether it was to make a new datastore and put nothing into it: the next one into a datastore of that name takes over what
    /// was registered.
    pub fn left_nothing(&self) -> bool {
        let ended = matches!(self.status, RestoreStatus::Failed | RestoreStatus::Cancelled);
        let is_doubtful = self.error.as_ref().is_some_and(|error| leaves_doubt(error.code));
        ended && !is_doubtful && matches!(self.target, RestoreTarget::NewDatastore { .. })
    }
}

/// Whether nobody knows which data is in place after a restore or an undo that failed so.
pub const fn leaves_doubt(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::WorkerLost | ErrorCode::ServiceControlFailed | ErrorCode::RestoreInterrupted)
}

/// A request for a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestoreCreate {
    pub target: RestoreTargetDraft,
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
