//! What must hold before a backup begins; an inspection says the same before anybody asks for one.

use std::path::{Path, PathBuf};

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use process::find_program;
use tokio_util::sync::CancellationToken;

use super::client::query;
use super::facts::ServerFacts;
use super::privileges::{grant_statement, missing, missing_for_logs};
use super::{layout, redo_log};
use crate::EngineError;
use crate::my_family::greeting::check_registered;
use crate::problem::Problem;

/// The data directory, as seen from here.
pub(super) fn local_data_directory(datastore: &DatastoreAccess, facts: &ServerFacts) -> Result<PathBuf, EngineError> {
    let told = facts.data_directory();
    let directory = told.canonicalize().map_err(|error| {
        EngineError::known(
            ErrorCode::DataDirectoryInaccessible,
            format!(
                "The server's data directory {} can't be read: {error}. mariadb-backup copies files: run the worker on \
                 the server's machine.",
                told.display()
            ),
        )
    })?;
    if let Some(registered) = &datastore.data_directory {
        let same = Path::new(registered).canonicalize().is_ok_and(|registered| registered == directory);
        if !same {
            return Err(EngineError::known(
                ErrorCode::DataDirectoryMismatch,
                format!("The server's data directory is {}, not {registered}.", told.display()),
            ));
        }
    }
    layout::check_data_directory(&directory)?;
    Ok(directory)
}

/// A server on another machine may name a path that is another server's here: the tool would mix the two.
pub(super) async fn check_same_files(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    directory: &Path,
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    let (Some(before), Some(read)) = (facts.checkpoint, redo_log::newest_checkpoint(directory)) else { return Ok(()) };
    if read == before {
        return Ok(());
    }
    // It may have written one meanwhile.
    let after = ServerFacts::ask(datastore, cancel).await?.checkpoint.unwrap_or(before);
    if redo_log::can_be(read, before, after) {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::DataDirectoryMismatch,
        format!(
            "{} on the worker's machine is another server's: its newest checkpoint is {read}, that of the server at {}:{} is \
             {after}. Run the worker on the server's machine.",
            directory.display(),
            datastore.host,
            datastore.port
        ),
    ))
}

/// Another server must not be backed up under this one's name. // F-54
///
/// # Errors
/// `server_identity_changed`.
pub(super) fn check_identity(datastore: &DatastoreAccess, facts: &ServerFacts) -> Result<(), EngineError> {
    check_registered(datastore, facts.identity())
}

/// The tool would find out too, but only after it has read for a while.
pub(super) async fn check_privileges(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    cancel: &CancellationToken,
) -> Result<(), Problem> {
    let grants = query(datastore, "SHOW GRANTS", cancel).await.map_err(|error| Problem::of_error(&error))?;
    let missing = missing(&grants);
    if missing.is_empty() { Ok(()) } else { Err(missing_privileges(&missing, &facts.account)) }
}

/// All that keeps the binary log from being received and replayed. // F-56
pub(super) async fn against_logs(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !matches!(facts.variable("log_bin"), "ON" | "1") {
        let detail = "The server writes no binary log, which point-in-time recovery replays.";
        let remedy = "[mariadbd]\nlog_bin = binlog\nserver_id = 1\nbinlog_format = ROW\nsync_binlog = 1";
        problems.push(Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(remedy));
    }
    if matches!(facts.variable("encrypt_binlog"), "ON" | "1") {
        // mariadb-binlog reads no file that says that it is encrypted.
        let detail = "The server encrypts its binary log (encrypt_binlog), which can't be replayed yet.";
        problems.push(Problem::new(ErrorCode::ServerSettingMissing, detail));
    }
    match query(datastore, "SHOW GRANTS", cancel).await {
        Ok(grants) => {
            let missing = missing_for_logs(&grants);
            if !missing.is_empty() {
                let (account, names) = (&facts.account, missing.join(", "));
                let detail = format!("The account {account} may not receive the binary log; it lacks {names}.");
                let remedy = grant_statement(&missing, account);
                problems.push(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
            }
        }
        Err(error) => problems.push(Problem::of_error(&error)),
    }
    problems.extend(
        ["mariadb-binlog", "mariadb"]
            .into_iter()
            .filter(|tool| find_program(tool, &[]).is_none())
            .map(Problem::missing_tool),
    );
    problems
}

/// The problem of an account that may not do what a backup needs.
fn missing_privileges(missing: &[&str], account: &str) -> Problem {
    Problem::new(
        ErrorCode::MissingPrivilege,
        format!("The account {account} may not do what a backup needs; it lacks {}.", missing.join(", ")),
    )
    .remedy(grant_statement(missing, account))
}
