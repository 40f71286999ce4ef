//! Which backup a new one is built on. The rules are `domain`'s; the facts are read here, under the datastore's lock:
//! whatever could change them is a job that waits until the new backup has ended.

use diesel::prelude::*;
use domain::chain::{Continuation, Link};
use domain::transaction_log;
use domain::{BackupType, JobKind, JobStatus, Method, RestorePhase, RestoreStatus};

use crate::backups::row::{self, BackupRow};
use crate::columns::{uuid, word};
use crate::connection::AnyConnection;
use crate::datastores::row::DatastoreRow;
use crate::schema::{backups, jobs, restores};
use crate::{StoreError, logs, upkeep};

/// The parent's id, or why there is none, as the end of a sentence.
pub fn choose(
    connection: &mut AnyConnection,
    datastore: &DatastoreRow,
    method: Method,
    backup_type: BackupType,
) -> Result<Result<String, String>, StoreError> {
    match backup_type {
        BackupType::Full | BackupType::Incremental => {
            let chain = newest_chain(connection, datastore, method)?;
            let maximum_links = upkeep::settings(connection, datastore)?.maximum_chain_length;
            judge(connection, datastore, chain, usize::try_from(maximum_links).unwrap_or(usize::MAX))
        }
        BackupType::Differential | BackupType::Log => {
            let (rows, line): (Vec<_>, Vec<_>) =
                logs::newest_line(connection, &datastore.id, method)?.into_iter().unzip();
            let chain = log_chain(rows, backup_type);
            // The rules of logs have a limit of their own.
            let judged = judge(connection, datastore, chain, usize::MAX)?;
            Ok(judged.and_then(|parent| transaction_log::obstacle(backup_type, &line).map_or(Ok(parent), Err)))
        }
    }
}

/// The chain that ends with the newest completed backup by a method, that one first.
fn newest_chain(
    connection: &mut AnyConnection,
    datastore: &DatastoreRow,
    method: Method,
) -> Result<Vec<BackupRow>, StoreError> {
    let mut next: Option<BackupRow> = backups::table
        .filter(backups::datastore_id.eq(&datastore.id))
        .filter(backups::method.eq(method.as_str()))
        .filter(backups::status.eq(JobStatus::Completed.as_str()))
        .order(backups::number.desc())
        .first(connection)
        .optional()?;
    let mut chain = Vec::new();
    while let Some(backup) = next {
        next = backup.parent_id.as_ref().map(|parent| row::find(connection, parent)).transpose()?;
        chain.push(backup);
    }
    Ok(chain)
}

/// What a differential or log backup is built on, the newest first: the full backup, and for a log backup the log backups on
/// it. `line` begins with that full backup.
fn log_chain(line: Vec<BackupRow>, backup_type: BackupType) -> Vec<BackupRow> {
    let is_link = |row: &BackupRow| {
        row.backup_type == BackupType::Full.as_str()
            || (backup_type == BackupType::Log && row.backup_type == BackupType::Log.as_str())
    };
    line.into_iter().rev().filter(is_link).collect()
}

/// Whether the first of a chain can be built on.
fn judge(
    connection: &mut AnyConnection,
    datastore: &DatastoreRow,
    chain: Vec<BackupRow>,
    maximum_links: usize,
) -> Result<Result<String, String>, StoreError> {
    let newest = chain.first();
    let replaced_since = match newest {
        Some(backup) => replaced_since(connection, backup)?,
        None => false,
    };
    let id = newest.map(|backup| backup.id.clone()).unwrap_or_default();
    let continuation = Continuation {
        chain: chain.iter().map(link).collect::<Result<_, _>>()?,
        storage_id: uuid("datastores.storage_id", &datastore.storage_id)?,
        server_identity: datastore.server_identity.clone(),
        maximum_links,
        replaced_since,
    };
    Ok(continuation.obstacle().map_or(Ok(id), Err))
}

fn link(backup: &BackupRow) -> Result<Link, StoreError> {
    Ok(Link {
        number: backup.number,
        storage_id: uuid("backups.storage_id", &backup.storage_id)?,
        server_identity: backup.server_identity.clone(),
        verification: word("backups.verification", &backup.verification)?,
        deleting: backup.deleting,
    })
}

/// Whether a restore or an undo has replaced the data since a backup was asked for: it was done, or it ended in a way that
/// leaves a doubt. One that was refused in its first attempt while it only looked has not.
fn replaced_since(connection: &mut AnyConnection, backup: &BackupRow) -> Result<bool, StoreError> {
    let done = [RestoreStatus::Completed, RestoreStatus::Undone].map(RestoreStatus::as_str);
    let restores: i64 = restores::table
        .filter(restores::datastore_id.eq(&backup.datastore_id))
        .filter(restores::created_at.ge(backup.created_at))
        .filter(restores::status.eq_any(done).or(restores::phase.ne(RestorePhase::Checking.as_str())))
        .count()
        .get_result(connection)?;
    let undone = jobs::kind.eq(JobKind::Undo.as_str()).and(jobs::attempt.gt(0));
    // A later attempt begins to look again, whatever the one before has done.
    let tried_again = jobs::kind.eq(JobKind::Restore.as_str()).and(jobs::attempt.gt(1));
    let doubtful: i64 = jobs::table
        .filter(jobs::datastore_id.eq(&backup.datastore_id))
        .filter(jobs::created_at.ge(backup.created_at))
        .filter(undone.or(tried_again))
        .count()
        .get_result(connection)?;
    Ok(restores + doubtful > 0)
}
