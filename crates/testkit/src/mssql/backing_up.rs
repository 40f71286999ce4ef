//! `BACKUP DATABASE` and `BACKUP LOG`.

use uuid::Uuid;

use super::database::{Database, State};
use super::device::Device;
use super::error::ServerError;
use super::instance::Instance;
use super::media::{self, BackupSet, BackupType, Record};
use super::statement::Options;

/// The name under which the statement ends, in messages.
pub(super) const fn statement_name(log: bool) -> &'static str {
    if log { "BACKUP LOG" } else { "BACKUP DATABASE" }
}

/// Refuses what can't be backed up.
pub(super) fn check(
    instance: &Instance,
    session: i64,
    log: bool,
    name: &str,
    options: &Options,
) -> Result<(), ServerError> {
    let login = instance.sessions.get(&session).map(|session| session.login.clone()).unwrap_or_default();
    let database = instance.database(name)?;
    let statement = statement_name(log);
    if !instance.may(&login, Some(name), statement) {
        return Err(ServerError::permission(statement, name));
    }
    if database.state != State::Online {
        instance.opened(name, session)?;
    }
    if options.has("COMPRESSION") && (instance.engine_edition == 4 || instance.edition.starts_with("Web")) {
        let message = format!("BACKUP DATABASE WITH COMPRESSION is not supported on {}.", instance.edition);
        return Err(ServerError::new(1844, 16, message));
    }
    if options.has("DIFFERENTIAL") && database.differential_base.is_none() {
        let message = format!(
            "Cannot perform a differential backup for database \"{name}\", because a current database backup does not exist."
        );
        return Err(ServerError::new(3035, 16, message));
    }
    if log && database.recovery == "SIMPLE" {
        let message = "The statement BACKUP LOG is not allowed while the recovery model is SIMPLE.";
        return Err(ServerError::new(4208, 16, message));
    }
    if log && database.log_start.is_none() {
        let message = "BACKUP LOG cannot be performed because there is no current database backup.";
        return Err(ServerError::new(4214, 16, message));
    }
    if options.has("NORECOVERY") && !instance.others_in(database.id, session).is_empty() {
        return Err(ServerError::in_use(name));
    }
    Ok(())
}

/// Writes the backup.
pub(super) fn write(
    instance: &mut Instance,
    session: i64,
    log: bool,
    name: &str,
    device: &Device,
    options: &Options,
) -> Result<(), ServerError> {
    let (user, server, major) = (
        instance.sessions.get(&session).map(|session| session.login.clone()).unwrap_or_default(),
        instance.name.clone(),
        instance.version[0],
    );
    let start = instance.local_now();
    let before = device.read(instance, options).ok();
    let copy_only = options.has("COPY_ONLY");
    let database = instance.database_mut(name)?;
    let backup_type = match (log, options.has("DIFFERENTIAL")) {
        (true, _) => BackupType::Log,
        (false, true) => BackupType::Differential,
        (false, false) => BackupType::Database,
    };
    let checkpoint = database.log();
    let first = match backup_type {
        BackupType::Log => database.log_start.unwrap_or(checkpoint),
        _ => checkpoint,
    };
    let last = database.log();
    let base = (backup_type == BackupType::Differential).then_some(database.differential_base).flatten();
    let from = match backup_type {
        BackupType::Database => media::Lsn(0),
        BackupType::Log => first,
        BackupType::Differential => base.map_or(media::Lsn(0), |(lsn, _)| lsn),
    };
    let records: Vec<Record> = database.records.iter().filter(|record| record.lsn >= from).cloned().collect();
    let set = BackupSet {
        guid: Uuid::new_v4(),
        backup_type,
        name: options.value("NAME").map(str::to_owned),
        user,
        server,
        database: database.name.clone(),
        major_version: major,
        compressed: options.has("COMPRESSION"),
        has_checksums: options.has("CHECKSUM"),
        is_copy_only: copy_only,
        recovery_model: database.recovery.clone(),
        start,
        finish: start,
        first_lsn: first,
        last_lsn: last,
        checkpoint_lsn: checkpoint,
        database_backup_lsn: database.database_backup_lsn,
        differential_base_lsn: base.map(|(lsn, _)| lsn),
        differential_base_guid: base.map(|(_, guid)| guid),
        family: database.family,
        first_fork: if log { database.fork_of_next_log } else { database.fork },
        fork: database.fork,
        fork_point: database.fork_point.filter(|_| log && database.fork_of_next_log != database.fork),
        database_created: database.created,
        files: database.files.clone(),
        records,
        users: database.users.clone(),
        padding: if log { String::new() } else { " ".repeat(database.padding_bytes) },
    };
    let mut sets = if options.has("INIT") || options.has("FORMAT") {
        Vec::new()
    } else {
        before.and_then(|content| media::read(device.name(), content).ok()).map(|(sets, _)| sets).unwrap_or_default()
    };
    sets.push(set.clone());
    device.write(instance, options, media::written(&sets).as_bytes())?;
    let database = instance.database_mut(name)?;
    note(database, &set, options.has("NORECOVERY"));
    instance.history.push(BackupSet { records: Vec::new(), padding: String::new(), ..set });
    Ok(())
}

/// What a backup changes of the database.
fn note(database: &mut Database, set: &BackupSet, leaves_restoring: bool) {
    match set.backup_type {
        BackupType::Database if !set.is_copy_only => {
            database.differential_base = Some((set.checkpoint_lsn, set.guid));
            database.database_backup_lsn = set.checkpoint_lsn;
            if database.recovery != "SIMPLE" && database.log_start.is_none() {
                database.log_start = Some(set.first_lsn);
            }
        }
        BackupType::Log if !set.is_copy_only => {
            database.log_start = Some(set.last_lsn);
            database.fork_of_next_log = database.fork;
            database.fork_point = None;
        }
        _ => {}
    }
    if leaves_restoring {
        database.state = State::Restoring;
        database.redo_lsn = set.last_lsn;
    }
}
