//! What can go wrong with a stored backup. Display tells the operation and the object; the chain of sources tells why.

use std::error::Error;
use std::io;

use domain::ErrorCode;

use crate::problem::{ObjectFault, ObjectProblem};

/// The cause below an error, of whatever library it comes.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the vault could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The storage's settings make no sense to the client library.
    #[error("the storage's settings can't be used")]
    Settings {
        #[source]
        source: Cause,
    },
    /// The storage did not answer, or answered with an error that says nothing better.
    #[error("the storage failed to {operation} {key}")]
    Unavailable {
        operation: &'static str,
        key: String,
        #[source]
        source: Cause,
    },
    /// The storage refused: credentials, permissions, or a read-only file system.
    #[error("the storage refused to {operation} {key}")]
    Denied {
        operation: &'static str,
        key: String,
        #[source]
        source: Cause,
    },
    /// No space, or no quota, is left.
    #[error("the storage is full: it failed to {operation} {key}")]
    Full {
        operation: &'static str,
        key: String,
        #[source]
        source: Cause,
    },
    /// Somebody else's files are there. // F-38
    #[error(
        "the storage holds {found} but no {marker}, so it belongs to something else; choose an empty directory or prefix",
        marker = crate::MARKER_NAME
    )]
    NotEmpty { found: String },
    /// The storage was laid out by a newer version. // F-65
    #[error("the storage has format {format_version}, made by {created_by}; this version knows up to {known}", known = crate::REPOSITORY_FORMAT)]
    RepositoryTooNew { format_version: u32, created_by: String },
    /// The probe that was written came back different.
    #[error("the storage gave back other bytes than were written to {key}")]
    ProbeDiffers { key: String },
    /// A folder, stream or object name that could lead elsewhere. // F-83
    #[error("{name:?} is not a name that a storage may hold")]
    InvalidName { name: String },

    /// The stream was read to its end and held nothing.
    #[error("the stream {stream} ended without a single byte")]
    EmptyStream { stream: String },
    /// Reading the tool's output failed.
    #[error("reading the stream {stream} from the tool failed")]
    Source {
        stream: String,
        #[source]
        source: io::Error,
    },
    /// The receiver of a restored stream stopped taking it; the stored backup is not to blame.
    #[error("handing the stream {stream} to the tool failed")]
    Sink {
        stream: String,
        #[source]
        source: io::Error,
    },
    /// The compressor failed, which happens only when memory is short.
    #[error("compressing the stream {stream} failed")]
    Compression {
        stream: String,
        #[source]
        source: io::Error,
    },
    /// A thread of ours panicked.
    #[error("{task} stopped unexpectedly")]
    Panicked {
        task: &'static str,
        #[source]
        source: tokio::task::JoinError,
    },

    /// There is a piece of log of this name with other content. // F-53
    #[error("{key} is in the storage with other content: the server's log is not the one that was archived")]
    LogConflict { key: String },

    /// An object is missing or is not what was written.
    #[error(transparent)]
    Object(#[from] ObjectProblem),

    #[error("{folder} has no manifest")]
    ManifestMissing { folder: String },
    #[error("the manifest of {folder} is invalid: {reason}")]
    ManifestInvalid { folder: String, reason: String },
    /// It is not the one that the catalog, or the increment on it, knows. // F-90
    #[error("the manifest of {folder} is not the one that was written: its SHA-256 is {found}, not {known}")]
    ManifestChanged { folder: String, known: String, found: String },
    /// A newer version wrote it. // F-65
    #[error("the manifest of {folder} has format {format_version}: Holdfast {written_by} or newer is needed")]
    ManifestTooNew { folder: String, format_version: u64, written_by: String },
    /// Another attempt was first. // F-11
    #[error("{folder} already has a manifest")]
    ManifestExists { folder: String },
    #[error("the manifest of {folder} names no stream {stream}")]
    UnknownStream { folder: String, stream: String },

    /// The caller's token was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl VaultError {
    /// The stable word for this error. A cancelled operation has none of its own: callers look for
    /// [`VaultError::Cancelled`] first.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Settings { .. } | Self::Unavailable { .. } => ErrorCode::StorageUnavailable,
            Self::Denied { .. } => ErrorCode::StorageDenied,
            Self::Full { .. } => ErrorCode::StorageFull,
            Self::NotEmpty { .. } => ErrorCode::StorageInUse,
            Self::ProbeDiffers { .. } => ErrorCode::ObjectCorrupted,
            Self::EmptyStream { .. } => ErrorCode::BackupIncomplete,
            Self::Source { .. } | Self::Sink { .. } => ErrorCode::EngineToolFailed,
            Self::Object(problem) => problem.code(),
            Self::ManifestMissing { .. } => ErrorCode::ManifestMissing,
            Self::ManifestInvalid { .. } | Self::UnknownStream { .. } => ErrorCode::ManifestInvalid,
            Self::ManifestTooNew { .. } | Self::RepositoryTooNew { .. } => ErrorCode::ManifestTooNew,
            Self::ManifestChanged { .. } => ErrorCode::ManifestChanged,
            Self::ManifestExists { .. } => ErrorCode::Conflict,
            Self::LogConflict { .. } => ErrorCode::LogConflict,
            Self::InvalidName { .. } | Self::Compression { .. } | Self::Panicked { .. } | Self::Cancelled => {
                ErrorCode::Internal
            }
        }
    }

    /// What the storage's client library said while it was to `operation` the object `key`.
    pub(crate) fn from_store(operation: &'static str, key: impl Into<String>, source: object_store::Error) -> Self {
        let denied = matches!(
            source,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
        );
        Self::sorted(operation, key.into(), Box::new(source), denied)
    }

    /// What the file system said while it was to `operation` the file of the object `key`.
    pub(crate) fn from_io(operation: &'static str, key: impl Into<String>, source: io::Error) -> Self {
        Self::sorted(operation, key.into(), Box::new(source), false)
    }

    fn sorted(operation: &'static str, key: String, source: Cause, denied: bool) -> Self {
        match cause_class(source.as_ref()) {
            Some(CauseClass::Full) => Self::Full { operation, key, source },
            Some(CauseClass::Denied) => Self::Denied { operation, key, source },
            None if denied => Self::Denied { operation, key, source },
            None => Self::Unavailable { operation, key, source },
        }
    }

    /// The object `key` of a manifest, as seen while it was read.
    pub(crate) fn object(key: &str, fault: ObjectFault) -> Self {
        Self::Object(ObjectProblem { key: key.to_owned(), fault })
    }
}

enum CauseClass {
    Full,
    Denied,
}

/// Looks through the chain of causes for what a full or forbidding storage says: the kernel's error numbers, or the
/// words of S3 services (507, and MinIO's and Ceph's codes), which the client library hands on as text only.
fn cause_class(error: &(dyn Error + 'static)) -> Option<CauseClass> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => return Some(CauseClass::Full),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => return Some(CauseClass::Denied),
                _ => {}
            }
        }
        next = error.source();
    }
    let text = error.to_string();
    ["507 Insufficient Storage", "XMinioStorageFull", "QuotaExceeded"]
        .iter()
        .any(|word| text.contains(word))
        .then_some(CauseClass::Full)
}
