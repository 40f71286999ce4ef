//! Which token speaks for which worker. A name belongs to the token that it first came with, until that token is ended: so a
//! stolen token reaches the jobs of its own worker and no other's. The shared token is one of them, and stands as none. // F-89

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::columns::micros;
use crate::connection::AnyConnection;
use crate::schema::{jobs, log_archivers, tokens, worker_bindings};
use crate::{Store, StoreError};

/// Who a name belongs to: null when to nobody yet, or to a token that has expired.
fn binding(
    connection: &mut AnyConnection,
    worker: &str,
    now: DateTime<Utc>,
) -> Result<Option<Option<String>>, StoreError> {
    let found: Option<Option<String>> =
        worker_bindings::table.find(worker).select(worker_bindings::token_id).first(connection).optional()?;
    let Some(Some(token)) = &found else { return Ok(found) };
    let expires: Option<Option<i64>> =
        tokens::table.find(token).select(tokens::expires_at).first(connection).optional()?;
    let is_over = expires.is_none_or(|at| at.is_some_and(|at| at <= micros(now)));
    Ok(found.filter(|_| !is_over))
}

fn speaks_for(
    connection: &mut AnyConnection,
    token: Option<&str>,
    worker: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // A worker that claimed before names were bound belongs to whoever has it.
    Ok(binding(connection, worker, now)?.is_none_or(|bound| bound.as_deref() == token))
}

impl Store {
    /// Lets a worker speak under a name: binds the name to the token when it is free.
    ///
    /// # Errors
    /// [`StoreError::WorkerOfAnother`].
    pub fn worker_admit(&self, worker: &str, token: Option<Uuid>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let token = token.map(|id| id.to_string());
        let judge = |bound: Option<Option<String>>| match bound {
            Some(bound) if bound == token => Ok(true),
            Some(_) => Err(StoreError::WorkerOfAnother { worker: worker.to_owned() }),
            None => Ok(false),
        };
        if self.read(|connection| judge(binding(connection, worker, now)?))? {
            return Ok(());
        }
        self.aside().write(now, |transaction| {
            if judge(binding(transaction.connection, worker, now)?)? {
                return Ok(());
            }
            diesel::delete(worker_bindings::table.find(worker)).execute(transaction.connection)?;
            let row = (
                worker_bindings::worker.eq(worker),
                worker_bindings::token_id.eq(&token),
                worker_bindings::bound_at.eq(micros(now)),
            );
            match transaction.connection {
                AnyConnection::Postgres(postgres) => diesel::insert_into(worker_bindings::table)
                    .values(row)
                    .on_conflict_do_nothing()
                    .execute(postgres)?,
                AnyConnection::Sqlite(sqlite) => {
                    diesel::insert_into(worker_bindings::table).values(row).execute(sqlite)?
                }
            };
            // Another token may have been quicker.
            judge(binding(transaction.connection, worker, now)?).map(|_| ())
        })
    }

    /// Makes sure that a job was claimed by a worker that this token speaks for.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when it is another's, or there is none.
    pub fn worker_require_job(&self, job: Uuid, token: Option<Uuid>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let token = token.map(|id| id.to_string());
        self.read(|connection| {
            let found: Option<Option<String>> =
                jobs::table.find(job.to_string()).select(jobs::worker).first(connection).optional()?;
            match found.ok_or(StoreError::LeaseLost)? {
                Some(worker) if !speaks_for(connection, token.as_deref(), &worker, now)? => Err(StoreError::LeaseLost),
                // One that nobody holds is answered by its attempt.
                _ => Ok(()),
            }
        })
    }

    /// Makes sure that a worker that this token speaks for archives the logs of a datastore, or runs a job on it.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    pub fn worker_require_logs(
        &self,
        datastore: Uuid,
        token: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (token, datastore) = (token.map(|id| id.to_string()), datastore.to_string());
        self.read(|connection| {
            let archiver: Option<Option<String>> =
                log_archivers::table.find(&datastore).select(log_archivers::worker).first(connection).optional()?;
            let running: Vec<Option<String>> = jobs::table
                .filter(jobs::datastore_id.eq(&datastore))
                .filter(jobs::status.eq(domain::JobStatus::Running.as_str()))
                .select(jobs::worker)
                .load(connection)?;
            for worker in archiver.into_iter().chain(running).flatten() {
                if speaks_for(connection, token.as_deref(), &worker, now)? {
                    return Ok(());
                }
            }
            Err(StoreError::LeaseLost)
        })
    }
}
