//! What the server refuses: its number says what it is ("Database engine events and errors" of its manual).

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;

use super::names::identifier;
use crate::EngineError;

/// An answer of the server, or what kept it from coming.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("SQL Server refused it (error {number}): {message}")]
    Server { number: u32, message: String },
    #[error("the connection failed: {0}")]
    Connection(String),
    #[error("no answer within {0} seconds")]
    Silent(u64),
    #[error("cancelled")]
    Cancelled,
}

/// Error numbers that this module looks at.
pub(super) mod number {
    /// A backup device can't be opened.
    pub const DEVICE: u32 = 3201;
    /// A file is no backup.
    pub const NOT_MEDIA: u32 = 3241;
    pub const LOGIN_FAILED: u32 = 18456;
    /// Somebody else has a database that takes one session.
    pub const ONE_USER: u32 = 924;
}

/// Permissions that are missing: of a statement, an object, a view, a database, a restore, an alteration.
const PERMISSION: [u32; 7] = [229, 262, 297, 300, 916, 3110, 5011];
/// No room for the database's files, on the disk or in its log.
const NO_ROOM: [u32; 4] = [1105, 3257, 5149, 9002];

impl Refusal {
    pub(super) fn of(error: &tiberius::error::Error) -> Self {
        match error {
            tiberius::error::Error::Server(error) => {
                Self::Server { number: error.code(), message: error.message().to_owned() }
            }
            other => Self::Connection(other.to_string()),
        }
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::Server { number: number::LOGIN_FAILED, .. } => ErrorCode::AuthenticationFailed,
            Self::Server { number, .. } if PERMISSION.contains(number) => ErrorCode::MissingPrivilege,
            Self::Server { number, .. } if NO_ROOM.contains(number) => ErrorCode::InsufficientDiskSpace,
            Self::Server { .. } => ErrorCode::EngineToolFailed,
            Self::Connection(_) => ErrorCode::HostUnreachable,
            Self::Silent(_) => ErrorCode::EngineStalled,
            Self::Cancelled => ErrorCode::Conflict,
        }
    }

    /// The error of an operation, whose name begins a sentence.
    pub(super) fn during(self, operation: &str, datastore: &DatastoreAccess) -> EngineError {
        if matches!(self, Self::Cancelled) {
            return EngineError::Cancelled;
        }
        let user = datastore.username.as_deref().unwrap_or_default();
        let hint = match &self {
            Self::Server { number: number::LOGIN_FAILED, .. } => {
                format!("\nALTER LOGIN {} WITH PASSWORD = N'…';", identifier(user))
            }
            Self::Server { number: number::DEVICE, .. } if datastore.shared_directory.is_some() => {
                "\nThe server must be able to read and write the shared directory under the path that the datastore names for it."
                    .to_owned()
            }
            Self::Server { number: number::DEVICE, .. } => {
                "\nThe server's credential for the shared storage must be allowed to list, read and write there.".to_owned()
            }
            _ => String::new(),
        };
        let text = self.to_string();
        EngineError::known(self.code(), format!("{operation}: {}.{hint}", text.trim_end_matches('.')))
    }
}
