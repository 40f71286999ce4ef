//! Puts restored databases in the place of those in use, and back: by names alone, so that at each moment both are whole.
//!
//! Which of the two a database is, its name tells: the one in use is put aside under a name that no other restore gives, before the
//! restored one gets its own. So both directions look at the names that are there and go on from where they are. // F-62

use std::path::Path;
use std::time::Duration;

use domain::LogLevel;

use super::super::EXTENSION;
use super::super::client::Session;
use super::super::facts::{DatabaseFacts, ServerFacts};
use super::super::names::identifier;
use super::super::refusal::{Refusal, number};
use super::super::shared::Shared;
use super::plan::{Entry, of_state};
use crate::served::{ServedPlace, ServedRequest, ServedState};
use crate::{EngineError, Probe};

/// How often a database is asked for that somebody else has to himself.
const SEIZE_ATTEMPTS: u32 = 20;
const SEIZE_PAUSE: Duration = Duration::from_millis(500);

/// Puts the restored databases in place.
///
/// # Errors
/// Whatever the server refuses: the names may then be anywhere between before and after. `name_taken` when somebody has made a database
/// meanwhile that may not be replaced.
pub(super) async fn switch(request: &ServedRequest, state: &ServedState) -> Result<Probe, EngineError> {
    let place = &request.place;
    let mut session = Session::open(&place.datastore, &place.cancel).await?;
    for (index, entry) in of_state(state)?.iter().enumerate() {
        let server = ServerFacts::of(&mut session).await?;
        if let Some(live) = server.database(&entry.name) {
            if !request.may_replace() {
                return Err(ServedRequest::name_taken(&entry.name));
            }
            put_aside(place, &mut session, index, entry, live).await?;
        }
        let sql = format!("ALTER DATABASE {} MODIFY NAME = {}", identifier(&entry.staged), identifier(&entry.name));
        session.rows(&format!("Renaming the restored {:?}", entry.name), &sql).await?;
        report_orphans(place, &mut session, entry).await;
    }
    probe(&mut session).await
}

async fn put_aside(
    place: &ServedPlace,
    session: &mut Session,
    index: usize,
    entry: &Entry,
    live: &DatabaseFacts,
) -> Result<(), EngineError> {
    let what = format!("Putting {:?} aside", entry.name);
    seize(place, session, &entry.name).await?;
    if live.keeps_log() && live.log_start.is_some() {
        save_tail(place, session, index, entry).await;
    }
    let (name, kept) = (identifier(&entry.name), identifier(&entry.kept));
    session.rows(&what, &format!("ALTER DATABASE {name} MODIFY NAME = {kept}")).await?;
    // The database gets its own name back whoever tries to get in.
    session.rows(&what, &format!("USE [master]; ALTER DATABASE {kept} SET OFFLINE WITH ROLLBACK IMMEDIATE")).await?;
    Ok(())
}

/// Has a database for this session alone.
async fn seize(place: &ServedPlace, session: &mut Session, name: &str) -> Result<(), EngineError> {
    let quoted = identifier(name);
    let sql = format!("USE {quoted}; ALTER DATABASE {quoted} SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
    let mut attempts = 1;
    loop {
        match session.ask(&sql).await {
            Ok(_) => return Ok(()),
            // A session that was lost a moment ago may still have it.
            Err(Refusal::Server { number: number::ONE_USER, .. }) if attempts < SEIZE_ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(SEIZE_PAUSE).await;
            }
            Err(refusal) => return Err(refusal.during(&format!("Closing {name:?} to others"), &place.datastore)),
        }
    }
}

/// Keeps what was committed since the last log backup, copy-only, so that the chain of log backups stays as it is for an undo. The
/// database itself is kept, too: that the tail can't be had is worth a warning.
async fn save_tail(place: &ServedPlace, session: &mut Session, index: usize, entry: &Entry) {
    let target = place.keep_directory.join(format!("tail-{index:03}.{EXTENSION}"));
    if let Err(error) = write_tail(place, session, entry, &target).await {
        let detail = error.to_job_error().detail;
        let text =
            format!("The last of {:?}'s log could not be saved; it is in the kept database: {detail}", entry.name);
        (place.log)(LogLevel::Warning, &text);
    }
}

async fn write_tail(
    place: &ServedPlace,
    session: &mut Session,
    entry: &Entry,
    target: &Path,
) -> Result<(), EngineError> {
    let file = Shared::of(&place.datastore)?.file(EXTENSION);
    let what = format!("Saving the last of {:?}'s log", entry.name);
    let sql = format!("BACKUP LOG {} {}", identifier(&entry.name), file.to("COPY_ONLY, ", false));
    session.long(&sql).await.map_err(|refusal| refusal.during(&what, &place.datastore))?;
    let copied = async {
        let mut kept = tokio::fs::File::create(target).await?;
        tokio::io::copy(&mut file.open().await.map_err(std::io::Error::other)?, &mut kept).await?;
        kept.sync_all().await
    };
    copied.await.map_err(EngineError::file("keeping the last of the log", target))?;
    file.remove().await;
    Ok(())
}

/// Puts back what a switch put aside, from wherever it got to. What was restored is put off line under its other name.
///
/// # Errors
/// Whatever the server refuses. Asking again goes on from there.
pub(super) async fn take_back(place: &ServedPlace, state: &ServedState) -> Result<Probe, EngineError> {
    let mut session = Session::open(&place.datastore, &place.cancel).await?;
    for entry in of_state(state)?.iter().rev() {
        let server = ServerFacts::of(&mut session).await?;
        let at_name = server.database(&entry.name);
        match server.database(&entry.kept) {
            Some(kept) => {
                if at_name.is_some() {
                    put_restored_aside(place, &mut session, entry).await?;
                }
                put_back(place, &mut session, entry, kept).await?;
            }
            // Nothing was put aside yet, but the way to it was begun.
            None if entry.had_live => {
                if at_name.is_some() {
                    open_to_all(&mut session, &entry.name).await?;
                }
            }
            // There was nothing: what is there now is what was restored.
            None => {
                if at_name.is_some() && server.database(&entry.staged).is_none() {
                    put_restored_aside(place, &mut session, entry).await?;
                }
            }
        }
    }
    probe(&mut session).await
}

async fn put_restored_aside(place: &ServedPlace, session: &mut Session, entry: &Entry) -> Result<(), EngineError> {
    let what = format!("Putting the restored {:?} aside", entry.name);
    seize(place, session, &entry.name).await?;
    let (name, staged) = (identifier(&entry.name), identifier(&entry.staged));
    session.rows(&what, &format!("ALTER DATABASE {name} MODIFY NAME = {staged}")).await?;
    session.rows(&what, &format!("USE [master]; ALTER DATABASE {staged} SET OFFLINE WITH ROLLBACK IMMEDIATE")).await?;
    Ok(())
}

async fn put_back(
    place: &ServedPlace,
    session: &mut Session,
    entry: &Entry,
    kept: &DatabaseFacts,
) -> Result<(), EngineError> {
    let what = format!("Putting {:?} back", entry.name);
    let (name, kept_name) = (identifier(&entry.name), identifier(&entry.kept));
    if !kept.is_online() {
        session.rows(&what, &format!("ALTER DATABASE {kept_name} SET ONLINE")).await?;
    }
    seize(place, session, &entry.kept).await?;
    session.rows(&what, &format!("ALTER DATABASE {kept_name} MODIFY NAME = {name}")).await?;
    open_to_all(session, &entry.name).await
}

async fn open_to_all(session: &mut Session, name: &str) -> Result<(), EngineError> {
    let sql = format!("USE [master]; ALTER DATABASE {} SET MULTI_USER WITH ROLLBACK IMMEDIATE", identifier(name));
    session.rows(&format!("Opening {name:?} to others"), &sql).await.map(drop)
}

/// Users whose logins this server does not have can't get in: a person has to say which logins they belong to (manual, "Troubleshoot
/// orphaned users").
async fn report_orphans(place: &ServedPlace, session: &mut Session, entry: &Entry) {
    let name = identifier(&entry.name);
    let sql = format!(
        "SELECT u.name FROM {name}.sys.database_principals AS u LEFT JOIN sys.server_principals AS l ON u.sid = l.sid \
         WHERE l.sid IS NULL AND u.authentication_type_desc = N'INSTANCE' ORDER BY u.name"
    );
    let rows = session.ask(&sql).await.unwrap_or_default();
    for user in rows.iter().filter_map(|row| row.text("name")) {
        let user_name = identifier(user);
        let text = format!(
            "User {user:?} of {:?} belongs to no login of this server: USE {name}; ALTER USER {user_name} WITH LOGIN = {user_name};",
            entry.name
        );
        (place.log)(LogLevel::Warning, &text);
    }
}

/// What the server holds now.
async fn probe(session: &mut Session) -> Result<Probe, EngineError> {
    let facts = ServerFacts::of(session).await?;
    Ok(super::super::probe_of(&facts))
}
