//! What is wrong with one stored object. Every way in which an object can differ from its record has a variant. // F-33

use std::fmt;

use domain::ErrorCode;

/// An object that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {fault}")]
pub struct ObjectProblem {
    /// As in the manifest: relative to the backup's folder.
    pub key: String,
    pub fault: ObjectFault,
}

impl ObjectProblem {
    /// `object_missing` or `object_corrupted`.
    pub fn code(&self) -> ErrorCode {
        match self.fault {
            ObjectFault::Missing => ErrorCode::ObjectMissing,
            _ => ErrorCode::ObjectCorrupted,
        }
    }
}

/// In which way it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectFault {
    /// It is not there.
    Missing,
    /// It has another size, in bytes.
    Size { expected: u64, found: u64 },
    /// Its bytes are others.
    Checksum,
    /// It is not a sequence of whole zstd frames, or one that needs more memory than ours ever do.
    Compression { reason: String },
    /// It decompresses to another number of bytes; reading stopped there. // F-84
    OriginalSize { expected: u64, at_least: u64 },
}

impl fmt::Display for ObjectFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(formatter, "missing"),
            Self::Size { expected, found } => write!(formatter, "has {found} bytes instead of {expected}"),
            Self::Checksum => write!(formatter, "its SHA-256 differs from the manifest's"),
            Self::Compression { reason } => write!(formatter, "can't be decompressed: {reason}"),
            Self::OriginalSize { expected, at_least } if at_least > expected => {
                write!(formatter, "decompresses to more than the {expected} bytes of the manifest")
            }
            Self::OriginalSize { expected, at_least } => {
                write!(formatter, "decompresses to {at_least} bytes instead of {expected}")
            }
        }
    }
}
