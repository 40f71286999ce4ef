//! `RESTORE DATABASE` and `RESTORE LOG`, and what can be read of a device.

use chrono::NaiveDateTime;

use super::database::{Database, State};
use super::error::ServerError;
use super::instance::{Instance, write_file};
use super::media::{self, BackupSet, BackupType, DatabaseFile, Record};
use super::statement::Options;

/// The backup set that a statement speaks of, found whole.
pub(super) fn backup_set(name: &str, content: Vec<u8>, options: &Options) -> Result<BackupSet, ServerError> {
    let (sets, is_whole) = media::read(name, content)?;
    if !is_whole {
        return Err(ServerError::new(3189, 16, "Damage to the backup set was detected."));
    }
    let number: usize = options.value("FILE").and_then(|number| number.parse().ok()).unwrap_or(1);
    let missing = || ServerError::new(3287, 16, format!("The file ID {number} on device '{name}' is not there."));
    sets.into_iter().nth(number.wrapping_sub(1)).ok_or_else(missing)
}

/// Whether a restore said that the stop was not reached yet.
pub(super) struct Restored {
    pub note: Option<ServerError>,
}

/// `RESTORE DATABASE name WITH RECOVERY`
pub(super) fn recover(instance: &mut Instance, name: &str, options: &Options) -> Result<Restored, ServerError> {
    let database = instance.database_mut(name)?;
    if database.state != State::Restoring {
        let message = "The database cannot be recovered because no files are ready to rollforward.";
        return Err(ServerError::new(3117, 16, message));
    }
    if !options.has("NORECOVERY") {
        database.recover();
    }
    Ok(Restored { note: None })
}

pub(super) fn restore(
    instance: &mut Instance,
    session: i64,
    name: &str,
    set: &BackupSet,
    options: &Options,
) -> Result<Restored, ServerError> {
    let stop = options.value("STOPAT").map(stop_time).transpose()?;
    match set.backup_type {
        BackupType::Database => {
            full(instance, session, name, set, options)?;
            let database = instance.database_mut(name)?;
            if !options.has("NORECOVERY") {
                database.recover();
            }
            Ok(Restored { note: None })
        }
        BackupType::Differential => {
            let database = ready(instance, name)?;
            let base = database.differential_base.map(|(lsn, _)| lsn);
            if base != set.differential_base_lsn || database.family != set.family {
                let message = "This differential backup cannot be restored because the database has not been restored to the \
                               correct earlier state.";
                return Err(ServerError::new(3136, 16, message));
            }
            roll_forward(database, set.records.clone(), set);
            if !options.has("NORECOVERY") {
                database.recover();
            }
            Ok(Restored { note: None })
        }
        BackupType::Log => log(instance, name, set, stop, options),
    }
}

/// A time as `STOPAT` takes it: ISO 8601, or one of the forms in the manual's examples.
fn stop_time(text: &str) -> Result<NaiveDateTime, ServerError> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%b %d, %Y %I:%M %p", "%m/%d/%Y %I:%M %p"];
    let read = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    // `datetime` has three digits of a second; more are refused as text.
    let digits = text.rsplit_once('.').map_or(0, |(_, fraction)| fraction.len());
    read.filter(|_| digits <= 3)
        .ok_or_else(|| ServerError::new(3217, 16, format!("Invalid value specified for STOPAT parameter: '{text}'.")))
}

fn ready<'instance>(instance: &'instance mut Instance, name: &str) -> Result<&'instance mut Database, ServerError> {
    let not_ready = || {
        let message = "The log or differential backup cannot be restored because no files are ready to rollforward.";
        ServerError::new(3117, 16, message)
    };
    match instance.database_mut(name) {
        Ok(database) if database.state == State::Restoring => Ok(database),
        _ => Err(not_ready()),
    }
}

fn roll_forward(database: &mut Database, records: Vec<Record>, set: &BackupSet) {
    for record in records {
        if database.records.last().is_none_or(|last| last.lsn < record.lsn) {
            database.records.push(record);
        }
    }
    database.redo_lsn = database.redo_lsn.max(set.last_lsn);
    database.fork = set.fork;
    database.fork_of_next_log = set.fork;
}

fn log(
    instance: &mut Instance,
    name: &str,
    set: &BackupSet,
    stop: Option<NaiveDateTime>,
    options: &Options,
) -> Result<Restored, ServerError> {
    let zone = instance.zone;
    let local = |record: &Record| record.at.with_timezone(&zone).naive_local();
    let database = ready(instance, name)?;
    if database.family != set.family {
        return Err(ServerError::new(
            3154,
            16,
            format!("The backup set holds a backup of a database other than the existing '{name}' database."),
        ));
    }
    if database.redo_lsn < set.first_lsn {
        return Err(ServerError::too_recent(set.first_lsn, database.redo_lsn));
    }
    if set.last_lsn < database.redo_lsn {
        return Err(ServerError::too_early(set.last_lsn, database.redo_lsn));
    }
    if database.fork != set.first_fork && database.fork != set.fork {
        let message = "This backup set cannot be applied because it is on a recovery path that is inconsistent with the database.";
        return Err(ServerError::new(4330, 16, message));
    }
    // The first record whose time is later than the stop, in the order of the log: so the real one goes through it.
    let end = stop.and_then(|stop| set.records.iter().position(|record| local(record) > stop));
    let already = end.is_some_and(|end| set.records[..end].iter().all(|record| record.lsn < database.redo_lsn))
        && stop.is_some_and(|stop| database.records.last().is_some_and(|last| local(last) > stop));
    if already {
        let message = "The STOPAT clause specifies a point too early to allow this backup set to be restored.";
        return Err(ServerError::new(4338, 16, message));
    }
    let applied = end.map_or_else(|| set.records.clone(), |end| set.records[..end].to_vec());
    let ended_at = end.map(|_| applied.last().map_or(database.redo_lsn, |record| media::Lsn(record.lsn.0 + 1)));
    roll_forward(database, applied, set);
    if let Some(ended_at) = ended_at {
        database.redo_lsn = ended_at;
    }
    // What was committed up to the stop is all there when the backup was made later.
    let reached = end.is_some() || stop.is_none_or(|stop| set.start >= stop);
    if options.has("NORECOVERY") {
        return Ok(Restored { note: None });
    }
    if reached {
        database.recover();
        return Ok(Restored { note: None });
    }
    let note = "This backup set contains records that were logged before the designated point in time. The database is being left \
                in the restoring state so that more roll forward can be performed.";
    Ok(Restored { note: Some(ServerError::new(4328, 10, note)) })
}

fn full(
    instance: &mut Instance,
    session: i64,
    name: &str,
    set: &BackupSet,
    options: &Options,
) -> Result<(), ServerError> {
    let login = instance.sessions.get(&session).map(|session| session.login.clone()).unwrap_or_default();
    if set.major_version > instance.version[0] {
        let message = "The database was backed up on a server running a newer version. That version is incompatible.";
        return Err(ServerError::new(3169, 16, message));
    }
    if let Some(existing) = instance.find(name) {
        if !instance.others_in(existing.id, session).is_empty() {
            return Err(ServerError::in_use(name));
        }
        if existing.group.is_some() {
            let message = format!(
                "The operation cannot be performed on database \"{name}\" because it is in an availability group."
            );
            return Err(ServerError::new(3104, 16, message));
        }
        let replaced = options.has("REPLACE");
        if existing.family != set.family && !replaced {
            let message =
                format!("The backup set holds a backup of a database other than the existing '{name}' database.");
            return Err(ServerError::new(3154, 16, message));
        }
        if existing.state == State::Online && existing.recovery != "SIMPLE" && !replaced && !options.has("STOPAT") {
            let message = format!("The tail of the log for the database \"{name}\" has not been backed up.");
            return Err(ServerError::new(3159, 16, message));
        }
    } else if !instance.may(&login, None, "CREATE ANY DATABASE") {
        return Err(ServerError::permission("CREATE DATABASE", "master"));
    }
    let mut files = Vec::new();
    for file in &set.files {
        let physical = options.moved(&file.logical).unwrap_or(&file.physical).to_owned();
        if let Some(owner) = instance.owner_of(&physical).filter(|owner| !super::instance::same_name(&owner.name, name))
        {
            let message =
                format!("The file '{physical}' cannot be overwritten. It is being used by database '{}'.", owner.name);
            return Err(ServerError::new(1834, 16, message));
        }
        files.push(DatabaseFile { physical, ..file.clone() });
    }
    let needed: u64 = files.iter().map(|file| file.bytes).sum();
    if needed > instance.free_bytes {
        let message = format!(
            "There is insufficient free space on disk volume to create the database. It requires {needed} bytes."
        );
        return Err(ServerError::new(3257, 16, message));
    }
    files.iter().try_for_each(write_file)?;
    if instance.find(name).is_none() {
        let created = instance.create(name)?;
        // The files of a fresh database make room for the backup's.
        for file in std::mem::take(&mut created.files) {
            if !files.iter().any(|restored| restored.physical == file.physical) {
                let _ = std::fs::remove_file(&file.physical);
            }
        }
    }
    instance.database_mut(name)?.load(set, files);
    Ok(())
}
