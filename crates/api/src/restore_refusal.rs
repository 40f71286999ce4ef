//! What a request for a restore is refused for before anything is created. The order is part of the contract: people
//! hear first what they can mend in the request itself. // F-61, F-64

use chrono::{DateTime, Utc};
use domain::version::can_take;
use domain::{Backup, Datastore, Engine, ErrorCode, JobStatus, RestoreCreate, RestoreTarget};

use crate::problem::ApiProblem;

/// Checks the request against what is known. Whether the datastore is busy is decided when the job is created.
pub(crate) fn check(
    backup: &Backup,
    datastore: &Datastore,
    body: &RestoreCreate,
    now: DateTime<Utc>,
) -> Result<(), ApiProblem> {
    check_backup(backup)?;
    check_stop(datastore.engine, body, now)?;
    check_target(datastore, body)?;
    check_server(backup, datastore)
}

/// Only what was completed can be restored.
pub(crate) fn check_backup(backup: &Backup) -> Result<(), ApiProblem> {
    if backup.deleting {
        return Err(ApiProblem::new(
            ErrorCode::BackupNotRestorable,
            format!("Backup {} is being deleted.", backup.number),
        ));
    }
    if backup.status != JobStatus::Completed {
        return Err(ApiProblem::new(
            ErrorCode::BackupNotRestorable,
            format!("Backup {} is {}; only completed backups can be restored.", backup.number, backup.status),
        ));
    }
    Ok(())
}

fn check_stop(engine: Engine, body: &RestoreCreate, now: DateTime<Utc>) -> Result<(), ApiProblem> {
    let (time, position) = (body.pitr_stop_time.as_deref(), body.pitr_stop_position.as_ref());
    if time.is_some() && position.is_some() {
        return Err(ApiProblem::invalid_field("/pitr_stop_position", "can't be given together with pitr_stop_time"));
    }
    if position.is_some_and(|position| !position.is_object()) {
        return Err(ApiProblem::invalid_field(
            "/pitr_stop_position",
            "must be an object such as {\"lsn\": \"0/1A2B3C\"}",
        ));
    }
    if time.is_none() && position.is_none() {
        return Ok(());
    }
    let stop = match time {
        None | Some("latest") => None,
        Some(text) => Some(DateTime::parse_from_rfc3339(text).map_err(|_| {
            ApiProblem::invalid_field("/pitr_stop_time", "must be \"latest\" or a time such as 2026-11-22T07:00:00Z")
        })?),
    };
    let keeps_logs = !matches!(engine, Engine::Redis | Engine::Valkey);
    if keeps_logs && stop.is_some_and(|stop| stop > now) {
        return Err(
            ApiProblem::new(ErrorCode::PitrTimeInFuture, "The stop time is in the future.").at("/pitr_stop_time")
        );
    }
    let reason = if keeps_logs {
        "This version of Holdfast archives no logs yet; restore exactly the backup instead.".to_owned()
    } else {
        format!("{} keeps no log to replay; restore exactly the backup instead.", engine.title())
    };
    let pointer = if time.is_some() { "/pitr_stop_time" } else { "/pitr_stop_position" };
    Err(ApiProblem::new(ErrorCode::PitrNotSupported, reason).at(pointer))
}

fn check_target(datastore: &Datastore, body: &RestoreCreate) -> Result<(), ApiProblem> {
    match &body.target {
        RestoreTarget::NewDatastore { .. } => Err(ApiProblem::new(
            ErrorCode::TargetNotSupported,
            "Restoring into a new datastore is not supported yet. Restore in place.",
        )
        .at("/target/kind")),
        RestoreTarget::InPlace if body.confirm.as_deref() != Some(datastore.name.as_str()) => Err(ApiProblem::new(
            ErrorCode::ConfirmationMismatch,
            "A restore in place replaces all data: type the datastore's name exactly.",
        )
        .at("/confirm")),
        RestoreTarget::InPlace => Ok(()),
    }
}

fn check_server(backup: &Backup, datastore: &Datastore) -> Result<(), ApiProblem> {
    let capabilities = &datastore.capabilities;
    if !capabilities.restore_in_place {
        let reason = capabilities.restore_in_place_reason.clone();
        return Err(ApiProblem::new(
            ErrorCode::ServiceControlMissing,
            reason.unwrap_or_else(|| "No worker has looked at this server yet. Test the datastore first.".to_owned()),
        ));
    }
    if let (Some(source), Some(target)) = (&backup.engine_version, &datastore.engine_version)
        && !can_take(datastore.engine, source, target)
    {
        return Err(ApiProblem::new(
            ErrorCode::IncompatibleEngineVersion,
            format!(
                "The backup was made with {title} {source}, the server runs {target}. Install the backup's version to restore it.",
                title = datastore.engine.title()
            ),
        ));
    }
    Ok(())
}
