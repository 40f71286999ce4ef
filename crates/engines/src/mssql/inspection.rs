//! Finds out what a server is and all that is missing, before the first backup needs it. // F-56

use domain::assignment::DatastoreAccess;
use domain::{BackupType, DatastoreStatus, ErrorCode, Finding, FindingSeverity, Inspection, Method};
use tokio_util::sync::CancellationToken;

use super::client::Session;
use super::facts::{DatabaseFacts, ServerFacts};
use super::names::identifier;
use super::preflight;
use super::shared::{self, Shared};
use crate::EngineError;
use crate::problem::{Increments, Problem, fine, judge, judge_logs, offline};

/// What everybody has to know who uses this.
const UNTESTED: &str = "Holdfast's backups and restores of SQL Server were tested against a double of its wire protocol, not against a \
     real server. Try a restore before you rely on them.";

/// Looks at a server. Never fails: what is wrong is in the findings.
pub(super) async fn inspect(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
    let user = datastore.username.as_deref().unwrap_or("holdfast");
    let set_password = format!("ALTER LOGIN {} WITH PASSWORD = N'…';", identifier(user));
    match look(datastore, cancel).await {
        Ok(inspection) => inspection,
        Err(error) => offline(Problem::of_error(&error), datastore, &set_password),
    }
}

async fn look(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Inspection, EngineError> {
    let mut session = Session::open(datastore, cancel).await?;
    let facts = ServerFacts::of(&mut session).await?;
    let mut findings = vec![
        fine("connected", format!("SQL Server {} ({}) lets {} in.", facts.version, facts.edition, facts.login)),
        Finding {
            severity: FindingSeverity::Warning,
            code: "tested_on_a_double".to_owned(),
            detail: UNTESTED.to_owned(),
            remedy: None,
        },
    ];
    let databases: Vec<DatabaseFacts> = facts.user_databases().cloned().collect();
    let mut against_backups = Vec::new();
    against_backups.extend(preflight::check_identity(datastore, &facts).err().map(|error| Problem::of_error(&error)));
    against_backups.extend(preflight::check_backup_permissions(&mut session, &facts, &databases).await?);
    let shared = Shared::of(datastore).map_err(|error| Problem::of_error(&error));
    let against_place = match &shared {
        Ok(shared) => try_both_ways(&mut session, &facts, shared).await.err(),
        Err(problem) => Some(problem.clone()),
    };
    against_backups.extend(against_place.clone());
    against_backups.extend(shared.ok().and_then(|shared| too_large(&facts, &databases, &shared)));
    let mut against_restores = Vec::from_iter(against_place);
    against_restores.extend(preflight::check_server_permissions(&mut session, &facts).await?);
    against_restores.extend(groups(&databases));
    findings.extend(left_out(&facts));

    let mut capabilities = judge(
        Method::MssqlBackup,
        "SQL Server",
        against_backups,
        against_restores,
        Increments::AsOffered,
        &mut findings,
    );
    tell_restores_through_the_server(&mut findings);
    let kept = databases.iter().filter(|database| database.keeps_log()).count();
    for method in &mut capabilities.methods {
        method.types.retain(|one| kept > 0 || *one != BackupType::Log);
    }
    let simple: Vec<Problem> = databases.iter().filter(|database| !database.keeps_log()).map(simple).collect();
    if kept == 0 {
        judge_logs(&mut capabilities, simple, &mut findings);
    } else {
        findings.extend(simple.into_iter().map(|problem| problem.into_finding(FindingSeverity::Warning)));
        judge_logs(&mut capabilities, Vec::new(), &mut findings);
    }
    Ok(Inspection {
        status: DatastoreStatus::Online,
        engine_version: Some(facts.version.clone()),
        data_directory: None,
        server_identity: facts.identity(),
        data_size_bytes: Some(facts.data_bytes()),
        capabilities,
        findings,
        refusal: None,
    })
}

async fn try_both_ways(session: &mut Session, facts: &ServerFacts, shared: &Shared) -> Result<(), Problem> {
    shared::server_reads(session, facts, shared).await?;
    shared::server_writes(session, shared).await
}

fn too_large(facts: &ServerFacts, databases: &[DatabaseFacts], shared: &Shared) -> Option<Problem> {
    [false, true].into_iter().find_map(|of_logs| shared.too_large(databases, of_logs, facts.compresses()))
}

/// The general sentence is about directories.
fn tell_restores_through_the_server(findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.code == "restore_possible") {
        "The server can restore beside the databases in use and change names with them."
            .clone_into(&mut finding.detail);
    }
}

fn simple(database: &DatabaseFacts) -> Problem {
    let detail = format!(
        "The recovery model of database {:?} is SIMPLE: its log can't be backed up, and it can't be restored to a point in time.",
        database.name
    );
    let remedy = format!("ALTER DATABASE {} SET RECOVERY FULL;", identifier(&database.name));
    Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(remedy)
}

/// Why databases can't be restored in place.
fn groups(databases: &[DatabaseFacts]) -> Vec<Problem> {
    databases.iter().filter(|database| database.is_in_group).map(in_group).collect()
}

/// A database in an availability group can't be renamed or put off line.
pub(super) fn in_group(database: &DatabaseFacts) -> Problem {
    let detail = format!(
        "Database {:?} belongs to an availability group: SQL Server restores over it on no replica while it does. Take it out of the \
         group first, and add it again afterwards.",
        database.name
    );
    let remedy = format!("ALTER AVAILABILITY GROUP […] REMOVE DATABASE {};", identifier(&database.name));
    Problem::new(ErrorCode::TargetNotSupported, detail).remedy(remedy)
}

/// What no backup holds.
fn left_out(facts: &ServerFacts) -> Vec<Finding> {
    let mut findings = vec![Finding {
        severity: FindingSeverity::Ok,
        code: "system_databases_left_out".to_owned(),
        detail: "The server's own databases are not backed up: logins and jobs, which are in master and msdb, have to be made again on \
                 a new server."
            .to_owned(),
        remedy: None,
    }];
    for database in facts.databases.iter().filter(|database| database.is_user() && !database.is_online()) {
        findings.push(Finding {
            severity: FindingSeverity::Warning,
            code: "database_not_online".to_owned(),
            detail: format!("Database {:?} is {} and is not backed up.", database.name, database.state),
            remedy: None,
        });
    }
    findings
}
