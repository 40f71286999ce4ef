//! A server that runs on staged data for a moment: nobody but the data's owner and root reaches it.
//!
//! It takes everybody who reaches its socket (`--skip-grant-tables`), since the passwords in a backup may be others than
//! today's. Nothing of the machine's configuration is read; what must fit the files is taken from the backup itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::version::can_take;
use domain::{Engine, ErrorCode, LogLevel};
use process::{Command, Daemon, DaemonOptions, Signal};
use tokio::time::{Instant, sleep};

use super::client::{Row, query_socket};
use super::preparation::{blocking, remove_tool_files};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Probe, Staging};

const SERVER: &str = "mariadbd";
/// The redo log was applied before: starting is quick.
const START_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// How much of an argument to fill with statements; the kernel takes 128 KiB (execve(2)).
const BATCH_BYTES: usize = 64 << 10;
const INTERVAL: Duration = Duration::from_millis(50);
/// Lines of the server's log that a failure repeats.
const QUOTED_LINES: usize = 8;

/// Settings of the backed up server that its files depend on, as `mariadb-backup` notes them in `backup-my.cnf`. No other
/// line of that file is obeyed: some name programs to load.
const FILE_SETTINGS: [&str; 4] =
    ["innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces", "innodb_log_file_size"];

/// Settings of the backed up server that decide what a replayed `CREATE TABLE` makes, and that its log does not tell.
pub(super) const STATEMENT_SETTINGS: [&str; 3] =
    ["default_storage_engine", "innodb_default_row_format", "explicit_defaults_for_timestamp"];
/// The machine's time zone, as the live server has it: the log names it `SYSTEM`.
const MACHINE_TIME_ZONE: &str = ":/etc/localtime";

/// Nothing is lost with a server that dies while it replays, so it need not sync; its clean end does. Its binary log is only
/// there for its last state, and does not grow as large as the log that is replayed.
const WHILE_REPLAYING: [&str; 10] = [
    "--innodb-buffer-pool-size=256M",
    "--event-scheduler=OFF",
    "--server-id=1",
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--max-binlog-size=64M",
    "--loose-binlog-expire-logs-seconds=1",
    "--binlog-format=ROW",
    "--max-allowed-packet=1G",
    // What was refused then is not in the log.
    "--innodb-strict-mode=OFF",
];

/// Starts a server on the staged data, asks what it holds, and stops it.
///
/// # Errors
/// `restored_server_unhealthy` when it does not start, can't open a table or does not stop; `missing_tool`;
/// `incompatible_engine_version` when the machine has a server of another series.
pub(super) async fn probe(staging: &Staging) -> Result<Probe, EngineError> {
    check_version(staging).await?;
    let private = PrivateDirectory::create(staging.owner)?;
    let directory = staging.directory.clone();
    let before = blocking(move || names(&directory)).await?;
    let server = PrivateServer::start(staging, private, Purpose::Probe).await?;
    let probe = server.examine(staging).await;
    server.stop().await?;
    let probe = probe?;
    let directory = staging.directory.clone();
    let log_base = binary_log_base(staging).map(str::to_owned);
    blocking(move || {
        remove_new_files(&directory, &before, log_base.as_deref())?;
        remove_tool_files(&directory)
    })
    .await?;
    Ok(probe)
}

/// What a private server is started for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To look at the data.
    Probe,
    /// To change it: with accounts, since statements about accounts need them, and with the binary log and the temporary files
    /// in `work`. The statements in `init_file` come first.
    Replay { work: &'a Path, init_file: &'a Path },
}

pub(super) struct PrivateServer {
    daemon: Daemon,
    directory: PrivateDirectory,
}

impl PrivateServer {
    pub(super) async fn start(
        staging: &Staging,
        directory: PrivateDirectory,
        purpose: Purpose<'_>,
    ) -> Result<Self, EngineError> {
        let command = Command::new(SERVER).run_as(staging.owner).env("TZ", MACHINE_TIME_ZONE).args(arguments(
            staging,
            directory.path(),
            purpose,
        )?);
        // The staged files are worth nothing to anybody if we die: no time is lost on a clean end.
        let options = DaemonOptions { log_file: directory.path().join("log"), death_signal: Some(Signal::SIGKILL) };
        let daemon = Daemon::start(command, options)
            .map_err(|source| EngineError::process("starting MariaDB on the restored data", source))?;
        let server = Self { daemon, directory };
        server.wait_until_it_answers(staging, matches!(purpose, Purpose::Probe)).await?;
        Ok(server)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// `takes_everybody`: whether it can be asked without an account.
    async fn wait_until_it_answers(&self, staging: &Staging, takes_everybody: bool) -> Result<(), EngineError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if staging.cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            if !self.daemon.is_running() {
                return Err(self.unhealthy("MariaDB does not start on the restored data"));
            }
            if tokio::net::UnixStream::connect(self.socket()).await.is_ok()
                && (!takes_everybody || query_socket(&self.socket(), "SELECT 1", &staging.cancel).await.is_ok())
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.unhealthy("MariaDB on the restored data does not answer"));
            }
            sleep(INTERVAL).await;
        }
    }

    async fn ask(&self, staging: &Staging, sql: &str) -> Result<Vec<Row>, EngineError> {
        query_socket(&self.socket(), sql, &staging.cancel).await.map_err(|error| {
            if matches!(error, process::ProcessError::Cancelled { .. }) {
                return EngineError::Cancelled;
            }
            let said = error.stderr_tail().join("\n");
            self.unhealthy(&format!("MariaDB on the restored data can't be asked: {error}\n{said}"))
        })
    }

    async fn examine(&self, staging: &Staging) -> Result<Probe, EngineError> {
        self.open_tables(staging).await?;
        self.continue_binary_log(staging).await?;
        let summary = "SELECT VERSION(), COUNT(DISTINCT table_schema), COUNT(*), \
                       CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED), \
                       (SELECT COUNT(*) FROM mysql.global_priv) FROM information_schema.tables \
                       WHERE table_type = 'BASE TABLE' \
                       AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')";
        let rows = self.ask(staging, summary).await?;
        let Some([version, databases, tables, bytes, accounts]) = rows.first().map(Vec::as_slice) else {
            return Err(self.unhealthy("MariaDB on the restored data did not tell what it holds"));
        };
        let size = domain::format::bytes(bytes.parse().unwrap_or(0));
        Ok(Probe {
            engine_version: version.clone(),
            summary: format!("{databases} databases, {tables} tables with {size}, {accounts} accounts"),
        })
    }

    /// Reads a row of every table, which opens its files.
    async fn open_tables(&self, staging: &Staging) -> Result<(), EngineError> {
        let rows = self.ask(staging, &table_readings()).await?;
        let statements: Vec<&str> = rows.iter().filter_map(|row| row.first()).map(String::as_str).collect();
        let mut batch = String::new();
        for (position, statement) in statements.iter().enumerate() {
            batch.push_str(statement);
            if batch.len() >= BATCH_BYTES || position + 1 == statements.len() {
                self.ask(staging, &std::mem::take(&mut batch)).await?;
            }
        }
        Ok(())
    }

    /// A binary log inside the data directory begins anew with a restore, as the live server's stays with its data. So that
    /// no GTID is given to two different changes of the restored data, the new log goes on after the last one that the
    /// backup holds (manual, "gtid_binlog_state").
    async fn continue_binary_log(&self, staging: &Staging) -> Result<(), EngineError> {
        if binary_log_base(staging).is_none() {
            return Ok(());
        }
        let Some(gtid) = gtid(staging) else { return Ok(()) };
        self.ask(staging, &format!("SET GLOBAL gtid_binlog_state = '{gtid}'")).await?;
        (staging.log)(LogLevel::Info, &format!("The restored server's binary log begins anew, after GTID {gtid}"));
        Ok(())
    }

    pub(super) async fn stop(&self) -> Result<(), EngineError> {
        let stopped = self.daemon.stop(Signal::SIGTERM, STOP_LIMIT).await;
        match stopped {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.unhealthy(&format!("MariaDB on the restored data ended with {status}"))),
            Err(error) => Err(self.unhealthy(&format!("MariaDB on the restored data does not stop: {error}"))),
        }
    }

    fn unhealthy(&self, what: &str) -> EngineError {
        let log = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(QUOTED_LINES)..).unwrap_or_default().join("\n");
        EngineError::known(ErrorCode::RestoredServerUnhealthy, format!("{what}. Its log ends with:\n{last}"))
    }
}

/// Gives a statement per table. Only engines whose data is in the data directory: others may connect to somewhere else.
fn table_readings() -> String {
    let quoted = |column: &str| format!("REPLACE({column}, '`', '``')");
    format!(
        "SELECT CONCAT('SELECT 1 FROM `', {}, '`.`', {}, '` LIMIT 1;') FROM information_schema.tables \
         WHERE table_type = 'BASE TABLE' AND engine IN ('InnoDB', 'Aria', 'MyISAM') \
         AND table_schema NOT IN ('information_schema', 'performance_schema')",
        quoted("table_schema"),
        quoted("table_name")
    )
}

pub(super) async fn check_version(staging: &Staging) -> Result<(), EngineError> {
    let output = Command::new(SERVER)
        .args(["--no-defaults", "--version"])
        .time_limit(Duration::from_secs(30))
        .output(&staging.cancel)
        .await
        .map_err(|source| EngineError::process("asking for MariaDB's version", source))?;
    let installed = output.stdout.split_once("Ver ").map_or(output.stdout.as_str(), |(_, version)| version).trim();
    if can_take(Engine::Mariadb, &staging.manifest.engine_version, installed) {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::IncompatibleEngineVersion,
        format!(
            "The backup was made with MariaDB {}; the worker's machine has {installed}.",
            staging.manifest.engine_version
        ),
    ))
}

fn arguments(staging: &Staging, private: &Path, purpose: Purpose<'_>) -> Result<Vec<OsString>, EngineError> {
    let with_path = |option: &str, path: &Path| {
        let mut argument = OsString::from(option);
        argument.push(path);
        argument
    };
    let mut arguments: Vec<OsString> =
        ["--no-defaults", "--skip-networking", "--skip-slave-start"].into_iter().map(OsString::from).collect();
    arguments.push(with_path("--datadir=", &staging.directory));
    arguments.push(with_path("--socket=", &private.join("s")));
    arguments.push(with_path("--pid-file=", &private.join("pid")));
    match purpose {
        Purpose::Probe => {
            arguments.push("--skip-grant-tables".into());
            arguments.push(with_path("--tmpdir=", private));
            arguments.extend(["--innodb-buffer-pool-size=64M", "--event-scheduler=DISABLED"].map(OsString::from));
        }
        Purpose::Replay { work, init_file } => {
            arguments.push(with_path("--tmpdir=", work));
            arguments.push(with_path("--init-file=", init_file));
            arguments.push(with_path("--log-bin=", &work.join("log")));
            arguments.extend(WHILE_REPLAYING.map(OsString::from));
            let plain = |value: &&str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            for name in STATEMENT_SETTINGS {
                if let Some(value) = fact(staging, name).filter(plain) {
                    arguments.push(format!("--{}={value}", name.replace('_', "-")).into());
                }
            }
        }
    }
    let small = ["--performance-schema=OFF"];
    let traceless = ["--innodb-buffer-pool-load-at-startup=OFF", "--innodb-buffer-pool-dump-at-shutdown=OFF"];
    arguments.extend(small.into_iter().chain(traceless).map(OsString::from));
    let settings = staging.directory.join("backup-my.cnf");
    let text =
        std::fs::read_to_string(&settings).map_err(EngineError::file("reading the backup's settings", &settings))?;
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        if FILE_SETTINGS.contains(&name.trim()) {
            arguments.push(format!("--{}={}", name.trim().replace('_', "-"), value.trim()).into());
        }
    }
    if let Some(value) = fact(staging, "lower_case_table_names").filter(|value| value.parse::<u8>().is_ok()) {
        arguments.push(format!("--lower-case-table-names={value}").into());
    }
    if matches!(purpose, Purpose::Replay { .. }) {
        return Ok(arguments);
    }
    match binary_log_base(staging).filter(|_| gtid(staging).is_some()) {
        Some(base) => {
            arguments.push(format!("--log-bin={base}").into());
            let server_id = fact(staging, "server_id").and_then(|id| id.parse::<u32>().ok()).unwrap_or(1);
            arguments.push(format!("--server-id={server_id}").into());
        }
        None => arguments.push("--skip-log-bin".into()),
    }
    Ok(arguments)
}

fn fact<'a>(staging: &'a Staging, name: &str) -> Option<&'a str> {
    staging.manifest.engine_facts.get(name).map(String::as_str)
}

/// The base name of a binary log inside the data directory.
fn binary_log_base(staging: &Staging) -> Option<&str> {
    fact(staging, "binary_log_base").filter(|base| !base.is_empty() && !base.starts_with('.') && !base.contains('/'))
}

fn gtid(staging: &Staging) -> Option<&str> {
    let plain = |gtid: &&str| !gtid.is_empty() && gtid.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b','));
    fact(staging, "gtid").filter(plain)
}

pub(super) fn names(directory: &Path) -> Result<BTreeSet<OsString>, EngineError> {
    let failed = |source| EngineError::file("listing the restored files", directory)(source);
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed)).collect()
}

/// Removes what the private server left and the data does not need.
pub(super) fn remove_new_files(
    directory: &Path,
    before: &BTreeSet<OsString>,
    log_base: Option<&str>,
) -> Result<(), EngineError> {
    for name in names(directory)?.difference(before) {
        let text = name.to_string_lossy();
        let of_the_log = log_base.is_some_and(|base| text.starts_with(&format!("{base}.")));
        let of_the_data = ["ib", "undo", "aria_log"].iter().any(|start| text.starts_with(start));
        let path = directory.join(name);
        if !of_the_log && !of_the_data && path.is_file() {
            std::fs::remove_file(&path).map_err(EngineError::file("removing what the private server left", &path))?;
        }
    }
    Ok(())
}
