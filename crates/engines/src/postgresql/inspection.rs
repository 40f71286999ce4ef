//! Finds out what a server is and all that is missing, before the first backup needs it. // F-56

use std::path::{Path, PathBuf};

use domain::assignment::DatastoreAccess;
use domain::{DatastoreStatus, Engine, ErrorCode, Finding, FindingSeverity, Inspection, JobError, Method, Service};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Unanswered};
use super::findings::identifier;
use super::server::{self, Server};
use super::{CONTROL_FILE, VERSION_FILE, backup, binaries, control_file, dump, increment, slot};
use crate::data_directory::check_replaceable;
use crate::error::missing_tool;
use crate::problem::{Increments, Problem, fine, judge, judge_dumps, judge_logs, offline};
use crate::wire::{Speaker, who_answers};

/// Looks at a server. Never fails: what is wrong is in the findings.
pub(super) async fn inspect(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
    match login(datastore, cancel).await {
        Ok(server) => look(datastore, server, cancel).await,
        Err(problem) => {
            let role = identifier(&Connection::to(datastore).user);
            offline(problem, datastore, &format!("ALTER ROLE {role} PASSWORD '…';"))
        }
    }
}

/// Sees who is there before a password is sent, and then logs in.
async fn login(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Server, Problem> {
    let address = format!("{}:{}", datastore.host, datastore.port);
    let speaker = tokio::select! {
        biased;
        () = cancel.cancelled() => Speaker::Unreachable("cancelled".to_owned()),
        speaker = who_answers(&datastore.host, datastore.port, datastore.engine) => speaker,
    };
    if let Speaker::Unreachable(cause) = speaker {
        return Err(Problem::new(ErrorCode::HostUnreachable, format!("{address} can't be reached: {cause}.")));
    }
    if !speaker.can_be(Engine::Postgresql) {
        let detail = format!("{} answers at {address}, not PostgreSQL.", speaker.title());
        return Err(Problem::new(ErrorCode::EngineMismatch, detail));
    }
    if binaries::psql().await.is_none() {
        return Err(
            Problem::new(ErrorCode::MissingTool, missing_tool("psql")).remedy("apt-get install postgresql-client")
        );
    }
    server::ask(datastore, cancel).await
}

async fn look(datastore: &DatastoreAccess, server: Server, cancel: &CancellationToken) -> Inspection {
    let user = Connection::to(datastore).user;
    let mut findings =
        vec![fine("connected", format!("PostgreSQL {} lets the user {user:?} in.", server.short_version()))];
    let against_backups = against_backups(datastore, &server, &user, cancel).await;
    let refusal = against_backups
        .iter()
        .find(|problem| problem.code == ErrorCode::TablespacesUnsupported)
        .map(|problem| JobError::new(problem.code, problem.detail.clone()));
    let (data_directory, against_restores) = against_restores(datastore, &server, &user).await;
    let title = Engine::Postgresql.title();
    let increments = increment::obstacle(&server).map_or(Increments::AsOffered, Increments::Refused);
    let may_back_up = against_backups.is_empty();
    let against_logs = against_logs(datastore, &server, may_back_up).await;
    let mut capabilities =
        judge(Method::PgBasebackup, title, against_backups, against_restores, increments, &mut findings);
    judge_dumps(&mut capabilities, dump::METHOD, dump::against_dumps(datastore, &server, cancel).await, &mut findings);
    judge_logs(&mut capabilities, against_logs, &mut findings);
    findings.extend(data_directory.as_deref().and_then(linked_log));
    Inspection {
        status: DatastoreStatus::Online,
        engine_version: Some(server.short_version()),
        data_directory: data_directory.map(|directory| directory.display().to_string()),
        server_identity: Some(server.system_identifier.clone()),
        data_size_bytes: Some(server.data_bytes),
        capabilities,
        findings,
        refusal,
    }
}

/// All that keeps backups from being made.
async fn against_backups(
    datastore: &DatastoreAccess,
    server: &Server,
    user: &str,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // F-54
    if let Some(expected) = datastore.server_identity.as_ref().filter(|expected| **expected != server.system_identifier)
    {
        problems.push(Problem::identity_changed(expected, &server.system_identifier));
    }
    if !server.tablespaces.is_empty() {
        problems.push(Problem::tablespaces(&server.tablespaces));
    }
    if server.wal_level == "minimal" {
        let detail = "The server's setting wal_level is minimal: its log does not suffice for a backup. Restart the \
                      server after the change.";
        problems.push(
            Problem::new(ErrorCode::ServerSettingMissing, detail).remedy("ALTER SYSTEM SET wal_level = 'replica';"),
        );
    }
    if server.max_wal_senders == 0 {
        let detail =
            "The server's setting max_wal_senders is 0: it sends no backups. Restart the server after the change.";
        problems.push(
            Problem::new(ErrorCode::ServerSettingMissing, detail).remedy("ALTER SYSTEM SET max_wal_senders = 10;"),
        );
    }
    if !server.may_replicate {
        problems.push(Problem::no_replication_privilege(user));
    } else if server.max_wal_senders > 0 && server.wal_level != "minimal" {
        problems.extend(replication_refusal(datastore, server, user, cancel).await);
    }
    if binaries::client("pg_basebackup", server.major()).await.is_none() {
        problems.push(backup::no_tool(server.major()));
    }
    problems
}

/// All that keeps the log from being archived.
async fn against_logs(datastore: &DatastoreAccess, server: &Server, may_back_up: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !may_back_up {
        let detail = "Point-in-time recovery needs backups to start from, which are not possible yet.";
        problems.push(Problem::new(ErrorCode::PitrNotSupported, detail));
    }
    if server.in_recovery {
        let detail = "The server is a standby; archive the log of its primary.";
        problems.push(Problem::new(ErrorCode::TargetNotSupported, detail));
    }
    let others = server.slots.iter().filter(|name| **name != slot::name_of(datastore)).count();
    if others >= server.max_replication_slots as usize {
        let detail = format!(
            "All {} replication slots of the server are taken; archiving its log takes one. Restart the server after the \
             change.",
            server.max_replication_slots
        );
        let remedy = format!("ALTER SYSTEM SET max_replication_slots = {};", others + 10);
        problems.push(Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(remedy));
    }
    if server.max_wal_senders == 1 {
        let detail = "The server's setting max_wal_senders is 1: archiving the log takes one, a backup another. Restart \
                      the server after the change.";
        problems.push(
            Problem::new(ErrorCode::ServerSettingMissing, detail).remedy("ALTER SYSTEM SET max_wal_senders = 10;"),
        );
    }
    let major = server.major();
    if binaries::client(slot::TOOL, major).await.is_none() {
        problems.push(slot::missing_tool(slot::TOOL, major));
    }
    if binaries::server(major).await.is_none_or(|directory| !directory.join("pg_waldump").exists()) {
        problems.push(slot::missing_tool("pg_waldump", major));
    }
    problems
}

/// Opens the kind of connection that a backup uses.
async fn replication_refusal(
    datastore: &DatastoreAccess,
    server: &Server,
    user: &str,
    cancel: &CancellationToken,
) -> Option<Problem> {
    let connection = Connection::to(datastore);
    match connection.ask_for_replication("IDENTIFY_SYSTEM", cancel).await {
        Ok(_) => None,
        Err(Unanswered::NotConnected(message)) if message.contains("pg_hba.conf") => {
            Some(Problem::no_replication_line(user, server, &message))
        }
        Err(unanswered) => Some(Problem::of_login(datastore, unanswered)),
    }
}

/// The data directory, as far as it is known, and all that keeps it from being replaced; the first is the reason shown.
async fn against_restores(datastore: &DatastoreAccess, server: &Server, user: &str) -> (Option<PathBuf>, Vec<Problem>) {
    let mut problems = Vec::new();
    let given = datastore.data_directory.as_ref().map(PathBuf::from);
    let reported = server.data_directory.as_ref().map(PathBuf::from);
    if reported.is_none() {
        let detail = format!("The user {user:?} may not see where the server's data directory is.");
        let remedy = format!("GRANT pg_read_all_settings TO {};", identifier(user));
        problems.push(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
        if given.is_some() {
            // The person told, and the check below tells whether it is true.
            problems.clear();
        }
    }
    // A person's path may lead to the same place by another way.
    let directory = given.or(reported.clone());
    if let Some(directory) = &directory
        && let Err(problem) = check_directory(directory, reported.as_deref(), server)
    {
        problems.push(problem);
    }
    if binaries::server(server.major()).await.is_none() {
        let major = server.major();
        let detail = format!("{} (exactly version {major})", missing_tool("postgres"));
        problems
            .push(Problem::new(ErrorCode::MissingTool, detail).remedy(format!("apt-get install postgresql-{major}")));
    }
    if server.in_recovery {
        let detail = "The server is a standby; restore its primary, and rebuild the standby from it.";
        problems.push(Problem::new(ErrorCode::TargetNotSupported, detail));
    }
    if datastore.service == Service::None {
        problems.push(Problem::no_service());
    }
    (directory, problems)
}

/// Whether the directory is the server's own and can be replaced. // F-63
fn check_directory(directory: &Path, reported: Option<&Path>, server: &Server) -> Result<(), Problem> {
    let shown = directory.display();
    let marks = [VERSION_FILE, CONTROL_FILE];
    check_replaceable(directory, Engine::Postgresql.title(), &marks).map_err(|error| Problem::of_error(&error))?;
    let identifier = control_file::system_identifier(directory).map_err(|error| Problem::of_error(&error))?;
    let is_same_place = |reported: &Path| match (directory.canonicalize(), reported.canonicalize()) {
        (Ok(directory), Ok(reported)) => directory == reported,
        _ => false,
    };
    if identifier != server.system_identifier || !reported.is_none_or(is_same_place) {
        let remedy = reported.map(|reported| format!(" It says that its own is {}.", reported.display()));
        return Err(Problem::new(
            ErrorCode::DataDirectoryMismatch,
            format!("{shown} is not the data directory of this server.{}", remedy.unwrap_or_default()),
        ));
    }
    Ok(())
}

/// A drawback that people should know of before they restore.
fn linked_log(directory: &Path) -> Option<Finding> {
    let is_link = std::fs::symlink_metadata(directory.join("pg_wal")).is_ok_and(|metadata| metadata.is_symlink());
    is_link.then(|| Finding {
        severity: FindingSeverity::Warning,
        code: "log_directory_linked".to_owned(),
        detail: "pg_wal is a symbolic link; after a restore in place the log is inside the data directory.".to_owned(),
        remedy: None,
    })
}
