//! `ALTER DATABASE`, `CREATE DATABASE` and `DROP DATABASE`.

use super::database::State;
use super::error::ServerError;
use super::instance::{Credential, Instance};
use super::statement::Alteration;

/// The database `master`, in which a session that lost its own stands.
const MASTER: i32 = 1;

fn login(instance: &Instance, session: i64) -> String {
    instance.sessions.get(&session).map(|session| session.login.clone()).unwrap_or_default()
}

pub(super) fn alter(
    instance: &mut Instance,
    session: i64,
    name: &str,
    change: &Alteration,
    rollback: bool,
) -> Result<(), ServerError> {
    let (id, state, in_group) = {
        let database = instance.database(name)?;
        (database.id, database.state, database.group.is_some())
    };
    if !instance.may(&login(instance, session), None, "ALTER ANY DATABASE") {
        let message = format!("User does not have permission to alter database '{name}', the database does not exist.");
        return Err(ServerError::new(5011, 14, message));
    }
    if id <= 4 {
        return Err(ServerError::new(5058, 16, format!("Option cannot be set in database '{name}'.")));
    }
    if in_group && !matches!(change, Alteration::Recovery(_)) {
        let message = format!(
            "The operation cannot be performed on database \"{name}\" because it is involved in an availability group."
        );
        return Err(ServerError::new(1468, 16, message));
    }
    let others = instance.others_in(id, session);
    if state == State::Restoring {
        return Err(ServerError::new(
            5052,
            16,
            "ALTER DATABASE is not permitted while a database is in the Restoring state.",
        ));
    }
    match change {
        Alteration::Name(new) => {
            if state == State::Offline {
                return Err(ServerError::offline(name));
            }
            if !others.is_empty() {
                return Err(locked());
            }
            if instance.find(new).is_some_and(|other| other.id != id) {
                return Err(ServerError::database_exists(new));
            }
            instance.database_mut(name)?.name.clone_from(new);
        }
        Alteration::Online(true) => instance.database_mut(name)?.state = State::Online,
        Alteration::Online(false) => {
            leave(instance, session, id, &others, rollback)?;
            if let Some(own) = instance.sessions.get_mut(&session).filter(|own| own.database == id) {
                own.database = MASTER;
            }
            instance.database_mut(name)?.state = State::Offline;
        }
        Alteration::SingleUser(single) => {
            if state == State::Offline {
                return Err(ServerError::offline(name));
            }
            let is_blocked = *single || instance.database(name)?.is_single_user;
            if is_blocked {
                leave(instance, session, id, &others, rollback)?;
            }
            instance.database_mut(name)?.is_single_user = *single;
        }
        Alteration::Recovery(model) => {
            let database = instance.database_mut(name)?;
            database.recovery.clone_from(model);
            // The log is not kept any more: the chain begins anew with the next full or differential backup.
            if model == "SIMPLE" {
                database.log_start = None;
            }
        }
    }
    Ok(())
}

fn locked() -> ServerError {
    ServerError::new(5030, 16, "The database could not be exclusively locked to perform the operation.")
}

/// Throws the others out, or fails where they may stay. The real one waits for them.
fn leave(
    instance: &mut Instance,
    _session: i64,
    _database: i32,
    others: &[i64],
    rollback: bool,
) -> Result<(), ServerError> {
    if !others.is_empty() && !rollback {
        return Err(locked());
    }
    instance.killed.extend(others);
    instance.sessions.retain(|id, _| !others.contains(id));
    Ok(())
}

pub(super) fn drop(instance: &mut Instance, session: i64, name: &str, if_exists: bool) -> Result<(), ServerError> {
    let Some(database) = instance.find(name) else {
        if if_exists {
            return Ok(());
        }
        let message =
            format!("Cannot drop the database '{name}', because it does not exist or you do not have permission.");
        return Err(ServerError::new(3701, 11, message));
    };
    let (id, state, is_system) = (database.id, database.state, database.is_system());
    if is_system {
        return Err(ServerError::new(
            3708,
            16,
            format!("Cannot drop the database '{name}' because it is a system database."),
        ));
    }
    let in_use = instance.sessions.values().any(|other| other.database == id);
    if in_use {
        return Err(ServerError::new(
            3702,
            16,
            format!("Cannot drop database \"{name}\" because it is currently in use."),
        ));
    }
    let _ = session;
    // Manual, "DROP DATABASE": the files of a database that is offline stay.
    if state != State::Offline {
        for file in &database.files {
            let _ = std::fs::remove_file(&file.physical);
        }
    }
    instance.databases.retain(|database| database.id != id);
    Ok(())
}

pub(super) fn create(instance: &mut Instance, session: i64, name: &str) -> Result<(), ServerError> {
    if !instance.may(&login(instance, session), None, "CREATE ANY DATABASE") {
        return Err(ServerError::permission("CREATE DATABASE", "master"));
    }
    instance.create(name).map(|_| ())
}

pub(super) fn create_credential(
    instance: &mut Instance,
    session: i64,
    name: &str,
    identity: &str,
    secret: &str,
) -> Result<(), ServerError> {
    if !instance.may(&login(instance, session), None, "ALTER ANY CREDENTIAL") {
        return Err(ServerError::new(15247, 16, "User does not have permission to perform this action."));
    }
    if instance.credentials.contains_key(name) {
        return Err(ServerError::new(15530, 16, format!("The credential with name \"{name}\" already exists.")));
    }
    let credential = Credential { identity: identity.to_owned(), secret: secret.to_owned() };
    instance.credentials.insert(name.to_owned(), credential);
    Ok(())
}
