//! A MariaDB server for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::instance::{Instance, daemon_start, daemon_status, daemon_stop};
use crate::system_user::{SystemUser, current_user_name};
use crate::{BACKUP_PASSWORD, BACKUP_USER, command, free_port, template};

const SERVER: &str = "/usr/sbin/mariadbd";

/// A running MariaDB server with a row-based binary log. Dropping it ends it and removes its files.
///
/// `backup_user` may do what a physical backup and an archive of the log need: RELOAD, PROCESS, BINLOG MONITOR, REPLICATION
/// SLAVE. The administrator comes over the
/// socket as the test's own account.
#[derive(Debug)]
pub struct MariaDb {
    /// On 127.0.0.1.
    pub port: u16,
    /// In a directory of its own, on one file system, in which a restore may create and rename siblings.
    pub data_directory: PathBuf,
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Its configuration file, outside the data directory.
    pub configuration_file: PathBuf,
    /// [`BACKUP_USER`].
    pub backup_user: String,
    /// [`BACKUP_PASSWORD`].
    pub backup_password: String,
    administrator: String,
    instance: Instance,
}

/// What a [`MariaDb`] shall be like.
#[derive(Debug, Default)]
pub struct MariaDbBuilder {
    settings: Vec<(String, String)>,
    within: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl MariaDbBuilder {
    /// A line of the configuration's `[mariadbd]` group; the last one for a name wins.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Puts the server's directory below `parent`, such as a [`crate::Tmpfs`].
    pub fn within(mut self, parent: &Path) -> Self {
        self.within = Some(parent.into());
        self
    }

    /// Starts it on this data, which is moved to the server's directory.
    pub fn on_data(mut self, data: &Path) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Makes the data directory, starts the server and waits until it answers.
    pub fn start(self) -> Result<MariaDb> {
        let user = SystemUser::for_server("mysql")?;
        let instance = Instance::create("mariadb", self.within.as_deref(), user, libc::SIGKILL)?;
        let data_directory = instance.data_directory();
        let administrator = current_user_name()?;
        match &self.data {
            Some(data) => std::fs::rename(data, &data_directory).context("move the data")?,
            None => {
                let make = |path: &Path| initialise(&instance.user, &administrator, path);
                template::copy("mariadb-template", &data_directory, make)?;
            }
        }
        let mariadb = MariaDb {
            port: free_port(),
            data_directory,
            socket: instance.run_directory().join("mariadbd.sock"),
            configuration_file: instance.root.join("etc").join("mariadb.cnf"),
            backup_user: BACKUP_USER.into(),
            backup_password: BACKUP_PASSWORD.into(),
            administrator,
            instance,
        };
        mariadb.configure(&self.settings)?;
        mariadb.start_again()?;
        Ok(mariadb)
    }
}

impl MariaDb {
    /// A server with the settings that backups need.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A server with further settings.
    pub fn builder() -> MariaDbBuilder {
        MariaDbBuilder::default()
    }

    /// Runs `sql` (any number of statements) as the administrator, without a default database, and returns the rows:
    /// fields separated by tabs, without header, the last line's end removed.
    pub fn sql(&self, sql: &str) -> Result<String> {
        let mut client = Command::new("mariadb");
        client
            .args(["--no-defaults", "--batch", "--raw", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--protocol=socket"])
            .arg(format!("--socket={}", self.socket.display()))
            .arg(format!("--user={}", self.administrator))
            .current_dir("/");
        let rows = command::run_with_input(client, sql)?;
        Ok(rows.strip_suffix('\n').unwrap_or(&rows).into())
    }

    /// Stops it and waits for its end; a stopped one is no failure.
    pub fn stop(&self) -> Result<()> {
        self.instance.stop(&self.stop_command())
    }

    /// Starts it after [`Self::stop`] or [`Self::crash`] and waits until it answers. It ends with this process.
    pub fn start_again(&self) -> Result<()> {
        let mut arguments = vec![SERVER.into()];
        arguments.extend(self.server_arguments());
        self.instance.spawn(&arguments, || self.sql("select 1").is_ok())
    }

    /// Stops it and starts it again.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Kills it (SIGKILL).
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

    /// Waits until the server answers, after a [`Self::start_command`], which does not wait.
    pub fn wait_until_ready(&self) -> Result<()> {
        self.instance.wait_until_ready(|| self.sql("select 1").is_ok())
    }

    /// Starts the server detached, without waiting until it answers: for a datastore's service of kind `command`.
    pub fn start_command(&self) -> Vec<String> {
        daemon_start(
            &self.instance.user,
            &self.process_id_file(),
            Path::new(SERVER),
            &["--background"],
            &self.server_arguments(),
        )
    }

    /// Stops the server and waits for its end; a stopped one is no failure.
    pub fn stop_command(&self) -> Vec<String> {
        daemon_stop(&self.process_id_file(), Path::new(SERVER))
    }

    /// Exits with 0 when the server runs, with another status when not.
    pub fn status_command(&self) -> Vec<String> {
        daemon_status(&self.process_id_file(), Path::new(SERVER))
    }

    fn server_arguments(&self) -> Vec<String> {
        vec![format!("--defaults-file={}", self.configuration_file.display())]
    }

    fn process_id_file(&self) -> PathBuf {
        self.instance.run_directory().join("mariadbd.pid")
    }

    fn configure(&self, settings: &[(String, String)]) -> Result<()> {
        let path = |path: PathBuf| path.display().to_string();
        let own = [
            ("datadir", path(self.data_directory.clone())),
            ("bind-address", "127.0.0.1".into()),
            ("port", self.port.to_string()),
            ("socket", path(self.socket.clone())),
            ("pid-file", path(self.process_id_file())),
            ("log-error", path(self.instance.log_file())),
            // A server that starts deletes what looks like left-overs of its own in a shared one.
            ("tmpdir", path(self.instance.run_directory())),
            ("server-id", "1".into()),
            ("log-bin", "binlog".into()),
            ("binlog-format", "ROW".into()),
            ("character-set-server", "utf8mb4".into()),
            ("default-time-zone", "+00:00".into()),
            ("innodb-buffer-pool-size", "32M".into()),
            ("innodb-log-file-size", LOG_FILE_SIZE.into()),
            // Tests kill servers, never the kernel: what is written stays written.
            ("innodb-flush-log-at-trx-commit", "2".into()),
        ];
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let lines: String = own.chain(given).map(|(name, value)| format!("{name} = {value}\n")).collect();
        self.instance.write_configuration(&self.configuration_file, &format!("[mariadbd]\n{lines}"))
    }
}

/// Small: every server and every backup of a test writes and copies it.
const LOG_FILE_SIZE: &str = "16M";

/// A new data directory with the backup account in it.
fn initialise(user: &SystemUser, administrator: &str, data_directory: &Path) -> Result<()> {
    let parent = data_directory.parent().context("no parent")?;
    user.own(parent)?;
    let accounts = parent.join("accounts.sql");
    std::fs::write(&accounts, account_statements()).context("write the accounts' statements")?;
    let mut install = Command::new("mariadb-install-db");
    install
        .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
        .arg("--auth-root-authentication-method=socket")
        .arg(format!("--auth-root-socket-user={administrator}"))
        .arg(format!("--innodb-log-file-size={LOG_FILE_SIZE}"))
        .arg(format!("--extra-file={}", accounts.display()))
        .arg(format!("--datadir={}", data_directory.display()))
        .env("TMPDIR", parent)
        .current_dir("/");
    if let Some(name) = user.name() {
        install.arg(format!("--user={name}"));
    }
    command::run(install)?;
    // It leaves a file or two that are root's.
    user.own_tree(data_directory)
}

/// One account for each way in which a server may see a client of this machine.
fn account_statements() -> String {
    let password = BACKUP_PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let mut statements = String::from("FLUSH PRIVILEGES;\n");
    for host in ["%", "localhost", "127.0.0.1"] {
        statements.push_str(&format!(
            "CREATE USER '{BACKUP_USER}'@'{host}' IDENTIFIED BY '{password}';\n\
             GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO '{BACKUP_USER}'@'{host}';\n"
        ));
    }
    statements
}
