//! What passes through the trait [`crate::Driver`] when logs are received, replayed and looked through.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode, LogSegment, RecoveryStop};
use tokio_util::sync::CancellationToken;

use crate::{EngineError, LogSink};

/// Where replaying a server's log on a backup begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStart {
    /// The engine's own name for the line of log: PostgreSQL's system identifier and timeline, MariaDB's server uid, MySQL's server uuid. Only
    /// letters, digits, `_` and `-`.
    pub stream: String,
    /// The position behind the last byte that the backup holds (see [`domain::LogPoint`]).
    pub position: u64,
}

/// A log to receive.
pub struct LogRequest {
    pub datastore: DatastoreAccess,
    /// A private directory for the receiver's files, which is there again when it is started again.
    pub spool: PathBuf,
    /// The newest archived segment of every incarnation of the branch that the server writes, the newest one last. A receiver
    /// goes on behind it where it can; where it can't, its first file names the gap.
    pub archived: Vec<LogSegment>,
    pub log: LogSink,
    pub cancel: CancellationToken,
}

/// A file of a log as far as it has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// As [`LogStart::stream`].
    pub stream: String,
    /// The file's name at the server.
    pub name: String,
    pub path: PathBuf,
    /// The position of its first byte.
    pub start: u64,
    /// How many bytes at the file's beginning have arrived: these are archived, and never change any more.
    pub bytes: u64,
    /// Whether no more will come. Its end is then where the next file starts.
    pub closed: bool,
    /// The position behind its last byte; where the next file starts when it is closed.
    pub end: u64,
    pub first_commit_at: Option<DateTime<Utc>>,
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Why the log before this file is missing, when it does not go on where the archive ends.
    pub gap_before: Option<String>,
}

/// What a look at a receiver tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLook {
    /// The files that are new, have grown or were closed since the last look, oldest first.
    pub files: Vec<LogFile>,
    /// A moment at which the server had no more than what has arrived, where that was seen.
    pub complete_until: Option<DateTime<Utc>>,
    /// How much the server had that has not arrived, in bytes.
    pub lag_bytes: Option<u64>,
    /// What people should know of what the server keeps for us. // F-52
    pub warnings: Vec<String>,
}

/// A running receiver. Dropping it kills the tool.
#[async_trait]
pub trait LogReceiver: Send {
    /// Looks at what has arrived. Called every few seconds.
    ///
    /// # Errors
    /// When the tool has ended or the log does not go on: the receiver is of no more use. [`ErrorCode::LogGap`] where what
    /// comes next is lost at the server, [`ErrorCode::LogConflict`] where the server's log is not the one that was archived.
    async fn look(&mut self) -> Result<LogLook, EngineError>;

    /// The closed file of this name is archived: it may go, unless the receiver needs it to go on.
    async fn forget(&mut self, name: &str) -> Result<(), EngineError>;
}

/// A replay of archived log.
pub struct LogReplay {
    /// A directory beside the staging directory, of the same owner, that holds the segments under their own names, as long as
    /// they were archived.
    pub directory: PathBuf,
    /// Without a gap, from the one that holds the backup's position to the last one needed or archived.
    pub segments: Vec<LogSegment>,
    pub stop: RecoveryStop,
    /// Hears how many bytes of log were replayed.
    pub progress: Arc<dyn Fn(u64) + Send + Sync>,
}

/// Where a replay stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// In the engine's own notation, for people.
    pub position: String,
    /// When the last transaction was committed that was replayed; null when none was.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// Facts that from now on hold instead of the manifest's, for [`crate::Driver::probe_staged`].
    pub engine_facts: BTreeMap<String, String>,
}

/// A span of archived log to look through.
pub struct LogScanRequest {
    pub engine: Engine,
    /// The version of the server that wrote it.
    pub engine_version: String,
    /// Holds the segments under their own names.
    pub directory: PathBuf,
    /// In order.
    pub segments: Vec<LogSegment>,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub all_transactions: bool,
    /// How many entries to list at most.
    pub limit: usize,
    pub cancel: CancellationToken,
}

pub(crate) fn no_logs(engine: Engine) -> EngineError {
    EngineError::known(ErrorCode::PitrNotSupported, format!("{} keeps no log to replay.", engine.title()))
}
