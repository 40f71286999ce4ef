//! A PostgreSQL server for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::instance::Instance;
use crate::system_user::{SystemUser, current_user_name};
use crate::{BACKUP_PASSWORD, BACKUP_USER, command, free_port, postgres_binaries, template};

/// The database's first superuser, also when we are an ordinary user.
const SUPERUSER: &str = "postgres";

/// A running PostgreSQL server. Dropping it ends it and removes its files.
///
/// Clients come over TCP with a password (scram-sha-256). The superuser comes over the socket as the account of the test
/// or of the server (peer). `backup_user` may replicate and read all settings, which is what a backup needs.
///
/// All of a test process's servers are copies of one cluster and have its system identifier, unless built with
/// [`PostgresBuilder::own_system_identifier`].
#[derive(Debug)]
pub struct Postgres {
    /// On 127.0.0.1.
    pub port: u16,
    /// In a directory of its own, on one file system, in which a restore may create and rename siblings.
    pub data_directory: PathBuf,
    /// The directory of its Unix socket.
    pub socket_directory: PathBuf,
    /// `postgres`.
    pub superuser: &'static str,
    /// [`BACKUP_USER`].
    pub backup_user: String,
    /// [`BACKUP_PASSWORD`].
    pub backup_password: String,
    binaries: PathBuf,
    instance: Instance,
}

/// What a [`Postgres`] shall be like.
#[derive(Debug, Default)]
pub struct PostgresBuilder {
    settings: Vec<(String, String)>,
    within: Option<PathBuf>,
    own_system_identifier: bool,
    version_18: bool,
}

impl PostgresBuilder {
    /// A line of `postgresql.conf`; the last one for a name wins.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Puts the server's directory below `parent`, such as a [`crate::Tmpfs`].
    pub fn within(mut self, parent: &Path) -> Self {
        self.within = Some(parent.into());
        self
    }

    /// A cluster of its own instead of a copy, so that it is told from all others.
    pub fn own_system_identifier(mut self) -> Self {
        self.own_system_identifier = true;
        self
    }

    /// PostgreSQL 18 instead of Debian's, with what incremental backups need.
    pub fn version_18(mut self) -> Self {
        self.version_18 = true;
        self.setting("summarize_wal", "on")
    }

    /// Makes the cluster, starts its server and waits until it answers.
    pub fn start(self) -> Result<Postgres> {
        let (binaries, template) = match self.version_18 {
            true => (postgres_binaries::postgresql_18()?, "postgres-18-template"),
            false => (postgres_binaries::debian()?, "postgres-template"),
        };
        // SIGQUIT, immediate shutdown: quick, and unlike SIGKILL it leaves no shared memory in the kernel.
        let user = SystemUser::for_server("postgres")?;
        let instance = Instance::create("postgres", self.within.as_deref(), user, libc::SIGQUIT)?;
        let data_directory = instance.data_directory();
        if self.own_system_identifier {
            initialise(&binaries, &instance.user, &data_directory)?;
        } else {
            template::copy(template, &data_directory, |path| {
                instance.user.own(path.parent().context("no parent")?)?;
                initialise(&binaries, &instance.user, path)
            })?;
        }
        let postgres = Postgres {
            port: free_port(),
            data_directory,
            socket_directory: instance.run_directory(),
            superuser: SUPERUSER,
            backup_user: BACKUP_USER.into(),
            backup_password: BACKUP_PASSWORD.into(),
            binaries,
            instance,
        };
        postgres.configure(&self.settings)?;
        postgres.start_again()?;
        Ok(postgres)
    }
}

impl Postgres {
    /// A server with the settings that backups need.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A server with further settings.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Runs `sql` (any number of statements, each its own transaction) in the database `postgres` as the superuser and
    /// returns the rows: fields separated by `|`, without header, the last line's end removed.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in("postgres", sql)
    }

    /// As [`Self::sql`], in another database.
    pub fn sql_in(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-AtXq", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PGHOST", &self.socket_directory)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", database)
            .current_dir("/");
        let rows = command::run_with_input(psql, sql)?;
        Ok(rows.strip_suffix('\n').unwrap_or(&rows).into())
    }

    /// Stops it (fast shutdown) and waits for its end; a stopped one is no failure.
    pub fn stop(&self) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        self.instance.stop(&self.stop_command())
    }

    /// Starts it after [`Self::stop`] or [`Self::crash`] and waits until it answers. It ends with this process.
    pub fn start_again(&self) -> Result<()> {
        let arguments = [self.binary("postgres"), "-D".into(), self.data_directory.display().to_string()];
        self.instance.spawn(&arguments, || self.sql("select 1").is_ok())
    }

    /// Stops it and starts it again.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Kills all its processes (SIGKILL).
    pub fn crash(&self) -> Result<()> {
        self.instance.crash()
    }

    /// Whether a server works in the data directory.
    pub fn is_running(&self) -> bool {
        self.instance.is_running()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.instance.log()
    }

    /// The directory of PostgreSQL's programs that this server is of.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Starts the server detached and waits until it answers: for a datastore's service of kind `command`.
    pub fn start_command(&self) -> Vec<String> {
        let log = self.instance.log_file().display().to_string();
        self.pg_ctl(&["-w", "-t", "60", "-l", &log, "start"])
    }

    /// Stops the server and waits for its end; fails when it does not run.
    pub fn stop_command(&self) -> Vec<String> {
        self.pg_ctl(&["-w", "-t", "60", "-m", "fast", "stop"])
    }

    /// Exits with 0 when the server runs, with another status when not.
    pub fn status_command(&self) -> Vec<String> {
        self.pg_ctl(&["status"])
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = self.instance.user.run_as_prefix();
        command.push(self.binary("pg_ctl"));
        command.push("-D".into());
        command.push(self.data_directory.display().to_string());
        command.extend(arguments.iter().map(|argument| String::from(*argument)));
        command
    }

    fn binary(&self, name: &str) -> String {
        self.binaries.join(name).display().to_string()
    }

    fn configure(&self, settings: &[(String, String)]) -> Result<()> {
        let socket_directory = self.socket_directory.display().to_string();
        let port = self.port.to_string();
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("port", port.as_str()),
            ("unix_socket_directories", socket_directory.as_str()),
            ("wal_level", "replica"),
            ("max_wal_senders", "10"),
            ("max_connections", "50"),
            ("shared_buffers", "16MB"),
            ("password_encryption", "scram-sha-256"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("lc_messages", "C"),
            // Tests kill servers, never the kernel: what is written stays written.
            ("fsync", "off"),
        ];
        let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let configuration: String = own
            .into_iter()
            .chain(given)
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect();
        let write =
            |name: &str, content: &str| self.instance.write_configuration(&self.data_directory.join(name), content);
        write("postgresql.conf", &configuration)?;
        let mut accounts: Vec<String> = vec![current_user_name()?];
        accounts.extend(self.instance.user.name().map(String::from));
        let map: String = accounts.iter().map(|account| format!("testkit \"{account}\" {SUPERUSER}\n")).collect();
        write("pg_ident.conf", &map)?;
        write(
            "pg_hba.conf",
            &format!(
                "local all {SUPERUSER} peer map=testkit\n\
                 local all,replication all scram-sha-256\n\
                 host all,replication all 127.0.0.1/32 scram-sha-256\n"
            ),
        )
    }
}

/// A new cluster with the backup account in it.
fn initialise(binaries: &Path, user: &SystemUser, data_directory: &Path) -> Result<()> {
    let mut initdb = Command::new(binaries.join("initdb"));
    initdb
        .args(["--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-A", "reject"])
        .args(["-U", SUPERUSER, "-D"])
        .arg(data_directory)
        .current_dir("/");
    user.run_as(&mut initdb);
    command::run(initdb)?;
    // The single-user server takes a statement a line, and needs neither a port nor a login.
    let mut single = Command::new(binaries.join("postgres"));
    single.args(["--single", "-c", "fsync=off", "-D"]).arg(data_directory).arg("postgres").current_dir("/");
    user.run_as(&mut single);
    let password = BACKUP_PASSWORD.replace('\'', "''");
    command::run_with_input(
        single,
        &format!(
            "set standard_conforming_strings = on\n\
             create role {BACKUP_USER} login replication password '{password}'\n\
             grant pg_read_all_settings to {BACKUP_USER}\n"
        ),
    )
    .map(drop)
}
