//! Finds out what a server is and all that is missing, before the first backup needs it. // F-56

use std::path::{Path, PathBuf};

use domain::assignment::DatastoreAccess;
use domain::{DatastoreStatus, Engine, ErrorCode, FindingSeverity, Inspection, JobError, Method, Service};
use process::find_program;
use tokio_util::sync::CancellationToken;

use super::facts::{ServerFacts, Settings, check_protocol};
use super::{backup, client, layout, programs};
use crate::EngineError;
use crate::problem::{Increments, Problem, fine, judge, offline};

/// Parts of Redis 8 and of Valkey 9 that they list as modules, and that need no file.
const BUILT_IN_MODULES: [&str; 2] = ["vectorset", "lua"];

/// Looks at a server. Never fails: what is wrong is in the findings.
pub(super) async fn inspect(engine: Engine, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
    let user = datastore.username.as_deref().unwrap_or(super::acl::DEFAULT_USER);
    let set_password = format!("ACL SETUSER {user} resetpass >…");
    let offline = |problem| offline(problem, datastore, &set_password);
    if find_program(client::program(), &[]).is_none() {
        return offline(Problem::missing_tool(client::program()));
    }
    if let Err(error) = check_protocol(engine, datastore).await {
        return offline(problem_of(error));
    }
    match ServerFacts::ask(engine, datastore, cancel).await {
        Ok(facts) => look(engine, datastore, facts, cancel).await,
        Err(error) => offline(problem_of(error)),
    }
}

/// The remedy of an error of this module stands on the line after its sentence.
fn problem_of(error: EngineError) -> Problem {
    let problem = Problem::of_error(&error);
    match problem.detail.split_once('\n') {
        Some((detail, remedy)) if problem.code == ErrorCode::MissingPrivilege => {
            Problem::new(problem.code, detail).remedy(remedy)
        }
        _ => problem,
    }
}

async fn look(
    engine: Engine,
    datastore: &DatastoreAccess,
    facts: ServerFacts,
    cancel: &CancellationToken,
) -> Inspection {
    let title = engine.title();
    let user = datastore.username.as_deref().unwrap_or(super::acl::DEFAULT_USER);
    let mut findings = vec![fine("connected", format!("{title} {} lets the user {user:?} in.", facts.version()))];
    let refusal = refusal(title, &facts);

    let settings = Settings::ask(datastore, cancel).await;
    let mut against_backups = Vec::new();
    if let Ok(settings) = &settings {
        against_backups.extend(backup::try_snapshot(datastore, settings, cancel).await.err().map(problem_of));
    }
    let (data_directory, against_restores) = against_restores(engine, datastore, &facts, &settings);
    if let Err(error) = settings
        && data_directory.is_some()
    {
        // The person told where the data is: this is a drawback and no obstacle.
        findings.push(problem_of(error).into_finding(FindingSeverity::Warning));
    }
    if let Some(refusal) = &refusal {
        findings.push(Problem::new(refusal.code, refusal.detail.clone()).into_finding(FindingSeverity::Error));
    }
    let mut capabilities =
        judge(Method::Rdb, title, against_backups, against_restores, Increments::AsOffered, &mut findings);
    if refusal.is_some() {
        capabilities.methods.clear();
    }
    Inspection {
        status: DatastoreStatus::Online,
        engine_version: Some(facts.version().to_owned()),
        data_directory: data_directory.map(|directory| directory.display().to_string()),
        server_identity: None,
        data_size_bytes: facts.value("used_memory").parse().ok(),
        capabilities,
        findings,
        refusal,
    }
}

/// Why such a server can't be registered at all.
fn refusal(title: &str, facts: &ServerFacts) -> Option<JobError> {
    let mode = [facts.value("redis_mode"), facts.value("server_mode")].into_iter().find(|mode| !mode.is_empty())?;
    let clustered = facts.value("cluster_enabled") == "1" || mode == "cluster";
    let what = if clustered {
        "is a node of a cluster, which holds a part of the data"
    } else if mode == "sentinel" {
        "is a sentinel, which holds no data"
    } else {
        return None;
    };
    Some(JobError::new(ErrorCode::UnsupportedEngine, format!("This {title} {what}; that is not supported yet.")))
}

/// The data directory, as far as it is known, and all that keeps it from being replaced; the first is the reason shown.
fn against_restores(
    engine: Engine,
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    settings: &Result<Settings, EngineError>,
) -> (Option<PathBuf>, Vec<Problem>) {
    let mut problems = Vec::new();
    let given = datastore.data_directory.as_ref().map(PathBuf::from);
    let told = settings.as_ref().ok().and_then(Settings::data_directory);
    let directory = given.or_else(|| told.clone());
    match (&directory, settings) {
        (Some(directory), _) => problems.extend(check_directory(engine, directory, told.as_deref()).err()),
        (None, Err(error)) => {
            let error = error.to_job_error();
            let (detail, remedy) = error.detail.split_once('\n').unwrap_or((&error.detail, ""));
            let detail = format!("The server's data directory is not known; give it, or let the user ask. {detail}");
            let problem = Problem::new(error.code, detail);
            problems.push(if remedy.is_empty() { problem } else { problem.remedy(remedy) });
        }
        (None, Ok(_)) => problems.push(Problem::new(
            ErrorCode::DataDirectoryInaccessible,
            "The server does not tell its data directory; give it.",
        )),
    }
    let server = programs::server_name(engine);
    let told_program = Path::new(facts.value("executable"));
    if find_program(server, &[]).is_none() && find_program(told_program, &[]).is_none() {
        problems.push(Problem::missing_tool(server));
    }
    if let Some(module) = facts.modules.iter().find(|module| !BUILT_IN_MODULES.contains(&module.as_str())) {
        let detail =
            format!("The server has the module {module}; data of modules can't be checked before a restore yet.");
        problems.push(Problem::new(ErrorCode::TargetNotSupported, detail));
    }
    if facts.value("role") == "slave" {
        let detail = "The server is a replica and would take its primary's data again; restore the primary.";
        problems.push(Problem::new(ErrorCode::TargetNotSupported, detail));
    }
    if datastore.service == Service::None {
        problems.push(Problem::no_service());
    }
    (directory, problems)
}

/// Whether the directory is the server's own and can be replaced. // F-63
fn check_directory(engine: Engine, directory: &Path, told: Option<&Path>) -> Result<(), Problem> {
    layout::check_data_directory(engine, directory).map_err(|error| Problem::of_error(&error))?;
    let same = |told: &Path| matches!((told.canonicalize(), directory.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match told {
        Some(told) if !same(told) => Err(Problem::new(
            ErrorCode::DataDirectoryMismatch,
            format!("The server's data directory is {}, not {}.", told.display(), directory.display()),
        )),
        _ => Ok(()),
    }
}
