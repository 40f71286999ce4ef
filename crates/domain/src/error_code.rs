//! The registry of error codes: the stable word, the HTTP status, whether trying again helps, and a sentence of help.
//! `api-spec/errors.json` and the documentation are generated from it.

use serde::{Deserialize, Serialize};

use crate::engine::named_enum;

named_enum! {
    /// Whether trying again can help.
    RetryClass {
        /// The same request fails again.
        Never => "never",
        /// It works after somebody mended the cause.
        AfterFix => "after_fix",
        /// It may work by itself after a while.
        WithBackoff => "with_backoff",
    }
}

macro_rules! error_codes {
    ($($variant:ident => $text:literal, $status:literal, $retry:ident, $title:literal, $help:literal;)+) => {
        named_enum! {
            /// A stable word for what went wrong.
            ErrorCode { $($variant => $text),+ }
        }

        impl ErrorCode {
            /// The HTTP status that answers it.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// Whether trying again can help.
            pub const fn retry_class(self) -> RetryClass {
                match self { $(Self::$variant => RetryClass::$retry),+ }
            }

            /// A short name of the problem, for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What to do about it.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

error_codes! {
    // Requests
    MalformedBody => "malformed_body", 400, Never, "The body can't be read", "Send JSON of the documented shape.";
    ValidationFailed => "validation_failed", 422, Never, "Some fields are wrong", "Mend the fields listed in errors.";
    Unauthenticated => "unauthenticated", 401, AfterFix, "No valid credentials", "Sign in, or send a token as Authorization: Bearer.";
    Forbidden => "forbidden", 403, Never, "Not allowed", "The detail says what is needed: a role, or the address that the server printed.";
    InvalidCredentials => "invalid_credentials", 401, AfterFix, "The sign-in was refused", "Check user name, password and code; a one-time link is good once and for a day.";
    SecondFactorRequired => "second_factor_required", 401, AfterFix, "A second factor is needed", "Send the code of the authenticator app, or a recovery code.";
    LastAdministrator => "last_administrator", 409, AfterFix, "This is the last administrator", "Make somebody else an administrator of everything first.";
    ProjectNotEmpty => "project_not_empty", 409, AfterFix, "The project still has datastores", "Move them to another project first.";
    SignInExpired => "sign_in_expired", 401, AfterFix, "The sign-in took too long or began elsewhere", "Begin again on the sign-in page.";
    IdentityProviderFailed => "identity_provider_failed", 502, WithBackoff, "The identity provider signed nobody in", "Try again; the service's log tells what the provider said.";
    NotFound => "not_found", 404, Never, "Not found", "Check the id; it may have been deleted.";
    MethodNotAllowed => "method_not_allowed", 405, Never, "Method not allowed", "See the API's documentation.";
    PayloadTooLarge => "payload_too_large", 413, Never, "The body is too large", "Send less.";
    RequestTimeout => "request_timeout", 408, WithBackoff, "The request took too long", "Send it again; look at the network between.";
    TooManyRequests => "too_many_requests", 429, WithBackoff, "Too many requests", "Wait as long as Retry-After says, then try again.";
    NameTaken => "name_taken", 409, AfterFix, "The name is taken", "Choose another name.";
    IdempotencyKeyReused => "idempotency_key_reused", 409, Never, "The idempotency key was used for another request", "Use a new key for each new request.";
    Conflict => "conflict", 409, AfterFix, "Not possible in this state", "Look at the resource's state and try again.";
    // Datastores
    HostUnreachable => "host_unreachable", 422, WithBackoff, "The server can't be reached", "Check host and port, that the server runs, and that no firewall is between.";
    AuthenticationFailed => "authentication_failed", 422, AfterFix, "The server refused the credentials", "Check user name and password.";
    MissingPrivilege => "missing_privilege", 422, AfterFix, "A privilege is missing", "Run the statement that the finding shows as an administrator of the server.";
    MissingTool => "missing_tool", 422, AfterFix, "A tool is missing on the worker", "Install the package that the finding names on the worker's machine.";
    ServerSettingMissing => "server_setting_missing", 422, AfterFix, "A setting of the server stands in the way", "Change the setting that the finding names.";
    UnsupportedEngine => "unsupported_engine", 422, Never, "The engine is not supported yet", "See the table of engines in the README.";
    UnsupportedMethod => "unsupported_method", 422, Never, "The method or type does not work on this datastore", "Choose one of the datastore's capabilities.";
    EngineMismatch => "engine_mismatch", 422, AfterFix, "Another engine answers at this address", "Register it as the engine that it is.";
    ServerIdentityChanged => "server_identity_changed", 409, AfterFix, "A different server answers at this address", "Check the address; if the server was rebuilt, register it as a new datastore.";
    TablespacesUnsupported => "tablespaces_unsupported", 422, Never, "Extra tablespaces are not supported yet", "Move the tables to the default tablespace.";
    DataDirectoryMismatch => "data_directory_mismatch", 422, AfterFix, "The directory is not the server's data directory", "Give the directory that the server itself reports.";
    DataDirectoryInaccessible => "data_directory_inaccessible", 422, AfterFix, "The worker can't use the data directory", "Run the worker on the server's machine, as root or as the server's user.";
    DatastoreBusy => "datastore_busy", 409, WithBackoff, "Another job is changing this datastore", "Wait for it, or cancel it.";
    DatastoreHasBackups => "datastore_has_backups", 409, AfterFix, "The datastore still has backups", "Delete its backups first, or ask to forget them with forget_backups=true; the stored files then stay.";
    // Backups
    BackupHasDependents => "backup_has_dependents", 409, AfterFix, "Other backups need this one", "Delete those first.";
    BackupHeld => "backup_held", 409, AfterFix, "The backup is held", "Release the hold first; its reason tells why it is there.";
    BackupInUse => "backup_in_use", 409, WithBackoff, "A job is using this backup", "Wait for it, or cancel it.";
    EngineToolFailed => "engine_tool_failed", 502, AfterFix, "The engine's tool failed", "Read the log; its last lines tell the cause.";
    EngineStalled => "engine_stalled", 504, WithBackoff, "The engine's tool made no progress", "Look for locks or a full disk on the server.";
    BackupIncomplete => "backup_incomplete", 502, WithBackoff, "The tool ended without its completion mark", "Try again; read the log.";
    SourceChanged => "source_changed", 409, WithBackoff, "The server was restarted or replaced during the backup", "Try again.";
    // Storage
    StorageUnavailable => "storage_unavailable", 503, WithBackoff, "The storage can't be reached", "Check the storage's address or directory.";
    StorageDenied => "storage_denied", 403, AfterFix, "The storage refused access", "Check the credentials or the directory's permissions.";
    StorageFull => "storage_full", 507, AfterFix, "The storage is full", "Free space, or choose another storage.";
    StorageInUse => "storage_in_use", 409, AfterFix, "Datastores or backups use this storage", "Move or delete them first.";
    ObjectMissing => "object_missing", 409, Never, "A stored file is missing", "Restore another backup; look for who deleted it.";
    ObjectCorrupted => "object_corrupted", 409, Never, "A stored file is not what was written", "Restore another backup; check the storage's disks.";
    ManifestMissing => "manifest_missing", 409, Never, "The backup's manifest is missing", "Restore another backup.";
    ManifestInvalid => "manifest_invalid", 409, Never, "The backup's manifest can't be read", "Restore another backup.";
    ManifestChanged => "manifest_changed", 409, Never, "The backup's manifest is not the one that was written", "Restore another backup, and find out who can write to the storage.";
    ManifestTooNew => "manifest_too_new", 409, AfterFix, "The backup was written by a newer version of Holdfast", "Update Holdfast to the version named.";
    // Restores
    PitrNotSupported => "pitr_not_supported", 422, Never, "Point-in-time recovery is not possible here", "Restore exactly the backup instead.";
    PitrTimeInFuture => "pitr_time_in_future", 422, Never, "The stop time is in the future", "Choose a time that has passed.";
    PitrTimeBeforeBackup => "pitr_time_before_backup", 422, Never, "The stop time is before the backup's end", "Choose a later time or an older backup.";
    PitrTimeNotCovered => "pitr_time_not_covered", 422, Never, "No logs cover the stop time", "Choose one of the nearest covered times.";
    PitrTimeAmbiguous => "pitr_time_ambiguous", 422, Never, "The stop names no single point in the log", "Choose a whole second, or one of that second's transactions.";
    PitrPositionNotCovered => "pitr_position_not_covered", 422, Never, "The stop position is not in the archived logs", "Choose a position that the logs after the backup hold.";
    PitrTargetNotReached => "pitr_target_not_reached", 502, WithBackoff, "The replay did not reach its stop", "The old data is in place. Choose an earlier time; read the log for what is wrong with the archived logs.";
    LogGap => "log_gap", 409, AfterFix, "Logs are missing", "Make a full backup: point-in-time recovery begins anew with it.";
    LogConflict => "log_conflict", 409, AfterFix, "The server's log is not the one that was archived", "If the server was rebuilt or its logs were reset, switch log archiving off and on again and make a full backup.";
    TargetNotSupported => "target_not_supported", 422, Never, "The data can't be put there", "Choose another target; the detail tells why.";
    BackupNotRestorable => "backup_not_restorable", 409, Never, "The backup can't be restored", "Choose a completed backup.";
    ConfirmationMismatch => "confirmation_mismatch", 422, AfterFix, "The confirmation does not match", "Type the datastore's name exactly.";
    IncompatibleEngineVersion => "incompatible_engine_version", 409, AfterFix, "The server's version can't take this backup", "Install the version that the backup was made with.";
    InsufficientDiskSpace => "insufficient_disk_space", 507, AfterFix, "Not enough disk space", "Free the space named, on the file system of the data directory.";
    ServiceControlMissing => "service_control_missing", 409, AfterFix, "Nobody told how to stop and start the server", "Set the datastore's service.";
    ServiceControlFailed => "service_control_failed", 502, AfterFix, "The server could not be stopped or started", "Read the log; try the service's command by hand.";
    RestoredServerUnhealthy => "restored_server_unhealthy", 502, Never, "The restored data did not start", "The old data is in place. Read the log and choose another backup.";
    RestoreInterrupted => "restore_interrupted", 500, WithBackoff, "The restore was interrupted", "The old data is in place. Start it again.";
    UndoNotPossible => "undo_not_possible", 409, Never, "This restore can't be undone any more", "The earlier data is gone or another restore came after it.";
    OwnRequest => "own_request", 409, Never, "A second person has to decide", "Ask another administrator to approve or refuse the restore.";
    // Jobs and workers
    NotCancellable => "not_cancellable", 409, Never, "The job has passed the point where it can be stopped", "Wait for its end; a restore can be undone.";
    LeaseLost => "lease_lost", 409, Never, "The job is no longer this worker's", "The worker must stop and clean up.";
    NoWorker => "no_worker", 503, WithBackoff, "No worker answered", "Start a worker: holdfast worker.";
    WorkerLost => "worker_lost", 500, WithBackoff, "The worker stopped answering", "Look at the worker's log.";
    // The service itself
    DatabaseUnavailable => "database_unavailable", 503, WithBackoff, "The control database can't be reached", "Check DATABASE_URL and that the database runs.";
    Internal => "internal", 500, WithBackoff, "Something broke inside Holdfast", "Report it with the request id.";
}

/// One line of the generated registry.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ErrorCodeEntry {
    pub code: String,
    pub http_status: u16,
    pub retry: String,
    pub title: String,
    pub help: String,
}

/// The whole registry, in the order of the table above.
pub fn registry() -> Vec<ErrorCodeEntry> {
    ErrorCode::ALL
        .iter()
        .map(|code| ErrorCodeEntry {
            code: code.as_str().to_owned(),
            http_status: code.http_status(),
            retry: code.retry_class().as_str().to_owned(),
            title: code.title().to_owned(),
            help: code.help().to_owned(),
        })
        .collect()
}
