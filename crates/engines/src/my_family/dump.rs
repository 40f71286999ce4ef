//! Dumps of MariaDB and MySQL, for servers whose files nobody can reach: all databases in one transaction, and the accounts.
//!
//! Neither can rename a database, so a restore loads over the data in use. Before that it dumps what it will replace, on the
//! worker's disk: a statement that fails, a worker that dies and an undo all load that again.

mod accounts;
mod backup;
mod databases;
mod restore;

use async_trait::async_trait;
use domain::Method;
use domain::assignment::DatastoreAccess;
use process::Command;
use tokio_util::sync::CancellationToken;

use super::account::{grant_statement, missing_of};
use super::client::Row;
use super::greeting::check_registered;
use crate::EngineError;
use crate::problem::Problem;

pub(crate) use accounts::AccountList;
pub(crate) use backup::start;
pub(crate) use restore::DumpRestore;

/// What all extensions are.
const EXTENSION: &str = "sql";
/// The stream with the accounts; that of the data is the base.
const ACCOUNTS_STREAM: &str = "accounts";
/// How both tools end what they wrote (`client/mysqldump.c`, `write_footer`).
const COMPLETION_MARK: &str = "-- Dump completed";
/// The fact that holds the names of the databases, as JSON.
const DATABASES_FACT: &str = "databases";

/// A server at one moment.
pub(crate) struct Now {
    pub version: String,
    pub identity: Option<String>,
    pub uptime_seconds: u64,
    /// `user@host`
    pub account: String,
}

/// A privilege on `*.*`, and an older name of the same.
pub(crate) type Privilege = (&'static str, &'static str);

/// What the two differ in.
#[async_trait]
pub(crate) trait Dialect: Send + Sync {
    fn method(&self) -> Method;
    /// The program that dumps.
    fn dump_tool(&self) -> &'static str;
    /// The program that loads.
    fn client(&self) -> &'static str;
    /// What the dumping program takes beside what both take.
    fn dump_options(&self) -> &'static [&'static str];
    /// What a dump needs.
    fn dump_privileges(&self) -> &'static [Privilege];
    /// What a restore needs.
    fn restore_privileges(&self) -> &'static [Privilege];

    /// A program that logs in to the datastore's server.
    ///
    /// # Errors
    /// `missing_tool`.
    async fn logging_in(&self, program: &'static str, datastore: &DatastoreAccess) -> Result<Command, EngineError>;

    /// Why a program can't be run.
    async fn lacks(&self, program: &'static str) -> Option<Problem>;

    async fn now(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Now, EngineError>;

    async fn query(
        &self,
        datastore: &DatastoreAccess,
        sql: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<Row>, EngineError>;

    /// The accounts of the server and the statements that make them.
    async fn accounts(
        &self,
        datastore: &DatastoreAccess,
        cancel: &CancellationToken,
    ) -> Result<AccountList, EngineError>;
}

/// All that keeps dumps from being made.
pub(crate) async fn against_dumps(
    dialect: &dyn Dialect,
    datastore: &DatastoreAccess,
    now: &Now,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // F-54
    let identity = check_registered(datastore, now.identity.clone());
    problems.extend(identity.err().map(|error| Problem::of_error(&error)));
    for program in [dialect.dump_tool(), dialect.client()] {
        problems.extend(dialect.lacks(program).await);
    }
    match dialect.query(datastore, "SHOW GRANTS", cancel).await {
        Ok(grants) => problems.extend(missing_privileges(dialect.dump_privileges(), &grants, &now.account, "dump")),
        Err(error) => problems.push(Problem::of_error(&error)),
    }
    problems
}

/// That the account lacks privileges on the whole server.
fn missing_privileges(needed: &[Privilege], grants: &[Row], account: &str, what: &str) -> Option<Problem> {
    let missing = missing_of(needed, grants);
    (!missing.is_empty()).then(|| {
        let names = missing.join(", ");
        let detail = format!("The account {account} may not do what a {what} needs; it lacks {names}.");
        Problem::new(domain::ErrorCode::MissingPrivilege, detail).remedy(grant_statement(&missing, account))
    })
}
