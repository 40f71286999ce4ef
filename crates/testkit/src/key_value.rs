//! A Redis or a Valkey server for a test: one protocol, one configuration, two programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::instance::{Instance, daemon_start, daemon_status, daemon_stop};
use crate::system_user::SystemUser;
use crate::{BACKUP_PASSWORD, BACKUP_USER, command, free_port, valkey_server};

/// The password of the user `default`, who may do everything.
const ADMIN_PASSWORD: &str = r#"admin's "pass" \ word"#;

/// Redis, from Debian.
#[derive(Debug)]
pub struct Redis;

/// Valkey, from PyPI ([`valkey_server`]).
#[derive(Debug)]
pub struct Valkey;

impl Redis {
    /// A server that writes `dump.rdb` and no append-only file.
    pub fn start() -> Result<KeyValueServer> {
        Self::builder().start()
    }

    /// A server with `appendonly yes`.
    pub fn with_aof() -> Result<KeyValueServer> {
        Self::builder().setting("appendonly", "yes").start()
    }

    /// A server with further settings.
    pub fn builder() -> KeyValueBuilder {
        KeyValueBuilder::new("redis", || Ok("/usr/bin/redis-server".into()))
    }
}

impl Valkey {
    /// A server that writes `dump.rdb` and no append-only file.
    pub fn start() -> Result<KeyValueServer> {
        Self::builder().start()
    }

    /// A server with `appendonly yes`.
    pub fn with_aof() -> Result<KeyValueServer> {
        Self::builder().setting("appendonly", "yes").start()
    }

    /// A server with further settings.
    pub fn builder() -> KeyValueBuilder {
        KeyValueBuilder::new("valkey", valkey_server)
    }
}

/// A running Redis or Valkey server. Dropping it ends it and removes its files.
///
/// `backup_user` may do what a backup needs and nothing else: `+ping +replconf +psync +sync +info +config|get`.
#[derive(Debug)]
pub struct KeyValueServer {
    /// On 127.0.0.1.
    pub port: u16,
    /// In a directory of its own, on one file system, in which a restore may create and rename siblings.
    pub data_directory: PathBuf,
    /// Its configuration file, outside the data directory.
    pub configuration_file: PathBuf,
    /// [`BACKUP_USER`].
    pub backup_user: String,
    /// [`BACKUP_PASSWORD`].
    pub backup_password: String,
    /// `default`, who may do everything.
    pub admin_user: &'static str,
    /// Their password.
    pub admin_password: String,
    executable: PathBuf,
    instance: Instance,
}

/// What a [`KeyValueServer`] shall be like.
#[derive(Debug)]
pub struct KeyValueBuilder {
    name: &'static str,
    executable: fn() -> Result<PathBuf>,
    settings: Vec<(String, String)>,
    within: Option<PathBuf>,
    mounted_bytes: Option<u64>,
}

impl KeyValueBuilder {
    fn new(name: &'static str, executable: fn() -> Result<PathBuf>) -> Self {
        Self { name, executable, settings: Vec::new(), within: None, mounted_bytes: None }
    }

    /// A line of the configuration; the value is one argument.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), quote(value)));
        self
    }

    /// Puts the server's directory below `parent`, such as a [`crate::Tmpfs`].
    pub fn within(mut self, parent: &Path) -> Self {
        self.within = Some(parent.into());
        self
    }

    /// Makes the data directory the mount point of a file system of its own. Only root can.
    pub fn mounted(mut self, size_bytes: u64) -> Self {
        self.mounted_bytes = Some(size_bytes);
        self
    }

    /// Starts the server on an empty data directory and waits until it answers.
    pub fn start(self) -> Result<KeyValueServer> {
        let source = (self.executable)()?;
        // Debian has one account for it; a Valkey that is not from Debian borrows that.
        let user = SystemUser::for_server("redis")?;
        let mut instance = Instance::create(self.name, self.within.as_deref(), user, libc::SIGKILL)?;
        let data_directory = instance.data_directory();
        std::fs::create_dir(&data_directory).context("create the data directory")?;
        if let Some(size) = self.mounted_bytes {
            instance.mount_data_directory(size)?;
        }
        instance.user.own(&data_directory)?;
        // Nobody but root can enter root's cache: a server that runs as somebody else needs a copy elsewhere.
        let executable = if source.starts_with("/usr") {
            source
        } else {
            let copy = instance.root.join("etc").join(format!("{}-server", self.name));
            // By another process: a copy that this one wrote may still be open in a child that is just being started, and the
            // kernel refuses to run such a file.
            let mut cp = Command::new("cp");
            cp.arg("--").arg(&source).arg(&copy);
            command::run(cp)?;
            copy
        };
        let server = KeyValueServer {
            port: free_port(),
            data_directory,
            configuration_file: instance.root.join("etc").join(format!("{}.conf", self.name)),
            backup_user: BACKUP_USER.into(),
            backup_password: BACKUP_PASSWORD.into(),
            admin_user: "default",
            admin_password: ADMIN_PASSWORD.into(),
            executable,
            instance,
        };
        server.configure(&self.settings)?;
        server.start_again()?;
        Ok(server)
    }
}

impl KeyValueServer {
    /// Runs one command as the administrator through redis-cli and returns its raw answer, the last line's end removed.
    /// An error answer is an error.
    pub fn cmd(&self, arguments: &[&str]) -> Result<String> {
        let mut client = Command::new("redis-cli");
        client
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["--user", self.admin_user, "-e", "--raw"])
            .args(arguments)
            .env("REDISCLI_AUTH", &self.admin_password)
            .current_dir("/");
        let answer = command::run(client)?;
        Ok(answer.strip_suffix('\n').unwrap_or(&answer).into())
    }

    /// Stops it (SIGTERM: it saves as its save points demand) and waits for its end; a stopped one is no failure.
    pub fn stop(&self) -> Result<()> {
        self.instance.stop(&self.stop_command())
    }

    /// Starts it after [`Self::stop`] or [`Self::crash`] and waits until it answers. It ends with this process.
    pub fn start_again(&self) -> Result<()> {
        let mut arguments = vec![self.executable.display().to_string()];
        arguments.extend(self.server_arguments("no"));
        self.instance.spawn(&arguments, || self.answers())
    }

    /// Stops it and starts it again.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Kills it (SIGKILL): nothing is saved.
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

    /// Waits until the server answers and has loaded its data, after a [`Self::start_command`], which does not wait.
    pub fn wait_until_ready(&self) -> Result<()> {
        self.instance.wait_until_ready(|| self.answers())
    }

    /// Starts the server detached, without waiting until it answers: for a datastore's service of kind `command`.
    pub fn start_command(&self) -> Vec<String> {
        daemon_start(&self.instance.user, &self.process_id_file(), &self.executable, &[], &self.server_arguments("yes"))
    }

    /// Stops the server and waits for its end; a stopped one is no failure.
    pub fn stop_command(&self) -> Vec<String> {
        daemon_stop(&self.process_id_file(), &self.executable)
    }

    /// Exits with 0 when the server runs, with another status when not.
    pub fn status_command(&self) -> Vec<String> {
        daemon_status(&self.process_id_file(), &self.executable)
    }

    fn answers(&self) -> bool {
        // While it loads its data it answers with an error.
        self.cmd(&["ping"]).is_ok_and(|answer| answer == "PONG")
    }

    fn server_arguments(&self, daemonize: &str) -> Vec<String> {
        vec![self.configuration_file.display().to_string(), "--daemonize".into(), daemonize.into()]
    }

    fn process_id_file(&self) -> PathBuf {
        self.instance.run_directory().join("server.pid")
    }

    fn configure(&self, settings: &[(String, String)]) -> Result<()> {
        let path = |path: &Path| quote(&path.display().to_string());
        let own = [
            ("bind", "127.0.0.1".into()),
            ("port", self.port.to_string()),
            ("dir", path(&self.data_directory)),
            ("dbfilename", "dump.rdb".into()),
            ("pidfile", path(&self.process_id_file())),
            ("logfile", path(&self.instance.log_file())),
            ("user", format!("default on {} ~* &* +@all", quote(&format!(">{ADMIN_PASSWORD}")))),
            (
                "user",
                format!(
                    "{BACKUP_USER} on {} +ping +replconf +psync +sync +info +config|get",
                    quote(&format!(">{BACKUP_PASSWORD}"))
                ),
            ),
        ];
        let own = own.iter().map(|(name, value)| (*name, value.as_str()));
        let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let lines: String = own.chain(given).map(|(name, value)| format!("{name} {value}\n")).collect();
        self.instance.write_configuration(&self.configuration_file, &lines)
    }
}

/// One argument of a configuration line, in double quotes.
fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
