//! A datastore: a database server instance that is backed up, how it is reached, stopped and started, and what a worker
//! found out about it.

mod shared_directory;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::named_enum;
use crate::job::Job;
use crate::log_archive::LogArchivingStatus;
use crate::name::validate_name;
use crate::problem::FieldError;
use crate::{BackupKind, BackupType, Engine, ErrorCode, Method, Secret};

pub use shared_directory::SharedDirectory;

named_enum! {
    /// What is known of the server's state.
    DatastoreStatus {
        Online => "online",
        Offline => "offline",
        Restoring => "restoring",
        Unknown => "unknown",
    }
}

/// How the server is stopped and started: needed for a restore in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Service {
    /// A unit of systemd, by `systemctl start` and `systemctl stop`.
    Systemd {
        /// The unit's name, such as `postgresql@15-main.service`.
        unit: String,
    },
    /// Argument lists that the worker runs as its own user, without a shell.
    Command {
        /// Starts the server and returns once it was started.
        start: Vec<String>,
        /// Stops the server cleanly and returns once it has stopped.
        stop: Vec<String>,
        /// Exits 0 when the server runs, otherwise not. The worker watches the port when this is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Vec<String>>,
    },
    /// An instance that the worker runs itself, as its own child.
    Process {
        /// The server's argument list, which must stay in the foreground.
        start: Vec<String>,
        /// The system user to run it as, where the worker is root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The file that takes the server's output.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_file: Option<String>,
    },
    /// Nobody told how: restores in place are refused.
    None,
}

/// One method and the types of backup it makes on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MethodCapability {
    pub method: Method,
    pub types: Vec<BackupType>,
    pub kind: BackupKind,
    /// Why it makes no incremental backups on this server, where the engine has such.
    #[serde(default)]
    pub incremental_reason: Option<String>,
}

/// A method of the engine that does not work on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnavailableMethod {
    pub method: Method,
    /// Why not, and what to do about it.
    pub reason: String,
}

/// What a datastore can do. The flags are booleans with their reason beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Capabilities {
    /// The methods that work; the first is the engine's default.
    pub methods: Vec<MethodCapability>,
    /// The engine's other methods, each with what stands in its way.
    #[serde(default)]
    pub unavailable_methods: Vec<UnavailableMethod>,
    pub point_in_time_recovery: bool,
    /// Why point-in-time recovery does not work, when it does not.
    pub point_in_time_recovery_reason: Option<String>,
    /// Whether the data directory can be replaced. Dumps are put back through the server and need none of that.
    pub restore_in_place: bool,
    /// Why a restore in place does not work, when it does not.
    pub restore_in_place_reason: Option<String>,
}

impl Capabilities {
    /// Whether any method makes such backups.
    pub fn makes(&self, backup_type: BackupType) -> bool {
        self.methods.iter().any(|method| method.types.contains(&backup_type))
    }
}

named_enum! {
    /// How bad a finding is.
    FindingSeverity {
        /// Something that works, worth saying.
        Ok => "ok",
        /// Works, with a drawback.
        Warning => "warning",
        /// Backup or restore does not work.
        Error => "error",
    }
}

/// One thing that a test of a datastore found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    pub severity: FindingSeverity,
    /// A stable word for the finding: an error code where it is a failure, otherwise such as `connected`.
    pub code: String,
    /// What was found, as one sentence.
    pub detail: String,
    /// The statement or command that mends it, ready to copy.
    pub remedy: Option<String>,
}

/// What a worker found out about a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inspection {
    /// Whether the server answered and let the user in.
    pub status: DatastoreStatus,
    pub engine_version: Option<String>,
    pub data_directory: Option<String>,
    /// Tells this server from any other at the same address: PostgreSQL's system identifier, MariaDB's server uid, …
    pub server_identity: Option<String>,
    /// The size of the data in bytes, as far as the server tells.
    pub data_size_bytes: Option<u64>,
    pub capabilities: Capabilities,
    pub findings: Vec<Finding>,
    /// Set when such a server can't be registered at all: why.
    pub refusal: Option<crate::JobError>,
}

impl Inspection {
    /// An inspection that ended before anything could be found out.
    pub fn failed(code: ErrorCode, detail: impl Into<String>, remedy: Option<String>) -> Self {
        Self {
            status: DatastoreStatus::Offline,
            engine_version: None,
            data_directory: None,
            server_identity: None,
            data_size_bytes: None,
            capabilities: Capabilities::default(),
            findings: vec![Finding {
                severity: FindingSeverity::Error,
                code: code.as_str().to_owned(),
                detail: detail.into(),
                remedy,
            }],
            refusal: None,
        }
    }
}

/// A registered database server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Datastore {
    pub id: Uuid,
    /// Unique among datastores.
    pub name: String,
    pub engine: Engine,
    pub engine_version: Option<String>,
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    /// Whether a password is kept; the password itself is never returned.
    pub has_password: bool,
    pub data_directory: Option<String>,
    /// Where the server puts its backups for the worker; null for engines whose tools hand them over.
    #[serde(default)]
    pub shared_directory: Option<SharedDirectory>,
    /// The storage of kind `s3` through which server and worker pass backups instead of through a shared directory.
    #[serde(default)]
    pub shared_storage_id: Option<Uuid>,
    pub service: Service,
    /// The worker that runs this datastore's jobs; any worker when null.
    pub worker: Option<String>,
    /// Where its backups go.
    pub storage_id: Uuid,
    /// The project that it belongs to; roles given for that project count for it.
    #[serde(default)]
    pub project_id: Option<Uuid>,
    /// Whether restores in place need a second person's approval.
    #[serde(default)]
    pub restore_guard: bool,
    pub status: DatastoreStatus,
    pub capabilities: Capabilities,
    /// What the newest test found.
    pub findings: Vec<Finding>,
    /// When a worker last looked at the server.
    pub inspected_at: Option<DateTime<Utc>>,
    pub server_identity: Option<String>,
    pub data_size_bytes: Option<u64>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub overview: DatastoreOverview,
}

/// What a list of datastores shows about each one's backups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatastoreOverview {
    /// When the newest completed backup ended.
    pub last_good_backup_at: Option<DateTime<Utc>>,
    pub last_good_backup_number: Option<i64>,
    /// How many completed backups there are.
    pub backup_count: i64,
    /// What they occupy, in bytes.
    pub stored_bytes: i64,
    /// Backups and restores that failed in the last 24 hours, and scheduled runs that were missed or skipped then.
    pub failures_24h: i64,
    /// How the archiving of its logs goes.
    pub log_archiving: LogArchivingStatus,
    /// Up to which instant its archived log is complete; null without one.
    pub recoverable_until: Option<DateTime<Utc>>,
    /// When the next scheduled backup is due; null without an active schedule.
    pub next_run_at: Option<DateTime<Utc>>,
    /// The stored sizes in bytes of the newest completed backups, oldest first, at most 30.
    pub recent_sizes_bytes: Vec<i64>,
    /// The job that runs now, or waits.
    pub active_job: Option<Box<Job>>,
}

/// A new datastore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatastoreCreate {
    pub name: String,
    pub engine: Engine,
    pub host: String,
    /// The engine's usual port when left out.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    #[serde(default)]
    pub data_directory: Option<String>,
    /// For engines whose servers write their backups into files themselves.
    #[serde(default)]
    pub shared_directory: Option<SharedDirectory>,
    /// Instead of a shared directory: a storage of kind `s3` through which server and worker pass backups.
    #[serde(default)]
    pub shared_storage_id: Option<Uuid>,
    #[serde(default)]
    pub service: Option<Service>,
    #[serde(default)]
    pub worker: Option<String>,
    /// The storage named `default` when left out.
    #[serde(default)]
    pub storage_id: Option<Uuid>,
    /// The project that it belongs to; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<Uuid>,
}

/// What may be changed of a datastore; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatastorePatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<String>,
    /// Null: none any more. A directory takes the place of a shared storage.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<SharedDirectory>))]
    pub shared_directory: Option<Option<SharedDirectory>>,
    /// Null: none any more. A storage takes the place of a shared directory.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Uuid>))]
    pub shared_storage_id: Option<Option<Uuid>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_id: Option<Uuid>,
    /// Null takes it out of its project.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Uuid>))]
    pub project_id: Option<Option<Uuid>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_guard: Option<bool>,
}

/// Tells a field that is null from one that is left out.
fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl DatastoreCreate {
    /// Checks all fields, the way the server does before it saves. An empty list means that nothing is wrong.
    pub fn validate(&self) -> Vec<FieldError> {
        validate_fields(
            Some(&self.name),
            Some(&self.host),
            self.port,
            self.username.as_deref(),
            self.data_directory.as_deref(),
            (self.shared_directory.as_ref(), self.shared_storage_id),
            self.service.as_ref(),
        )
    }
}

impl DatastorePatch {
    /// The directory or the storage through which backups pass after the change: naming one takes the other's place.
    pub fn shared_place(
        &self,
        directory: Option<SharedDirectory>,
        storage: Option<Uuid>,
    ) -> (Option<SharedDirectory>, Option<Uuid>) {
        match (&self.shared_directory, self.shared_storage_id) {
            (Some(Some(directory)), _) => (Some(directory.clone()), None),
            (_, Some(Some(storage))) => (None, Some(storage)),
            (no_directory, no_storage) => {
                (directory.filter(|_| no_directory.is_none()), storage.filter(|_| no_storage.is_none()))
            }
        }
    }

    /// Checks the fields that are there. An empty list means that nothing is wrong.
    pub fn validate(&self) -> Vec<FieldError> {
        validate_fields(
            self.name.as_deref(),
            self.host.as_deref(),
            self.port,
            self.username.as_deref(),
            self.data_directory.as_deref(),
            (self.shared_directory.as_ref().and_then(Option::as_ref), self.shared_storage_id.flatten()),
            self.service.as_ref(),
        )
    }
}

fn validate_fields(
    name: Option<&str>,
    host: Option<&str>,
    port: Option<u16>,
    username: Option<&str>,
    data_directory: Option<&str>,
    (shared_directory, shared_storage): (Option<&SharedDirectory>, Option<Uuid>),
    service: Option<&Service>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(Err(error)) = name.map(validate_name) {
        errors.push(FieldError::new("/name", error.to_string()));
    }
    if let Some(host) = host {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if host.is_empty() || host.len() > 253 || host.starts_with('-') || !host.chars().all(plain) {
            errors.push(FieldError::new("/host", "must be a host name or an IP address"));
        }
    }
    if port == Some(0) {
        errors.push(FieldError::new("/port", "must be between 1 and 65535"));
    }
    if let Some(username) = username
        && (username.starts_with('-') || username.len() > 128 || username.chars().any(char::is_control))
    {
        errors.push(FieldError::new(
            "/username",
            "must have at most 128 characters, no control characters and no leading dash",
        ));
    }
    if let Some(directory) = data_directory
        && (!directory.starts_with('/') || directory.contains('\0') || directory.split('/').any(|part| part == ".."))
    {
        errors.push(FieldError::new("/data_directory", "must be an absolute path without \"..\""));
    }
    if let Some(directory) = shared_directory {
        errors.extend(directory.validate());
        if shared_storage.is_some() {
            errors.push(FieldError::new("/shared_storage_id", "must be left out where there is a shared directory"));
        }
    }
    if let Some(service) = service {
        validate_service(service, &mut errors);
    }
    errors
}

fn validate_service(service: &Service, errors: &mut Vec<FieldError>) {
    let mut list = |pointer: &str, arguments: &[String]| {
        let first = arguments.first().map(String::as_str).unwrap_or_default();
        if first.is_empty() || first.starts_with('-') {
            errors.push(FieldError::new(pointer, "must be an argument list whose first item is a program"));
        } else if arguments.iter().any(|argument| argument.contains('\0')) {
            errors.push(FieldError::new(pointer, "must not hold NUL characters"));
        }
    };
    match service {
        Service::Systemd { unit } => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '@' | '\\');
            if unit.is_empty() || unit.starts_with('-') || !unit.chars().all(plain) {
                errors.push(FieldError::new("/service/unit", "must be the name of a systemd unit"));
            }
        }
        Service::Command { start, stop, status } => {
            list("/service/start", start);
            list("/service/stop", stop);
            if let Some(status) = status {
                list("/service/status", status);
            }
        }
        Service::Process { start, .. } => list("/service/start", start),
        Service::None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_and_a_storage_take_each_other_s_place() {
        let directory = SharedDirectory { server_path: "/a".to_owned(), worker_path: "/a".to_owned() };
        let (one, storage) = (Some(directory), Some(Uuid::nil()));
        let patch = |shared_directory: Option<Option<SharedDirectory>>, shared_storage_id| DatastorePatch {
            shared_directory,
            shared_storage_id,
            ..DatastorePatch::default()
        };
        assert_eq!(patch(None, None).shared_place(one.clone(), None), (one.clone(), None));
        assert_eq!(patch(None, None).shared_place(None, storage), (None, storage));
        assert_eq!(patch(Some(one.clone()), None).shared_place(None, storage), (one.clone(), None));
        assert_eq!(patch(None, Some(storage)).shared_place(one.clone(), None), (None, storage));
        assert_eq!(patch(Some(None), Some(storage)).shared_place(one.clone(), None), (None, storage));
        assert_eq!(patch(Some(None), None).shared_place(one.clone(), None), (None, None));
        assert_eq!(patch(Some(None), None).shared_place(None, storage), (None, storage));
        assert_eq!(patch(None, Some(None)).shared_place(None, storage), (None, None));
        let both = patch(Some(one), Some(storage)).validate();
        assert_eq!(both.iter().map(|error| error.pointer.as_str()).collect::<Vec<_>>(), ["/shared_storage_id"]);
    }
}
