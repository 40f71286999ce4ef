//! From a command to a running process group: everything that must happen between fork and exec.

use std::{
    ffi::OsString,
    io,
    os::{fd::RawFd, unix::process::CommandExt},
    path::PathBuf,
    process::{self, ChildStderr, ChildStdin, ChildStdout, Stdio},
    sync::Arc,
};

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    credentials::{Credentials, Identity, Switch},
    group::Group,
    program::search_path,
    secret_file::SecretFile,
    spawner,
};

/// A program and all that its start depends on.
pub(crate) struct Launch {
    pub program: PathBuf,
    pub search_directories: Vec<PathBuf>,
    pub arguments: Vec<Argument>,
    pub environment: Vec<(OsString, Value)>,
    pub run_as: Option<Credentials>,
    pub current_directory: PathBuf,
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
    /// Sent to the child by the kernel when the owner dies; `None` lets it live on.
    pub death_signal: Option<Signal>,
    /// Whether what is left of the child's group lives on when the child has ended.
    pub leaves_processes: bool,
}

/// One argument.
pub(crate) enum Argument {
    Plain(OsString),
    /// The prefix followed by the file's name.
    SecretFile(String, SecretFile),
}

/// The value of an environment variable.
pub(crate) enum Value {
    Plain(OsString),
    Secret(SecretString),
    SecretFile(SecretFile),
}

/// A started child and the worker's ends of its pipes.
pub(crate) struct Launched {
    pub group: Arc<Group>,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

impl Launch {
    /// Starts it, from the spawner thread.
    pub(crate) fn start(self) -> io::Result<Launched> {
        spawner::run(move || self.start_here())
    }

    fn start_here(self) -> io::Result<Launched> {
        let identity = Identity::look_up(self.run_as)?;
        // Closed here when this function returns; the child has its own by then.
        let mut secret_files = Vec::new();
        let mut open = |file: &SecretFile| -> io::Result<String> {
            let file = file.open(identity.credentials)?;
            let name = file.name();
            secret_files.push(file);
            Ok(name)
        };

        #[allow(clippy::disallowed_methods, reason = "the one place that starts processes")]
        let mut command = process::Command::new(&self.program);
        for argument in &self.arguments {
            match argument {
                Argument::Plain(argument) => command.arg(argument),
                Argument::SecretFile(prefix, file) => command.arg(format!("{prefix}{}", open(file)?)),
            };
        }
        command.env_clear().env("PATH", search_path(&self.search_directories)).env("HOME", &identity.home).envs([
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
        ]);
        for (name, value) in &self.environment {
            match value {
                Value::Plain(value) => command.env(name, value),
                Value::Secret(value) => command.env(name, value.expose_secret()),
                Value::SecretFile(file) => command.env(name, open(file)?),
            };
        }
        command.current_dir(&self.current_directory).stdin(self.stdin).stdout(self.stdout).stderr(self.stderr);

        let birth = Birth {
            owner: i32::try_from(process::id()).map_err(io::Error::other)?,
            inherited: secret_files.iter().map(|file| file.descriptor()).collect(),
            switch: identity.switch,
            death_signal: self.death_signal,
        };
        // SAFETY: `prepare` makes system calls only and touches no memory but its own, as is required between fork and
        // exec in a process with several threads (fork(2), signal-safety(7)).
        unsafe { command.pre_exec(move || birth.prepare()) };

        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Launched { group: Group::adopt(child, self.leaves_processes)?, stdin, stdout, stderr })
    }
}

/// The last signal that is no real-time one (signal(7)).
const LAST_SIGNAL: libc::c_int = 31;

/// What the child does to itself before it becomes the program. All of it is computed before the fork.
struct Birth {
    owner: libc::pid_t,
    inherited: Vec<RawFd>,
    switch: Option<Switch>,
    death_signal: Option<Signal>,
}

impl Birth {
    fn prepare(&self) -> io::Result<()> {
        // SAFETY: plain system calls on values that outlive them; pointers are to live memory of the right length.
        unsafe {
            // A session of its own: one group to kill, and no terminal on which a tool could ask for a password.
            check(libc::setsid())?;
            // F-01. `nohup`, and a script that starts the worker in the background, have it ignore signals, which a program would go
            // on ignoring (execve(2)), the death signal among them. It fails for those that nobody can change.
            for signal in 1..=LAST_SIGNAL {
                libc::signal(signal, libc::SIG_DFL);
            }
            // Descriptors that a library or whoever started the worker left open; kernels before 5.11 refuse, and then
            // each descriptor's own close-on-exec flag must do.
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            for &descriptor in &self.inherited {
                check(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
            }
            // F-81: no core files.
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            check(libc::setrlimit(libc::RLIMIT_CORE, &raw const none))?;
            if let Some(switch) = &self.switch {
                check(libc::setgroups(switch.groups.len(), switch.groups.as_ptr()))?;
                check(libc::setgid(switch.gid))?;
                check(libc::setuid(switch.uid))?;
            }
            // F-01. After setuid, which makes the kernel forget the signal (prctl(2)).
            if let Some(signal) = self.death_signal {
                check(libc::prctl(libc::PR_SET_PDEATHSIG, signal))?;
                if libc::getppid() != self.owner {
                    // The owner died before the signal was set.
                    libc::_exit(1);
                }
            }
        }
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
