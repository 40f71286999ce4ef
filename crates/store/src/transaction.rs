//! Transactions: short, one writer at a time on SQLite, row locks on PostgreSQL, and the event and the audit row of every
//! change in the same commit as the change.

use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use domain::{AuditEntry, EventKind, Subject, SubjectKind};
use uuid::Uuid;

use crate::columns::micros;
use crate::connection::{AnyConnection, acquire};
use crate::master_key::MasterKey;
use crate::schema::{datastores, events, jobs, schedules};
use crate::{Store, StoreError, audit};

/// How often a transaction that met another one is done again.
const COLLISIONS: u32 = 5;
/// The advisory lock under which PostgreSQL gives out event ids: see [`Transaction::write_events`].
const EVENTS_LOCK: i64 = 0x686f_6c64_6661_7374;

/// A transaction that writes. Events are collected and written at its end.
pub struct Transaction<'c> {
    pub connection: &'c mut AnyConnection,
    pub key: &'c MasterKey,
    /// The time that the caller gave.
    pub now: DateTime<Utc>,
    events: Vec<(EventKind, Uuid, Option<Uuid>)>,
    /// What goes into the audit log besides the entry of the request.
    audits: Vec<AuditEntry>,
    /// What the request's entry is about, where the transaction knows better.
    about: Option<Subject>,
}

impl Store {
    /// Runs queries that change nothing.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = acquire(&self.pool)?;
        let outcome = query(&mut connection);
        outcome.map_err(|error| told_apart(&mut connection, error))
    }

    /// Runs `change` in one transaction, again when it collided with another. An error takes everything back.
    pub(crate) fn write<T>(
        &self,
        now: DateTime<Utc>,
        mut change: impl FnMut(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Queue before taking a connection, so that readers always find one.
        let _turn = self.writer.as_ref().map(|writer| writer.lock().unwrap_or_else(PoisonError::into_inner));
        let mut connection = acquire(&self.pool)?;
        let mut collisions = 0;
        loop {
            match self.write_once(&mut connection, now, &mut change) {
                Err(error) if error.is_collision() && collisions < COLLISIONS => collisions += 1,
                outcome => return outcome.map_err(|error| told_apart(&mut connection, error)),
            }
        }
    }

    fn write_once<T>(
        &self,
        connection: &mut AnyConnection,
        now: DateTime<Utc>,
        change: &mut impl FnMut(&mut Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match connection {
            // A reader that becomes a writer can't wait for the lock, so take it at the start (sqlite.org/lang_transaction.html).
            AnyConnection::Sqlite(sqlite) => AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?,
            AnyConnection::Postgres(postgres) => AnsiTransactionManager::begin_transaction(postgres)?,
        }
        let mut transaction =
            Transaction { connection, key: &self.key, now, events: Vec::new(), audits: Vec::new(), about: None };
        let mut entry = audit::pending(self.acting.as_ref());
        let outcome = transaction.run(change, entry.as_mut());
        type Manager = <AnyConnection as Connection>::TransactionManager;
        match outcome {
            Ok(value) => {
                if let Err(error) = Manager::commit_transaction(connection) {
                    roll_back(connection);
                    return Err(error.into());
                }
                audit::written(self.acting.as_ref());
                Ok(value)
            }
            Err(error) => {
                roll_back(connection);
                Err(error)
            }
        }
    }
}

/// Ends a transaction whose outcome is already an error; when even that fails, the connection is broken and the pool
/// throws it away.
fn roll_back(connection: &mut AnyConnection) {
    if <AnyConnection as Connection>::TransactionManager::get_transaction_depth(connection) == 0 {
        return;
    }
    if let Err(error) = <AnyConnection as Connection>::TransactionManager::rollback_transaction(connection) {
        tracing::debug!(error = &error as &dyn std::error::Error, "rolling back");
    }
}

/// An error of PostgreSQL after which the connection no longer answers is the connection's, whatever its words.
fn told_apart(connection: &mut AnyConnection, error: StoreError) -> StoreError {
    match (connection, error) {
        (AnyConnection::Postgres(postgres), StoreError::Database(source)) => match postgres.ping() {
            Ok(()) => StoreError::Database(source),
            Err(_) => StoreError::Unavailable { detail: source.to_string() },
        },
        (_, error) => error,
    }
}

trait Depth {
    fn get_transaction_depth(connection: &mut AnyConnection) -> u32;
}

impl<T: TransactionManager<AnyConnection>> Depth for T {
    fn get_transaction_depth(connection: &mut AnyConnection) -> u32 {
        match T::transaction_manager_status_mut(connection).transaction_depth() {
            Ok(depth) => depth.map_or(0, u32::from),
            Err(_) => 1,
        }
    }
}

impl Transaction<'_> {
    /// Makes the change and writes what tells of it. The name of a thing that the change deletes is looked up before.
    fn run<T>(
        &mut self,
        change: &mut impl FnMut(&mut Transaction<'_>) -> Result<T, StoreError>,
        mut entry: Option<&mut AuditEntry>,
    ) -> Result<T, StoreError> {
        if let Some(entry) = entry.as_mut() {
            audit::describe(self.connection, entry)?;
        }
        let value = change(self)?;
        let mut rows = std::mem::take(&mut self.audits);
        if let Some(entry) = entry {
            let changed: Vec<(SubjectKind, Uuid, Option<Uuid>)> = self
                .events
                .iter()
                .filter_map(|(kind, id, datastore)| Some((SubjectKind::of_event(*kind)?, *id, *datastore)))
                .collect();
            audit::complete(entry, self.about.as_ref(), &changed);
            rows.insert(0, entry.clone());
        }
        self.write_events()?;
        audit::append(self, rows)?;
        Ok(value)
    }

    /// Adds a row to the audit log, written at the transaction's end.
    pub fn audit(&mut self, entry: AuditEntry) {
        self.audits.push(entry);
    }

    /// Says what the request's entry is about, where its path does not tell: a thing that was just made, or one whose
    /// name no table of this crate's `audit::describe` knows.
    pub fn about(&mut self, subject: Subject) {
        self.about = Some(subject);
    }

    /// Notes that a thing changed. Noting the same thing twice in a transaction makes one event.
    pub fn changed(&mut self, kind: EventKind, resource: Uuid, datastore: Option<Uuid>) {
        let event = (kind, resource, datastore);
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// Writes the events. On PostgreSQL ids are given out before the commit, so two transactions could commit in the other
    /// order and a reader that has seen the higher id would never see the lower one. The lock, held from here to the
    /// commit, makes the order of ids the order of commits.
    fn write_events(&mut self) -> Result<(), StoreError> {
        if self.events.is_empty() {
            return Ok(());
        }
        if let AnyConnection::Postgres(postgres) = self.connection {
            postgres.batch_execute(&format!("select pg_advisory_xact_lock({EVENTS_LOCK})"))?;
        }
        for (kind, resource, datastore) in self.events.drain(..) {
            diesel::insert_into(events::table)
                .values((
                    events::kind.eq(kind.as_str()),
                    events::resource_id.eq(resource.to_string()),
                    events::datastore_id.eq(datastore.map(|id| id.to_string())),
                    events::at.eq(micros(self.now)),
                ))
                .execute(self.connection)?;
        }
        Ok(())
    }

    /// Keeps others from changing a job until the end. Locks are taken in the order job, datastore, so that no two
    /// transactions wait for each other. SQLite has one writer anyway.
    pub fn lock_job(&mut self, id: &str) -> Result<(), StoreError> {
        if let AnyConnection::Postgres(postgres) = self.connection {
            jobs::table.find(id).select(jobs::id).for_update().first::<String>(postgres).optional()?;
        }
        Ok(())
    }

    /// Keeps others from changing a schedule or its runs until the end. Locked after its datastore.
    pub fn lock_schedule(&mut self, id: &str) -> Result<(), StoreError> {
        if let AnyConnection::Postgres(postgres) = self.connection {
            schedules::table.find(id).select(schedules::id).for_update().first::<String>(postgres).optional()?;
        }
        Ok(())
    }

    /// Keeps others from changing a datastore, or adding a job to it, until the end.
    pub fn lock_datastore(&mut self, id: &str) -> Result<(), StoreError> {
        if let AnyConnection::Postgres(postgres) = self.connection {
            datastores::table.find(id).select(datastores::id).for_update().first::<String>(postgres).optional()?;
        }
        Ok(())
    }
}
