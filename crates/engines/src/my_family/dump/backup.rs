//! Making a dump: the accounts first, since what follows belongs to them; then all databases, in one transaction.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, LogLevel};
use process::{Child, ChildStdout, Command, ProcessError};
use secrecy::SecretString;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::accounts::AccountList;
use super::databases::{self, Database};
use super::{ACCOUNTS_STREAM, COMPLETION_MARK, DATABASES_FACT, Dialect, EXTENSION, Now};
use crate::my_family::client::failure;
use crate::my_family::greeting::check_registered;
use crate::my_family::uptime::was_restarted;
use crate::problem::Problem;
use crate::shell::shell_word;
use crate::{BackupFacts, BackupRequest, EngineError, LogSink, OutputStream, RunningBackup, StreamSpec};

/// How long the tool may be silent. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// As much of the dump's end as is kept: its mark has a time behind it.
const KEPT_BYTES: usize = 256;

/// What both tools are told. One transaction for all databases; everything that is in them; bytes as they are.
const OPTIONS: [&str; 11] = [
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",
    "--add-drop-database",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    "--comments",
];

/// A dump on its way.
struct Dump {
    dialect: &'static dyn Dialect,
    datastore: DatastoreAccess,
    before: Now,
    started: Instant,
    accounts: Option<AccountList>,
    databases: Vec<Database>,
    has_accounts: bool,
    is_dumped: bool,
    current: Option<Child>,
    tail: Tail,
    log: LogSink,
    cancel: CancellationToken,
}

/// Starts a dump.
///
/// # Errors
/// `unsupported_method`, `server_identity_changed`, `missing_tool`, whatever the server refuses.
pub(crate) async fn start(
    dialect: &'static dyn Dialect,
    request: BackupRequest,
) -> Result<Box<dyn RunningBackup>, EngineError> {
    let BackupRequest { datastore, backup_type, log, cancel, .. } = request;
    if backup_type != BackupType::Full {
        let detail = format!("{} makes full backups, not {backup_type} ones.", dialect.method());
        return Err(EngineError::known(ErrorCode::UnsupportedMethod, detail));
    }
    let before = dialect.now(&datastore, &cancel).await?;
    // F-54
    check_registered(&datastore, before.identity.clone())?;
    if let Some(problem) = dialect.lacks(dialect.dump_tool()).await {
        return Err(problem.into_error());
    }
    let databases = databases::all(dialect, &datastore, &cancel).await?;
    if let Some(database) = databases.iter().find(|database| database.is_unsayable()) {
        let (tool, name) = (dialect.dump_tool(), &database.name);
        let detail =
            format!("{tool} can't dump the events of a database whose name has quotes or backslashes: {name}.");
        return Err(EngineError::known(ErrorCode::EngineToolFailed, detail));
    }
    let loose: u64 = databases.iter().map(|database| database.loose_tables).sum();
    if loose > 0 {
        let line = "are of engines without transactions: what is written to them meanwhile may be in the dump in part";
        log(LogLevel::Warning, &format!("{loose} tables {line}"));
    }
    let accounts = match dialect.accounts(&datastore, &cancel).await {
        Ok(accounts) => Some(accounts),
        Err(error) if error.code() == ErrorCode::MissingPrivilege => {
            log(
                LogLevel::Warning,
                &format!("The accounts are not dumped: {} (GRANT SELECT ON mysql.*)", error.to_job_error().detail),
            );
            None
        }
        Err(error) => return Err(error),
    };
    Ok(Box::new(Dump {
        dialect,
        datastore,
        before,
        started: Instant::now(),
        has_accounts: accounts.is_some(),
        accounts: Some(accounts.unwrap_or_default()),
        is_dumped: databases.is_empty(),
        databases,
        current: None,
        tail: Tail::default(),
        log,
        cancel,
    }))
}

/// The tool that dumps databases.
///
/// # Errors
/// `missing_tool`.
pub(super) async fn command(
    dialect: &dyn Dialect,
    datastore: &DatastoreAccess,
    names: &[String],
    log: &LogSink,
) -> Result<Command, EngineError> {
    let log = Arc::clone(log);
    let mut command = dialect.logging_in(dialect.dump_tool(), datastore).await?;
    if let Some(password) = &datastore.password {
        command = command.redact(SecretString::from(password.expose()));
    }
    Ok(command
        .args(OPTIONS)
        .args(dialect.dump_options().iter().copied())
        .arg("--databases")
        // Names may begin with a dash.
        .arg("--")
        .args(names.iter().cloned())
        .stdout_piped()
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| log(LogLevel::Tool, line)))
}

/// Why a dump failed.
pub(super) fn dump_failure(datastore: &DatastoreAccess, error: ProcessError) -> EngineError {
    let denied = error.stderr_tail().iter().find(|line| line.contains("denied")).cloned();
    match denied {
        Some(line) => Problem::new(ErrorCode::MissingPrivilege, format!("The dump was refused: {line}")).into_error(),
        None => failure(error, datastore),
    }
}

#[async_trait]
impl RunningBackup for Dump {
    fn estimated_bytes(&self) -> Option<u64> {
        Some(self.databases.iter().map(|database| database.size_bytes).sum())
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        if let Some(accounts) = self.accounts.take() {
            let spec = StreamSpec::new(ACCOUNTS_STREAM, EXTENSION);
            return Ok(Some(OutputStream::new(spec, Cursor::new(accounts.render().into_bytes()))));
        }
        if std::mem::replace(&mut self.is_dumped, true) {
            return Ok(None);
        }
        let names: Vec<String> = self.databases.iter().map(|database| database.name.clone()).collect();
        let command = command(self.dialect, &self.datastore, &names, &self.log).await?;
        let mut child = command.spawn().map_err(|source| EngineError::process("starting the dump", source))?;
        let output = child.stdout.take();
        self.current = Some(child);
        let tail = self.tail.clone();
        Ok(output.map(|output| OutputStream::new(StreamSpec::base(EXTENSION), Watched { output, tail })))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        let mut completion_mark = "there are no databases to dump".to_owned();
        if let Some(mut child) = self.current.take() {
            let exit = child.wait(&self.cancel).await;
            let exit = exit.and_then(|exit| exit.success_or_error(self.dialect.dump_tool()));
            exit.map_err(|error| dump_failure(&self.datastore, error))?;
            completion_mark = self.tail.completion_mark()?;
        }
        // F-50
        let after = self.dialect.now(&self.datastore, &self.cancel).await?;
        let restarted = was_restarted(self.before.uptime_seconds, after.uptime_seconds, self.started.elapsed());
        if restarted || after.identity != self.before.identity {
            let detail = "The server was restarted or replaced while it was dumped.";
            return Err(EngineError::known(ErrorCode::SourceChanged, detail));
        }
        let names: Vec<&str> = self.databases.iter().map(|database| database.name.as_str()).collect();
        let tool = self.dialect.dump_tool();
        let shown = OPTIONS.iter().chain(self.dialect.dump_options());
        Ok(BackupFacts {
            engine_version: self.before.version.clone(),
            server_identity: self.before.identity.clone(),
            log_position: None,
            log_start: None,
            command_line: std::iter::once(&tool).chain(shown).map(|word| (*word).to_owned()).collect(),
            completion_mark,
            unpacked_size_bytes: None,
            restore_commands: restore_commands(self.dialect.client(), &names),
            engine_facts: BTreeMap::from([
                (DATABASES_FACT.to_owned(), serde_json::to_string(&names).unwrap_or_default()),
                ("accounts".to_owned(), self.has_accounts.to_string()),
            ]),
            continuation: None,
            log_ranges: Vec::new(),
        })
    }
}

/// How a person restores it: it drops the databases that it then makes. Of accounts that are there, and of grants that only
/// another may make, the client says so and goes on.
fn restore_commands(client: &str, names: &[&str]) -> Vec<String> {
    let load = |stream: &str| format!("zstd -dc {stream}.*.{EXTENSION}.zst | {client} --binary-mode");
    let mut commands = vec![format!("{} --force || true", load(ACCOUNTS_STREAM))];
    if !names.is_empty() {
        commands.push(load(crate::driver::BASE_STREAM));
        let names = names.iter().map(|name| shell_word(name)).collect::<Vec<_>>().join(" ");
        commands.push(format!("# databases: {names}"));
    }
    commands
}

/// The end of a dump.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = bytes.get(bytes.len().saturating_sub(KEPT_BYTES)..).unwrap_or_default();
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..surplus);
    }

    /// The tool's last words. // F-02
    ///
    /// # Errors
    /// `backup_incomplete` unless they say that it was done.
    pub(super) fn completion_mark(&self) -> Result<String, EngineError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if last.starts_with(COMPLETION_MARK) {
            return Ok(last.to_owned());
        }
        let detail = format!("The dump does not end with {COMPLETION_MARK:?}.");
        Err(EngineError::known(ErrorCode::BackupIncomplete, detail))
    }
}

/// A dump whose end is kept.
struct Watched {
    output: ChildStdout,
    tail: Tail,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(context, buffer))?;
        self.tail.push(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}
