//! Finds out what a server is and all that is missing, before the first backup needs it. // F-56

use std::path::{Path, PathBuf};

use domain::assignment::DatastoreAccess;
use domain::{DatastoreStatus, ErrorCode, Inspection, Method, Service};
use process::find_program;
use tokio_util::sync::CancellationToken;

use super::client::query;
use super::facts::ServerFacts;
use super::layout::{self, Contents};
use super::{dump, preflight};
use crate::EngineError;
use crate::my_family::blocking;
use crate::my_family::dump::{Dialect, against_dumps};
use crate::my_family::hot_copy::preparation::link_reason;
use crate::problem::{Increments, Problem, fine, judge, judge_dumps, judge_logs, offline};

/// Programs that restoring needs and backing up does not.
const RESTORE_TOOLS: [&str; 2] = ["mbstream", "mariadbd"];

/// Looks at a server. Never fails: what is wrong is in the findings.
pub(super) async fn inspect(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
    let user = datastore.username.as_deref().unwrap_or("holdfast");
    let set_password = format!("ALTER USER '{}'@'…' IDENTIFIED BY '…';", user.replace('\'', "''"));
    if find_program("mariadb", &[]).is_none() {
        return offline(Problem::missing_tool("mariadb"), datastore, &set_password);
    }
    match ServerFacts::ask(datastore, cancel).await {
        Ok(facts) => look(datastore, facts, cancel).await,
        Err(error) => offline(Problem::of_error(&error), datastore, &set_password),
    }
}

async fn look(datastore: &DatastoreAccess, facts: ServerFacts, cancel: &CancellationToken) -> Inspection {
    let version = facts.version().to_owned();
    let mut findings = vec![fine("connected", format!("MariaDB {version} lets {} in.", facts.account))];
    let directory = preflight::local_data_directory(datastore, &facts);
    let directory = match directory {
        Ok(directory) => preflight::check_same_files(datastore, &facts, &directory, cancel).await.map(|()| directory),
        Err(error) => Err(error),
    };
    let contents = match &directory {
        Ok(directory) => walk(directory.clone()).await.ok(),
        Err(_) => None,
    };

    let mut against_backups = Vec::new();
    against_backups.extend(preflight::check_identity(datastore, &facts).err().map(|error| Problem::of_error(&error)));
    against_backups.extend(preflight::check_privileges(datastore, &facts, cancel).await.err());
    let inaccessible = directory.as_ref().err().map(Problem::of_error);
    against_backups.extend(inaccessible.clone());
    against_backups.extend(contents.as_ref().and_then(unsayable));
    if find_program("mariadb-backup", &[]).is_none() {
        against_backups.push(Problem::missing_tool("mariadb-backup"));
    }
    let against_restores = against_restores(datastore, &facts, inaccessible, contents.as_ref());

    let against_logs = preflight::against_logs(datastore, &facts, cancel).await;
    let data_size_bytes = match contents {
        Some(contents) => Some(contents.backup_bytes),
        None => size_told(datastore, cancel).await,
    };
    let mut capabilities =
        judge(Method::Mariabackup, "MariaDB", against_backups, against_restores, Increments::AsOffered, &mut findings);
    let now = dump::now_of(&facts);
    let against_dumps = against_dumps(&dump::MariadbDialect, datastore, &now, cancel).await;
    judge_dumps(&mut capabilities, dump::MariadbDialect.method(), against_dumps, &mut findings);
    judge_logs(&mut capabilities, against_logs, &mut findings);
    Inspection {
        status: DatastoreStatus::Online,
        engine_version: Some(version),
        data_directory: Some(facts.data_directory().display().to_string()),
        server_identity: facts.identity(),
        data_size_bytes,
        capabilities,
        findings,
        refusal: None,
    }
}

async fn walk(directory: PathBuf) -> Result<Contents, EngineError> {
    blocking(move || {
        layout::contents(&directory).map_err(EngineError::file("looking through the data directory", &directory))
    })
    .await
}

/// All that keeps the data directory from being replaced; the first is the reason shown.
fn against_restores(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    inaccessible: Option<Problem>,
    contents: Option<&Contents>,
) -> Vec<Problem> {
    let mut problems = Vec::from_iter(inaccessible);
    if problems.is_empty()
        && let Err(error) = layout::check_data_directory(&facts.data_directory())
    {
        problems.push(Problem::of_error(&error));
    }
    if let Some(reason) = facts.data_elsewhere() {
        problems.push(Problem::new(
            ErrorCode::ServerSettingMissing,
            format!("{reason} A restore in place replaces that directory alone."),
        ));
    }
    if let Some((count, link)) = contents.and_then(|contents| Some((contents.links.len(), contents.links.first()?))) {
        problems.push(Problem::new(ErrorCode::ServerSettingMissing, link_reason(Path::new(link), count)));
    }
    if let Some(source) = facts.key_source() {
        let detail = format!(
            "The server has keys for encrypted files ({source}), which the check of restored data can't use yet."
        );
        problems.push(Problem::new(ErrorCode::TargetNotSupported, detail));
    }
    problems
        .extend(RESTORE_TOOLS.into_iter().filter(|tool| find_program(tool, &[]).is_none()).map(Problem::missing_tool));
    if datastore.service == Service::None {
        problems.push(Problem::no_service());
    }
    problems
}

/// `mariadb-backup` does not double the backticks in a name when it locks a table that is not InnoDB's (seen with 10.11).
fn unsayable(contents: &Contents) -> Option<Problem> {
    let file = contents.backticked.as_ref()?;
    let detail = format!(
        "mariadb-backup can't back up a table of another engine than InnoDB whose name has a backtick: {}. Rename it or make \
         it an InnoDB table.",
        file.display()
    );
    Some(Problem::new(ErrorCode::EngineToolFailed, detail))
}

/// The size of InnoDB's files, where their directory can't be looked at. Needs PROCESS.
async fn size_told(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Option<u64> {
    let sql = "SELECT CAST(SUM(FILE_SIZE) AS UNSIGNED) FROM information_schema.INNODB_SYS_TABLESPACES";
    let rows = query(datastore, sql, cancel).await.ok()?;
    rows.first()?.first()?.parse().ok()
}
