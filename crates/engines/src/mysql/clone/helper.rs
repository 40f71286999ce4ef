//! A MySQL of the worker's own, which fetches a clone from another machine and is gone when it has it.
//!
//! Its data directory is new and empty; it listens on a socket in a directory that nobody but its user and root enters, and on no
//! port. It dies with the worker. What a killed worker leaves of its files is removed by the next one. // F-01, F-04, I5

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::ErrorCode;
use process::{Command, Credentials, Daemon, DaemonOptions, ProcessError, Signal};
use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::my_family::client::{Row, query_socket, tell_socket};
use crate::my_family::private_server::with_path;
use crate::mysql::backup::FILE_SETTINGS;
use crate::mysql::client::CLIENT;
use crate::mysql::facts::ServerFacts;
use crate::mysql::private_server::ALONE;
use crate::mysql::programs;
use crate::private_directory::PrivateDirectory;
use crate::problem::Problem;

/// The user that MySQL's packages make for its server.
const SYSTEM_USER: &str = "mysql";
/// Where what is large and lives for a while goes (Filesystem Hierarchy Standard, "/var/tmp").
const ROOM: &str = "/var/tmp";
const INITIALISE_LIMIT: Duration = Duration::from_secs(300);
const START_LIMIT: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(50);
const QUOTED_BYTES: usize = 2000;
/// What keeps it small: it holds no tables, and talks to one client. The redo log's size has another name before 8.0.30.
const SMALL: [&str; 5] = [
    "--innodb-buffer-pool-size=64M",
    "--loose-innodb-redo-log-capacity=64M",
    "--table-open-cache=200",
    "--table-definition-cache=400",
    "--max-connections=20",
];

/// Whom the helper runs as. MySQL refuses to run as root.
pub(in crate::mysql) fn user() -> Result<Credentials, Problem> {
    let current = Credentials::current();
    if current.uid != 0 {
        return Ok(current);
    }
    Credentials::of_user(SYSTEM_USER).ok().flatten().ok_or_else(|| {
        let detail =
            format!("The worker's machine has no user {SYSTEM_USER}, as which a MySQL of the worker's own runs.");
        Problem::new(ErrorCode::MissingTool, detail)
            .remedy(format!("useradd --system --no-create-home --shell /usr/sbin/nologin {SYSTEM_USER}"))
    })
}

/// Below which directory the helper's and the clone's files lie.
pub(in crate::mysql) fn parent() -> PathBuf {
    std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from(ROOM), PathBuf::from)
}

/// A running helper. Dropping it kills it.
pub(super) struct Helper {
    daemon: Daemon,
    /// For its socket: a path elsewhere may be too long for one.
    private: PrivateDirectory,
    data: PathBuf,
    client: PathBuf,
}

impl Helper {
    /// Makes a server below `directory` whose files are of the same form as those of `donor`, and starts it. It may fetch from
    /// `address` alone.
    ///
    /// # Errors
    /// `missing_tool`, and `engine_tool_failed` with its words when it does not start.
    pub(super) async fn start(
        directory: &Path,
        owner: Credentials,
        donor: &Donor<'_>,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let server = programs::find_for_job("mysqld").await?;
        let client = programs::find_for_job(CLIENT).await?;
        let private = PrivateDirectory::create(owner)?;
        let data = directory.join("helper");
        let common = common_arguments(&data, private.path(), donor.facts);
        let initialise = Command::new(&server)
            .args(common.clone())
            .args(["--initialize-insecure", "--mysqlx=OFF", "--skip-log-bin", "--loose-auto-generate-certs=OFF"])
            .run_as(owner)
            .time_limit(INITIALISE_LIMIT);
        let failed = |source| EngineError::process("making the server that fetches the clone", source);
        initialise.output(cancel).await.map_err(failed)?;

        let command = Command::new(&server)
            .args(common)
            .arg(with_path("--socket=", &private.path().join("s")))
            .arg(with_path("--pid-file=", &private.path().join("pid")))
            .args(ALONE)
            .args(donor.plugins.iter().map(|library| format!("--plugin-load-add={library}")))
            .arg(format!("--loose-clone-valid-donor-list={}", donor.address))
            .run_as(owner);
        let options = DaemonOptions { log_file: private.path().join("log"), death_signal: Some(Signal::SIGKILL) };
        let daemon = Daemon::start(command, options).map_err(failed)?;
        let helper = Self { daemon, private, data, client };
        helper.wait_until_it_answers(cancel).await?;
        Ok(helper)
    }

    async fn wait_until_it_answers(&self, cancel: &CancellationToken) -> Result<(), EngineError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            if self.ask("SELECT 1", cancel).await.is_ok() {
                return Ok(());
            }
            if !self.daemon.is_running() || Instant::now() >= deadline {
                let detail = format!(
                    "The worker's own MySQL, which fetches the clone, does not start. Its log ends with:\n{}",
                    self.log_end()
                );
                return Err(EngineError::known(ErrorCode::EngineToolFailed, detail));
            }
            sleep(INTERVAL).await;
        }
    }

    pub(super) async fn ask(&self, sql: &str, cancel: &CancellationToken) -> Result<Vec<Row>, ProcessError> {
        query_socket(&self.client, &self.private.path().join("s"), sql, cancel).await
    }

    /// Has it run statements with the secrets `hidden` in them.
    pub(super) async fn tell(
        &self,
        sql: SecretString,
        hidden: Vec<SecretString>,
        cancel: &CancellationToken,
    ) -> Result<(), ProcessError> {
        tell_socket(&self.client, &self.private.path().join("s"), sql, hidden, cancel).await
    }

    /// Ends it and removes its files: nothing in them is worth a clean end.
    pub(super) async fn end(self) {
        self.daemon.kill().await;
        if let Err(error) = tokio::fs::remove_dir_all(&self.data).await {
            tracing::warn!(path = %self.data.display(), %error, "the files of a helper were left behind");
        }
    }

    fn log_end(&self) -> String {
        let log = std::fs::read(self.private.path().join("log")).unwrap_or_default();
        let end = log.get(log.len().saturating_sub(QUOTED_BYTES)..).unwrap_or_default();
        String::from_utf8_lossy(end).into_owned()
    }
}

/// What the helper has to know of the server that it fetches from.
pub(super) struct Donor<'a> {
    pub facts: &'a ServerFacts,
    /// `host:port`, as the statement names it.
    pub address: String,
    /// Libraries of its plugins: all that are active there have to be active here (manual, "Cloning Remote Data").
    pub plugins: Vec<String>,
}

fn common_arguments(data: &Path, private: &Path, facts: &ServerFacts) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--no-defaults".into()];
    arguments.push(with_path("--datadir=", data));
    arguments.push(with_path("--tmpdir=", private));
    arguments.extend(SMALL.map(Into::into));
    for name in FILE_SETTINGS {
        let value = facts.variable(name);
        // A file elsewhere would be another server's.
        if !value.is_empty() && !value.contains('/') {
            arguments.push(format!("--{}={value}", name.replace('_', "-")).into());
        }
    }
    arguments
}
