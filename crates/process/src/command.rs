//! Describes a child before it is started.

use std::{
    ffi::OsString,
    fmt, io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use secrecy::SecretString;
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Credentials, ProcessError, SecretFile, Signal, Stream,
    child::{Child, Output},
    launch::{Argument, Launch, Launched, Value},
    lines::{LineReader, OnLine, Tail},
    program::find_program,
    redact::Redactor,
    streams::{Activity, ChildStdin, ChildStdout, enlarge},
    watchdog::{Watchdog, Watched},
};

/// A program to run, its arguments and its bounds. Nothing happens before [`spawn`](Self::spawn) or
/// [`output`](Self::output).
///
/// Defaults: the worker's user, directory `/`, empty stdin, stdout and stderr read as lines, no limits. The environment
/// has `PATH`, `HOME`, `LANG`, `LC_ALL` and `TZ` and what the caller adds, and nothing of the worker's own.
pub struct Command {
    program: OsString,
    search_directories: Vec<PathBuf>,
    arguments: Vec<Argument>,
    environment: Vec<(OsString, Value)>,
    run_as: Option<Credentials>,
    current_directory: PathBuf,
    stdin_piped: bool,
    stdout_piped: bool,
    stall_limit: Option<Duration>,
    time_limit: Option<Duration>,
    redactor: Redactor,
    on_line: Option<OnLine>,
    leaves_processes: bool,
}

/// The program alone: arguments may name what is private, and the environment holds secrets.
impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Command").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Command {
    /// A program by name, looked for as [`find_program`] does, or by absolute path.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            search_directories: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            run_as: None,
            current_directory: PathBuf::from("/"),
            stdin_piped: false,
            stdout_piped: false,
            stall_limit: None,
            time_limit: None,
            redactor: Redactor::default(),
            on_line: None,
            leaves_processes: false,
        }
    }

    /// Looks for the program here first, and puts the directory first in the child's `PATH`. For tools outside the
    /// system's path, such as `/usr/lib/postgresql/15/bin`.
    pub fn search_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.search_directories.push(directory.into());
        self
    }

    /// Adds an argument. Never a secret: arguments are public.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(Argument::Plain(argument.into()));
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| Argument::Plain(argument.into())));
        self
    }

    /// Adds an argument made of `prefix` and the name of a secret file: `--defaults-extra-file=` becomes
    /// `--defaults-extra-file=/dev/fd/9`. F-80.
    pub fn arg_secret_file(mut self, prefix: &str, file: SecretFile) -> Self {
        self.arguments.push(Argument::SecretFile(prefix.to_owned(), file));
        self
    }

    /// Sets an environment variable.
    pub fn env(self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variable(name.into(), Value::Plain(value.into()))
    }

    /// Sets an environment variable to a secret, which is also redacted from the output. The child's user can read it
    /// in `/proc`: use a [`SecretFile`] where the tool takes one.
    pub fn env_secret(mut self, name: impl Into<OsString>, value: SecretString) -> Self {
        self.redactor.add(&value);
        self.variable(name.into(), Value::Secret(value))
    }

    /// Sets an environment variable to the name of a secret file, as `PGPASSFILE` wants it.
    pub fn env_secret_file(self, name: impl Into<OsString>, file: SecretFile) -> Self {
        self.variable(name.into(), Value::SecretFile(file))
    }

    fn variable(mut self, name: OsString, value: Value) -> Self {
        // A program that finds a name twice would take the first (environ(7) promises nothing).
        self.environment.retain(|(before, _)| *before != name);
        self.environment.push((name, value));
        self
    }

    /// Runs it as somebody else, which only root may.
    pub fn run_as(mut self, credentials: Credentials) -> Self {
        self.run_as = Some(credentials);
        self
    }

    /// The directory that it starts in.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.current_directory = directory.into();
        self
    }

    /// Lets live what the program leaves behind when it ends by itself, as a command that starts a server does. A server
    /// moves to a session of its own only a moment after the command's end, too late for the rule that what is left of the
    /// group ends with its leader. While the program runs, all of its group is stopped with it as ever.
    pub fn leaves_processes(mut self) -> Self {
        self.leaves_processes = true;
        self
    }

    /// Gives the caller [`Child::stdin`] to write to.
    pub fn stdin_piped(mut self) -> Self {
        self.stdin_piped = true;
        self
    }

    /// Gives the caller [`Child::stdout`] to read from; its bytes are neither redacted nor passed to
    /// [`on_line`](Self::on_line).
    pub fn stdout_piped(mut self) -> Self {
        self.stdout_piped = true;
        self
    }

    /// Stops the child when no byte moved on any stream for this long (F-03), unless it can move none because the caller
    /// does not read its output or has not closed its drained input.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = Some(limit);
        self
    }

    /// Stops the child when it runs longer than this.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Replaces this secret by `[redacted]` in every line and in [`Output::stdout`].
    pub fn redact(mut self, secret: SecretString) -> Self {
        self.redactor.add(&secret);
        self
    }

    /// Called with every line of stderr, and of stdout unless piped, after redaction. Lines end at `\n` or `\r`, lose
    /// what they have beyond 4 KiB, and empty ones are left out. It runs on the async runtime and must not block.
    pub fn on_line(mut self, on_line: impl Fn(Stream, &str) + Send + Sync + 'static) -> Self {
        self.on_line = Some(Arc::new(on_line));
        self
    }

    /// Starts the child. Must be called on a tokio runtime; blocks for the few milliseconds of a fork.
    ///
    /// # Errors
    /// [`ProcessError::ProgramNotFound`], or [`ProcessError::Spawn`] when the system refuses.
    pub fn spawn(self) -> Result<Child, ProcessError> {
        self.spawn_collecting(false)
    }

    /// Runs the child to its end. At most 16 MiB of stdout are accepted. Dropping the future kills the child.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait`]; [`ProcessError::Exit`] for any end but exit code 0.
    pub async fn output(mut self, cancel: &CancellationToken) -> Result<Output, ProcessError> {
        self.stdout_piped = false;
        self.spawn_collecting(true)?.output(cancel).await
    }

    fn spawn_collecting(mut self, collect: bool) -> Result<Child, ProcessError> {
        let program = self.program_name();
        let stdio = |piped| if piped { Stdio::piped() } else { Stdio::null() };
        let launch = self.launch(stdio(self.stdin_piped), Stdio::piped(), Stdio::piped(), Some(Signal::SIGKILL))?;
        self.attach(&program, launch, collect).map_err(|source| ProcessError::Spawn { program, source })
    }

    /// The program as messages name it.
    pub(crate) fn program_name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// Resolves the program; what is left of `self` is of no use for another launch.
    pub(crate) fn launch(
        &mut self,
        stdin: Stdio,
        stdout: Stdio,
        stderr: Stdio,
        death_signal: Option<Signal>,
    ) -> Result<Launch, ProcessError> {
        let program = find_program(&self.program, &self.search_directories)
            .ok_or_else(|| ProcessError::ProgramNotFound { program: self.program_name() })?;
        Ok(Launch {
            program,
            search_directories: std::mem::take(&mut self.search_directories),
            arguments: std::mem::take(&mut self.arguments),
            environment: std::mem::take(&mut self.environment),
            run_as: self.run_as,
            current_directory: std::mem::take(&mut self.current_directory),
            stdin,
            stdout,
            stderr,
            death_signal,
            leaves_processes: self.leaves_processes,
        })
    }

    /// Starts the child and joins its streams to the runtime.
    fn attach(self, program: &str, launch: Launch, collect: bool) -> io::Result<Child> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let Launched { group, stdin, stdout, stderr } = launch.start()?;
        let activity = Arc::new(Activity::new());
        let stopped = CancellationToken::new();
        let watched = Arc::new(Watched::new(group, Arc::clone(&activity), stopped.clone()));
        // From here on an error drops the child, which kills it.
        let mut child = Child::new(program.to_owned(), Arc::clone(&watched));

        if let Some(pipe) = stdin {
            enlarge(pipe.as_raw_fd());
            child.stdin = Some(ChildStdin::new(OwnedFd::from(pipe), Arc::clone(&activity), stopped.clone())?);
        }
        let redactor = Arc::new(self.redactor);
        // Lines are read to the very end, so that the last words of a stopped child are heard: hence their own token,
        // which is never cancelled.
        let read_lines = |pipe: OwnedFd, stream, tail: &Arc<Mutex<Tail>>| -> io::Result<JoinHandle<_>> {
            let source = ChildStdout::new(pipe, Arc::clone(&activity), CancellationToken::new())?;
            let reader = LineReader {
                stream,
                redactor: Arc::clone(&redactor),
                tail: Arc::clone(tail),
                on_line: self.on_line.clone(),
                collect: collect && stream == Stream::Stdout,
            };
            Ok(runtime.spawn(reader.read(source)))
        };
        if let Some(pipe) = stdout {
            if self.stdout_piped {
                enlarge(pipe.as_raw_fd());
                child.stdout = Some(ChildStdout::new(OwnedFd::from(pipe), Arc::clone(&activity), stopped)?);
            } else {
                child.stdout_lines = Some(read_lines(OwnedFd::from(pipe), Stream::Stdout, &child.stdout_tail)?);
            }
        }
        if let Some(pipe) = stderr {
            child.stderr_lines = Some(read_lines(OwnedFd::from(pipe), Stream::Stderr, &child.stderr_tail)?);
        }
        child.redactor = redactor;
        if self.stall_limit.is_some() || self.time_limit.is_some() {
            let watchdog = Watchdog {
                stall_limit: self.stall_limit,
                time_limit: self.time_limit,
                stdin: child.stdin.as_ref().map(ChildStdin::gauge),
                stdout: child.stdout.as_ref().map(ChildStdout::gauge),
            };
            child.watchdog = Some(runtime.spawn(watchdog.run(watched)).abort_handle());
        }
        Ok(child)
    }
}
