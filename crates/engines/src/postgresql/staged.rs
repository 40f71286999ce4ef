//! Starts a server on staged files, lets it recover to the end of the backup, asks it what it holds, and stops it cleanly.
//!
//! The server is private: no TCP, a socket in a fresh directory that only the data's owner may enter, no archiving, no
//! replication, no extensions that run by themselves. The live server runs on meanwhile. Afterwards the files are those of
//! a server that was shut down cleanly, so the switch costs no recovery.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{ErrorCode, LogLevel};
use process::{Command, Daemon, DaemonOptions, Signal};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::backup::USER_FACT;
use super::connection::{Connection, Unanswered};
use super::server::counted;
use super::{binaries, control_file};
use crate::error::missing_tool;
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Probe, Staging};

/// Names the socket only.
const PORT: u16 = 5432;
const INTERVAL: Duration = Duration::from_millis(50);
/// How often it is told how far a recovery has come.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// The log to replay is what was written while the backup ran.
const RECOVERY_LIMIT: Duration = Duration::from_secs(4 * 3600);
/// A shutdown writes all that recovery changed.
const STOP_LIMIT: Duration = Duration::from_secs(1800);
/// How many databases are looked into; a sample beyond that.
const DATABASES_LOOKED_INTO: usize = 50;
/// How many of the server's last lines a failure repeats.
const QUOTED_LINES: usize = 20;

/// Settings that make the server private, quiet and durable. Given as arguments they win over every file, also over
/// `postgresql.auto.conf`, which a server always reads.
const SETTINGS: [&str; 33] = [
    "listen_addresses=",
    "unix_socket_group=",
    "unix_socket_permissions=0700",
    "external_pid_file=",
    "bonjour=off",
    "ssl=off",
    "logging_collector=off",
    "log_destination=stderr",
    "lc_messages=C",
    "cluster_name=holdfast-staged",
    // Nothing of the copy may act on the outside. // F-68
    "archive_mode=off",
    "archive_command=",
    "hot_standby=off",
    "max_wal_senders=0",
    "primary_conninfo=",
    "restore_command=",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "recovery_target=",
    "recovery_target_name=",
    "recovery_target_time=",
    "recovery_target_xid=",
    "recovery_target_lsn=",
    "max_logical_replication_workers=0",
    "autovacuum=off",
    "shared_preload_libraries=",
    "session_preload_libraries=",
    "local_preload_libraries=",
    // Small beside a live server, but what it writes must be there after a power cut.
    "shared_buffers=64MB",
    "huge_pages=off",
    "fsync=on",
    "full_page_writes=on",
    "restart_after_crash=off",
];

/// Settings that the files were written with and that a server must be given again, or it would log or drop something when
/// it starts; by `pg_controldata`'s names.
const KEPT_SETTINGS: [(&str, &str); 6] = [
    ("wal_level setting", "wal_level"),
    ("wal_log_hints setting", "wal_log_hints"),
    ("max_worker_processes setting", "max_worker_processes"),
    ("max_prepared_xacts setting", "max_prepared_transactions"),
    ("max_locks_per_xact setting", "max_locks_per_transaction"),
    ("track_commit_timestamp setting", "track_commit_timestamp"),
];

/// A private server on staged files. Dropping it asks the server to stop.
struct StagedServer<'a> {
    staging: &'a Staging,
    binaries: PathBuf,
    daemon: Daemon,
    /// Holds the socket, the configuration and the log.
    place: PrivateDirectory,
}

/// Recovers, asks and stops.
pub(super) async fn probe(staging: &Staging) -> Result<Probe, EngineError> {
    let server = StagedServer::start(staging, &[]).await?;
    let probe = tokio::select! {
        biased;
        () = staging.cancel.cancelled() => Err(EngineError::Cancelled),
        probe = server.recover_and_ask() => probe,
    };
    let stopped = server.stop().await;
    let probe = probe?;
    stopped?;
    Ok(probe)
}

/// Recovers with these settings, which win over the private ones, and stops. Gives the server's log.
///
/// # Errors
/// `restored_server_unhealthy` with the server's last words when it did not get ready.
pub(super) async fn recover(
    staging: &Staging,
    settings: &[String],
    on_wait: &(dyn Fn(&str) + Send + Sync),
) -> Result<String, EngineError> {
    let server = StagedServer::start(staging, settings).await?;
    let ready = tokio::select! {
        biased;
        () = staging.cancel.cancelled() => Err(EngineError::Cancelled),
        ready = server.wait_until_ready() => ready,
        () = async {
            loop {
                sleep(PROGRESS_INTERVAL).await;
                on_wait(&server.log());
            }
        } => Ok(()),
    };
    let stopped = server.stop().await;
    ready?;
    stopped
}

impl<'a> StagedServer<'a> {
    async fn start(staging: &'a Staging, further: &[String]) -> Result<Self, EngineError> {
        let version = domain::version::version_numbers(&staging.manifest.engine_version);
        let major = version.first().copied().unwrap_or_default();
        let binaries = binaries::server(major).await.ok_or_else(|| no_server(major))?;
        let control = control_file::read(&binaries, &staging.directory, staging.owner, &staging.cancel).await?;
        let place = PrivateDirectory::create(staging.owner)?;
        let path = |name: &str| place.path().join(name).display().to_string();
        write(staging, &place.path().join("postgresql.conf"), "")?;
        write(staging, &place.path().join("pg_hba.conf"), "local all all trust\n")?;
        write(staging, &place.path().join("pg_ident.conf"), "")?;

        let mut command = Command::new("postgres")
            .search_dir(&binaries)
            .arg("-D")
            .arg(&staging.directory)
            .run_as(staging.owner)
            .current_dir(place.path());
        let kept = KEPT_SETTINGS.iter().filter_map(|(from, to)| Some(format!("{to}={}", control.get(*from)?)));
        let own = [
            format!("config_file={}", path("postgresql.conf")),
            format!("hba_file={}", path("pg_hba.conf")),
            format!("ident_file={}", path("pg_ident.conf")),
            format!("data_directory={}", staging.directory.display()),
            format!("unix_socket_directories={}", place.path().display()),
            format!("port={PORT}"),
            format!("max_connections={}", connections(control.get("max_connections setting"))),
        ];
        for setting in
            SETTINGS.iter().map(|setting| (*setting).to_owned()).chain(own).chain(kept).chain(further.iter().cloned())
        {
            command = command.arg("-c").arg(setting);
        }
        let options = DaemonOptions { log_file: place.path().join("log"), death_signal: Some(Signal::SIGINT) };
        let daemon = Daemon::start(command, options)
            .map_err(|source| EngineError::process("starting a server on the restored files", source))?;
        Ok(Self { staging, binaries, daemon, place })
    }

    async fn recover_and_ask(&self) -> Result<Probe, EngineError> {
        self.wait_until_ready().await?;
        let contents = self.ask().await?;
        let version = self.staging.manifest.engine_version.clone();
        Ok(Probe { summary: contents.summary(), server_identity: None, engine_version: version })
    }

    /// Its own word for it: the last line of `postmaster.pid` (`miscinit.h`, `LOCK_FILE_LINE_PM_STATUS`), as `pg_ctl`
    /// reads it.
    async fn wait_until_ready(&self) -> Result<(), EngineError> {
        let deadline = Instant::now() + RECOVERY_LIMIT;
        let lock_file = self.staging.directory.join("postmaster.pid");
        loop {
            if !self.daemon.is_running() {
                return Err(self.unhealthy("The server on the restored files ended before it was ready."));
            }
            let lock = fs::read_to_string(&lock_file).unwrap_or_default();
            let is_ours = lock.lines().next().is_some_and(|pid| pid.trim() == self.daemon.pid().to_string());
            if is_ours && lock.lines().nth(7).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.unhealthy("The server on the restored files did not finish its recovery in time."));
            }
            sleep(INTERVAL).await;
        }
    }

    async fn ask(&self) -> Result<Contents, EngineError> {
        let mut refusal = String::new();
        for user in self.possible_users() {
            match self.ask_as(&user).await {
                Ok(contents) => return Ok(contents),
                Err(Unanswered::Process(error)) => {
                    return Err(EngineError::process("asking the server on the restored files", error));
                }
                Err(Unanswered::NotConnected(message) | Unanswered::Refused(message)) => refusal = message,
            }
        }
        Err(self.unhealthy(&format!("The server on the restored files gave no answer: {refusal}")))
    }

    /// The first superuser's name is not known from outside. Usual ones first; who made the backup surely exists.
    fn possible_users(&self) -> Vec<String> {
        let owner = nix::unistd::User::from_uid(self.staging.owner.uid.into()).ok().flatten().map(|user| user.name);
        let maker = self.staging.manifest.engine_facts.get(USER_FACT).cloned();
        let mut users = vec!["postgres".to_owned()];
        users.extend(owner);
        users.extend(maker);
        users.extend(self.staging.datastore.username.clone());
        users
    }

    async fn ask_as(&self, user: &str) -> Result<Contents, Unanswered> {
        let cancel = &self.staging.cancel;
        let connection = |user: &str| Connection::socket(self.place.path(), PORT, user);
        let superuser = connection(user).ask("template1", "select rolname from pg_roles where oid = 10", cancel).await;
        let connection = connection(&superuser?);
        let json = connection.ask("template1", DATABASES, cancel).await?;
        let understood = |error: serde_json::Error| Unanswered::Refused(error.to_string());
        let databases: Vec<Database> = serde_json::from_str(&json).map_err(understood)?;
        let mut contents = Contents::default();
        for database in databases {
            contents.bytes += database.bytes;
            contents.databases += u64::from(!database.template);
            if database.open && contents.looked_into < DATABASES_LOOKED_INTO {
                let tables = connection.ask(&database.name, TABLES, cancel).await?;
                contents.looked_into += 1;
                contents.tables += tables.parse::<u64>().unwrap_or_default();
            }
        }
        Ok(contents)
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.place.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Stops it and sees to it that the files are those of a clean shutdown. Gives its log.
    async fn stop(self) -> Result<String, EngineError> {
        let stopped = self.daemon.stop(Signal::SIGINT, STOP_LIMIT).await;
        let status = match stopped {
            Ok(status) => status,
            Err(source) => {
                self.daemon.kill().await;
                return Err(EngineError::process("stopping the server on the restored files", source));
            }
        };
        let directory = &self.staging.directory;
        // The live server writes its own; this one's names the private directory.
        let options = directory.join("postmaster.opts");
        if options.exists() {
            fs::remove_file(&options).map_err(EngineError::file("removing the staged server's options", options))?;
        }
        let cancel = CancellationToken::new();
        let control = control_file::read(&self.binaries, directory, self.staging.owner, &cancel).await?;
        let state = control.get("Database cluster state").map(String::as_str).unwrap_or_default();
        if !status.success() || state != "shut down" {
            return Err(
                self.unhealthy(&format!("The server on the restored files did not stop cleanly ({status}, {state})."))
            );
        }
        Ok(self.log())
    }

    /// A failure with the server's last words, which go to the job's log as well.
    fn unhealthy(&self, what: &str) -> EngineError {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(QUOTED_LINES)..).unwrap_or_default();
        for line in last {
            (self.staging.log)(LogLevel::Tool, line);
        }
        EngineError::known(ErrorCode::RestoredServerUnhealthy, format!("{what}\n{}", last.join("\n")))
    }
}

const DATABASES: &str = "\
select coalesce(json_agg(json_build_object('name', datname, 'template', datistemplate, 'open', datallowconn,
    'bytes', pg_catalog.pg_database_size(oid)) order by oid), '[]') from pg_catalog.pg_database";
const TABLES: &str = "\
select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
    and n.nspname not like 'pg\\_toast%'";

#[derive(Deserialize)]
struct Database {
    name: String,
    template: bool,
    open: bool,
    bytes: u64,
}

#[derive(Default)]
struct Contents {
    databases: u64,
    tables: u64,
    bytes: u64,
    looked_into: usize,
}

impl Contents {
    fn summary(&self) -> String {
        let (databases, tables) = (counted(self.databases, "database"), counted(self.tables, "table"));
        format!("{databases}, {tables}, {}", domain::format::bytes(self.bytes))
    }
}

pub(super) fn no_server(major: u32) -> EngineError {
    let detail = format!(
        "{} The backup is of PostgreSQL {major}, and only that version can start on it: apt-get install postgresql-{major}",
        missing_tool("postgres")
    );
    EngineError::known(ErrorCode::MissingTool, detail)
}

/// Enough for us, and as many as the files' locks may need.
fn connections(recorded: Option<&String>) -> u32 {
    recorded.and_then(|value| value.parse::<u32>().ok()).map_or(20, |value| value.clamp(20, 100))
}

fn write(staging: &Staging, path: &Path, content: &str) -> Result<(), EngineError> {
    fs::write(path, content).map_err(EngineError::file("writing the private configuration", path))?;
    own(staging, path)
}

fn own(staging: &Staging, path: &Path) -> Result<(), EngineError> {
    if staging.owner == process::Credentials::current() {
        return Ok(());
    }
    chown(path, Some(staging.owner.uid), Some(staging.owner.gid))
        .map_err(EngineError::file("giving a file to the data's owner", path))
}
