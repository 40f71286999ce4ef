//! The trait that every engine implements, and what passes through it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::log_archive::LogScan;
use domain::transaction_log::LogRange;
use domain::{BackupType, Engine, ErrorCode, Inspection, LogLevel, Manifest, Method};
use process::{Credentials, Signal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::logs::{LogReceiver, LogReplay, LogRequest, LogScanRequest, LogStart, Reached, no_logs};
use crate::served::ServedRestore;

/// Takes lines for the job's log. They are redacted before they come here.
pub type LogSink = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// A backup to make.
pub struct BackupRequest {
    pub datastore: DatastoreAccess,
    pub method: Method,
    pub backup_type: BackupType,
    /// What an incremental backup is built on; none for any other.
    pub parent: Option<Parent>,
    /// A private, empty directory for small files of the tool; the worker removes it.
    pub work_directory: PathBuf,
    pub log: LogSink,
    pub cancel: CancellationToken,
}

/// The backup that an increment is built on.
pub struct Parent {
    pub manifest: Manifest,
    /// A file with the stream that the manifest names as its continuation, where it names one.
    pub continuation: Option<PathBuf>,
    /// Where the objects of each link of the chain lie, the full backup's first and the new one's last: relative to the
    /// folder that holds all backups of the datastore. Of a chain of log backups only the first, the parent and the new one.
    pub folders: Vec<String>,
}

/// The name of the one stream of a backup that has no more.
pub(crate) const BASE_STREAM: &str = "base";

/// The name of a stream's objects. Never made of a name that somebody chose: a stream of one database is `database-000`, and
/// the engine's facts tell which database that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// `base`, `database-000`: of a-z, 0-9 and `-`.
    pub name: String,
    /// `tar`, `mbstream`, `rdb`
    pub extension: &'static str,
}

impl StreamSpec {
    pub(crate) fn new(name: impl Into<String>, extension: &'static str) -> Self {
        Self { name: name.into(), extension }
    }

    /// The one stream of a backup of all of a server.
    pub(crate) fn base(extension: &'static str) -> Self {
        Self::new(BASE_STREAM, extension)
    }
}

/// One stream of a backup, to be read to its end.
pub struct OutputStream {
    pub spec: StreamSpec,
    pub output: Box<dyn AsyncRead + Send + Unpin>,
}

impl OutputStream {
    pub(crate) fn new(spec: StreamSpec, output: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self { spec, output: Box::new(output) }
    }
}

/// A tool that is writing a backup. Dropping it kills the tool and whatever it started. // F-01, F-04
#[async_trait]
pub trait RunningBackup: Send {
    /// How many bytes all streams together will have, roughly, where it can be told.
    fn estimated_bytes(&self) -> Option<u64>;

    /// The next stream; the one before it was read to its end. `None` after the last one.
    ///
    /// # Errors
    /// When the tool that wrote the stream before did not end well, or that of the next one can't be started.
    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError>;

    /// Waits for every process of the pipe.
    ///
    /// # Errors
    /// Unless all exited 0 *and* the tool's own completion mark was seen *and* the server is still the one that the
    /// backup began with. // F-02, F-50
    ///
    /// [`EngineError::ParentUnusable`] when the server refused to build on the parent before the first byte.
    async fn finish(self: Box<Self>) -> Result<BackupFacts, EngineError>;
}

/// What an engine's module tells about a backup that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    pub engine_version: String,
    pub server_identity: Option<String>,
    /// Where in the server's log the backup stands, in the engine's own notation.
    pub log_position: Option<String>,
    /// Where replaying the server's log on it begins, where the server keeps one.
    pub log_start: Option<LogStart>,
    /// What it holds of each database's transaction log, where the log is in backups.
    pub log_ranges: Vec<LogRange>,
    /// The tool's argument list, without secrets.
    pub command_line: Vec<String>,
    pub completion_mark: String,
    /// The size of the data when unpacked, in bytes; the stream's size where that is the same.
    pub unpacked_size_bytes: Option<u64>,
    /// Shell commands with which a person restores it by hand, a line each. They start from the folder of the backup,
    /// use `zstd`, the engine's own tools, and `DATA_DIRECTORY` as the name of the new, empty directory. Those of an
    /// increment tell the whole way from the full backup on, and start from the same folder.
    pub restore_commands: Vec<String>,
    /// What this module wants to find again in the manifest.
    pub engine_facts: BTreeMap<String, String>,
    /// What the next increment needs of this backup beside the facts, as a stream and a file in the work directory.
    pub continuation: Option<(StreamSpec, PathBuf)>,
}

/// A directory beside the live data directory in which a restore is prepared.
pub struct Staging {
    /// Fresh, empty, mode and owner as the live directory's.
    pub directory: PathBuf,
    /// The live data directory; only read.
    pub live_directory: PathBuf,
    /// Whom the live data belongs to; tools run as this user when the worker is root.
    pub owner: Credentials,
    pub datastore: DatastoreAccess,
    pub manifest: Manifest,
    pub log: LogSink,
    pub cancel: CancellationToken,
}

/// A tool that unpacks a stream into a staging directory. Dropping it kills the tool.
#[async_trait]
pub trait Unpack: Send {
    /// Where the stream is written. Gives `None` the second time.
    fn take_input(&mut self) -> Option<Box<dyn AsyncWrite + Send + Unpin>>;

    /// Waits for the tool after its input was closed.
    async fn finish(self: Box<Self>) -> Result<(), EngineError>;
}

/// Which configuration files inside the data directory a restore keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigurationSource {
    /// The live server's.
    Live,
    /// The backup's.
    Backup,
}

/// What a server said of the data that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub engine_version: String,
    /// As [`BackupFacts::server_identity`]: of a live server, which may have another one after a restore.
    pub server_identity: Option<String>,
    /// A phrase for the job's log, without a full stop: databases, tables, keys, size.
    pub summary: String,
}

/// An engine. All calls are safe to cancel by dropping: child processes die with their futures.
#[async_trait]
pub trait Driver: Send + Sync {
    fn engine(&self) -> Engine;

    /// The signal on which the server stops soon and cleanly, without waiting for its clients.
    fn stop_signal(&self) -> Signal {
        Signal::SIGTERM
    }

    /// Connects and finds out version, data directory, identity, capabilities and what is missing. Never fails: what
    /// went wrong is in the findings, each with the statement or command that mends it. // F-56
    async fn inspect(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection;

    /// Starts the tool that writes a backup.
    ///
    /// # Errors
    /// [`EngineError::ParentUnusable`] when nothing can be built on the parent: a full backup will do.
    async fn backup(&self, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError>;

    /// Refuses a directory that does not look like this engine's data directory, is a symbolic link, or can't be
    /// replaced by this process. // F-63
    fn check_data_directory(&self, directory: &Path) -> Result<(), EngineError>;

    /// Starts to unpack the stream `stream` of the manifest into the staging directory. // F-83
    async fn unpack(&self, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError>;

    /// Makes the unpacked links of a chain what an unpacked full backup would be, in the staging directory, which is
    /// empty. Each link is unpacked in a directory of its own on the same file system, the full backup first; they are used
    /// up.
    async fn join(&self, staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
        let (engine, count) = (self.engine().title(), links.len());
        let detail = format!(
            "The manifest of backup {} names {count} links; {engine} has no increments.",
            staging.manifest.number
        );
        Err(EngineError::known(ErrorCode::ManifestInvalid, detail))
    }

    /// Whether [`Driver::join`] changes the full backup's files, so that only the increments need room beside the result.
    fn joins_in_place(&self) -> bool {
        false
    }

    /// Makes the unpacked files a data directory that the server can start on.
    async fn prepare(&self, staging: &Staging) -> Result<(), EngineError>;

    /// Starts the staged data privately (a socket in a fresh 0700 directory with a short path, no TCP), asks it for
    /// what it holds, and stops it cleanly. Leaves the staging directory ready to be switched in.
    async fn probe_staged(&self, staging: &Staging) -> Result<Probe, EngineError>;

    /// Puts the configuration files in place; called with the live server stopped, right before the switch.
    /// `restore_configuration` false takes the live server's ([`ConfigurationSource::Live`]).
    async fn place_configuration(&self, staging: &Staging, source: ConfigurationSource) -> Result<(), EngineError>;

    /// Starts to receive the server's log as it grows.
    ///
    /// # Errors
    /// What keeps it from beginning: an unreachable server, a missing grant or setting, a log that is not there any more.
    async fn receive_logs(&self, request: LogRequest) -> Result<Box<dyn LogReceiver>, EngineError> {
        Err(no_logs(request.datastore.engine))
    }

    /// Takes back what the server keeps for a receiver, such as a replication slot. Asking again changes nothing.
    async fn end_receiving(&self, _: &DatastoreAccess, _: &CancellationToken) -> Result<(), EngineError> {
        Ok(())
    }

    /// Replays archived log on the prepared files in the staging directory up to a stop, and leaves them as
    /// [`Driver::prepare`] does. // F-66
    ///
    /// # Errors
    /// When the stop is not in the log, when it names no single point (`pitr_time_ambiguous`), or when what was reached is not
    /// what was to be reached.
    async fn replay(&self, staging: &Staging, _: &LogReplay) -> Result<Reached, EngineError> {
        Err(no_logs(staging.datastore.engine))
    }

    /// Lists what transactions in archived log did.
    async fn scan_logs(&self, request: &LogScanRequest) -> Result<LogScan, EngineError> {
        Err(no_logs(request.engine))
    }

    /// How backups of a method are put back, where that goes through the running server and not by replacing its files. Those
    /// methods use none of what is about directories above.
    fn served(&self, _: Method) -> Option<&'static dyn ServedRestore> {
        None
    }

    /// Asks the live server whether it answers and takes logins. Used to wait for it after a start.
    async fn ping(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Probe, EngineError>;
}
