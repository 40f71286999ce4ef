//! Finds out what a server is and all that is missing, before the first backup needs it. // F-56

use std::path::PathBuf;

use domain::assignment::DatastoreAccess;
use domain::{DatastoreStatus, ErrorCode, FindingSeverity, Inspection, Method, Service};
use process::find_program;
use tokio_util::sync::CancellationToken;

use super::client::CLIENT;
use super::facts::ServerFacts;
use super::layout::{self, Contents};
use super::way::Way;
use super::{clone, dump, over_network, preflight, programs, xtrabackup};
use crate::EngineError;
use crate::my_family::account::literal;
use crate::my_family::blocking;
use crate::my_family::dump::{Dialect, against_dumps};
use crate::private_directory;
use crate::problem::{Increments, Problem, fine, judge, judge_copies, judge_dumps, judge_logs, offline};

/// Looks at a server. Never fails: what is wrong is in the findings.
pub(super) async fn inspect(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
    let user = datastore.username.as_deref().unwrap_or("holdfast");
    let set_password = format!("ALTER USER {}@'…' IDENTIFIED BY '…';", literal(user));
    if let Err(problem) = programs::find(CLIENT).await {
        return offline(problem, datastore, &set_password);
    }
    match ServerFacts::ask(datastore, cancel).await {
        Ok(facts) => look(datastore, facts, cancel).await,
        Err(error) => offline(Problem::of_error(&error), datastore, &set_password),
    }
}

async fn look(datastore: &DatastoreAccess, facts: ServerFacts, cancel: &CancellationToken) -> Inspection {
    let version = facts.version().to_owned();
    let mut findings = vec![fine("connected", format!("MySQL {version} lets {} in.", facts.account))];
    let way = Way::of(datastore, &facts);
    let contents = match &way {
        Ok(Way::Local { directory }) => walk(directory.clone()).await.ok(),
        _ => None,
    };
    let inaccessible = match &way {
        Ok(Way::Local { .. }) => None,
        Ok(Way::Network { because }) | Err(because) => Some(Problem::of_error(because)),
    };

    let mut against_backups = Vec::new();
    against_backups.extend(preflight::check_identity(datastore, &facts).err().map(|error| Problem::of_error(&error)));
    against_backups.extend(preflight::problem(datastore, &facts, way.as_ref().ok(), cancel).await);
    let mut data_size_bytes = contents.as_ref().map(|contents| contents.backup_bytes);
    match &way {
        Ok(Way::Local { .. }) => {
            against_backups.extend(contents.as_ref().and_then(|contents| preflight::check_tables(contents).err()));
        }
        Ok(Way::Network { because }) => {
            private_directory::sweep(&clone::helper_parent());
            let told = Problem::of_error(because).detail;
            let detail = format!("{told} A MySQL of the worker's own fetches the clone over the network.");
            findings.push(fine("clone_over_network", detail));
            findings.extend((!facts.is_encrypted).then(|| unencrypted().into_finding(FindingSeverity::Warning)));
            against_backups.extend(over_network::problems(datastore, &facts, cancel).await);
            data_size_bytes =
                over_network::Tables::ask(datastore, &facts, cancel).await.ok().map(|tables| tables.data_bytes);
        }
        Err(_) => against_backups.extend(inaccessible.clone()),
    }
    if find_program("tar", &[]).is_none() {
        against_backups.push(Problem::missing_tool("tar"));
    }
    let against_restores = against_restores(datastore, &facts, inaccessible).await;

    let mut capabilities =
        judge(Method::MysqlClone, "MySQL", against_backups, against_restores, Increments::AsOffered, &mut findings);
    let against_copies = xtrabackup::against(datastore, &facts, way.as_ref().ok(), cancel).await;
    judge_copies(&mut capabilities, Method::Xtrabackup, against_copies, &mut findings);
    let now = dump::now_of(&facts);
    let against_dumps = against_dumps(&dump::MysqlDialect, datastore, &now, cancel).await;
    judge_dumps(&mut capabilities, dump::MysqlDialect.method(), against_dumps, &mut findings);
    judge_logs(&mut capabilities, preflight::against_logs(datastore, &facts, cancel).await, &mut findings);
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
        // A clone that a killed worker left is in nobody's way but the disk's. // I5
        directory.parent().into_iter().for_each(private_directory::sweep);
        layout::contents(&directory).map_err(EngineError::file("looking through the data directory", &directory))
    })
    .await
}

/// The clone would cross the network for everybody to read.
fn unencrypted() -> Problem {
    let detail = "The server takes connections without TLS only: a clone crosses the network unencrypted.";
    Problem::new(ErrorCode::ServerSettingMissing, detail)
        .remedy("[mysqld]\nssl_cert = server-cert.pem\nssl_key = server-key.pem")
}

/// All that keeps the data directory from being replaced; the first is the reason shown.
async fn against_restores(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    inaccessible: Option<Problem>,
) -> Vec<Problem> {
    let mut problems = Vec::from_iter(inaccessible);
    if let Some(reason) = facts.data_elsewhere() {
        problems.push(Problem::new(
            ErrorCode::ServerSettingMissing,
            format!("{reason} A restore in place replaces that directory alone."),
        ));
    }
    problems.extend(facts.log_that_stays().map(|reason| Problem::new(ErrorCode::ServerSettingMissing, reason)));
    problems.extend(programs::find("mysqld").await.err());
    if datastore.service == Service::None {
        problems.push(Problem::no_service());
    }
    problems
}
