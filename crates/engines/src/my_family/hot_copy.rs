//! Tools that copy a server's files while it runs: `mariadb-backup`, and `xtrabackup`, which that was made from. Both write one
//! stream to their standard output and small files about it into a directory, and say at their end that they are done; of InnoDB's
//! files an incremental backup holds only the pages that changed since its parent's log sequence number.

pub(crate) mod increment;
pub(crate) mod preparation;
pub(crate) mod running;
pub(crate) mod tool_info;
pub(crate) mod unpack;

mod stream_guard;

use std::time::Duration;

use domain::ErrorCode;
use process::Exit;

use crate::EngineError;

/// How the tools end their last line when all went well (MariaDB's manual, "mariadb-backup overview"; Percona's, "Create a full
/// backup").
const COMPLETION_MARK: &str = "completed OK!";
/// How long a tool may stay silent. It waits for statements that run when it asks for its lock. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// What the two differ in.
#[derive(Debug)]
pub(crate) struct Tool {
    pub program: &'static str,
    /// The program that unpacks its stream.
    pub unpacker: &'static str,
    /// The name of the stream's format, for the tool and for people.
    pub format: &'static str,
    /// The engine's name.
    pub engine: &'static str,
    /// What has to be said when files are prepared to which increments are still to be applied: transactions that were open then
    /// must not be rolled back. // F-66
    pub while_joining: Option<&'static str>,
    /// The option for the directory of its temporary files, where it would use the current one.
    pub temporary: Option<&'static str>,
}

/// The tool's last words. // F-02
///
/// # Errors
/// `engine_tool_failed` unless it exited with 0, `backup_incomplete` unless its last line says that it was done.
fn completion_mark(tool: &Tool, exit: Exit) -> Result<String, EngineError> {
    let program = tool.program;
    let exit = exit.success_or_error(program).map_err(|source| EngineError::process(program, source))?;
    match exit.stderr_tail.last() {
        Some(line) if line.ends_with(COMPLETION_MARK) => Ok(line.clone()),
        other => Err(EngineError::known(
            ErrorCode::BackupIncomplete,
            format!(
                "{program} exited without saying {COMPLETION_MARK:?}; its last line was {:?}.",
                other.map(String::as_str).unwrap_or_default()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn exit(status: i32, last: &str) -> Exit {
        Exit { status: ExitStatus::from_raw(status), stderr_tail: vec!["first".into(), last.into()] }
    }

    #[test]
    fn f02_both_status_and_mark_are_needed() {
        let completion_mark = |exit| completion_mark(&crate::mariadb::TOOL, exit);
        assert_eq!(completion_mark(exit(0, "[00] completed OK!")).expect("done"), "[00] completed OK!");
        assert_eq!(completion_mark(exit(0, "[00] cut")).expect_err("no mark").code(), ErrorCode::BackupIncomplete);
        let failed = completion_mark(exit(1 << 8, "[00] completed OK!")).expect_err("status 1");
        assert_eq!(failed.code(), ErrorCode::EngineToolFailed);
        let killed = completion_mark(exit(9, "[00] completed OK!")).expect_err("killed");
        assert_eq!(killed.code(), ErrorCode::EngineToolFailed);
    }
}
