//! A backup: `mariadb-backup` writes a stream of the data directory's files to its standard output; of InnoDB's files an
//! incremental one holds only the pages that changed since its parent's log sequence number.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, LogLevel, Method};
use process::{Child, ChildStdout, Credentials, Exit};
use secrecy::SecretString;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::binary_log::{LogFileName, position_of, stream_of};
use super::client::logging_in;
use super::facts::ServerFacts;
use super::increment::{Increment, restore_commands};
use super::layout;
use super::preflight::{check_identity, check_privileges, check_same_files, local_data_directory};
use super::private_server::STATEMENT_SETTINGS;
use super::tool_info::{BinaryLogPosition, ToolInfo};
use super::{COMPLETION_MARK, STALL_LIMIT};
use crate::logs::LogStart;
use crate::my_family::client::user;
use crate::my_family::uptime::was_restarted;
use crate::private_directory::PrivateDirectory;
use crate::problem::Problem;
use crate::{BackupFacts, BackupRequest, EngineError, OutputStream, RunningBackup, StreamSpec};

/// A running `mariadb-backup`.
struct Running {
    child: Child,
    output: Option<ChildStdout>,
    stream_bytes: Arc<AtomicU64>,
    estimated_bytes: u64,
    datastore: DatastoreAccess,
    cancel: CancellationToken,
    before: ServerFacts,
    increment: Option<Increment>,
    started: Instant,
    owner: Credentials,
    /// Takes the tool's small files.
    info_directory: PrivateDirectory,
    /// The user that the tool says it logged in as.
    user_seen: Arc<Mutex<Option<String>>>,
}

/// Starts a backup.
///
/// # Errors
/// [`EngineError::ParentUnusable`], `unsupported_method`, whatever the server refuses, `server_identity_changed`, `data_directory_mismatch`,
/// `data_directory_inaccessible`, `missing_privilege`, `missing_tool`.
pub(super) async fn start(request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    let is_known = match request.backup_type {
        BackupType::Full => request.parent.is_none(),
        BackupType::Incremental => request.parent.is_some(),
        BackupType::Differential | BackupType::Log => false,
    };
    if request.method != Method::Mariabackup || !is_known {
        let asked = format!("{} backups by {}", request.backup_type, request.method);
        return Err(EngineError::known(
            ErrorCode::UnsupportedMethod,
            format!("MariaDB takes full and incremental backups by mariabackup, not {asked}."),
        ));
    }
    let datastore = request.datastore;
    let before = ServerFacts::ask(&datastore, &request.cancel).await?;
    check_identity(&datastore, &before)?;
    check_privileges(&datastore, &before, &request.cancel).await.map_err(Problem::into_error)?;
    let increment = request.parent.map(|parent| Increment::on(parent, &before)).transpose()?;
    let directory = local_data_directory(&datastore, &before)?;
    check_same_files(&datastore, &before, &directory, &request.cancel).await?;
    let owner = Credentials::of_owner(&directory).map_err(EngineError::file("finding the data's owner", &directory))?;
    let info_directory = PrivateDirectory::create(owner)?;
    let walked = directory.clone();
    let estimated_bytes = tokio::task::spawn_blocking(move || layout::contents(&walked))
        .await
        .ok()
        .and_then(Result::ok)
        .map_or(0, |contents| contents.backup_bytes);

    let user_seen = Arc::<Mutex<Option<String>>>::default();
    let (seen, log) = (Arc::clone(&user_seen), Arc::clone(&request.log));
    let mut command = logging_in("mariadb-backup", &datastore)
        .args(tool_arguments(&directory, increment.as_ref()))
        .arg(format!("--extra-lsndir={}", info_directory.path().display()))
        .run_as(owner)
        .stdout_piped()
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| {
            if let Some(user) = login_user(line) {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(user.to_owned());
            }
            if !is_about_one_file(line) {
                log(LogLevel::Tool, line);
            }
        });
    if let Some(password) = &datastore.password {
        command = command.redact(SecretString::from(password.expose()));
    }
    let mut child = command.spawn().map_err(|source| EngineError::process("starting mariadb-backup", source))?;
    Ok(Box::new(Running {
        output: child.stdout.take(),
        child,
        stream_bytes: Arc::default(),
        estimated_bytes,
        datastore,
        cancel: request.cancel,
        before,
        increment,
        started: Instant::now(),
        owner,
        info_directory,
        user_seen,
    }))
}

/// The part of the arguments that says what to do; what says how to log in goes before it.
fn tool_arguments(directory: &Path, increment: Option<&Increment>) -> Vec<String> {
    let always = ["--backup".to_owned(), "--stream=mbstream".to_owned(), format!("--datadir={}", directory.display())];
    always.into_iter().chain(increment.map(Increment::argument)).collect()
}

/// Lines that come for every file of every table would bury the others, and mean nothing unless the tool fails: its last
/// lines are told then.
fn is_about_one_file(line: &str) -> bool {
    line.ends_with("...done") || line.ends_with(" is copied successfully.") || line.contains(" Streaming ./")
}

/// From a line such as `Connecting to MariaDB server host: 127.0.0.1, user: bk, password: set, port: …`. // F-80
fn login_user(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Connecting to MariaDB server host: ")?;
    let (_, rest) = rest.split_once(", user: ")?;
    rest.rsplit_once(", password: ").map(|(user, _)| user)
}

#[async_trait]
impl RunningBackup for Running {
    fn estimated_bytes(&self) -> Option<u64> {
        // How many pages changed is known only afterwards.
        (self.estimated_bytes > 0 && self.increment.is_none()).then_some(self.estimated_bytes)
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        let Some(output) = self.output.take() else { return Ok(None) };
        let counted = Counted { output, bytes: Arc::clone(&self.stream_bytes) };
        Ok(Some(OutputStream::new(StreamSpec::base(super::STREAM_EXTENSION), counted)))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        let failed = |source| EngineError::process("mariadb-backup", source);
        let exit = self.child.wait(&self.cancel).await.map_err(failed)?;
        let completion_mark = completion_mark(exit)?;
        self.check_user()?;
        let info = ToolInfo::read(self.info_directory.path())?;
        if let Some(increment) = &self.increment {
            increment.check(&info)?;
        }
        let after = ServerFacts::ask(&self.datastore, &self.cancel).await?;
        self.check_same_server(&after)?;
        Ok(self.facts(&info, completion_mark))
    }
}

/// The tool's last words. // F-02
///
/// # Errors
/// `engine_tool_failed` unless it exited with 0, `backup_incomplete` unless its last line says that it was done.
pub(super) fn completion_mark(exit: Exit) -> Result<String, EngineError> {
    let exit =
        exit.success_or_error("mariadb-backup").map_err(|source| EngineError::process("mariadb-backup", source))?;
    match exit.stderr_tail.last() {
        Some(line) if line.ends_with(COMPLETION_MARK) => Ok(line.clone()),
        other => Err(EngineError::known(
            ErrorCode::BackupIncomplete,
            format!(
                "mariadb-backup exited without saying {COMPLETION_MARK:?}; its last line was {:?}.",
                other.map(String::as_str).unwrap_or_default()
            ),
        )),
    }
}

impl Running {
    /// A tool that could not read its option file says nothing about it. // F-80
    fn check_user(&self) -> Result<(), EngineError> {
        let seen = self.user_seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Some(seen) if seen != user(&self.datastore) => Err(EngineError::known(
                ErrorCode::AuthenticationFailed,
                format!("mariadb-backup logged in as {seen:?} instead of {:?}.", user(&self.datastore)),
            )),
            _ => Ok(()),
        }
    }

    /// F-50
    fn check_same_server(&self, after: &ServerFacts) -> Result<(), EngineError> {
        let restarted = was_restarted(self.before.uptime_seconds, after.uptime_seconds, self.started.elapsed());
        let replaced =
            after.identity() != self.before.identity() || after.data_directory() != self.before.data_directory();
        if restarted || replaced {
            let what = if replaced { "replaced" } else { "restarted" };
            return Err(EngineError::known(
                ErrorCode::SourceChanged,
                format!("The server was {what} while it was backed up."),
            ));
        }
        Ok(())
    }

    /// Where replaying the binary log on the backup begins.
    fn log_start(&self, position: Option<&BinaryLogPosition>) -> Option<LogStart> {
        let position = position?;
        let file = LogFileName::parse(&position.file)?;
        let offset = position.position.parse().ok()?;
        let stream = stream_of(&self.before.identity()?);
        Some(LogStart { stream, position: position_of(file.number(), offset) })
    }

    fn facts(&self, info: &ToolInfo, completion_mark: String) -> BackupFacts {
        let log_file_size: u64 = self.before.variable("innodb_log_file_size").parse().unwrap_or(0);
        let position = info.binary_log_position();
        let mut engine_facts = BTreeMap::new();
        let mut note = |name: &str, value: &str| {
            if !value.is_empty() {
                engine_facts.insert(name.to_owned(), value.to_owned());
            }
        };
        for name in ["from_lsn", "to_lsn", "last_lsn", "tool_version"] {
            note(name, info.value(name).unwrap_or_default());
        }
        for name in ["server_id", "gtid_domain_id", "lower_case_table_names"].into_iter().chain(STATEMENT_SETTINGS) {
            note(name, self.before.variable(name));
        }
        note("binary_log_base", &self.before.binary_log_inside().unwrap_or_default());
        if let Some(position) = &position {
            note("binary_log_file", &position.file);
            note("binary_log_position", &position.position);
            note("gtid", &position.gtid);
        }
        let directory = self.before.data_directory();
        let mut command_line = vec![
            "mariadb-backup".to_owned(),
            format!("--host={}", self.datastore.host),
            format!("--port={}", self.datastore.port),
            format!("--user={}", user(&self.datastore)),
        ];
        command_line.extend(tool_arguments(&directory, self.increment.as_ref()));
        let stream_bytes = self.stream_bytes.load(Ordering::Relaxed);
        // What an increment leads to, not what it holds.
        let data_bytes = if self.increment.is_some() { self.estimated_bytes.max(stream_bytes) } else { stream_bytes };
        BackupFacts {
            engine_version: self.before.version().to_owned(),
            server_identity: self.before.identity(),
            log_ranges: Vec::new(),
            log_start: self.log_start(position.as_ref()),
            log_position: position.map(|position| position.to_string()),
            command_line,
            completion_mark,
            // The server makes its redo log anew when it starts.
            unpacked_size_bytes: Some(data_bytes.saturating_add(log_file_size)),
            restore_commands: restore_commands(self.owner, self.increment.as_ref()),
            engine_facts,
            continuation: None,
        }
    }
}

/// Counts what is read.
struct Counted {
    output: ChildStdout,
    bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.output).poll_read(context, buffer))?;
        let count = u64::try_from(buffer.filled().len() - before).unwrap_or(0);
        this.bytes.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn exit(status: i32, last: &str) -> Exit {
        Exit { status: ExitStatus::from_raw(status), stderr_tail: vec!["first".into(), last.into()] }
    }

    #[test]
    fn f02_both_status_and_mark_are_needed() {
        assert_eq!(completion_mark(exit(0, "[00] completed OK!")).expect("done"), "[00] completed OK!");
        assert_eq!(completion_mark(exit(0, "[00] cut")).expect_err("no mark").code(), ErrorCode::BackupIncomplete);
        let failed = completion_mark(exit(1 << 8, "[00] completed OK!")).expect_err("status 1");
        assert_eq!(failed.code(), ErrorCode::EngineToolFailed);
        let killed = completion_mark(exit(9, "[00] completed OK!")).expect_err("killed");
        assert_eq!(killed.code(), ErrorCode::EngineToolFailed);
    }

    #[test]
    fn f80_the_user_of_the_login_is_read() {
        let line = "[00] 2026-11-22 08:02:06 Connecting to MariaDB server host: 127.0.0.1, user: a, user: b, password: set, \
                    port: 31245, socket: not set";
        assert_eq!(login_user(line), Some("a, user: b"));
        assert_eq!(login_user("[00] Using server version 10.11"), None);
        assert!(!is_about_one_file(line));
    }

    #[test]
    fn files_do_not_bury_what_matters() {
        for line in [
            "[00] 2026-11-22 08:30:03         ...done",
            "[00] 2026-11-22 08:30:03 Streaming ./mysql/innodb_table_stats.ibd",
            "[01] 2026-11-22 08:07:05 Streaming ./mysql/gtid_slave_pos.frm to <STDOUT>",
            "[00] 2026-11-22 08:30:03 aria table file ./mysql/proc.MAI is copied successfully.",
        ] {
            assert!(is_about_one_file(line), "{line}");
        }
        assert!(!is_about_one_file("[00] 2026-11-22 08:30:03 Streaming ibdata1"));
        assert!(!is_about_one_file("[00] 2026-11-22 08:02:07 completed OK!"));
    }
}
