//! Making dumps: one tool after the other, a stream each. The roles come first, since what follows belongs to them.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, ErrorCode, LogLevel};
use process::{Child, Command, ProcessError};
use tokio_util::sync::CancellationToken;

use super::database::{self, Database};
use super::{
    DUMP_EXTENSION, DUMP_TOOL, GLOBALS_EXTENSION, GLOBALS_STREAM, GLOBALS_TOOL, MAINTENANCE, METHOD, TOOL_FACT, ask,
    tool,
};
use crate::postgresql::STALL_LIMIT;
use crate::postgresql::binaries::Binaries;
use crate::postgresql::connection::Connection;
use crate::postgresql::findings::identifier;
use crate::postgresql::server::{self, Server};
use crate::problem::Problem;
use crate::shell::shell_word;
use crate::{BackupFacts, BackupRequest, EngineError, LogSink, OutputStream, RunningBackup, StreamSpec};

/// A dump on its way.
struct Dump {
    datastore: DatastoreAccess,
    connection: Connection,
    tools: Binaries,
    before: Server,
    with_passwords: bool,
    databases: Vec<Database>,
    /// What comes still.
    next: VecDeque<Part>,
    /// The tool that writes the stream that was given out last.
    current: Option<(Child, String)>,
    log: LogSink,
    cancel: CancellationToken,
}

/// One stream.
enum Part {
    Globals,
    /// The place of the database in the list.
    Database(usize),
}

/// The stream of the `index`-th database.
pub(super) fn stream_of(index: usize) -> String {
    format!("database-{index:03}")
}

/// Starts a dump.
///
/// # Errors
/// `unsupported_method`, `server_identity_changed`, `missing_tool`, `missing_privilege`, whatever the server refuses.
pub(in crate::postgresql) async fn start(request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
    let BackupRequest { datastore, backup_type, log, cancel, .. } = request;
    if backup_type != BackupType::Full {
        let detail = format!("{METHOD} makes full backups, not {backup_type} ones.");
        return Err(EngineError::known(ErrorCode::UnsupportedMethod, detail));
    }
    let before = server::ask_for_job(&datastore, &cancel).await?;
    // F-54
    if let Some(expected) = datastore.server_identity.as_ref().filter(|known| **known != before.system_identifier) {
        return Err(Problem::identity_changed(expected, &before.system_identifier).into_error());
    }
    let tools = tool(DUMP_TOOL, before.major()).await?;
    let connection = Connection::to(&datastore);
    let mut databases = Vec::new();
    for database in database::all(&connection, &datastore, &cancel).await? {
        if database.is_closed_to_us() {
            let name = identifier(&database.name);
            let detail = format!("The user may not enter the database {name}, which a dump has to read.");
            let remedy = format!("GRANT CONNECT ON DATABASE {name} TO {};", identifier(&connection.user));
            return Err(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy).into_error());
        }
        // Every cluster has this one, and most use it for nothing.
        let is_idle = database.name == "postgres" && database.is_empty(&connection, &datastore, &cancel).await?;
        if database.is_open() && !is_idle {
            databases.push(database);
        }
    }
    let sql = "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select')";
    let with_passwords = ask(&connection, &datastore, (MAINTENANCE, sql), &cancel).await? == "t";
    if !with_passwords {
        let user = &connection.user;
        log(
            LogLevel::Warning,
            &format!(
                "The user {user:?} may not read passwords: roles are dumped without theirs, and get none in a restore"
            ),
        );
    }
    let next = std::iter::once(Part::Globals).chain((0..databases.len()).map(Part::Database)).collect();
    Ok(Box::new(Dump {
        datastore,
        connection,
        tools,
        before,
        with_passwords,
        databases,
        next,
        current: None,
        log,
        cancel,
    }))
}

const DUMP_ARGUMENTS: [&str; 5] =
    ["--format=custom", "--compress=0", "--create", "--no-password", "--lock-wait-timeout=10min"];

impl Dump {
    fn globals(&self) -> Command {
        let command = self.tool(GLOBALS_TOOL).args(["--globals-only", "--no-tablespaces", "--no-password"]);
        let command = if self.with_passwords { command } else { command.arg("--no-role-passwords") };
        command.arg(format!("--database={MAINTENANCE}"))
    }

    fn tool(&self, name: &str) -> Command {
        let log = std::sync::Arc::clone(&self.log);
        let command = Command::new(name).search_dir(&self.tools.directory).stall_limit(STALL_LIMIT);
        self.connection.apply(command).on_line(move |_, line| log(LogLevel::Tool, line))
    }

    /// Waits for the tool whose stream was read. // F-02
    async fn end_current(&mut self) -> Result<(), EngineError> {
        let Some((mut child, what)) = self.current.take() else { return Ok(()) };
        drop(child.stdout.take());
        let exit = child.wait(&self.cancel).await.and_then(|exit| exit.success_or_error(DUMP_TOOL));
        exit.map(drop).map_err(|error| self.failure(&what, error))
    }

    fn failure(&self, what: &str, error: ProcessError) -> EngineError {
        let refusal = error.stderr_tail().iter().find(|line| line.contains("permission denied")).cloned();
        match refusal {
            Some(line) => {
                let remedy = format!("GRANT pg_read_all_data TO {};", identifier(&self.connection.user));
                let detail = format!("The dump of {what} was refused: {line}");
                Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy).into_error()
            }
            None => EngineError::process("the dump", error),
        }
    }

    /// A server that was restarted or replaced meanwhile gave parts that don't belong together. // F-50
    async fn check_server(&self) -> Result<(), EngineError> {
        let after = server::ask_for_job(&self.datastore, &self.cancel).await?;
        if after.system_identifier == self.before.system_identifier && after.started_at == self.before.started_at {
            return Ok(());
        }
        let detail = "The server was restarted or replaced while it was dumped.";
        Err(EngineError::known(ErrorCode::SourceChanged, detail))
    }
}

#[async_trait]
impl RunningBackup for Dump {
    fn estimated_bytes(&self) -> Option<u64> {
        Some(self.databases.iter().map(|database| database.size_bytes).sum())
    }

    async fn next_stream(&mut self) -> Result<Option<OutputStream>, EngineError> {
        self.end_current().await?;
        let Some(part) = self.next.pop_front() else { return Ok(None) };
        let (command, spec, what) = match part {
            Part::Globals => {
                (self.globals(), StreamSpec::new(GLOBALS_STREAM, GLOBALS_EXTENSION), "the roles".to_owned())
            }
            Part::Database(index) => {
                let Some(database) = self.databases.get(index) else { return Ok(None) };
                let what = format!("the database {:?}", database.name);
                // By environment: an option would take `name=value` in a database's name for settings.
                let command = self.tool(DUMP_TOOL).args(DUMP_ARGUMENTS).env("PGDATABASE", &database.name);
                (command, StreamSpec::new(stream_of(index), DUMP_EXTENSION), what)
            }
        };
        (self.log)(LogLevel::Info, &format!("Dumping {what}"));
        let mut child =
            command.stdout_piped().spawn().map_err(|source| EngineError::process("starting the dump", source))?;
        let output = child.stdout.take();
        self.current = Some((child, what));
        Ok(output.map(|output| OutputStream::new(spec, output)))
    }

    async fn finish(mut self: Box<Self>) -> Result<BackupFacts, EngineError> {
        self.end_current().await?;
        self.check_server().await?;
        let mut engine_facts = BTreeMap::from([
            (TOOL_FACT.to_owned(), self.tools.major.to_string()),
            ("role_passwords".to_owned(), self.with_passwords.to_string()),
        ]);
        for (index, database) in self.databases.iter().enumerate() {
            engine_facts.insert(stream_of(index), database.to_fact());
        }
        Ok(BackupFacts {
            engine_version: self.before.short_version(),
            server_identity: Some(self.before.system_identifier.clone()),
            log_position: None,
            log_start: None,
            command_line: std::iter::once(DUMP_TOOL).chain(DUMP_ARGUMENTS).map(str::to_owned).collect(),
            completion_mark: format!("{GLOBALS_TOOL} and {} runs of {DUMP_TOOL} exited with 0", self.databases.len()),
            unpacked_size_bytes: Some(self.databases.iter().map(|database| database.size_bytes).sum()),
            restore_commands: restore_commands(&self.databases),
            engine_facts,
            continuation: None,
            log_ranges: Vec::new(),
        })
    }
}

/// How a person restores it, into a server without these databases: PGHOST, PGPORT and PGUSER say which.
fn restore_commands(databases: &[Database]) -> Vec<String> {
    let globals = format!("{GLOBALS_STREAM}.*.{GLOBALS_EXTENSION}.zst");
    // Of roles that are there already it says so and goes on.
    let mut commands = vec![format!("zstd -dc {globals} | psql --no-psqlrc --dbname=postgres")];
    for (index, database) in databases.iter().enumerate() {
        let archive = format!("{}.*.{DUMP_EXTENSION}.zst", stream_of(index));
        let restore = "pg_restore --exit-on-error --no-tablespaces";
        commands.push(match database.name.as_str() {
            // It is there already.
            "postgres" => format!("zstd -dc {archive} | {restore} --dbname=postgres"),
            _ => format!("zstd -dc {archive} | {restore} --create --dbname=template1"),
        });
    }
    let names = databases.iter().map(|database| shell_word(&database.name)).collect::<Vec<_>>().join(" ");
    commands.push(format!("# databases, in this order: {names}"));
    commands
}
