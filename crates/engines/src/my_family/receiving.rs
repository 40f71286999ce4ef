//! Receives the binary log as it grows: `mariadb-binlog` or `mysqlbinlog` follows it like a replica and writes the server's own
//! files.
//!
//! The server keeps nothing for it: what it purges before it has arrived is lost, and told as a gap. The tool writes the file
//! that it begins with anew, so what arrives again is compared with what is archived before more of it is told. // F-53

mod begin;
mod checked;
pub(crate) mod server_log;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, LogLevel};
use process::{Child, Command, ProcessError};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use self::begin::Beginning;
use self::checked::Checked;
use self::server_log::{End, ServerLog};
use super::binary_log::{LogFileName, LogReader, position_of};
use super::blocking;
use super::private_server::with_path;
use crate::EngineError;
use crate::logs::{LogFile, LogLook, LogReceiver, LogRequest};

/// How long what the server just had may be on its way.
const ARRIVAL_LIMIT: Duration = Duration::from_millis(300);
/// Replicas that people number by hand lie below.
const FIRST_REPLICA_ID: u32 = 1 << 30;

/// The running tool.
struct Receiver<R, S> {
    child: Child,
    server: S,
    cancel: CancellationToken,
    stream: String,
    directory: PathBuf,
    files: Vec<Arriving<R>>,
    /// Of the file that was archived before in part or whole.
    checked: Option<Checked>,
    /// Why the log before the first file is missing.
    gap: Option<(u32, String)>,
}

/// A file that arrives.
#[derive(Clone)]
struct Arriving<R> {
    name: LogFileName,
    reader: R,
    told: Option<(u64, bool)>,
    is_forgotten: bool,
}

/// A server whose log is received.
#[async_trait]
pub(crate) trait LogServer: Send + Sync {
    /// Where its log ends now.
    async fn end(&self, cancel: &CancellationToken) -> Result<End, EngineError>;
}

/// What to receive, and how.
pub(crate) struct Receiving<S> {
    pub server: S,
    /// The name of the server's line of log.
    pub stream: String,
    /// The tool with the options that say how to log in.
    pub command: Command,
    /// The tool's option that takes a replica's number.
    pub replica_option: &'static str,
    /// The files that the server has.
    pub log: ServerLog,
    /// The server's own number.
    pub server_id: String,
}

/// Starts to receive.
///
/// # Errors
/// `server_setting_missing`, `log_conflict`; whatever keeps the tool from being started.
pub(crate) fn start<R: LogReader + Sync, S: LogServer + 'static>(
    receiving: Receiving<S>,
    request: LogRequest,
) -> Result<Box<dyn LogReceiver>, EngineError> {
    let Receiving { server, stream, command, replica_option, log, server_id } = receiving;
    let datastore = request.datastore;
    let own = format!("{stream}.");
    let archived = request.archived.iter().rev().find(|segment| segment.incarnation.starts_with(&own));
    let beginning = Beginning::plan(archived, &log)?;
    let directory = request.spool.join("incoming");
    let checked = Checked::set_up(&request.spool, archived.filter(|segment| segment.name == beginning.first.as_str()))?;
    if let Some(gap) = &beginning.gap {
        (request.log)(LogLevel::Warning, gap);
    }

    let replica = replica_id(&datastore, &server_id);
    let sink = Arc::clone(&request.log);
    let mut command = command
        .args(["--read-from-remote-server", "--raw", "--stop-never"])
        .arg(format!("{replica_option}={replica}"))
        .arg(with_path("--result-file=", &directory.join("")))
        .arg("--")
        .arg(beginning.first.as_str())
        .on_line(move |_, line| sink(LogLevel::Tool, line));
    if let Some(password) = &datastore.password {
        command = command.redact(SecretString::from(password.expose()));
    }
    let child = command.spawn().map_err(|source| EngineError::process("starting to receive the binary log", source))?;
    (request.log)(LogLevel::Info, &format!("Receiving the binary log from {} on", beginning.first));
    Ok(Box::new(Receiver::<R, S> {
        child,
        server,
        cancel: request.cancel,
        stream,
        directory,
        files: Vec::new(),
        checked,
        gap: beginning.gap.map(|gap| (beginning.first.number(), gap)),
    }))
}

/// The same for a datastore always, so that a connection that the server has not missed yet is replaced.
fn replica_id(datastore: &DatastoreAccess, server_id: &str) -> u32 {
    let (low, ..) = datastore.id.as_fields();
    let id = FIRST_REPLICA_ID | (low >> 2);
    if server_id.parse() == Ok(id) { id ^ 1 } else { id }
}

#[async_trait]
impl<R: LogReader + Sync, S: LogServer> LogReceiver for Receiver<R, S> {
    async fn look(&mut self) -> Result<LogLook, EngineError> {
        let now = Utc::now();
        let end = self.server.end(&self.cancel).await;
        self.walk().await?;
        self.check_tool().await?;
        let end = end?;
        if !self.has(&end.file, end.offset) {
            tokio::time::sleep(ARRIVAL_LIMIT).await;
            self.walk().await?;
        }
        let is_complete = self.has(&end.file, end.offset);
        let lag_bytes = if is_complete { Some(0) } else { self.lag(&end) };
        let files = self.news();
        Ok(LogLook { files, complete_until: is_complete.then_some(now), lag_bytes, warnings: end.warnings })
    }

    async fn forget(&mut self, name: &str) -> Result<(), EngineError> {
        for file in self.files.iter_mut().filter(|file| file.name.as_str() == name) {
            file.is_forgotten = true;
        }
        // The newest stays: what arrives after a restart is compared with it.
        let newest = self.files.last().map(|file| file.name.number());
        let directory = &self.directory;
        let mut failure = None;
        self.files.retain(|file| {
            if !file.is_forgotten || Some(file.name.number()) == newest {
                return true;
            }
            let path = directory.join(file.name.as_str());
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    failure = Some(EngineError::file("removing an archived log file", path)(error));
                    true
                }
                _ => false,
            }
        });
        failure.map_or(Ok(()), Err)
    }
}

impl<R: LogReader, S: LogServer> Receiver<R, S> {
    /// Reads what has arrived.
    async fn walk(&mut self) -> Result<(), EngineError> {
        let (directory, mut files, mut checked) = (self.directory.clone(), self.files.clone(), self.checked.take());
        (self.files, self.checked) = blocking(move || {
            for name in checked::names(&directory)? {
                if files.iter().all(|file| file.name.number() < name.number()) {
                    files.push(Arriving { name, reader: R::default(), told: None, is_forgotten: false });
                }
            }
            let newest = files.last().map(|file| file.name.number());
            for file in &mut files {
                let path = directory.join(file.name.as_str());
                checked::clear_in_use(&path)?;
                file.reader
                    .advance(&path, u64::MAX, |_| ())
                    .map_err(EngineError::file("reading a received log file", &path))?;
                let is_last = Some(file.name.number()) == newest;
                if let Some(check) = checked.take_if(|check| check.name == file.name)
                    && !check.passes(&path, &file.reader, file.reader.is_ended() || !is_last)?
                {
                    checked = Some(check);
                }
            }
            Ok((files, checked))
        })
        .await?;
        Ok(())
    }

    /// F-02
    async fn check_tool(&mut self) -> Result<(), EngineError> {
        let Ok(ended) = tokio::time::timeout(Duration::from_millis(1), self.child.wait(&self.cancel)).await else {
            return Ok(());
        };
        let exit = ended.map_err(|source| EngineError::process("receiving the binary log", source))?;
        let said = exit.stderr_tail.join("\n");
        if said.contains("Could not find first log file") {
            return Err(EngineError::known(
                ErrorCode::LogGap,
                format!("The server purged a binary log file before it had arrived: {said}"),
            ));
        }
        let source = ProcessError::Exit {
            program: "the receiving tool".to_owned(),
            status: exit.status,
            stderr_tail: exit.stderr_tail,
        };
        Err(EngineError::process("receiving the binary log", source))
    }

    /// Whether this has arrived and is told.
    fn has(&self, file: &LogFileName, offset: u64) -> bool {
        self.checked.is_none()
            && self.files.iter().any(|arriving| {
                let number = arriving.name.number();
                number > file.number() || (number == file.number() && arriving.reader.offset() >= offset)
            })
    }

    fn lag(&self, end: &End) -> Option<u64> {
        let newest = self.files.last()?;
        let (number, offset) = (newest.name.number(), newest.reader.offset());
        let behind = end.sizes.iter().filter(|(name, _)| name.number() >= number).map(|(_, size)| size).sum::<u64>();
        Some(behind.saturating_sub(offset))
    }

    /// The files that have changed since they were told.
    fn news(&mut self) -> Vec<LogFile> {
        let newest = self.files.last().map(|file| file.name.number());
        let mut news = Vec::new();
        for file in &mut self.files {
            // Nothing of a log that may be another one. // F-53
            if self.checked.is_some() || !file.reader.has_begun() {
                break;
            }
            let closed = file.reader.is_ended() || Some(file.name.number()) != newest;
            let (number, bytes) = (file.name.number(), file.reader.offset());
            if file.told == Some((bytes, closed)) {
                continue;
            }
            file.told = Some((bytes, closed));
            let end = if closed { position_of(number.saturating_add(1), 0) } else { position_of(number, bytes) };
            news.push(LogFile {
                stream: self.stream.clone(),
                name: file.name.to_string(),
                path: self.directory.join(file.name.as_str()),
                start: position_of(number, 0),
                bytes,
                closed,
                end,
                first_commit_at: file.reader.first_commit_at(),
                last_commit_at: file.reader.last_commit_at(),
                gap_before: self.gap.as_ref().filter(|(first, _)| *first == number).map(|(_, gap)| gap.clone()),
            });
        }
        news
    }
}
