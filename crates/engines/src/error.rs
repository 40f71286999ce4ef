//! What can go wrong with an engine, each with its code of the registry.
//!
//! Messages hold no secret: what a tool wrote was redacted before it came here, and what the caller adds are names.

use std::path::PathBuf;

use domain::{ErrorCode, JobError, Obstacle};
use process::ProcessError;

/// How many of a tool's last lines a message repeats; the job's log has them all.
const QUOTED_LINES: usize = 5;
/// How PostgreSQL, MariaDB, Redis and GNU tar name `ENOSPC` (`LC_ALL` is C for every child).
const DISK_FULL: &str = "No space left on device";

/// An engine's operation that failed. `Display` tells the operation; the cause is the source.
/// [`EngineError::to_job_error`] tells all of it at once.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A refusal or failure whose code and sentence are already known.
    #[error("{}", .0.detail)]
    Known(JobError),
    /// A child process failed.
    #[error("{operation} failed")]
    Process {
        operation: &'static str,
        #[source]
        source: ProcessError,
    },
    /// A file could not be read or written.
    #[error("{operation} failed at {}", path.display())]
    File {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A storage that a server and its worker share did not do what it was asked.
    #[error("the shared storage can't be used")]
    SharedStorage(#[source] vault::VaultError),
    /// Nothing can be built on the parent of an increment; the reason is the end of a sentence. A full backup will do.
    #[error("nothing can be built on the parent: {reason}")]
    ParentUnusable { reason: String },
    /// It was asked to stop. No failure: a job that ends so is cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl EngineError {
    /// A failure with a code of the registry.
    pub fn known(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Known(JobError::new(code, detail))
    }

    /// A failed child process; one that was stopped because somebody asked is [`EngineError::Cancelled`].
    pub fn process(operation: &'static str, source: ProcessError) -> Self {
        match source {
            ProcessError::Cancelled { .. } => Self::Cancelled,
            source => Self::Process { operation, source },
        }
    }

    /// A file that could not be read or written; to be mapped over an [`std::io::Error`].
    pub fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { operation, path, source }
    }

    /// Whether it is no failure but the answer to a request to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled) || matches!(self, Self::Process { source: ProcessError::Cancelled { .. }, .. })
    }

    /// The code of the registry. Ask [`is_cancelled`](Self::is_cancelled) first: a request to stop has none of its own.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Known(error) => error.code,
            Self::Process { source, .. } => process_code(source),
            Self::File { source, .. } => match source.kind() {
                // F-40
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::InsufficientDiskSpace,
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::NotFound => {
                    ErrorCode::DataDirectoryInaccessible
                }
                _ => ErrorCode::Internal,
            },
            Self::SharedStorage(error) => error.code(),
            Self::ParentUnusable { .. } => ErrorCode::SourceChanged,
            Self::Cancelled => ErrorCode::Conflict,
        }
    }

    /// For the plan of a restore, with the text that a job would have.
    pub fn to_obstacle(&self) -> Obstacle {
        self.to_job_error().into()
    }

    /// For the job: the code, and one text with the operation, every cause and the tool's last lines.
    pub fn to_job_error(&self) -> JobError {
        let mut detail = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if !detail.ends_with(&text) {
                detail.push_str(": ");
                detail.push_str(&text);
            }
            cause = error.source();
        }
        if let Self::Process { source, .. } = self {
            if let ProcessError::ProgramNotFound { program } = source {
                detail = missing_tool(program);
            }
            let tail = source.stderr_tail();
            for line in tail.iter().skip(tail.len().saturating_sub(QUOTED_LINES)) {
                detail.push('\n');
                detail.push_str(line);
            }
        }
        JobError::new(self.code(), detail)
    }
}

fn process_code(error: &ProcessError) -> ErrorCode {
    if error.stderr_tail().iter().any(|line| line.contains(DISK_FULL)) {
        return ErrorCode::InsufficientDiskSpace;
    }
    match error {
        ProcessError::ProgramNotFound { .. } => ErrorCode::MissingTool,
        ProcessError::Stalled { .. } | ProcessError::TimedOut { .. } => ErrorCode::EngineStalled,
        ProcessError::Exit { .. } => ErrorCode::EngineToolFailed,
        ProcessError::Cancelled { .. } => ErrorCode::Conflict,
        _ => ErrorCode::Internal,
    }
}

/// What to do about a program that is not there.
pub(crate) fn missing_tool(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or(program);
    match debian_package(name) {
        Some(package) => {
            format!("{name} is missing on the worker's machine; install it with: apt-get install {package}")
        }
        None => format!("{name} is missing on the worker's machine; install the package that contains it."),
    }
}

/// The package of Debian 12 and later that a program comes with.
pub(crate) fn debian_package(program: &str) -> Option<&'static str> {
    Some(match program {
        "psql" | "pg_basebackup" | "pg_receivewal" | "pg_dump" | "pg_dumpall" | "pg_restore" => "postgresql-client",
        "postgres" | "pg_ctl" | "pg_waldump" => "postgresql",
        "mariadb" | "mariadb-admin" | "mariadb-dump" | "mysql" | "mysqladmin" => "mariadb-client",
        "mariadb-backup" | "mariabackup" | "mbstream" => "mariadb-backup",
        "mariadbd" | "mariadbd-safe" | "mysqld" => "mariadb-server",
        "redis-cli" | "redis-check-rdb" | "redis-check-aof" => "redis-tools",
        "redis-server" => "redis-server",
        "valkey-cli" | "valkey-check-rdb" | "valkey-check-aof" => "valkey-tools",
        "valkey-server" => "valkey-server",
        "systemctl" => "systemd",
        "tar" => "tar",
        "zstd" => "zstd",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::*;

    fn exit(lines: &[&str]) -> EngineError {
        let stderr_tail = lines.iter().map(|line| (*line).to_owned()).collect();
        let source = ProcessError::Exit { program: "tar".into(), status: ExitStatus::from_raw(2 << 8), stderr_tail };
        EngineError::process("unpacking", source)
    }

    #[test]
    fn a_failed_tool_is_told_with_its_last_lines() {
        let error = exit(&["1", "2", "3", "4", "5", "6"]).to_job_error();
        assert_eq!(error.code, ErrorCode::EngineToolFailed);
        assert!(error.detail.starts_with("unpacking failed: `tar` failed with"), "{}", error.detail);
        assert!(error.detail.ends_with("\n2\n3\n4\n5\n6"), "{}", error.detail);
    }

    #[test]
    fn f40_a_full_disk_is_known_by_its_message_and_by_its_error() {
        let line = "tar: base/1/2: Cannot write: No space left on device";
        assert_eq!(exit(&[line, "tar: Exiting"]).code(), ErrorCode::InsufficientDiskSpace);
        let error = EngineError::file("copying", "/x")(std::io::Error::from_raw_os_error(28));
        assert_eq!(error.code(), ErrorCode::InsufficientDiskSpace);
        assert!(error.to_job_error().detail.starts_with("copying failed at /x: No space left"));
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let source = ProcessError::ProgramNotFound { program: "/opt/bin/mbstream".into() };
        let error = EngineError::process("unpacking", source).to_job_error();
        assert_eq!(error.code, ErrorCode::MissingTool);
        assert!(error.detail.contains("apt-get install mariadb-backup"), "{}", error.detail);
    }

    #[test]
    fn being_stopped_is_no_failure_and_being_silent_is() {
        let program = || "psql".to_owned();
        assert!(EngineError::process("asking", ProcessError::Cancelled { program: program() }).is_cancelled());
        let limit = Duration::from_secs(1);
        let stalled = ProcessError::Stalled { program: program(), limit, stderr_tail: Vec::new() };
        assert_eq!(EngineError::process("asking", stalled).code(), ErrorCode::EngineStalled);
    }
}
