//! Dumps by `mysqldump`; see [`crate::my_family::dump`].

use async_trait::async_trait;
use domain::Method;
use domain::assignment::DatastoreAccess;
use process::Command;
use tokio_util::sync::CancellationToken;

use super::client::{self, CLIENT, Row};
use super::facts::ServerFacts;
use super::programs;
use crate::EngineError;
use crate::my_family::dump::{AccountList, Dialect, DumpRestore, Now, Privilege};
use crate::problem::Problem;

const TOOL: &str = "mysqldump";
/// Roles are accounts; they come first, since others have them for a default.
const ACCOUNTS: &str = "\
SELECT User, Host FROM mysql.user WHERE User NOT IN ('mysql.sys', 'mysql.session', 'mysql.infoschema')
ORDER BY (User, Host) NOT IN (SELECT FROM_USER, FROM_HOST FROM mysql.role_edges), User, Host";

const DUMP_PRIVILEGES: [Privilege; 4] =
    [("SELECT", "SELECT"), ("SHOW VIEW", "SHOW VIEW"), ("TRIGGER", "TRIGGER"), ("EVENT", "EVENT")];

const RESTORE_PRIVILEGES: [Privilege; 15] = [
    ("SELECT", "SELECT"),
    ("INSERT", "INSERT"),
    ("CREATE", "CREATE"),
    ("DROP", "DROP"),
    ("ALTER", "ALTER"),
    ("INDEX", "INDEX"),
    ("REFERENCES", "REFERENCES"),
    ("LOCK TABLES", "LOCK TABLES"),
    ("CREATE VIEW", "CREATE VIEW"),
    ("CREATE ROUTINE", "CREATE ROUTINE"),
    ("ALTER ROUTINE", "ALTER ROUTINE"),
    ("TRIGGER", "TRIGGER"),
    ("EVENT", "EVENT"),
    ("CREATE USER", "CREATE USER"),
    // Views and routines run as whoever made them.
    ("SET_ANY_DEFINER", "SET_USER_ID"),
];

pub(super) struct MysqlDialect;

pub(super) static RESTORE: DumpRestore = DumpRestore { dialect: &MysqlDialect };

/// What the server tells, as dumps need it.
pub(super) fn now_of(facts: &ServerFacts) -> Now {
    Now {
        version: facts.version().to_owned(),
        identity: facts.identity(),
        uptime_seconds: facts.uptime_seconds,
        account: facts.account.clone(),
    }
}

#[async_trait]
impl Dialect for MysqlDialect {
    fn method(&self) -> Method {
        Method::Mysqldump
    }

    fn dump_tool(&self) -> &'static str {
        TOOL
    }

    fn client(&self) -> &'static str {
        CLIENT
    }

    fn dump_options(&self) -> &'static [&'static str] {
        // A server that has executed transactions of its own takes no others for executed.
        &["--set-gtid-purged=OFF"]
    }

    fn dump_privileges(&self) -> &'static [Privilege] {
        &DUMP_PRIVILEGES
    }

    fn restore_privileges(&self) -> &'static [Privilege] {
        &RESTORE_PRIVILEGES
    }

    async fn logging_in(&self, program: &'static str, datastore: &DatastoreAccess) -> Result<Command, EngineError> {
        client::logging_in(program, datastore).await
    }

    async fn lacks(&self, program: &'static str) -> Option<Problem> {
        programs::find(program).await.err()
    }

    async fn now(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Now, EngineError> {
        Ok(now_of(&ServerFacts::ask(datastore, cancel).await?))
    }

    async fn query(
        &self,
        datastore: &DatastoreAccess,
        sql: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<Row>, EngineError> {
        client::query(datastore, sql, cancel).await
    }

    async fn accounts(
        &self,
        datastore: &DatastoreAccess,
        cancel: &CancellationToken,
    ) -> Result<AccountList, EngineError> {
        let rows = self.query(datastore, ACCOUNTS, cancel).await?;
        let names = rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
        let names: Vec<_> = names.map(|[user, host]| (user, host)).collect();
        let question = |_: &(String, String), written: &str| {
            // What `caching_sha2_password` keeps is no text.
            let as_text = "SET SESSION print_identified_with_as_hex = ON";
            format!("{as_text}; SHOW CREATE USER {written}; SHOW GRANTS FOR {written}")
        };
        AccountList::ask(self, datastore, &names, question, cancel).await
    }
}
