//! A MySQL server for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::instance::{Instance, daemon_start_as, daemon_status};
use crate::mysql_binaries::{MysqlBinaries, mysql};
use crate::system_user::SystemUser;
use crate::{BACKUP_PASSWORD, BACKUP_USER, command, free_port, template};

/// A running MySQL server with GTIDs, a row-based binary log and the clone plugin. Dropping it ends it and removes its files.
///
/// `backup_user` may do what a backup needs. The administrator comes over the socket, as `root` without a password.
#[derive(Debug)]
pub struct Mysql {
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
    binaries: MysqlBinaries,
    instance: Instance,
}

/// What a [`Mysql`] shall be like.
#[derive(Debug, Default)]
pub struct MysqlBuilder {
    settings: Vec<(String, String)>,
    within: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl MysqlBuilder {
    /// A line of the configuration's `[mysqld]` group; the last one for a name wins.
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
    pub fn start(self) -> Result<Mysql> {
        let binaries = mysql()?;
        let user = SystemUser::for_server("mysql")?;
        let instance = Instance::create("mysql", self.within.as_deref(), user, libc::SIGKILL)?;
        let data_directory = instance.data_directory();
        match &self.data {
            Some(data) => std::fs::rename(data, &data_directory).context("move the data")?,
            None => {
                template::copy("mysql-template", &data_directory, |path| initialise(&binaries, &instance.user, path))?;
            }
        }
        let server = Mysql {
            port: free_port(),
            data_directory,
            socket: instance.run_directory().join("mysqld.sock"),
            configuration_file: instance.root.join("etc").join("mysql.cnf"),
            backup_user: BACKUP_USER.into(),
            backup_password: BACKUP_PASSWORD.into(),
            binaries,
            instance,
        };
        server.configure(&self.settings)?;
        server.start_again()?;
        Ok(server)
    }
}

impl Mysql {
    /// A server with the settings that backups need.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A server with further settings.
    pub fn builder() -> MysqlBuilder {
        MysqlBuilder::default()
    }

    /// Where its programs are.
    pub fn binaries(&self) -> &Path {
        &self.binaries.directory
    }

    /// Runs `sql` (any number of statements) as the administrator, without a default database, and returns the rows:
    /// fields separated by tabs, without header, the last line's end removed.
    pub fn sql(&self, sql: &str) -> Result<String> {
        ask(&self.binaries, &self.socket, sql)
    }

    /// Stops it and waits for its end; a stopped one is no failure.
    pub fn stop(&self) -> Result<()> {
        self.instance.stop(&self.stop_command())
    }

    /// Starts it after [`Self::stop`] or [`Self::crash`] and waits until it answers. It ends with this process.
    pub fn start_again(&self) -> Result<()> {
        let mut arguments = vec![self.program().display().to_string()];
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
        daemon_start_as(
            &self.instance.user,
            &self.process_id_file(),
            &self.binaries.executable,
            &self.program(),
            &["--background"],
            &self.server_arguments(),
        )
    }

    /// Stops the server and waits for its end; a stopped one is no failure.
    pub fn stop_command(&self) -> Vec<String> {
        self.binaries.stop_command(&self.process_id_file())
    }

    /// Exits with 0 when the server runs, with another status when not.
    pub fn status_command(&self) -> Vec<String> {
        daemon_status(&self.process_id_file(), &self.binaries.executable)
    }

    fn program(&self) -> PathBuf {
        self.binaries.directory.join("mysqld")
    }

    fn server_arguments(&self) -> Vec<String> {
        vec![format!("--defaults-file={}", self.configuration_file.display())]
    }

    fn process_id_file(&self) -> PathBuf {
        self.instance.run_directory().join("mysqld.pid")
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
            ("tmpdir", path(self.instance.run_directory())),
            ("mysqlx", "OFF".into()),
            ("server-id", "1".into()),
            ("log-bin", "binlog".into()),
            ("gtid-mode", "ON".into()),
            ("enforce-gtid-consistency", "ON".into()),
            ("default-time-zone", "+00:00".into()),
            // Tests kill servers, never the kernel: what is written stays written.
            ("innodb-flush-log-at-trx-commit", "2".into()),
        ];
        let small = SMALL.iter().map(|(name, value)| (*name, *value));
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let lines: String = own.chain(small).chain(given).map(|(name, value)| format!("{name} = {value}\n")).collect();
        self.instance.write_configuration(&self.configuration_file, &format!("[mysqld]\n{lines}"))
    }
}

/// Several servers run at a time.
const SMALL: [(&str, &str); 5] = [
    ("innodb-redo-log-capacity", "64M"),
    ("innodb-buffer-pool-size", "32M"),
    ("table-open-cache", "200"),
    ("table-definition-cache", "400"),
    ("max-connections", "40"),
];

/// A new data directory with the clone plugin and the backup account in it, and without an identity: each server that starts on a
/// copy makes its own.
fn initialise(binaries: &MysqlBinaries, user: &SystemUser, data_directory: &Path) -> Result<()> {
    let parent = data_directory.parent().context("no parent")?;
    user.own(parent)?;
    let server = |arguments: &[&str]| {
        let mut server = Command::new(binaries.directory.join("mysqld"));
        server
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data_directory.display()))
            .arg(format!("--log-error={}", parent.join("log").display()))
            .args(["--mysqlx=OFF", "--skip-networking", "--skip-log-bin"])
            .args(SMALL.iter().map(|(name, value)| format!("--{name}={value}")))
            .args(arguments)
            .env("TMPDIR", parent)
            .current_dir(parent);
        user.run_as(&mut server);
        server
    };
    command::run(server(&["--initialize-insecure"])).with_context(|| log_of(parent))?;
    let socket = parent.join("s");
    let started = server(&[&format!("--socket={}", socket.display())]).spawn();
    let mut running = started.context("start MySQL on the new data directory")?;
    let answers = crate::wait::holds_within(std::time::Duration::from_secs(60), || {
        ask(binaries, &socket, "select 1").is_ok() || running.try_wait().is_ok_and(|status| status.is_some())
    });
    let made = match answers {
        true => ask(binaries, &socket, &account_statements()),
        false => Err(anyhow::anyhow!("it does not answer")),
    };
    if made.is_err() {
        let _ = running.kill();
    }
    running.wait().context("wait for MySQL's end")?;
    made.with_context(|| log_of(parent))?;
    std::fs::remove_file(data_directory.join("auto.cnf")).context("remove the template's identity")
}

fn log_of(parent: &Path) -> String {
    let log = std::fs::read_to_string(parent.join("log")).unwrap_or_default();
    format!("make a data directory of MySQL; its log says:\n{log}")
}

fn ask(binaries: &MysqlBinaries, socket: &Path, sql: &str) -> Result<String> {
    let mut client = Command::new(binaries.directory.join("mysql"));
    client
        .args(["--no-defaults", "--batch", "--raw", "--skip-column-names"])
        .args(["--default-character-set=utf8mb4", "--protocol=socket", "--user=root"])
        .arg(format!("--socket={}", socket.display()))
        .env("MYSQL_TEST_LOGIN_FILE", "/nonexistent/login")
        .current_dir("/");
    let rows = command::run_with_input(client, sql)?;
    Ok(rows.strip_suffix('\n').unwrap_or(&rows).into())
}

/// Ends with the server's own end.
fn account_statements() -> String {
    let password = BACKUP_PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let account = format!("'{BACKUP_USER}'@'%'");
    format!(
        "INSTALL PLUGIN clone SONAME 'mysql_clone.so';\n\
         CREATE USER {account} IDENTIFIED BY '{password}';\n\
         GRANT BACKUP_ADMIN, REFERENCES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account};\n\
         GRANT SELECT ON performance_schema.clone_status TO {account};\n\
         GRANT SELECT ON performance_schema.log_status TO {account};\n\
         SHUTDOWN;\n"
    )
}
