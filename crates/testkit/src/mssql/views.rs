//! The server's views, as far as backups look into them.

use super::database::Database;
use super::error::ServerError;
use super::instance::Instance;
use super::media::{BackupType, Lsn};
use super::value::{Kind, Table, Value};

/// The table of a name, as a session sees it.
pub(super) fn view(
    instance: &Instance,
    session: i64,
    path: &[String],
    arguments: &[Value],
) -> Result<Table, ServerError> {
    let lower: Vec<String> = path.iter().map(|part| part.to_lowercase()).collect();
    let unknown = || ServerError::new(208, 16, format!("Invalid object name '{}'.", path.join(".")));
    let (database, schema, name) = match lower.as_slice() {
        [name] => (None, "dbo", name.as_str()),
        [schema, name] => (None, schema.as_str(), name.as_str()),
        [_, schema, name] => (path.first(), if schema.is_empty() { "dbo" } else { schema.as_str() }, name.as_str()),
        _ => return Err(unknown()),
    };
    let login = instance.sessions.get(&session).map(|session| session.login.clone()).unwrap_or_default();
    let standing = instance.sessions.get(&session).map(|session| session.database);
    let current = match database {
        Some(name) => instance.opened(name, session)?,
        None => instance.databases.iter().find(|each| Some(each.id) == standing).ok_or_else(unknown)?,
    };
    if database.is_some() && !current.is_system() && !instance.may(&login, Some(&current.name), "CONNECT") {
        let message = format!(
            "The server principal \"{login}\" is not able to access the database \"{}\" under the current security context.",
            current.name
        );
        return Err(ServerError::new(916, 14, message));
    }
    let needs_state = name.starts_with("dm_");
    if schema == "sys" && needs_state && !instance.may(&login, None, "VIEW SERVER STATE") {
        let message = "VIEW SERVER STATE permission was denied on object 'server', database 'master'.";
        return Err(ServerError::new(300, 14, message));
    }
    match (schema, name) {
        ("dbo", "entries") => {
            let mut table = Table::new(&[("note", Kind::Text)]);
            current.entries().into_iter().for_each(|note| table.push(vec![Value::Text(note)]));
            Ok(table)
        }
        ("dbo", "backupset") if current.name.eq_ignore_ascii_case("msdb") => Ok(backup_set(instance)),
        ("sys", "databases") => Ok(databases(instance)),
        ("sys", "master_files") => Ok(master_files(instance)),
        ("sys", "database_recovery_status") => Ok(recovery_status(instance)),
        ("sys", "database_principals") => Ok(database_principals(current)),
        ("sys", "server_principals") => {
            let mut table = Table::new(&[("name", Kind::Text), ("sid", Kind::Text)]);
            instance
                .accounts
                .keys()
                .for_each(|name| table.push(vec![Value::text(name.clone()), Value::text(name.clone())]));
            Ok(table)
        }
        ("sys", "credentials") => {
            let mut table = Table::new(&[("name", Kind::Text), ("credential_identity", Kind::Text)]);
            let sees =
                ["VIEW ANY DEFINITION", "ALTER ANY CREDENTIAL"].iter().any(|one| instance.may(&login, None, one));
            for (name, credential) in instance.credentials.iter().filter(|_| sees) {
                table.push(vec![Value::text(name.clone()), Value::text(credential.identity.clone())]);
            }
            Ok(table)
        }
        ("sys", "symmetric_keys") => {
            let mut table = Table::new(&[("name", Kind::Text), ("key_guid", Kind::Guid)]);
            if instance.may(&login, None, "VIEW ANY DEFINITION") && current.id == 1 {
                table.push(vec![Value::text("##MS_ServiceMasterKey##"), Value::Guid(instance.key_guid)]);
            }
            Ok(table)
        }
        ("sys", "dm_os_sys_info") => {
            let mut table = Table::new(&[("sqlserver_start_time", Kind::DateTime)]);
            table.push(vec![Value::DateTime(instance.local(instance.started))]);
            Ok(table)
        }
        ("sys", "dm_os_volume_stats") => {
            let mut table = Table::new(&[("available_bytes", Kind::Int(8))]);
            let known = arguments.first().and_then(Value::number);
            if instance.databases.iter().any(|database| known == Some(i128::from(database.id))) {
                table.push(vec![Value::Int(i64::try_from(instance.free_bytes).unwrap_or(i64::MAX), 8)]);
            }
            Ok(table)
        }
        ("sys", "dm_exec_requests") => Ok(requests(instance)),
        _ => Err(unknown()),
    }
}

fn lsn(lsn: Lsn) -> Value {
    Value::Numeric(u128::from(lsn.0), 25)
}

fn databases(instance: &Instance) -> Table {
    let mut table = Table::new(&[
        ("name", Kind::Text),
        ("database_id", Kind::Int(4)),
        ("create_date", Kind::DateTime),
        ("recovery_model_desc", Kind::Text),
        ("state", Kind::Int(1)),
        ("state_desc", Kind::Text),
        ("user_access_desc", Kind::Text),
        ("source_database_id", Kind::Int(4)),
        ("is_read_only", Kind::Bit),
        ("group_database_id", Kind::Guid),
    ]);
    for database in &instance.databases {
        let (state, state_name) = database.state.number_and_name();
        table.push(vec![
            Value::text(database.name.clone()),
            Value::int(database.id),
            Value::DateTime(database.created),
            Value::text(database.recovery.clone()),
            Value::Int(state, 1),
            Value::text(state_name),
            Value::text(if database.is_single_user { "SINGLE_USER" } else { "MULTI_USER" }),
            Value::Null(Kind::Int(4)),
            Value::Bit(false),
            Value::or_null(database.group.map(Value::Guid), Kind::Guid),
        ]);
    }
    table
}

fn master_files(instance: &Instance) -> Table {
    let mut table = Table::new(&[
        ("database_id", Kind::Int(4)),
        ("file_id", Kind::Int(4)),
        ("type", Kind::Int(1)),
        ("type_desc", Kind::Text),
        ("name", Kind::Text),
        ("physical_name", Kind::Text),
        ("size", Kind::Int(4)),
        ("differential_base_lsn", Kind::Numeric(25)),
        ("differential_base_guid", Kind::Guid),
    ]);
    for database in &instance.databases {
        for file in &database.files {
            let base = database.differential_base.filter(|_| !file.is_log);
            table.push(vec![
                Value::int(database.id),
                Value::int(file.id),
                Value::Int(i64::from(file.is_log), 1),
                Value::text(if file.is_log { "LOG" } else { "ROWS" }),
                Value::text(file.logical.clone()),
                Value::text(file.physical.clone()),
                Value::int(i64::try_from(file.bytes / 8192).unwrap_or_default()),
                Value::or_null(base.map(|(base, _)| lsn(base)), Kind::Numeric(25)),
                Value::or_null(base.map(|(_, guid)| Value::Guid(guid)), Kind::Guid),
            ]);
        }
    }
    table
}

fn recovery_status(instance: &Instance) -> Table {
    let mut table = Table::new(&[
        ("database_id", Kind::Int(4)),
        ("family_guid", Kind::Guid),
        ("last_log_backup_lsn", Kind::Numeric(25)),
        ("recovery_fork_guid", Kind::Guid),
    ]);
    for database in &instance.databases {
        table.push(vec![
            Value::int(database.id),
            Value::Guid(database.family),
            Value::or_null(database.log_start.map(lsn), Kind::Numeric(25)),
            Value::Guid(database.fork),
        ]);
    }
    table
}

fn database_principals(database: &Database) -> Table {
    let mut table = Table::new(&[("name", Kind::Text), ("sid", Kind::Text), ("authentication_type_desc", Kind::Text)]);
    for (name, login) in &database.users {
        table.push(vec![Value::text(name.clone()), Value::text(login.clone()), Value::text("INSTANCE")]);
    }
    table.push(vec![Value::text("guest"), Value::text("guest"), Value::text("NONE")]);
    table
}

fn requests(instance: &Instance) -> Table {
    let mut table =
        Table::new(&[("session_id", Kind::Int(2)), ("command", Kind::Text), ("percent_complete", Kind::Int(4))]);
    for (id, session) in &instance.sessions {
        if let Some((command, percent)) = &session.request {
            #[allow(clippy::cast_possible_truncation, reason = "a percentage")]
            let percent = *percent as i64;
            table.push(vec![Value::Int(*id, 2), Value::text(command.clone()), Value::int(percent)]);
        }
    }
    table
}

fn backup_set(instance: &Instance) -> Table {
    let mut table = Table::new(&[
        ("database_name", Kind::Text),
        ("type", Kind::Text),
        ("is_copy_only", Kind::Bit),
        ("first_lsn", Kind::Numeric(25)),
        ("last_lsn", Kind::Numeric(25)),
        ("checkpoint_lsn", Kind::Numeric(25)),
        ("database_backup_lsn", Kind::Numeric(25)),
        ("backup_start_date", Kind::DateTime),
        ("backup_finish_date", Kind::DateTime),
        ("user_name", Kind::Text),
        ("backup_set_uuid", Kind::Guid),
    ]);
    for set in &instance.history {
        table.push(vec![
            Value::text(set.database.clone()),
            Value::text(match set.backup_type {
                BackupType::Database => "D",
                BackupType::Log => "L",
                BackupType::Differential => "I",
            }),
            Value::Bit(set.is_copy_only),
            lsn(set.first_lsn),
            lsn(set.last_lsn),
            lsn(set.checkpoint_lsn),
            lsn(set.database_backup_lsn),
            Value::DateTime(set.start),
            Value::DateTime(set.finish),
            Value::text(set.user.clone()),
            Value::Guid(set.guid),
        ]);
    }
    table
}
