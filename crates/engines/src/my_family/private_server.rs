//! A server that runs on staged data for a moment: nobody but the data's owner and root reaches it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::ErrorCode;
use process::{Command, Daemon, DaemonOptions, Signal};
use tokio::time::{Instant, sleep};

use super::client::{Row, query_socket};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Staging};

const START_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// How much of an argument to fill with statements; the kernel takes 128 KiB (execve(2)).
const BATCH_BYTES: usize = 64 << 10;
const INTERVAL: Duration = Duration::from_millis(50);
/// Lines of the server's log that a failure repeats.
const QUOTED_LINES: usize = 8;

/// A running server of `title`, with its socket at `s` in a private directory. Dropping it kills it.
pub(crate) struct PrivateServer {
    daemon: Daemon,
    directory: PrivateDirectory,
    title: &'static str,
    client: OsString,
}

impl PrivateServer {
    /// Starts the server that `command` describes, and waits until it answers. `takes_everybody`: whether it can be asked without
    /// an account; otherwise it answers when it listens.
    ///
    /// # Errors
    /// `restored_server_unhealthy` when it does not answer; `missing_tool`.
    pub(crate) async fn start(
        staging: &Staging,
        command: Command,
        client: impl Into<OsString>,
        directory: PrivateDirectory,
        takes_everybody: bool,
    ) -> Result<Self, EngineError> {
        // The staged files are worth nothing to anybody if we die: no time is lost on a clean end.
        let options = DaemonOptions { log_file: directory.path().join("log"), death_signal: Some(Signal::SIGKILL) };
        let daemon = Daemon::start(command.run_as(staging.owner), options)
            .map_err(|source| EngineError::process("starting a server on the restored data", source))?;
        let server = Self { daemon, directory, title: staging.datastore.engine.title(), client: client.into() };
        server.wait_until_it_answers(staging, takes_everybody).await?;
        Ok(server)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    async fn wait_until_it_answers(&self, staging: &Staging, takes_everybody: bool) -> Result<(), EngineError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if staging.cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            if !self.daemon.is_running() {
                return Err(self.unhealthy("does not start on the restored data"));
            }
            if tokio::net::UnixStream::connect(self.socket()).await.is_ok()
                && (!takes_everybody || self.query("SELECT 1", staging).await.is_ok())
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.unhealthy("on the restored data does not answer"));
            }
            sleep(INTERVAL).await;
        }
    }

    async fn query(&self, sql: &str, staging: &Staging) -> Result<Vec<Row>, process::ProcessError> {
        query_socket(&self.client, &self.socket(), sql, &staging.cancel).await
    }

    /// Asks it.
    ///
    /// # Errors
    /// `restored_server_unhealthy` with its words and the end of its log.
    pub(crate) async fn ask(&self, staging: &Staging, sql: &str) -> Result<Vec<Row>, EngineError> {
        self.query(sql, staging).await.map_err(|error| {
            if matches!(error, process::ProcessError::Cancelled { .. }) {
                return EngineError::Cancelled;
            }
            let said = error.stderr_tail().join("\n");
            self.unhealthy(&format!("on the restored data can't be asked: {error}\n{said}"))
        })
    }

    /// Reads a row of every table of these storage engines, which opens its files. Only of engines whose data is in the data
    /// directory: others may connect to somewhere else.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn open_tables(&self, staging: &Staging, engines: &[&str]) -> Result<(), EngineError> {
        let rows = self.ask(staging, &table_readings(engines)).await?;
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

    /// Its version, and what it holds in a phrase. `accounts` is the table of accounts.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn contents(&self, staging: &Staging, accounts: &str) -> Result<(String, String), EngineError> {
        let summary = format!(
            "SELECT VERSION(), COUNT(DISTINCT table_schema), COUNT(*), \
             CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED), \
             (SELECT COUNT(*) FROM {accounts}) FROM information_schema.tables \
             WHERE table_type = 'BASE TABLE' \
             AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
        );
        let rows = self.ask(staging, &summary).await?;
        let Some([version, databases, tables, bytes, accounts]) = rows.first().map(Vec::as_slice) else {
            return Err(self.unhealthy("on the restored data did not tell what it holds"));
        };
        let size = domain::format::bytes(bytes.parse().unwrap_or(0));
        Ok((version.clone(), format!("{databases} databases, {tables} tables with {size}, {accounts} accounts")))
    }

    /// Stops it cleanly.
    ///
    /// # Errors
    /// `restored_server_unhealthy` when it does not end well.
    pub(crate) async fn stop(&self) -> Result<(), EngineError> {
        let stopped = self.daemon.stop(Signal::SIGTERM, STOP_LIMIT).await;
        match stopped {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.unhealthy(&format!("on the restored data ended with {status}"))),
            Err(error) => Err(self.unhealthy(&format!("on the restored data does not stop: {error}"))),
        }
    }

    fn unhealthy(&self, what: &str) -> EngineError {
        let log = std::fs::read(self.directory.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(QUOTED_LINES)..).unwrap_or_default().join("\n");
        let detail = format!("{} {what}. Its log ends with:\n{last}", self.title);
        EngineError::known(ErrorCode::RestoredServerUnhealthy, detail)
    }
}

/// Gives a statement per table.
fn table_readings(engines: &[&str]) -> String {
    let quoted = |column: &str| format!("REPLACE({column}, '`', '``')");
    let engines: Vec<String> = engines.iter().map(|engine| format!("'{engine}'")).collect();
    format!(
        "SELECT CONCAT('SELECT 1 FROM `', {}, '`.`', {}, '` LIMIT 1;') FROM information_schema.tables \
         WHERE table_type = 'BASE TABLE' AND engine IN ({}) \
         AND table_schema NOT IN ('information_schema', 'performance_schema')",
        quoted("table_schema"),
        quoted("table_name"),
        engines.join(", ")
    )
}

/// An option whose value is a path.
pub(crate) fn with_path(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

pub(crate) fn names(directory: &Path) -> Result<BTreeSet<OsString>, EngineError> {
    let failed = |source| EngineError::file("listing the restored files", directory)(source);
    let entries = std::fs::read_dir(directory).map_err(failed)?;
    entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed)).collect()
}

/// Removes what the private server left and the data does not need.
pub(crate) fn remove_new_files(
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

/// Makes a directory of the data's owner's, closed to others.
pub(crate) fn make_owned(staging: &Staging, directory: &Path) -> Result<(), EngineError> {
    std::fs::create_dir_all(directory).map_err(EngineError::file("making a directory", directory))?;
    own(staging, directory)
}

/// Gives a file or a directory to the data's owner, closed to others.
pub(crate) fn own(staging: &Staging, path: &Path) -> Result<(), EngineError> {
    use std::os::unix::fs::{PermissionsExt, chown};
    let is_directory = path.is_dir();
    let mode = std::fs::Permissions::from_mode(if is_directory { 0o700 } else { 0o600 });
    std::fs::set_permissions(path, mode).map_err(EngineError::file("setting a mode", path))?;
    if staging.owner != process::Credentials::current() {
        let owner = staging.owner;
        chown(path, Some(owner.uid), Some(owner.gid)).map_err(EngineError::file("setting an owner", path))?;
    }
    Ok(())
}
