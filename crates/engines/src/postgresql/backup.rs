//! Backups by `pg_basebackup`, full or incremental, as one tar stream that holds the log it needs.
//!
//! A backup succeeded when the tool exited with 0, said so itself, its archive has an end, and the server is still the one
//! that it began with. // F-02, F-50

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, LogLevel, Method};
use process::{Child, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::archive_end::{ArchiveReader, Seen};
use super::binaries;
use super::connection::Connection;
use super::increment::{self, Increment, TOOL_MANIFEST, unpacking_commands};
use super::lsn;
use super::member_copy::MemberCopy;
use super::server::{self, Server};
use super::{STALL_LIMIT, STREAM_EXTENSION};
use crate::error::missing_tool;
use crate::problem::Problem;
use crate::shell::shell_word;
use crate::{BackupFacts, BackupRequest, EngineError, LogStart, OutputStream, RunningBackup, StreamSpec};

const TOOL: &str = "pg_basebackup";
/// `fetch` puts the log into the archive's end; the password comes from where the environment says.
const ARGUMENTS: [&str; 7] = [
    "--pgdata=-",
    "--format=tar",
    "--wal-method=fetch",
    "--checkpoint=fast",
    "--label=holdfast",
    "--verbose",
    "--no-password",
];
/// The tool's last words when it is content.
const COMPLETION_MARK: &str = "pg_basebackup: base backup completed";

/// A `pg_basebackup` at work.
pub(super) struct BaseBackup {
    child: Child,
    output: Option<ChildStdout>,
    seen: Arc<Mutex<Seen>>,
    /// The backup's own manifest, for the next increment.
    tool_manifest: Option<Arc<Mutex<MemberCopy>>>,
    increment: Option<Increment>,
    messages: Arc<Mutex<Messages>>,
    /// The server as it was just before.
    before: Server,
    datastore: DatastoreAccess,
    cancel: CancellationToken,
}

/// What the tool's lines told.
#[derive(Default)]
struct Messages {
    start: Option<(String, String)>,
    end: Option<String>,
    last: String,
}

impl Messages {
    fn hear(&mut self, line: &str) {
        let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest.to_owned());
        if let Some(start) = after("write-ahead log start point: ") {
            self.start = start.split_once(" on timeline ").map(|(at, timeline)| (at.to_owned(), timeline.to_owned()));
        } else if let Some(end) = after("write-ahead log end point: ") {
            self.end = Some(end);
        }
        line.clone_into(&mut self.last);
    }
}

impl BaseBackup {
    /// Looks at the server and starts the tool.
    pub(super) async fn start(request: BackupRequest) -> Result<Self, EngineError> {
        let BackupRequest { datastore, method, backup_type, parent, work_directory, log, cancel } = request;
        let is_known = match backup_type {
            BackupType::Full => parent.is_none(),
            BackupType::Incremental => parent.is_some(),
            BackupType::Differential | BackupType::Log => false,
        };
        if method != Method::PgBasebackup || !is_known {
            let detail = format!("PostgreSQL has no {backup_type} backups by {method} here.");
            return Err(EngineError::known(ErrorCode::UnsupportedMethod, detail));
        }
        let server = server::ask_for_job(&datastore, &cancel).await?;
        let connection = Connection::to(&datastore);
        if let Some(problem) = obstacle(&datastore, &server, &connection.user) {
            return Err(problem.into_error());
        }
        let binaries =
            binaries::client(TOOL, server.major()).await.ok_or_else(|| no_tool(server.major()).into_error())?;
        let increment = match parent {
            Some(parent) => Some(Increment::on(parent, &server, &connection, &cancel).await?),
            None => None,
        };
        let tool_manifest = match increment::obstacle(&server) {
            Some(_) => None,
            None => Some(
                MemberCopy::into_file(TOOL_MANIFEST, &work_directory)
                    .map_err(EngineError::file("keeping the backup's manifest", &work_directory))?,
            ),
        };
        let messages = Arc::new(Mutex::new(Messages::default()));
        let heard = Arc::clone(&messages);
        let command = Command::new(TOOL).search_dir(binaries.directory).args(ARGUMENTS).stdout_piped();
        let command = command.args(increment.as_ref().map(Increment::argument));
        let command = command.stall_limit(STALL_LIMIT).on_line(move |_, line| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).hear(line);
            log(LogLevel::Tool, line);
        });
        let mut child = connection
            .apply(command)
            .spawn()
            .map_err(|source| EngineError::process("starting pg_basebackup", source))?;
        let output = child.stdout.take();
        Ok(Self {
            child,
            output,
            seen: Arc::default(),
            tool_manifest: tool_manifest.map(|copy| Arc::new(Mutex::new(copy))),
            increment,
            messages,
            before: server,
            datastore,
            cancel,
        })
    }

    /// Whether the server is the one that the backup began with, and was not restarted since. // F-50
    async fn check_server(&self) -> Result<(), EngineError> {
        let changed = |detail: String| Err(EngineError::known(ErrorCode::SourceChanged, detail));
        match server::ask_for_job(&self.datastore, &self.cancel).await {
            Ok(after) if after.system_identifier != self.before.system_identifier => {
                changed("Another server answers at this address than when the backup began.".to_owned())
            }
            Ok(after) if after.started_at != self.before.started_at => {
                changed("The server was restarted during the backup.".to_owned())
            }
            Ok(after) if after.in_recovery != self.before.in_recovery => {
                changed("The server was promoted during the backup.".to_owned())
            }
            Ok(_) => Ok(()),
            Err(error) if error.code() == ErrorCode::HostUnreachable => {
                changed(format!("The server stopped during the backup. {error}"))
            }
            Err(error) => Err(error),
        }
    }
}

impl BaseBackup {
    /// Roughly what a full backup has.
    fn data_bytes(&self) -> u64 {
        // Besides the databases there are the shared catalogs and at least one segment of the log.
        const REST: u64 = 17 << 20;
        self.before.data_bytes + REST
    }

    /// A server that refuses an increment does so before the first byte, in its own language: a gap in its summaries, for
    /// one. Whatever else it was, a full backup meets it too.
    fn refusal_of_parent(&self, error: EngineError) -> EngineError {
        let nothing_came = self.seen.lock().unwrap_or_else(PoisonError::into_inner).bytes == 0;
        if self.increment.is_some() && nothing_came && error.code() == ErrorCode::EngineToolFailed {
            return EngineError::ParentUnusable { reason: error.to_job_error().detail };
        }
        error
    }

    fn keep_tool_manifest(&self) -> Result<Option<(StreamSpec, PathBuf)>, EngineError> {
        let Some(copy) = &self.tool_manifest else { return Ok(None) };
        let file = copy.lock().unwrap_or_else(PoisonError::into_inner).finish();
        let file = file.map_err(EngineError::file("keeping the backup's manifest", TOOL_MANIFEST))?;
        Ok(file.map(|file| (StreamSpec::new(TOOL_MANIFEST, "json"), file)))
    }
}

/// What stands in the way of any backup of this server.
fn obstacle(datastore: &DatastoreAccess, server: &Server, user: &str) -> Option<Problem> {
    // F-54
    if let Some(expected) = datastore.server_identity.as_ref().filter(|expected| **expected != server.system_identifier)
    {
        return Some(Problem::identity_changed(expected, &server.system_identifier));
    }
    if !server.tablespaces.is_empty() {
        return Some(Problem::tablespaces(&server.tablespaces));
    }
    (!server.may_replicate).then(|| Problem::no_replication_privilege(user))
}

/// The worker lacks a `pg_basebackup` that fits.
pub(super) fn no_tool(server_major: u32) -> Problem {
    Problem::new(
        ErrorCode::MissingTool,
        format!("{} (version {server_major} or newer, as the server's is {server_major})", missing_tool(TOOL)),
    )
    .remedy(format!("apt-get install postgresql-client-{server_major}"))
}

#[async_trait]
impl RunningBackup for BaseBackup {
    fn estimated_bytes(&self) -> Option<u64> {
        // How many blocks changed is known only afterwards.
        self.increment.is_none().then(|| self.data_bytes())
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        let Some(output) = self.output.take() else { return Ok(None) };
        let archive = ArchiveReader::new(output, Arc::clone(&self.seen), self.tool_manifest.clone());
        Ok(Some(OutputStream::new(StreamSpec::base(STREAM_EXTENSION), archive)))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        drop(self.output.take());
        let exit = self.child.wait(&self.cancel).await.and_then(|exit| exit.success_or_error(TOOL));
        if let Err(source) = exit {
            let error = EngineError::process("the backup by pg_basebackup", source);
            // A server that went away is the cause, and the tool's complaint the symptom.
            if error.code() == ErrorCode::EngineToolFailed
                && let Err(cause) = self.check_server().await
                && cause.code() == ErrorCode::SourceChanged
            {
                return Err(cause);
            }
            return Err(self.refusal_of_parent(error));
        }
        let incomplete = |detail: &str| Err(EngineError::known(ErrorCode::BackupIncomplete, detail));
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.is_whole_archive() {
            return incomplete("pg_basebackup's archive was cut off: its end is missing.");
        }
        self.check_server().await?;
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.last != COMPLETION_MARK {
            return incomplete("pg_basebackup ended without saying that the backup is complete.");
        }
        let (Some((start, timeline)), Some(end)) = (&messages.start, &messages.end) else {
            return incomplete("pg_basebackup did not tell where in the server's log the backup stands.");
        };
        let mut engine_facts = BTreeMap::from([
            ("start_lsn".to_owned(), start.clone()),
            (END_FACT.to_owned(), end.clone()),
            (TIMELINE_FACT.to_owned(), timeline.clone()),
            (USER_FACT.to_owned(), Connection::to(&self.datastore).user),
        ]);
        let outside = outside_configuration(&self.before);
        if let Some(file) = outside {
            engine_facts.insert("config_file".to_owned(), file.to_owned());
        }
        Ok(BackupFacts {
            engine_version: self.before.short_version(),
            server_identity: Some(self.before.system_identifier.clone()),
            log_position: Some(format!("{start} … {end}, timeline {timeline}")),
            log_ranges: Vec::new(),
            log_start: lsn::parse(end)
                .map(|position| LogStart { stream: format!("{}-{timeline}", self.before.system_identifier), position }),
            command_line: std::iter::once(TOOL)
                .chain(ARGUMENTS)
                .map(str::to_owned)
                .chain(self.increment.as_ref().map(|_| Increment::shown_argument()))
                .collect(),
            completion_mark: COMPLETION_MARK.to_owned(),
            // What an increment leads to, not what it holds.
            unpacked_size_bytes: Some(if self.increment.is_some() {
                self.data_bytes().max(seen.bytes)
            } else {
                seen.bytes
            }),
            restore_commands: restore_commands(self.increment.as_ref(), outside),
            engine_facts,
            continuation: self.keep_tool_manifest()?,
        })
    }
}

/// The facts that tell where the backup ends.
pub(super) const END_FACT: &str = "end_lsn";
pub(super) const TIMELINE_FACT: &str = "timeline";
/// The fact that holds who made the backup: a role that surely is in it.
pub(super) const USER_FACT: &str = "user";

/// The server's configuration file where it is not in its data directory, as on Debian.
fn outside_configuration(server: &Server) -> Option<&str> {
    let (file, directory) = (server.config_file.as_deref()?, server.data_directory.as_deref()?);
    (!Path::new(file).starts_with(directory)).then_some(file)
}

fn restore_commands(increment: Option<&Increment>, outside_configuration: Option<&str>) -> Vec<String> {
    let start = match outside_configuration {
        None => "pg_ctl -D DATA_DIRECTORY start".to_owned(),
        Some(file) => {
            format!("postgres -D DATA_DIRECTORY -c config_file={} -c data_directory=DATA_DIRECTORY", shell_word(file))
        }
    };
    let mut commands = unpacking_commands(increment);
    commands.push(start);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_lines_tell_the_position() {
        let mut messages = Messages::default();
        for line in [
            "pg_basebackup: checkpoint completed",
            "pg_basebackup: write-ahead log start point: 0/2000028 on timeline 7",
            "pg_basebackup: write-ahead log end point: 0/2000100",
            COMPLETION_MARK,
        ] {
            messages.hear(line);
        }
        assert_eq!(messages.start, Some(("0/2000028".into(), "7".into())));
        assert_eq!(messages.end.as_deref(), Some("0/2000100"));
        assert_eq!(messages.last, COMPLETION_MARK);
    }

    #[test]
    fn commands_for_people_quote_what_a_shell_would_split() {
        let commands = restore_commands(None, Some("/etc/my post'gres/postgresql.conf"));
        assert!(commands[2].contains(r"config_file='/etc/my post'\''gres/postgresql.conf'"), "{}", commands[2]);
        assert_eq!(restore_commands(None, None)[2], "pg_ctl -D DATA_DIRECTORY start");
    }
}
