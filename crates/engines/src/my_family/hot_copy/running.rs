//! A tool that is writing a backup.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, LogLevel};
use process::{Child, ChildStdout, Command, Credentials};
use secrecy::SecretString;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::increment::Increment;
use super::tool_info::ToolInfo;
use super::{STALL_LIMIT, Tool, completion_mark};
use crate::my_family::client::user;
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, LogSink, OutputStream, StreamSpec};

/// A running tool. Dropping it kills it.
pub(crate) struct Copying {
    tool: &'static Tool,
    child: Child,
    output: Option<ChildStdout>,
    stream_bytes: Arc<AtomicU64>,
    /// Takes the tool's small files.
    info_directory: PrivateDirectory,
    /// The user that the tool says it logged in as.
    user_seen: Arc<Mutex<Option<String>>>,
}

impl Copying {
    /// Starts the tool; `command` says how it logs in.
    ///
    /// # Errors
    /// `missing_tool`.
    pub(crate) fn start(
        tool: &'static Tool,
        command: Command,
        datastore: &DatastoreAccess,
        (directory, owner): (&Path, Credentials),
        increment: Option<&Increment>,
        log: &LogSink,
    ) -> Result<Self, EngineError> {
        let info_directory = PrivateDirectory::create(owner)?;
        let place = info_directory.path().display();
        let user_seen = Arc::<Mutex<Option<String>>>::default();
        let (seen, log) = (Arc::clone(&user_seen), Arc::clone(log));
        let mut command = command
            .args(arguments(tool, directory, increment))
            .arg(format!("--extra-lsndir={place}"))
            .args(tool.temporary.map(|option| format!("{option}={place}")))
            .run_as(owner)
            .stdout_piped()
            .stall_limit(STALL_LIMIT)
            .on_line(move |_, line| {
                if let Some(user) = login_user(line) {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(user.to_owned());
                }
                if !is_about_one_file(line) {
                    log(LogLevel::Tool, line);
                }
            });
        if let Some(password) = &datastore.password {
            command = command.redact(SecretString::from(password.expose()));
        }
        let mut child = command.spawn().map_err(|source| EngineError::process("starting the backup's tool", source))?;
        let output = child.stdout.take();
        Ok(Self { tool, child, output, stream_bytes: Arc::default(), info_directory, user_seen })
    }

    /// What it writes. Gives `None` the second time.
    pub(crate) fn take_stream(&mut self) -> Option<OutputStream> {
        let output = self.output.take()?;
        let counted = Counted { output, bytes: Arc::clone(&self.stream_bytes) };
        Some(OutputStream::new(StreamSpec::base(self.tool.format), counted))
    }

    /// How many bytes of it were read.
    pub(crate) fn stream_bytes(&self) -> u64 {
        self.stream_bytes.load(Ordering::Relaxed)
    }

    /// Waits for its end, and gives what it told of the backup and its last words.
    ///
    /// # Errors
    /// Unless it exited well and said that it was done, logged in as it was told, and began where it was told. // F-02, F-80
    pub(crate) async fn finish(
        &mut self,
        datastore: &DatastoreAccess,
        increment: Option<&Increment>,
        cancel: &CancellationToken,
    ) -> Result<(ToolInfo, String), EngineError> {
        let tool = self.tool;
        let exit = self.child.wait(cancel).await.map_err(|source| EngineError::process(tool.program, source))?;
        let completion_mark = completion_mark(tool, exit)?;
        self.check_user(datastore)?;
        let info = ToolInfo::read(self.info_directory.path())?;
        if let Some(increment) = increment {
            increment.check(tool, &info)?;
        }
        Ok((info, completion_mark))
    }

    /// A tool that could not read its option file says nothing about it. // F-80
    fn check_user(&self, datastore: &DatastoreAccess) -> Result<(), EngineError> {
        let seen = self.user_seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            Some(seen) if seen != user(datastore) => Err(EngineError::known(
                ErrorCode::AuthenticationFailed,
                format!("{} logged in as {seen:?} instead of {:?}.", self.tool.program, user(datastore)),
            )),
            _ => Ok(()),
        }
    }
}

/// The part of the arguments that says what to do; what says how to log in goes before it.
pub(crate) fn arguments(tool: &Tool, directory: &Path, increment: Option<&Increment>) -> Vec<String> {
    let always =
        ["--backup".to_owned(), format!("--stream={}", tool.format), format!("--datadir={}", directory.display())];
    always.into_iter().chain(increment.map(Increment::argument)).collect()
}

/// Lines that come for every file of every table would bury the others, and mean nothing unless the tool fails: its last
/// lines are told then.
fn is_about_one_file(line: &str) -> bool {
    let ends = ["...done", " is copied successfully."];
    ends.iter().any(|end| line.ends_with(end)) || line.contains(" Streaming ./") || line.contains("Done: Streaming ./")
}

/// From a line such as `Connecting to MariaDB server host: 127.0.0.1, user: bk, password: set, port: …`; `xtrabackup` says
/// `MySQL`. // F-80
fn login_user(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Connecting to M")?;
    let (_, rest) = rest.split_once(" server host: ")?;
    let (_, rest) = rest.split_once(", user: ")?;
    rest.rsplit_once(", password: ").map(|(user, _)| user)
}

/// Counts what is read.
struct Counted {
    output: ChildStdout,
    bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.output).poll_read(context, buffer))?;
        let count = u64::try_from(buffer.filled().len() - before).unwrap_or(0);
        this.bytes.fetch_add(count, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f80_the_user_of_the_login_is_read() {
        let line = "[00] 2026-11-22 08:02:06 Connecting to MariaDB server host: 127.0.0.1, user: a, user: b, password: set, \
                    port: 31245, socket: not set";
        assert_eq!(login_user(line), Some("a, user: b"));
        let of_percona = "2026-11-22T08:02:06.4-00:00 0 [Note] [MY-011825] [Xtrabackup] Connecting to MySQL server host: 127.0.0.1, \
                          user: bk, password: set, port: 3306, socket: not set";
        assert_eq!(login_user(of_percona), Some("bk"));
        assert_eq!(login_user("[00] Using server version 10.11"), None);
        assert!(!is_about_one_file(line));
    }

    #[test]
    fn files_do_not_bury_what_matters() {
        for line in [
            "[00] 2026-11-22 08:30:03         ...done",
            "[00] 2026-11-22 08:30:03 Streaming ./mysql/innodb_table_stats.ibd",
            "[01] 2026-11-22 08:07:05 Streaming ./mysql/gtid_slave_pos.frm to <STDOUT>",
            "[00] 2026-11-22 08:30:03 aria table file ./mysql/proc.MAI is copied successfully.",
            "2026-11-22T08:30:03.1-00:00 2 [Note] [MY-011825] [Xtrabackup] Done: Streaming ./sys/sys_config.ibd",
        ] {
            assert!(is_about_one_file(line), "{line}");
        }
        assert!(!is_about_one_file("[00] 2026-11-22 08:30:03 Streaming ibdata1"));
        assert!(!is_about_one_file("[00] 2026-11-22 08:02:07 completed OK!"));
    }
}
