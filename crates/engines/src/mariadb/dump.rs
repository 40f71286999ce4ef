//! Dumps by `mariadb-dump`; see [`crate::my_family::dump`].

use async_trait::async_trait;
use domain::Method;
use domain::assignment::DatastoreAccess;
use process::{Command, find_program};
use tokio_util::sync::CancellationToken;

use super::client::{self, CLIENT, Row};
use super::facts::ServerFacts;
use crate::EngineError;
use crate::my_family::dump::{AccountList, Dialect, DumpRestore, Now, Privilege};
use crate::problem::Problem;

const TOOL: &str = "mariadb-dump";
/// Those of a role have no host. `PUBLIC` is everybody, and `mariadb.sys` the server's own.
const ACCOUNTS: &str = "\
SELECT User, Host, is_role FROM mysql.user WHERE User NOT IN ('mariadb.sys', 'PUBLIC') ORDER BY is_role DESC, User, Host";

const DUMP_PRIVILEGES: [Privilege; 5] = [
    ("SELECT", "SELECT"),
    ("SHOW VIEW", "SHOW VIEW"),
    ("TRIGGER", "TRIGGER"),
    ("EVENT", "EVENT"),
    ("LOCK TABLES", "LOCK TABLES"),
];

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
    ("SET USER", "SUPER"),
];

pub(super) struct MariadbDialect;

pub(super) static RESTORE: DumpRestore = DumpRestore { dialect: &MariadbDialect };

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
impl Dialect for MariadbDialect {
    fn method(&self) -> Method {
        Method::MariadbDump
    }

    fn dump_tool(&self) -> &'static str {
        TOOL
    }

    fn client(&self) -> &'static str {
        CLIENT
    }

    fn dump_options(&self) -> &'static [&'static str] {
        &[]
    }

    fn dump_privileges(&self) -> &'static [Privilege] {
        &DUMP_PRIVILEGES
    }

    fn restore_privileges(&self) -> &'static [Privilege] {
        &RESTORE_PRIVILEGES
    }

    async fn logging_in(&self, program: &'static str, datastore: &DatastoreAccess) -> Result<Command, EngineError> {
        match self.lacks(program).await {
            Some(problem) => Err(problem.into_error()),
            None => Ok(client::logging_in(program, datastore)),
        }
    }

    async fn lacks(&self, program: &'static str) -> Option<Problem> {
        find_program(program, &[]).is_none().then(|| Problem::missing_tool(program))
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
        let names = rows.into_iter().filter_map(|row| <[String; 3]>::try_from(row).ok());
        let names: Vec<_> = names.map(|[user, host, _]| (user, host)).collect();
        let question = |name: &(String, String), written: &str| {
            let creation = match name.1.as_str() {
                // A role has no statement that tells how it was made.
                "" => format!(
                    "SELECT {}",
                    crate::my_family::account::literal(&format!("CREATE ROLE IF NOT EXISTS {written}"))
                ),
                _ => format!("SHOW CREATE USER {written}"),
            };
            format!("{creation}; SHOW GRANTS FOR {written}")
        };
        AccountList::ask(self, datastore, &names, question, cancel).await
    }
}
