//! What must hold before a backup begins; an inspection says the same before anybody asks for one.

use std::path::{Path, PathBuf};

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use domain::version::version_numbers;
use tokio_util::sync::CancellationToken;

use super::client::query;
use super::facts::{LogPosition, ServerFacts};
use super::layout::Contents;
use super::programs;
use super::way::Way;
use crate::EngineError;
use crate::my_family::account::{grant_statement, missing_of, quoted};
use crate::my_family::greeting::check_registered;
use crate::problem::Problem;

/// The first version with the clone plugin (manual, "The Clone Plugin").
const OLDEST: [u32; 3] = [8, 0, 17];
pub(super) const INSTALL: &str = "INSTALL PLUGIN clone SONAME 'mysql_clone.so';";
/// Tells where the server stands in its log.
const LOG_STATUS: &str = "performance_schema.log_status";
/// Tells whether a clone that the server made for itself was completed.
const CLONE_STATUS: &str = "performance_schema.clone_status";

/// Another server must not be backed up under this one's name. // F-54
///
/// # Errors
/// `server_identity_changed`.
pub(super) fn check_identity(datastore: &DatastoreAccess, facts: &ServerFacts) -> Result<(), EngineError> {
    check_registered(datastore, facts.identity())
}

/// What keeps every clone from being made, whichever way it comes.
pub(super) async fn problem(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    way: Option<&Way>,
    cancel: &CancellationToken,
) -> Option<Problem> {
    // Without the plugin its tables are not there to be granted.
    if let Err(problem) = check_plugin(datastore, facts, cancel).await {
        return Some(problem);
    }
    let tables: &[&str] = match way {
        // The server that fetches it tells whether the clone is complete.
        Some(Way::Network { .. }) => &[LOG_STATUS],
        _ => &[CLONE_STATUS, LOG_STATUS],
    };
    check_privileges(datastore, facts, tables, cancel).await.err()
}

/// A server without the plugin, or too old to have it.
async fn check_plugin(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    cancel: &CancellationToken,
) -> Result<(), Problem> {
    if version_numbers(facts.version()).as_slice() < OLDEST.as_slice() {
        let detail =
            format!("MySQL {} has no clone plugin, by which it is backed up; 8.0.17 is the first.", facts.version());
        return Err(Problem::new(ErrorCode::UnsupportedMethod, detail));
    }
    let sql = "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone'";
    let rows = query(datastore, sql, cancel).await.map_err(|error| Problem::of_error(&error))?;
    let status = rows.first().and_then(|row| row.first()).map(String::as_str);
    if status == Some("ACTIVE") {
        return Ok(());
    }
    let state = status.map_or("not installed".to_owned(), |status| format!("{status}, not ACTIVE"));
    let detail = format!("The server is backed up by its clone plugin, which is {state}.");
    Err(Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(INSTALL))
}

/// What the account may not do; `tables` are those that it has to read. Asked by doing it: privileges that come by roles
/// count. // F-56
async fn check_privileges(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    tables: &[&str],
    cancel: &CancellationToken,
) -> Result<(), Problem> {
    let mut missing = Vec::new();
    let mut statements = Vec::new();
    for table in tables {
        match query(datastore, &format!("SELECT COUNT(*) FROM {table}"), cancel).await {
            Ok(_) => {}
            Err(error) if names_backup_admin(&error) => {
                missing.push("BACKUP_ADMIN".to_owned());
                statements.push(grant_statement(&["BACKUP_ADMIN"], &facts.account));
            }
            Err(error) if error.code() == ErrorCode::MissingPrivilege => {
                missing.push(format!("SELECT on {table}"));
                statements.push(format!("GRANT SELECT ON {table} TO {};", quoted(&facts.account)));
            }
            Err(error) => return Err(Problem::of_error(&error)),
        }
    }
    // Who may not look into the table is not told of the other privilege.
    let may_ask = statements.iter().all(|statement| !statement.contains(LOG_STATUS));
    if !may_ask && !has_backup_admin(datastore, cancel).await {
        missing.insert(0, "BACKUP_ADMIN".to_owned());
        statements.insert(0, grant_statement(&["BACKUP_ADMIN"], &facts.account));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let detail =
        format!("The account {} may not do what a backup needs; it lacks {}.", facts.account, missing.join(", "));
    Err(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(statements.join("\n")))
}

fn names_backup_admin(error: &EngineError) -> bool {
    error.code() == ErrorCode::MissingPrivilege && error.to_job_error().detail.contains("BACKUP_ADMIN")
}

async fn has_backup_admin(datastore: &DatastoreAccess, cancel: &CancellationToken) -> bool {
    let grants = query(datastore, "SHOW GRANTS", cancel).await.unwrap_or_default();
    grants.iter().flatten().any(|line| line.contains("BACKUP_ADMIN") && line.contains(" ON *.* "))
}

/// Tables whose rows would be missing in a clone (manual, "Clone Plugin Limitations").
pub(super) fn check_tables(contents: &Contents) -> Result<(), Problem> {
    let Some((file, engine)) = &contents.not_cloned else { return Ok(()) };
    Err(not_cloned(&file.display().to_string(), engine))
}

/// That the rows of `table` would be missing in a clone.
pub(super) fn not_cloned(table: &str, engine: &str) -> Problem {
    Problem::new(
        ErrorCode::UnsupportedMethod,
        format!(
            "The clone plugin copies tables of InnoDB alone; {table} is of {engine} and would come back empty. Make it an InnoDB \
             table (ALTER TABLE … ENGINE = InnoDB)."
        ),
    )
}

/// Where a clone is made: beside the data directory, on the same machine and as a rule on the same file system. Never inside: the
/// server refuses that, as it would take the files for its own.
///
/// # Errors
/// `insufficient_disk_space`. // F-40
pub(super) fn clone_parent(directory: &Path, needed_bytes: u64) -> Result<PathBuf, EngineError> {
    let parent = directory.parent().unwrap_or(directory);
    check_room(parent, needed_bytes)?;
    Ok(parent.to_owned())
}

/// Whether a clone has room below `parent`.
///
/// # Errors
/// `insufficient_disk_space`. // F-40
pub(super) fn check_room(parent: &Path, needed_bytes: u64) -> Result<(), EngineError> {
    let free = nix::sys::statvfs::statvfs(parent)
        .map_or(u64::MAX, |room| room.blocks_available().saturating_mul(room.fragment_size()));
    if free < needed_bytes {
        return Err(EngineError::known(
            ErrorCode::InsufficientDiskSpace,
            format!(
                "A clone of the data needs {} for as long as the backup runs; there are {} in {}.",
                domain::format::bytes(needed_bytes),
                domain::format::bytes(free),
                parent.display()
            ),
        ));
    }
    Ok(())
}

/// What receiving the binary log needs on `*.*`; the older name of the same privilege beside it.
const NEEDED_FOR_LOGS: [(&str, &str); 2] =
    [("REPLICATION SLAVE", "REPLICATION SLAVE"), ("REPLICATION CLIENT", "REPLICATION CLIENT")];

/// All that keeps the binary log from being received and replayed. // F-56
pub(super) async fn against_logs(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !matches!(facts.variable("log_bin"), "ON" | "1") {
        let detail = "The server writes no binary log, which point-in-time recovery replays.";
        let remedy =
            "[mysqld]\nlog_bin = binlog\nserver_id = 1\nsync_binlog = 1\ngtid_mode = ON\nenforce_gtid_consistency = ON";
        problems.push(Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(remedy));
    }
    match query(datastore, "SHOW GRANTS", cancel).await {
        Ok(grants) => {
            let missing = missing_of(&NEEDED_FOR_LOGS, &grants);
            if !missing.is_empty() {
                let (account, names) = (&facts.account, missing.join(", "));
                let detail = format!("The account {account} may not receive the binary log; it lacks {names}.");
                let remedy = grant_statement(&missing, account);
                problems.push(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
            }
        }
        Err(error) => problems.push(Problem::of_error(&error)),
    }
    problems.extend(programs::find("mysqlbinlog").await.err());
    problems
}

/// Where the server stands in its binary log, for a person and for the manifest.
pub(super) async fn log_position(
    datastore: &DatastoreAccess,
    cancel: &CancellationToken,
) -> Result<Option<LogPosition>, EngineError> {
    Ok(Some(LogPosition::ask(datastore, cancel).await?).filter(|position| !position.file.is_empty()))
}
