//! Dumps: `pg_dump` of each database, and the roles by `pg_dumpall`, for servers whose files nobody can reach.
//!
//! Each database is one moment of itself; two databases are of two moments, since PostgreSQL has no snapshot of both. A restore
//! loads each dump into a database of another name, while the one in use is used, and then renames both: an undo is a
//! rename, too.

mod backup;
mod check;
mod database;
mod globals;
mod names;
mod restore;
mod switch;

use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, Method};
use tokio_util::sync::CancellationToken;

use super::binaries;
use super::connection::{Connection, Unanswered};
use super::server::Server;
use crate::EngineError;
use crate::error::missing_tool;
use crate::problem::Problem;

pub(super) use backup::start;
pub(super) use restore::PgDump;

pub(super) const METHOD: Method = Method::PgDump;
/// The tools, and the stream that each writes.
const DUMP_TOOL: &str = "pg_dump";
const GLOBALS_TOOL: &str = "pg_dumpall";
const RESTORE_TOOL: &str = "pg_restore";
const DUMP_EXTENSION: &str = "dump";
const GLOBALS_STREAM: &str = "globals";
const GLOBALS_EXTENSION: &str = "sql";
/// The fact that holds the major version of the tool that wrote the archives: an older `pg_restore` can't read them.
const TOOL_FACT: &str = "tool_major";

/// All that keeps dumps from being made.
pub(super) async fn against_dumps(
    datastore: &DatastoreAccess,
    server: &Server,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // F-54
    if let Some(expected) = datastore.server_identity.as_ref().filter(|expected| **expected != server.system_identifier)
    {
        problems.push(Problem::identity_changed(expected, &server.system_identifier));
    }
    for tool in [DUMP_TOOL, GLOBALS_TOOL, RESTORE_TOOL] {
        if binaries::client(tool, server.major()).await.is_none() {
            problems.push(no_tool(tool, server.major()));
            break;
        }
    }
    let connection = Connection::to(datastore);
    match database::all(&connection, datastore, cancel).await {
        Ok(databases) => {
            let closed: Vec<_> = databases.iter().filter(|one| one.is_closed_to_us()).map(|one| &one.name).collect();
            if let Some(name) = closed.first() {
                let role = super::findings::identifier(&connection.user);
                let detail = format!("The user may not enter the database {name:?}, which a dump has to read.");
                let remedy = format!("GRANT CONNECT ON DATABASE {} TO {role};", super::findings::identifier(name));
                problems.push(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
            }
            problems.extend(unreadable(&connection, datastore, &databases, cancel).await);
        }
        Err(error) => problems.push(Problem::of_error(&error)),
    }
    problems
}

/// A table that the user may not read, of any database. Owning it will do, and so will `pg_read_all_data`.
async fn unreadable(
    connection: &Connection,
    datastore: &DatastoreAccess,
    databases: &[database::Database],
    cancel: &CancellationToken,
) -> Option<Problem> {
    const QUESTION: &str = "select min(n.nspname || '.' || c.relname)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'm', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        and not (pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select'))";
    for database in databases.iter().filter(|database| database.is_open() && !database.is_closed_to_us()) {
        match ask(connection, datastore, (&database.name, QUESTION), cancel).await {
            Ok(table) if table.is_empty() => {}
            Ok(table) => {
                let (user, name) = (&connection.user, &database.name);
                let detail =
                    format!("The user {user:?} may not read {table:?} in the database {name:?}, which a dump does.");
                let remedy = format!("GRANT pg_read_all_data TO {};", super::findings::identifier(user));
                return Some(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
            }
            Err(error) => return Some(Problem::of_error(&error)),
        }
    }
    None
}

/// The database that every cluster has, for questions about all of them.
const MAINTENANCE: &str = "template1";

/// The worker lacks a tool that fits.
fn no_tool(tool: &str, major: u32) -> Problem {
    let detail = format!("{} (version {major} or newer)", missing_tool(tool));
    Problem::new(ErrorCode::MissingTool, detail).remedy(format!("apt-get install postgresql-client-{major}"))
}

/// The directory of a tool that is not older than `major`.
///
/// # Errors
/// `missing_tool`.
async fn tool(name: &str, major: u32) -> Result<binaries::Binaries, EngineError> {
    binaries::client(name, major).await.ok_or_else(|| no_tool(name, major).into_error())
}

/// What the server answers to a statement of a job.
async fn ask(
    connection: &Connection,
    datastore: &DatastoreAccess,
    (database, sql): (&str, &str),
    cancel: &CancellationToken,
) -> Result<String, EngineError> {
    let asked = connection.ask_built(database, sql, cancel).await;
    asked.map_err(|unanswered| match unanswered {
        _ if cancel.is_cancelled() => EngineError::Cancelled,
        Unanswered::Refused(message) if message.contains("permission denied") || message.contains("must be ") => {
            EngineError::known(ErrorCode::MissingPrivilege, format!("The server refused: {message}"))
        }
        Unanswered::Refused(message) => {
            EngineError::known(ErrorCode::EngineToolFailed, format!("The server refused: {message}"))
        }
        unanswered => Problem::of_login(datastore, unanswered).into_error(),
    })
}
