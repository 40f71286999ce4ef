//! Archived logs: which stretches of a server's log are stored, and where a restore may stop in them.
//!
//! A log is a line of positions, kept in segments: PostgreSQL's write-ahead log segments, MariaDB's binary log files. The
//! same segment names come again after a failover or a restore, with other content, so each line has a name of its own, its
//! *incarnation*: the server's identity (and timeline) followed by the *branch*, which changes with every restore and comes
//! back with its undo. // F-53, F-68

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::assignment::DatastoreAccess;
use crate::engine::named_enum;
use crate::manifest::ObjectRecord;
use crate::worker::WorkerIdentity;
use crate::{ErrorCode, StorageAccess};

/// The branch of a datastore that nothing was restored into.
pub const FIRST_BRANCH: &str = "origin";
/// How long a worker holds the archiving of a datastore without asking again, in seconds.
pub const ARCHIVER_LEASE_SECONDS: i64 = 30;

/// The name of a line of log: the engine's own part and the branch.
pub fn incarnation(stream: &str, branch: &str) -> String {
    format!("{stream}.{branch}")
}

/// The branch in the name of an incarnation.
pub fn branch_of(incarnation: &str) -> &str {
    incarnation.split_once('.').map_or(FIRST_BRANCH, |(_, branch)| branch)
}

/// The folder of an incarnation's segments inside a storage.
pub fn log_folder(datastore_id: Uuid, incarnation: &str) -> String {
    format!("{datastore_id}/logs/{incarnation}")
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogPoint {
    pub incarnation: String,
    /// In bytes along the incarnation: PostgreSQL's log sequence number; for MariaDB the file's number times 2^32 plus the
    /// position in the file.
    pub position: u64,
}

/// One archived segment of a log. The last one of an incarnation may be open: it grows until it is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogSegment {
    pub incarnation: String,
    /// The file's name at the server.
    pub name: String,
    /// The position of its first byte.
    pub start: u64,
    /// The position behind its last byte that is archived. Of a closed segment: where the next one starts.
    pub end: u64,
    pub closed: bool,
    /// When the first transaction in it was committed, by the server's clock; null when none was.
    pub first_commit_at: Option<DateTime<Utc>>,
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Why the log before it is missing, where the receiver knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_before: Option<String>,
    /// In order: decompressed one after the other they give the segment. Keys are relative to the incarnation's folder.
    pub objects: Vec<ObjectRecord>,
}

impl LogSegment {
    /// What it occupies in the storage, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.size_bytes).sum()
    }

    /// Its size before compression, in bytes.
    pub fn original_size_bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.original_size_bytes).sum()
    }
}

/// A place in a log at which a restore stops, in the engine's own notation. `before`: just before it, so that what happened
/// there is not in the restored data; otherwise it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StopPosition {
    /// PostgreSQL: a log sequence number, such as `0/3000028`.
    Lsn {
        lsn: String,
        #[serde(default)]
        before: bool,
    },
    /// PostgreSQL: a transaction.
    Xid {
        xid: String,
        #[serde(default)]
        before: bool,
    },
    /// PostgreSQL: a named restore point (`pg_create_restore_point`).
    Name { name: String },
    /// A transaction's GTID: MariaDB's, such as `0-1-22`, or MySQL's, of which a set may be given: `3e11fa47-…:1-23`.
    Gtid {
        gtid: String,
        #[serde(default)]
        before: bool,
    },
    /// MariaDB, MySQL: a file of the binary log and the position in it behind the last event that is replayed.
    File { file: String, position: u64 },
}

/// Where a restore stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RecoveryStop {
    /// At the end of the archived log.
    Latest,
    /// What was committed up to then is there, nothing later.
    Time {
        at: DateTime<Utc>,
    },
    Position {
        position: StopPosition,
    },
}

impl RecoveryStop {
    /// The stop time as it is written in requests; none for a position.
    pub fn time_text(&self) -> Option<String> {
        match self {
            Self::Latest => Some("latest".to_owned()),
            Self::Time { at } => Some(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Position { .. } => None,
        }
    }
}

named_enum! {
    /// How the archiving of a datastore's logs goes.
    LogArchivingStatus {
        Off => "off",
        /// Switched on; no worker has begun yet.
        Waiting => "waiting",
        Archiving => "archiving",
        /// The server or the storage can't be reached; it is tried again.
        Retrying => "retrying",
        /// It can't go on until somebody has done something.
        Stopped => "stopped",
    }
}

#[allow(clippy::derivable_impls, reason = "the macro derives for all such words alike")]
impl Default for LogArchivingStatus {
    fn default() -> Self {
        Self::Off
    }
}

/// How the archiving of a datastore's logs goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogArchiving {
    pub status: LogArchivingStatus,
    pub worker: Option<String>,
    /// Why it is not `archiving`.
    pub code: Option<ErrorCode>,
    pub detail: Option<String>,
    /// Up to when everything is archived that the server had.
    pub complete_until: Option<DateTime<Utc>>,
    /// When the newest archived transaction was committed.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// How much the server has that is not archived, in bytes, as last seen.
    pub lag_bytes: Option<u64>,
    /// Warnings about what the server keeps for us, for people.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// `POST /worker/log-archivers/claim`: asks for datastores whose logs to archive, and keeps those that it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiverClaim {
    pub worker: WorkerIdentity,
    /// The datastores whose logs it archives at this moment. What it was given and does not name it has given up.
    pub holds: Vec<Uuid>,
}

/// `POST /worker/jobs/{id}/suspend-archiving`: asks that nobody archives the logs of the job's datastore until the job ends.
/// Asked again until the answer says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SuspendArchiving {
    pub attempt: i32,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchivingSuspended {
    /// Whether no worker archives it any more.
    pub is_free: bool,
}

/// The answer: all that this worker archives from now on, those that it had included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiverClaims {
    /// How long they last without asking again, in seconds.
    pub lease_seconds: i64,
    pub assignments: Vec<ArchiverAssignment>,
}

/// A datastore whose logs a worker archives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiverAssignment {
    /// Grows whenever another worker takes over; a report with an old one is refused.
    pub epoch: i64,
    pub branch: String,
    pub datastore: DatastoreAccess,
    pub storage: StorageAccess,
    pub compression_level: i32,
    /// How often the growth of the open segment is archived, in seconds.
    pub interval_seconds: u64,
}

/// `POST /worker/log-archivers/{id}/report`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiverReport {
    pub epoch: i64,
    /// The line of log that the server writes now, where known.
    pub incarnation: Option<String>,
    pub status: LogArchivingStatus,
    pub code: Option<ErrorCode>,
    pub detail: Option<String>,
    /// New and grown segments, oldest first.
    #[serde(default)]
    pub segments: Vec<LogSegment>,
    /// Segments whose objects are not in the storage any more.
    #[serde(default)]
    pub missing: Vec<LogSegmentName>,
    pub complete_until: Option<DateTime<Utc>>,
    pub lag_bytes: Option<u64>,
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Segments in one storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredLogs {
    pub storage: StorageAccess,
    /// In order.
    pub segments: Vec<LogSegment>,
}

/// Which segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogSegmentName {
    pub incarnation: String,
    pub name: String,
}

named_enum! {
    /// What a transaction did, as far as the log tells.
    LogEntryKind {
        /// A table, database or anything like that was made, changed or dropped.
        SchemaChange => "schema_change",
        /// Many rows were deleted, or a table emptied.
        LargeDelete => "large_delete",
        LargeUpdate => "large_update",
        Transaction => "transaction",
    }
}

/// One transaction of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogEntry {
    pub kind: LogEntryKind,
    /// When it was committed, by the server's clock, as exact as the log tells.
    pub committed_at: DateTime<Utc>,
    /// What it did, in one line for people: a statement, or tables and numbers. Control characters are escaped.
    pub summary: String,
    /// How many rows it deleted or changed, where the log tells.
    pub rows: Option<u64>,
    /// What it wrote to the log, in bytes.
    pub log_bytes: u64,
    /// Its identity: a GTID or a transaction id.
    pub transaction: String,
    /// Restores to just before it.
    pub stop_before: StopPosition,
    /// Restores to just after it.
    pub stop_after: StopPosition,
}

/// What was found in a span of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogScan {
    /// The oldest first.
    pub entries: Vec<LogEntry>,
    /// Whether there was more than the limit.
    pub truncated: bool,
    /// How many transactions were looked at.
    pub transactions: u64,
}

/// What to look for in a datastore's archived logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogScanCreate {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// Every transaction, not only schema changes and large deletes and updates.
    #[serde(default)]
    pub all_transactions: bool,
}

/// The most transactions that a scan lists.
pub const SCAN_LIMIT: usize = 500;
/// From how many rows on a delete or update is called large.
pub const LARGE_ROWS: u64 = 100;
