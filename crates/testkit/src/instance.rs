//! What all engines' servers have in common: a directory of their own, an account, and an end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::processes::{end_processes_below, is_worked_in, processes_below, signal_processes_below};
use crate::scratch::{directory_in, scratch_directory};
use crate::system_user::SystemUser;
use crate::tmpfs::Tmpfs;
use crate::wait::holds_within;
use crate::{command, spawner};

/// How long a server may take to start or to stop. Long: machines that run tests are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long no process may be seen before a server counts as ended: a process that is just becoming the server has, for
/// an instant, neither the arguments nor the directory that tell whose it is.
const UNSEEN: Duration = Duration::from_secs(1);

/// One server's directory: `data` (the data directory), `run` (socket and process id) and `log` are the server's
/// account's, as is the directory itself, so that a restore may put and rename siblings of `data`. `etc` is not.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) root: PathBuf,
    pub(crate) user: SystemUser,
    /// Ends the server at once, its data being worthless by then, but leaves nothing in the kernel.
    quit_signal: libc::c_int,
    /// The data directory's own file system, where it has one.
    mount: Option<Tmpfs>,
}

impl Instance {
    /// An empty instance below `parent`, or below this process's own directory.
    pub(crate) fn create(
        name: &str,
        parent: Option<&Path>,
        user: SystemUser,
        quit_signal: libc::c_int,
    ) -> Result<Self> {
        let root = match parent {
            Some(parent) => directory_in(parent, name)?,
            None => scratch_directory(name)?,
        };
        let instance = Self { root, user, quit_signal, mount: None };
        for directory in ["run", "log", "etc"] {
            let path = instance.root.join(directory);
            fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
            if directory != "etc" {
                instance.user.own(&path)?;
            }
        }
        instance.user.own(&instance.root)?;
        Ok(instance)
    }

    pub(crate) fn data_directory(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Makes the empty data directory the mount point of a file system of its own.
    pub(crate) fn mount_data_directory(&mut self, size_bytes: u64) -> Result<()> {
        self.mount = Some(Tmpfs::mount_at(self.data_directory(), size_bytes)?);
        Ok(())
    }

    pub(crate) fn run_directory(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.root.join("log").join("server.log")
    }

    /// Writes a configuration file that the server's account may read and others may not.
    pub(crate) fn write_configuration(&self, path: &Path, content: &str) -> Result<()> {
        fs::write(path, content)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
            .with_context(|| format!("write {}", path.display()))?;
        self.user.own(path)
    }

    /// Starts the server in the foreground, bound to this process, and waits until `answers`.
    pub(crate) fn spawn(&self, arguments: &[String], answers: impl Fn() -> bool) -> Result<()> {
        let (program, rest) = arguments.split_first().context("an empty command")?;
        let log =
            fs::File::options().create(true).append(true).open(self.log_file()).context("open the server's log")?;
        self.user.own(&self.log_file())?;
        let mut command = Command::new(program);
        command
            .args(rest)
            .current_dir(&self.root)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LC_ALL", "C.UTF-8")
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().context("share the server's log")?)
            .stderr(log);
        self.user.run_as(&mut command);
        spawner::spawn(command, self.quit_signal)?;
        self.wait_until_ready(answers)
    }

    /// Waits until the server `answers`; fails with its log when it does not, soon when it has ended.
    pub(crate) fn wait_until_ready(&self, answers: impl Fn() -> bool) -> Result<()> {
        let mut ready = false;
        let mut seen = Instant::now();
        holds_within(PATIENCE, || {
            // In this order: a server that ends after having answered is not ready.
            let gone = processes_below(&self.root).is_empty();
            if !gone {
                seen = Instant::now();
            }
            ready = !gone && answers();
            ready || seen.elapsed() > UNSEEN
        });
        ensure!(ready, "the server in {} does not answer; its log says:\n{}", self.root.display(), self.log());
        Ok(())
    }

    /// Runs the service's stop command and waits until no process works in the data directory any more.
    pub(crate) fn stop(&self, stop_command: &[String]) -> Result<()> {
        command::run_arguments(stop_command)?;
        ensure!(
            holds_within(PATIENCE, || !self.is_running()),
            "the server in {} did not stop; its log says:\n{}",
            self.root.display(),
            self.log()
        );
        Ok(())
    }

    /// Kills the server's processes with SIGKILL and waits for their end.
    pub(crate) fn crash(&self) -> Result<()> {
        let data_directory = self.data_directory();
        signal_processes_below(&data_directory, libc::SIGKILL);
        ensure!(
            holds_within(PATIENCE, || !self.is_running()),
            "processes in {} survived SIGKILL",
            data_directory.display()
        );
        Ok(())
    }

    pub(crate) fn is_running(&self) -> bool {
        is_worked_in(&self.data_directory())
    }

    pub(crate) fn log(&self) -> String {
        match fs::read(self.log_file()) {
            Ok(log) => String::from_utf8_lossy(&log).into_owned(),
            Err(error) => format!("(no log: {error})"),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let left = end_processes_below(&self.root, self.quit_signal);
        if !left.is_empty() {
            eprintln!("testkit: processes {left:?} in {} would not end", self.root.display());
        }
        // Unmounted once nobody works in it, and before it is removed.
        drop(self.mount.take());
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("testkit: remove {}: {error}", self.root.display());
        }
    }
}

/// The arguments that make `start-stop-daemon` start `server` detached, in the manner of a service, as `user`.
///
/// `start-stop-daemon` belongs to dpkg and so to every Debian machine.
pub(crate) fn daemon_start(
    user: &SystemUser,
    process_id_file: &Path,
    executable: &Path,
    flags: &[&str],
    server_arguments: &[String],
) -> Vec<String> {
    daemon_start_as(user, process_id_file, executable, executable, flags, server_arguments)
}

/// As [`daemon_start`], for a `program` that becomes the `executable`.
pub(crate) fn daemon_start_as(
    user: &SystemUser,
    process_id_file: &Path,
    executable: &Path,
    program: &Path,
    flags: &[&str],
    server_arguments: &[String],
) -> Vec<String> {
    let mut arguments = daemon("--start", process_id_file, executable);
    if program != executable {
        arguments.extend(["--startas".into(), program.display().to_string()]);
    }
    arguments.push("--oknodo".into());
    if let Some(name) = user.name() {
        arguments.extend(["--chuid".into(), name.into()]);
    }
    arguments.extend(flags.iter().map(|flag| String::from(*flag)));
    arguments.push("--".into());
    arguments.extend_from_slice(server_arguments);
    arguments
}

/// The arguments that make `start-stop-daemon` stop a server and wait until it has ended; a stopped one is no failure.
pub(crate) fn daemon_stop(process_id_file: &Path, executable: &Path) -> Vec<String> {
    let mut arguments = daemon("--stop", process_id_file, executable);
    arguments.extend(["--oknodo", "--retry", "TERM/60/KILL/5"].map(String::from));
    arguments
}

/// The arguments that make `start-stop-daemon` exit with 0 when the server runs and with another status when not.
pub(crate) fn daemon_status(process_id_file: &Path, executable: &Path) -> Vec<String> {
    daemon("--status", process_id_file, executable)
}

fn daemon(action: &str, process_id_file: &Path, executable: &Path) -> Vec<String> {
    vec![
        "/usr/sbin/start-stop-daemon".into(),
        action.into(),
        "--quiet".into(),
        "--pidfile".into(),
        process_id_file.display().to_string(),
        "--exec".into(),
        executable.display().to_string(),
    ]
}
