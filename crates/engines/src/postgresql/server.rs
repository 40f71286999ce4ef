//! What a running server says of itself, asked in one statement so that all of it is of one moment.

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Unanswered};
use crate::EngineError;
use crate::problem::Problem;

/// Any role may run it; what a role may not see is null. JSON, because names may hold any character.
const QUESTION: &str = "\
select json_build_object(
    'version', current_setting('server_version'),
    'version_number', current_setting('server_version_num')::int,
    'system_identifier', (select system_identifier::text from pg_catalog.pg_control_system()),
    'started_at', extract(epoch from pg_catalog.pg_postmaster_start_time())::text,
    'in_recovery', pg_catalog.pg_is_in_recovery(),
    'may_replicate', r.rolsuper or r.rolreplication,
    'sees_settings', pg_catalog.pg_has_role('pg_read_all_settings', 'usage'),
    'data_directory', case when pg_catalog.pg_has_role('pg_read_all_settings', 'usage')
        then current_setting('data_directory') end,
    'config_file', case when pg_catalog.pg_has_role('pg_read_all_settings', 'usage')
        then current_setting('config_file') end,
    'hba_file', case when pg_catalog.pg_has_role('pg_read_all_settings', 'usage')
        then current_setting('hba_file') end,
    'wal_level', current_setting('wal_level'),
    'summarize_wal', current_setting('summarize_wal', true),
    'max_wal_senders', current_setting('max_wal_senders')::int,
    'max_replication_slots', current_setting('max_replication_slots')::int,
    'slots', (select coalesce(json_agg(slot_name), '[]') from pg_catalog.pg_replication_slots),
    'password_method', current_setting('password_encryption'),
    'client_address', host(pg_catalog.inet_client_addr()),
    'tablespaces', (select coalesce(json_agg(spcname order by spcname), '[]') from pg_catalog.pg_tablespace
        where spcname not in ('pg_default', 'pg_global')),
    'databases', (select count(*) from pg_catalog.pg_database where not datistemplate),
    'data_bytes', (select coalesce(sum(case when pg_catalog.has_database_privilege(oid, 'connect')
        then pg_catalog.pg_database_size(oid) end), 0)::bigint from pg_catalog.pg_database)
) from pg_catalog.pg_roles r where r.rolname = current_user";

/// A server at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Server {
    /// `15.18 (Debian 15.18-0+deb12u1)`; see [`Server::short_version`].
    pub version: String,
    /// 150018
    pub version_number: u32,
    /// Made by `initdb`; survives restarts, backups and restores.
    pub system_identifier: String,
    /// When the server was started, in seconds since 1970; as text, to be compared only.
    pub started_at: String,
    pub in_recovery: bool,
    pub may_replicate: bool,
    pub sees_settings: bool,
    pub data_directory: Option<String>,
    pub config_file: Option<String>,
    pub hba_file: Option<String>,
    pub wal_level: String,
    /// Null before PostgreSQL 17.
    pub summarize_wal: Option<String>,
    pub max_wal_senders: u32,
    pub max_replication_slots: u32,
    /// The names of all replication slots.
    pub slots: Vec<String>,
    pub password_method: String,
    /// How the server sees the worker; null on a socket.
    pub client_address: Option<String>,
    pub tablespaces: Vec<String>,
    pub databases: u64,
    /// The sum of the databases that the user may enter.
    pub data_bytes: u64,
}

impl Server {
    pub(super) fn major(&self) -> u32 {
        self.version_number / 10_000
    }

    /// `15.18`
    pub(super) fn short_version(&self) -> String {
        self.version.split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// A phrase for a log.
    pub(super) fn summary(&self) -> String {
        let databases = counted(self.databases, "database");
        let size = domain::format::bytes(self.data_bytes);
        format!("PostgreSQL {} takes logins, {databases}, {size}", self.short_version())
    }
}

/// `1 table`, `2 tables`
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Asks a datastore's server.
pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Server, Problem> {
    ask_over(&Connection::to(datastore), cancel).await.map_err(|unanswered| Problem::of_login(datastore, unanswered))
}

/// As [`ask`], for a job: being stopped is no problem of the server.
pub(super) async fn ask_for_job(
    datastore: &DatastoreAccess,
    cancel: &CancellationToken,
) -> Result<Server, EngineError> {
    let asked = ask(datastore, cancel).await;
    asked.map_err(|problem| if cancel.is_cancelled() { EngineError::Cancelled } else { problem.into_error() })
}

async fn ask_over(connection: &Connection, cancel: &CancellationToken) -> Result<Server, Unanswered> {
    // Every cluster has both; either may have been dropped or closed to us.
    let answer = match connection.ask("postgres", QUESTION, cancel).await {
        Err(Unanswered::NotConnected(message)) if message.contains("\"postgres\"") && is_about_database(&message) => {
            connection.ask("template1", QUESTION, cancel).await
        }
        answer => answer,
    }?;
    serde_json::from_str(&answer)
        .map_err(|error| Unanswered::Refused(format!("the server's answer can't be understood: {error}")))
}

fn is_about_database(message: &str) -> bool {
    message.contains("does not exist") && message.contains("database")
        || message.contains("permission denied for database")
}

impl Problem {
    /// Why the first question was not answered.
    pub(super) fn of_login(datastore: &DatastoreAccess, unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::NotConnected(message) => Self::of_refused_login(datastore, &message),
            Unanswered::Refused(message) => {
                Self::new(ErrorCode::MissingPrivilege, format!("The server refused to tell about itself: {message}"))
            }
            Unanswered::Process(error) => Self::of_error(&EngineError::process("asking the server", error)),
        }
    }
}
