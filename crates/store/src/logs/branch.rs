//! Branches of a datastore's log: a restore begins a new one, its undo comes back to the one before.

use diesel::prelude::*;
use domain::log_archive::LogArchivingStatus;

use crate::StoreError;
use crate::datastores::row as datastore_row;
use crate::schema::{datastores, log_archivers, restores};
use crate::transaction::Transaction;

/// The restore begins a branch of its own, named after it. // F-68
pub fn replace(transaction: &mut Transaction<'_>, datastore: &str, restore: &str) -> Result<(), StoreError> {
    let before = datastore_row::find(transaction.connection, datastore)?.log_branch;
    let branch = restore.replace('-', "");
    if before == branch {
        return Ok(());
    }
    diesel::update(restores::table.find(restore))
        .set(restores::replaced_branch.eq(&before))
        .execute(transaction.connection)?;
    set(transaction, datastore, &branch)
}

/// The undo of a restore comes back to the branch that it replaced.
pub fn leave(transaction: &mut Transaction<'_>, datastore: &str, restore: &str) -> Result<(), StoreError> {
    let replaced: Option<Option<String>> =
        restores::table.find(restore).select(restores::replaced_branch).first(transaction.connection).optional()?;
    match replaced.flatten() {
        Some(branch) => set(transaction, datastore, &branch),
        None => Ok(()),
    }
}

/// What the server writes from now on belongs to no branch that is known.
pub fn branch_off(transaction: &mut Transaction<'_>, datastore: &str, job: &str) -> Result<(), StoreError> {
    set(transaction, datastore, &job.replace('-', ""))
}

/// Nothing is known of the new branch's log yet.
fn set(transaction: &mut Transaction<'_>, datastore: &str, branch: &str) -> Result<(), StoreError> {
    diesel::update(datastores::table.find(datastore))
        .set(datastores::log_branch.eq(branch))
        .execute(transaction.connection)?;
    diesel::update(log_archivers::table.find(datastore))
        .set((
            log_archivers::status.eq(LogArchivingStatus::Waiting.as_str()),
            log_archivers::incarnation.eq(None::<String>),
            log_archivers::complete_until.eq(None::<i64>),
            log_archivers::is_based.eq(false),
            log_archivers::lag_bytes.eq(None::<i64>),
        ))
        .execute(transaction.connection)?;
    Ok(())
}
