//! Why the store could not do what it was asked.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use domain::approval::ApprovalRefusal;
use domain::job::IllegalTransition;
use domain::recovery::StopRefusal;
use domain::{ErrorCode, Job};

use crate::master_key::MasterKeyError;

/// Why the store could not do what it was asked. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("the name {name:?} is taken")]
    NameTaken { name: String },
    /// Another job is changing the datastore: this one. // F-16
    #[error("{} job {} is {}", .job.kind, .job.id, .job.status)]
    Busy { job: Box<Job> },
    /// The attempt is over: the worker must stop and clean up. // F-11
    #[error("the job is no longer this worker's")]
    LeaseLost,
    #[error("the job can't change so")]
    Illegal(#[source] IllegalTransition),
    #[error("the datastore has {count} backups")]
    HasBackups { count: i64 },
    #[error("backups {numbers:?} need this one")]
    HasDependents { numbers: Vec<i64> },
    #[error("the backup is held: {reason}")]
    BackupHeld { reason: String },
    #[error("a job is using the backup")]
    BackupInUse,
    #[error("{detail}")]
    BackupNotRestorable { detail: String },
    /// The archived logs do not lead to where a restore is to stop. // F-60, F-61
    #[error("{}", .0.detail)]
    StopRefused(StopRefusal),
    /// By a datastore, whose name is told where it is known.
    #[error("{by} uses the storage")]
    StorageInUse { by: String },
    /// There is no such storage, or servers can't reach it.
    #[error("a shared storage must be one of kind s3")]
    NotShareable,
    /// A restore that needs no approval, or got one.
    #[error("the restore waits for no approval")]
    NotGuarded,
    #[error("{0}")]
    Approval(#[source] ApprovalRefusal),
    #[error("a restore waits for approval: approve, refuse or cancel it first")]
    RequestOpen,
    #[error("the restore can't be undone any more")]
    UndoNotPossible,
    /// Somebody else edited it.
    #[error("the schedule was changed meanwhile; its version is {version} now")]
    ScheduleChanged { version: i64 },
    /// A worker reported the result of something else than the job's kind.
    #[error("a job of kind {expected} can't end with the result of {given}")]
    UnexpectedResult { expected: domain::JobKind, given: domain::JobKind },
    /// Nobody could give anybody a role any more.
    #[error("this is the last active administrator of everything; make somebody else one first")]
    LastAdministrator,
    #[error("the project has {count} datastores; move them to another project first")]
    ProjectNotEmpty { count: i64 },
    /// The name came with another token first. // F-89
    #[error("the worker name {worker:?} belongs to another token; choose another name, or end that token")]
    WorkerOfAnother { worker: String },
    #[error("the operating system gives no random numbers: {detail}")]
    Random { detail: String },
    #[error("the cursor is not one that a list gave")]
    InvalidCursor,
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The database can't be reached, or is busy beyond patience; the same may work in a moment. // F-20
    #[error("the control database can't be reached: {detail}")]
    Unavailable { detail: String },
    /// Reading still works. // F-26
    #[error("the disk of the control database is full")]
    Full,
    /// A newer version of the program has been at the database. // F-27
    #[error(
        "the control database was written by a newer version of Holdfast (migration {migration} is unknown to this one)"
    )]
    NewerSchema { migration: String },
    /// The service of this version was not started on it yet.
    #[error(
        "the control database was written by an older version of Holdfast (migration {migration} is missing); start the service first"
    )]
    OlderSchema { migration: String },
    #[error("opening the master key")]
    MasterKey(#[source] MasterKeyError),
    #[error("the master key is not the one that this control database was made with")]
    WrongMasterKey,
    /// The cipher refuses only messages beyond 256 GiB.
    #[error("sealing a secret")]
    Seal,
    /// The file is no database or is damaged. // F-26
    #[error(
        "the control database is damaged: {detail}; restore its file from a copy, or start with an empty one and rebuild the catalog"
    )]
    Damaged { detail: String },
    /// A row holds something that this program never writes.
    #[error("column {column} holds {value:?}")]
    UnreadableColumn { column: &'static str, value: String },
    #[error("migrating the control database")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("asking the control database")]
    Database(#[source] DieselError),
}

impl StoreError {
    /// The stable word under which people and programs know the error.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::NameTaken { .. } => ErrorCode::NameTaken,
            Self::Busy { .. } => ErrorCode::DatastoreBusy,
            Self::LeaseLost => ErrorCode::LeaseLost,
            Self::Illegal(_) => ErrorCode::NotCancellable,
            Self::HasBackups { .. } => ErrorCode::DatastoreHasBackups,
            Self::HasDependents { .. } => ErrorCode::BackupHasDependents,
            Self::BackupHeld { .. } => ErrorCode::BackupHeld,
            Self::BackupInUse => ErrorCode::BackupInUse,
            Self::BackupNotRestorable { .. } => ErrorCode::BackupNotRestorable,
            Self::StopRefused(refusal) => refusal.code,
            Self::StorageInUse { .. } => ErrorCode::StorageInUse,
            Self::Approval(ApprovalRefusal::OwnRequest) => ErrorCode::OwnRequest,
            Self::NotGuarded | Self::Approval(_) | Self::RequestOpen => ErrorCode::Conflict,
            Self::UndoNotPossible => ErrorCode::UndoNotPossible,
            Self::ScheduleChanged { .. } => ErrorCode::Conflict,
            Self::LastAdministrator => ErrorCode::LastAdministrator,
            Self::ProjectNotEmpty { .. } => ErrorCode::ProjectNotEmpty,
            Self::WorkerOfAnother { .. } => ErrorCode::Forbidden,
            Self::UnexpectedResult { .. } | Self::InvalidCursor | Self::NotShareable => ErrorCode::ValidationFailed,
            Self::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
            Self::Unavailable { .. } => ErrorCode::DatabaseUnavailable,
            Self::Full => ErrorCode::InsufficientDiskSpace,
            Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::MasterKey(_)
            | Self::WrongMasterKey
            | Self::Seal
            | Self::Random { .. }
            | Self::Damaged { .. }
            | Self::UnreadableColumn { .. }
            | Self::Migrate(_)
            | Self::Database(_) => ErrorCode::Internal,
        }
    }

    /// Whether two transactions met and this one was sent back; doing it again is right.
    pub(crate) fn is_collision(&self) -> bool {
        match self {
            Self::Database(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            // The next try finds the other job and names it.
            Self::Database(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, information)) => {
                ["jobs_one_change", "jobs_one_request", "jobs.datastore_id"]
                    .iter()
                    .any(|index| information.message().contains(index))
            }
            Self::Database(DieselError::DatabaseError(_, information)) => {
                information.message().contains("deadlock detected")
            }
            _ => false,
        }
    }
}

impl From<DieselError> for StoreError {
    /// Names the failures that callers tell apart. diesel hands on no error numbers for most of them, only the database's
    /// own words: those below are of SQLite's `sqlite3ErrStr` and PostgreSQL's English messages.
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, information) = &error else { return Self::Database(error) };
        let message = information.message();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if matches!(kind, DatabaseErrorKind::ClosedConnection)
            || says(&[
                "database is locked",
                "database table is locked",
                "canceling statement due to",
                "terminating connection due to",
                "server closed the connection",
                "no connection to the server",
                "could not receive data from server",
                "could not send data to server",
                "connection not open",
                "the database system is",
                "SSL SYSCALL error",
                "SSL connection has been closed",
            ])
        {
            return Self::Unavailable { detail: message.to_owned() };
        }
        if says(&["database or disk is full", "No space left on device"]) {
            return Self::Full;
        }
        if says(&["database disk image is malformed", "file is not a database"]) {
            return Self::Damaged { detail: message.to_owned() };
        }
        Self::Database(error)
    }
}
