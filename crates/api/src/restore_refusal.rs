//! What a request for a restore is refused for before anything is created. The order is part of the contract: people
//! hear first what they can mend in the request itself. // F-61, F-64

use chrono::{DateTime, Utc};
use domain::problem::FieldError;
use domain::recovery::has_log;
use domain::restore::validate_copies;
use domain::version::{can_load, can_take};
use domain::{
    Backup, DatabaseCopy, Datastore, Engine, ErrorCode, JobStatus, Method, RecoveryStop, RestoreCreate,
    RestoreTargetDraft, StopPosition,
};
use serde::Deserialize;
use store::RecoveryFacts;

use crate::problem::ApiProblem;

/// Checks the request against what is known, and gives where the restore is to stop. Whether the datastore is busy is decided when the job is created.
pub(crate) fn check(
    backup: &Backup,
    datastore: &Datastore,
    body: &RestoreCreate,
    facts: &RecoveryFacts,
    now: DateTime<Utc>,
) -> Result<Option<RecoveryStop>, ApiProblem> {
    check_backup(backup)?;
    let stop = stop_of(datastore.engine, body.pitr_stop_time.as_deref(), body.pitr_stop_position.as_ref())?;
    if let Some(stop) = &stop {
        check_stop(backup, stop, facts, now)?;
    }
    check_target(backup, datastore, body)?;
    Ok(stop)
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

/// Where the request wants to stop; none: exactly the backup.
///
/// # Errors
/// For what is no stop, for both kinds at once, and for an engine that keeps no log.
pub(crate) fn stop_of(
    engine: Engine,
    time: Option<&str>,
    position: Option<&serde_json::Value>,
) -> Result<Option<RecoveryStop>, ApiProblem> {
    if time.is_some() && position.is_some() {
        return Err(ApiProblem::invalid_field("/pitr_stop_position", "can't be given together with pitr_stop_time"));
    }
    let stop = match (time, position) {
        (None, None) => return Ok(None),
        (Some("latest"), _) => RecoveryStop::Latest,
        (Some(text), _) => RecoveryStop::Time {
            at: DateTime::parse_from_rfc3339(text)
                .map_err(|_| {
                    let detail = "must be \"latest\" or a time with its offset, such as 2026-11-22T07:00:00Z";
                    ApiProblem::invalid_field("/pitr_stop_time", detail)
                })?
                .to_utc(),
        },
        (None, Some(position)) => RecoveryStop::Position {
            position: StopPosition::deserialize(position).map_err(|_| {
                let detail = "must be an object such as {\"lsn\": \"0/1A2B3C\"}, {\"xid\": \"742\"}, {\"name\": \"before\"}, \
                              {\"gtid\": \"0-1-22\"} or {\"file\": \"bin.000001\", \"position\": 1234}";
                ApiProblem::invalid_field("/pitr_stop_position", detail)
            })?,
        },
    };
    if !has_log(engine) {
        let reason = format!("{} keeps no log to replay; restore exactly the backup instead.", engine.title());
        return Err(ApiProblem::new(ErrorCode::PitrNotSupported, reason).at(pointer_of(&stop)));
    }
    Ok(Some(stop))
}

const fn pointer_of(stop: &RecoveryStop) -> &'static str {
    match stop {
        RecoveryStop::Latest | RecoveryStop::Time { .. } => "/pitr_stop_time",
        RecoveryStop::Position { .. } => "/pitr_stop_position",
    }
}

/// Whether the archived logs lead from the backup to the stop.
pub(crate) fn check_stop(
    backup: &Backup,
    stop: &RecoveryStop,
    facts: &RecoveryFacts,
    now: DateTime<Utc>,
) -> Result<(), ApiProblem> {
    let at = |code, detail: String| Err(ApiProblem::new(code, detail).at(pointer_of(stop)));
    if let RecoveryStop::Time { at: time } = stop
        && *time > now
    {
        return at(ErrorCode::PitrTimeInFuture, "The stop time is in the future.".to_owned());
    }
    if !facts.has_log() {
        let reason = "No log of this datastore is stored; restore exactly the backup instead.";
        return at(ErrorCode::PitrNotSupported, reason.to_owned());
    }
    facts.check_stop(backup.id, stop, now).or_else(|refusal| at(refusal.code, refusal.detail))
}

/// Whether databases of a backup can be restored under these names.
pub(crate) fn check_copies(databases: &[DatabaseCopy], method: Method) -> Result<(), ApiProblem> {
    of_target(validate_copies(databases, method))
}

/// What is wrong with the fields of a target, if anything.
fn of_target(errors: Vec<FieldError>) -> Result<(), ApiProblem> {
    let of_target = |error: FieldError| FieldError::new(format!("/target{}", error.pointer), error.detail);
    match errors.is_empty() {
        true => Ok(()),
        false => Err(ApiProblem::invalid(errors.into_iter().map(of_target).collect())),
    }
}

/// Whether the data may go there. A server that is to be made has no version yet, and nothing of it is overwritten.
fn check_target(backup: &Backup, datastore: &Datastore, body: &RestoreCreate) -> Result<(), ApiProblem> {
    match &body.target {
        RestoreTargetDraft::NewDatastore(new) => of_target(new.validate(datastore, backup.method)),
        RestoreTargetDraft::NewDatabases { databases } => {
            check_copies(databases, backup.method)?;
            check_server(backup, datastore)
        }
        RestoreTargetDraft::InPlace if body.confirm.as_deref() != Some(datastore.name.as_str()) => {
            Err(ApiProblem::new(
                ErrorCode::ConfirmationMismatch,
                "A restore in place replaces all data: type the datastore's name exactly.",
            )
            .at("/confirm"))
        }
        RestoreTargetDraft::InPlace => check_server(backup, datastore),
    }
}

fn check_server(backup: &Backup, datastore: &Datastore) -> Result<(), ApiProblem> {
    let capabilities = &datastore.capabilities;
    let goes_through_server = backup.method.restores_through_server();
    if !capabilities.restore_in_place && !goes_through_server {
        let reason = capabilities.restore_in_place_reason.clone();
        return Err(ApiProblem::new(
            ErrorCode::ServiceControlMissing,
            reason.unwrap_or_else(|| "No worker has looked at this server yet. Test the datastore first.".to_owned()),
        ));
    }
    if let (Some(source), Some(target)) = (&backup.engine_version, &datastore.engine_version)
        && !(if goes_through_server { can_load } else { can_take })(datastore.engine, source, target)
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
