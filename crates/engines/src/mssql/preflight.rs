//! What has to be so before anything is begun, and the statement that makes it so. // F-56

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;

use super::client::Session;
use super::facts::{DatabaseFacts, ServerFacts};
use super::names::{identifier, literal};
use crate::EngineError;
use crate::problem::Problem;

/// Whoever reads backups needs it, and each backup is read again when it was made (manual, "RESTORE HEADERONLY", permissions).
const READ_BACKUPS: &str = "CREATE ANY DATABASE";
/// Permissions on the server, with what each is for.
const SERVER_PERMISSIONS: [(&str, &str); 5] = [
    (READ_BACKUPS, "a restore makes databases"),
    ("ALTER ANY DATABASE", "a restore renames databases"),
    ("CONNECT ANY DATABASE", "a restore looks for users without logins"),
    ("VIEW ANY DEFINITION", "the server is told apart from others by its service master key"),
    ("VIEW SERVER STATE", "progress and free space are seen"),
];

/// Another server must not be backed up under this one's name. // F-54
///
/// # Errors
/// `server_identity_changed`.
pub(super) fn check_identity(datastore: &DatastoreAccess, facts: &ServerFacts) -> Result<(), EngineError> {
    match (&datastore.server_identity, facts.identity()) {
        (Some(registered), Some(now)) if *registered != now => Err(EngineError::known(
            ErrorCode::ServerIdentityChanged,
            format!(
                "The server at {}:{} is {now}, not {registered} that was registered.",
                datastore.host, datastore.port
            ),
        )),
        _ => Ok(()),
    }
}

/// What the account may not do in the databases, where something is missing.
pub(super) async fn check_backup_permissions(
    session: &mut Session,
    facts: &ServerFacts,
    databases: &[DatabaseFacts],
) -> Result<Option<Problem>, EngineError> {
    let sql = "SELECT name, HAS_PERMS_BY_NAME(QUOTENAME(name), N'DATABASE', N'BACKUP DATABASE') AS whole, \
               HAS_PERMS_BY_NAME(QUOTENAME(name), N'DATABASE', N'BACKUP LOG') AS log, \
               HAS_PERMS_BY_NAME(NULL, NULL, N'CREATE ANY DATABASE') AS reads FROM sys.databases";
    let rows = session.rows("Asking for permissions", sql).await?;
    let login = identifier(&facts.login);
    if !rows.iter().any(|row| row.is_set("reads")) {
        let detail = format!(
            "The login {} lacks {READ_BACKUPS}, without which the server shows nobody whether a backup is whole.",
            facts.login
        );
        return Ok(Some(
            Problem::new(ErrorCode::MissingPrivilege, detail).remedy(format!("GRANT {READ_BACKUPS} TO {login};")),
        ));
    }
    let lacks = |database: &&DatabaseFacts| {
        let row = rows.iter().find(|row| row.text("name") == Some(&database.name));
        !row.is_some_and(|row| row.is_set("whole") && row.is_set("log"))
    };
    let lacking: Vec<&DatabaseFacts> = databases.iter().filter(lacks).collect();
    if lacking.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = lacking.iter().map(|database| format!("{:?}", database.name)).collect();
    let statement = |database: &&DatabaseFacts| {
        let name = identifier(&database.name);
        format!("USE {name}; CREATE USER {login} FOR LOGIN {login}; ALTER ROLE db_backupoperator ADD MEMBER {login};")
    };
    let remedy: Vec<String> = lacking.iter().map(statement).collect();
    let detail = format!("The login {} may not back up {}.", facts.login, names.join(", "));
    Ok(Some(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy.join("\n"))))
}

/// What the account may not do on the server, where something is missing: restores need it.
pub(super) async fn check_server_permissions(
    session: &mut Session,
    facts: &ServerFacts,
) -> Result<Option<Problem>, EngineError> {
    let columns: Vec<String> = SERVER_PERMISSIONS
        .iter()
        .enumerate()
        .map(|(index, (name, _))| format!("HAS_PERMS_BY_NAME(NULL, NULL, {}) AS p{index}", literal(name)))
        .collect();
    let rows = session.rows("Asking for permissions", &format!("SELECT {}", columns.join(", "))).await?;
    let row = rows.first().cloned().unwrap_or_default();
    let lacking: Vec<&(&str, &str)> = SERVER_PERMISSIONS
        .iter()
        .enumerate()
        .filter(|(index, _)| !row.is_set(&format!("p{index}")))
        .map(|(_, permission)| permission)
        .collect();
    if lacking.is_empty() {
        return Ok(None);
    }
    let login = identifier(&facts.login);
    let reasons: Vec<String> = lacking.iter().map(|(name, reason)| format!("{name} ({reason})")).collect();
    let names: Vec<&str> = lacking.iter().map(|(name, _)| *name).collect();
    let mut remedy = format!("GRANT {} TO {login};", names.join(", "));
    if names.contains(&READ_BACKUPS) {
        remedy.push_str(&format!("\nALTER SERVER ROLE dbcreator ADD MEMBER {login};"));
    }
    let detail = format!("The login {} lacks {}.", facts.login, reasons.join(", "));
    Ok(Some(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy)))
}
