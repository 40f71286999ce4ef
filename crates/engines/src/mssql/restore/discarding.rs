//! Drops what a restore keeps on the server beside the databases in use.

use domain::{ErrorCode, LogLevel};

use super::super::client::Session;
use super::super::facts::{DatabaseFacts, ServerFacts};
use super::super::names::identifier;
use super::super::shared::Shared;
use super::plan::{Suffixes, of_state};
use crate::EngineError;
use crate::served::{ServedPlace, ServedState};

/// With a state: what was put aside and what was restored and undone. Without one: what a stage made.
///
/// # Errors
/// Whatever the server refuses; `conflict` when a database that was put aside is the only one: it is the data in use.
pub(super) async fn discard(place: &ServedPlace, state: Option<&ServedState>) -> Result<(), EngineError> {
    if let Ok(shared) = Shared::of(&place.datastore) {
        shared.sweep().await;
    }
    let mut session = Session::open(&place.datastore, &place.cancel).await?;
    let server = ServerFacts::of(&mut session).await?;
    let Some(state) = state else {
        let suffixes = Suffixes::of(place.restore_id);
        for database in server.databases.iter().filter(|database| database.name.ends_with(&suffixes.staged)) {
            drop_database(place, &mut session, database).await?;
        }
        return Ok(());
    };
    for entry in of_state(state)? {
        if let Some(kept) = server.database(&entry.kept) {
            if server.database(&entry.name).is_none() {
                let detail = format!(
                    "{:?} is not dropped: there is no {:?}, so it is what is in use. Give it its name back.",
                    entry.kept, entry.name
                );
                return Err(EngineError::known(ErrorCode::Conflict, detail));
            }
            drop_database(place, &mut session, kept).await?;
        }
        if let Some(staged) = server.database(&entry.staged) {
            drop_database(place, &mut session, staged).await?;
        }
    }
    Ok(())
}

async fn drop_database(
    place: &ServedPlace,
    session: &mut Session,
    database: &DatabaseFacts,
) -> Result<(), EngineError> {
    let (name, what) = (identifier(&database.name), format!("Dropping {:?}", database.name));
    // The server removes the files of databases that are online or restoring only (manual, "DROP DATABASE").
    if database.state == "OFFLINE" {
        let online = session.ask(&format!("ALTER DATABASE {name} SET ONLINE")).await;
        if let Err(refusal) = online {
            let files: Vec<&str> = database.files.iter().map(|file| file.physical.as_str()).collect();
            let text = format!(
                "{:?} does not come online to be dropped with its files ({refusal}): remove {} on the server.",
                database.name,
                files.join(", ")
            );
            (place.log)(LogLevel::Warning, &text);
        }
    }
    if database.state != "RESTORING" {
        // Whoever has found it meanwhile is put out. That it is off line is no reason to stop.
        let _ = session.ask(&format!("ALTER DATABASE {name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")).await;
    }
    session.rows(&what, &format!("DROP DATABASE IF EXISTS {name}")).await.map(drop)
}
