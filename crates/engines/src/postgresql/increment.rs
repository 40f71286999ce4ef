//! What makes a backup incremental: its parent's own manifest, which the server compares with its summaries of the log
//! (manual, "Making an Incremental Backup"), and the way back through all links.

use std::ffi::OsString;
use std::path::PathBuf;

use domain::ErrorCode;
use domain::version::version_numbers;
use tokio_util::sync::CancellationToken;

use super::backup::{END_FACT, TIMELINE_FACT};
use super::connection::{Connection, Unanswered};
use super::server::Server;
use crate::problem::Problem;
use crate::{EngineError, Parent};

/// The first version that makes increments.
const FIRST_MAJOR: u32 = 17;
/// The name of the manifest that the tool writes into every backup, and of the stream that keeps a copy of it.
pub(super) const TOOL_MANIFEST: &str = "backup_manifest";

/// Why a server makes no incremental backups, if so.
pub(super) fn obstacle(server: &Server) -> Option<Problem> {
    let major = server.major();
    if major < FIRST_MAJOR {
        let detail =
            format!("PostgreSQL {major} makes full backups only; incremental ones came with PostgreSQL {FIRST_MAJOR}.");
        return Some(Problem::new(ErrorCode::UnsupportedMethod, detail));
    }
    if server.summarize_wal.as_deref() != Some("on") {
        let detail = "The server's setting summarize_wal is off, which incremental backups need. They can be built on \
                      backups that are made after it was switched on.";
        let remedy = "ALTER SYSTEM SET summarize_wal = 'on'; SELECT pg_reload_conf();";
        return Some(Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(remedy));
    }
    None
}

/// An increment that can be made.
pub(super) struct Increment {
    manifest: PathBuf,
    /// See [`Parent::folders`].
    folders: Vec<String>,
}

impl Increment {
    /// Looks whether the server's log goes on where the parent ended.
    ///
    /// # Errors
    /// [`EngineError::ParentUnusable`]; what the server refuses.
    pub(super) async fn on(
        parent: Parent,
        server: &Server,
        connection: &Connection,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let unusable = |reason: String| Err(EngineError::ParentUnusable { reason });
        let Parent { manifest: parent, continuation, folders } = parent;
        let number = parent.number;
        if let Some(problem) = obstacle(server) {
            return unusable(problem.detail.trim_end_matches('.').to_owned());
        }
        let Some(manifest) = continuation else {
            return unusable(format!("backup {number} was made while summarize_wal was off"));
        };
        if let Some(then) = parent.server_identity.filter(|then| *then != server.system_identifier) {
            return unusable(format!("backup {number} is of another server ({then})")); // F-54
        }
        if version_numbers(&parent.engine_version).first() != Some(&server.major()) {
            return unusable(format!("backup {number} was made with PostgreSQL {}", parent.engine_version));
        }
        let now = log_end(connection, cancel).await?;
        let fact = |name: &str| parent.engine_facts.get(name).map(String::as_str).unwrap_or_default();
        if fact(TIMELINE_FACT) != now.timeline {
            let (then, now) = (fact(TIMELINE_FACT), now.timeline);
            return unusable(format!("backup {number} is of timeline {then}, the server is on {now}"));
        }
        match (position(fact(END_FACT)), position(&now.position)) {
            (Some(then), Some(at)) if then <= at => Ok(Self { manifest, folders }),
            _ => unusable(format!(
                "the server's log is at {}, before {} where backup {number} ends: its data was replaced",
                now.position,
                fact(END_FACT)
            )),
        }
    }

    /// The tool's argument.
    pub(super) fn argument(&self) -> OsString {
        let mut argument = OsString::from("--incremental=");
        argument.push(&self.manifest);
        argument
    }

    /// The same as people are told it, who have the file under its own name.
    pub(super) fn shown_argument() -> String {
        format!("--incremental={TOOL_MANIFEST}")
    }
}

/// Where the server's log ends.
struct LogEnd {
    timeline: String,
    position: String,
}

/// Asks on a connection for replication, since the answer is of this moment and not of the last checkpoint.
async fn log_end(connection: &Connection, cancel: &CancellationToken) -> Result<LogEnd, EngineError> {
    let answer =
        connection.ask_for_replication("IDENTIFY_SYSTEM", cancel).await.map_err(|unanswered| match unanswered {
            Unanswered::Process(source) => EngineError::process("asking where the log ends", source),
            Unanswered::NotConnected(message) | Unanswered::Refused(message) => EngineError::known(
                ErrorCode::EngineToolFailed,
                format!("The server does not tell where its log ends: {message}"),
            ),
        })?;
    let mut fields = answer.split('|').skip(1).map(str::to_owned);
    let (timeline, position) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    Ok(LogEnd { timeline, position })
}

/// A log sequence number as a number: `0/2000028`.
fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some((u64::from(u32::from_str_radix(high, 16).ok()?) << 32) | u64::from(u32::from_str_radix(low, 16).ok()?))
}

/// How a person makes `DATA_DIRECTORY` of a backup.
pub(super) fn unpacking_commands(increment: Option<&Increment>) -> Vec<String> {
    let make = |directory: &str| format!("mkdir -m 700 {directory}");
    let unpack = |folder: &str, to: &str| format!("cat {folder}base.*.tar.zst | zstd -dc | tar -x -f - -C {to}");
    let Some(increment) = increment else {
        return vec![make("DATA_DIRECTORY"), unpack("", "DATA_DIRECTORY")];
    };
    let mut commands = vec!["cd ..".to_owned()];
    let mut directories = Vec::new();
    for (index, folder) in increment.folders.iter().enumerate() {
        let directory = format!("DATA_DIRECTORY.{index}");
        commands.extend([make(&directory), unpack(&format!("{folder}/"), &directory)]);
        directories.push(directory);
    }
    let directories = directories.join(" ");
    commands.extend([
        format!("pg_combinebackup {directories} -o DATA_DIRECTORY"),
        "chmod 700 DATA_DIRECTORY".to_owned(),
        "pg_verifybackup -n DATA_DIRECTORY".to_owned(),
        format!("rm -r {directories}"),
    ]);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_compared_as_numbers() {
        assert_eq!(position("1/A"), Some((1 << 32) + 10));
        assert!(position("0/FFFFFFF") < position("0/10000000"));
        assert_eq!(position("nonsense"), None);
    }

    #[test]
    fn the_commands_of_an_increment_begin_with_the_full_backup() {
        let increment =
            Increment { manifest: "/work/backup_manifest".into(), folders: vec!["a".into(), "b/attempt-2".into()] };
        let commands = unpacking_commands(Some(&increment));
        assert_eq!(commands[0], "cd ..");
        assert_eq!(commands[4], "cat b/attempt-2/base.*.tar.zst | zstd -dc | tar -x -f - -C DATA_DIRECTORY.1");
        assert_eq!(commands[5], "pg_combinebackup DATA_DIRECTORY.0 DATA_DIRECTORY.1 -o DATA_DIRECTORY");
        assert_eq!(increment.argument(), "--incremental=/work/backup_manifest");
    }
}
