//! The switch: databases change names, and back. Each step is asked of the server's own list of databases, so that it can be
//! taken back from wherever it stopped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::{ErrorCode, LogLevel};

use super::database::Database;
use super::restore::Session;
use crate::EngineError;
use crate::postgresql::findings::{identifier, literal};
use crate::served::{ServedPlace, ServedRequest, ServedState};

/// How long the sessions of a database may take to end.
const END_LIMIT: Duration = Duration::from_secs(30);
const END_INTERVAL: Duration = Duration::from_millis(100);

/// Whether a database was there when the restore began.
const REPLACED: &str = "replaced";
const CREATED: &str = "created";

/// What is about to be switched: of each database its name and whether it is there.
///
/// # Errors
/// `name_taken` when one is there that may not be replaced.
pub(super) async fn state_of(
    session: &Session<'_>,
    restored: &[String],
    may_replace: bool,
) -> Result<ServedState, EngineError> {
    let there = session.databases().await?;
    let mut state = BTreeMap::new();
    for (index, name) in restored.iter().enumerate() {
        let is_there = there.iter().any(|one| one.name == *name);
        if is_there && !may_replace {
            return Err(ServedRequest::name_taken(name));
        }
        state.insert(format!("{index:03}"), format!("{}:{name}", if is_there { REPLACED } else { CREATED }));
    }
    Ok(ServedState(state))
}

/// One database of the state.
struct Entry<'a> {
    name: &'a str,
    is_replaced: bool,
}

fn entries(state: &ServedState) -> Result<Vec<Entry<'_>>, EngineError> {
    let read = state.0.values().map(|entry| {
        let (kind, name) = entry.split_once(':')?;
        Some(Entry { name, is_replaced: kind == REPLACED })
    });
    read.collect::<Option<Vec<_>>>()
        .ok_or_else(|| EngineError::known(ErrorCode::Internal, "The journal of the restore can't be understood."))
}

fn session_of<'a>(place: &'a ServedPlace, entries: &[Entry<'_>]) -> Session<'a> {
    Session::new(place, &entries.iter().map(|entry| entry.name.to_owned()).collect::<Vec<_>>())
}

/// Renames the databases in use aside, and the loaded ones in.
pub(super) async fn switch(place: &ServedPlace, state: &ServedState) -> Result<(), EngineError> {
    let entries = entries(state)?;
    let session = session_of(place, &entries);
    for (index, entry) in entries.iter().enumerate() {
        if entry.is_replaced {
            // What replaced it is what people find from now on: nobody writes into the old one.
            close(&session, entry.name).await?;
            rename(&session, entry.name, &session.names.before(index)).await?;
        }
        close(&session, &session.names.staged(index)).await?;
        rename(&session, &session.names.staged(index), entry.name).await?;
        open(&session, entry.name).await?;
        (place.log)(LogLevel::Info, &format!("The database {:?} is the restored one", entry.name));
    }
    Ok(())
}

/// Renames everything back, as far as it was renamed.
pub(super) async fn take_back(place: &ServedPlace, state: &ServedState) -> Result<(), EngineError> {
    let entries = entries(state)?;
    let session = session_of(place, &entries);
    for (index, entry) in entries.iter().enumerate() {
        let there = session.databases().await?;
        let has = |name: &str| there.iter().any(|one: &Database| one.name == name);
        let (staged, before) = (session.names.staged(index), session.names.before(index));
        let is_switched_in = has(entry.name) && !has(&staged) && (has(&before) || !entry.is_replaced);
        if is_switched_in {
            close(&session, entry.name).await?;
            rename(&session, entry.name, &staged).await?;
        }
        if has(&before) {
            rename(&session, &before, entry.name).await?;
        }
        if entry.is_replaced {
            open(&session, entry.name).await?;
        }
    }
    Ok(())
}

/// Lets nobody in any more, and ends who is in.
async fn close(session: &Session<'_>, database: &str) -> Result<(), EngineError> {
    session.ask(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", identifier(database))).await?;
    let count = format!(
        "select count(pg_catalog.pg_terminate_backend(pid)) from pg_catalog.pg_stat_activity where datname = {}",
        literal(database)
    );
    let deadline = Instant::now() + END_LIMIT;
    while session.ask(&count).await? != "0" {
        if Instant::now() >= deadline {
            let detail = format!("The sessions in the database {database:?} did not end.");
            return Err(EngineError::known(ErrorCode::EngineToolFailed, detail));
        }
        tokio::time::sleep(END_INTERVAL).await;
    }
    Ok(())
}

async fn open(session: &Session<'_>, database: &str) -> Result<(), EngineError> {
    session.ask(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", identifier(database))).await.map(drop)
}

async fn rename(session: &Session<'_>, from: &str, to: &str) -> Result<(), EngineError> {
    session.ask(&format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to))).await.map(drop)
}

/// Drops a database that a restore made or set aside.
pub(super) async fn drop_database(session: &Session<'_>, database: &str) -> Result<(), EngineError> {
    close(session, database).await?;
    session.ask(&format!("DROP DATABASE IF EXISTS {}", identifier(database))).await.map(drop)
}
