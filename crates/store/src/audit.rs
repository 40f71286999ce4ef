//! The audit log: appended in the very transaction of the change that it tells of, so that neither is there without the
//! other. The rows are chained by `domain::audit::chain`; the chain's head is sealed with the master key in `meta`, and each
//! row is built on the sealed head, not on what the table seems to end with: a log that was cut off shows a gap from then on.

mod list;
mod row;
mod verify;

pub use list::AuditFilter;
pub use verify::AuditFinding;

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use domain::audit::chain::Head;
use domain::{AuditEntry, AuditEvent, Subject, SubjectKind};
use uuid::Uuid;

use crate::columns::{optional_uuid, to_json, without_nul};
use crate::connection::AnyConnection;
use crate::master_key::MasterKey;
use crate::schema::{audit_events, backups, datastores, jobs, meta, restores, schedules, storages};
use crate::transaction::Transaction;
use crate::{Store, StoreError};
use row::AuditRow;

/// The row of `meta` with the sealed head of the chain.
const HEAD: &str = "audit_head";
/// The advisory lock under which PostgreSQL's rows are chained; taken last in a transaction and held to its commit.
const AUDIT_LOCK: i64 = 0x686f_6c64_6175_6474;

/// The entry of a request, until it is written.
pub(crate) type Pending = Arc<Mutex<Option<AuditEntry>>>;

impl Store {
    /// A handle on the same database whose first transaction that changes something also writes `entry`, and is taken back when
    /// that fails. Later ones write no further row: a request leaves one. Clones share that.
    pub fn acting(&self, entry: AuditEntry) -> Self {
        Self { acting: Some(Arc::new(Mutex::new(Some(entry)))), ..self.clone() }
    }

    /// Writes the entry of this handle, if that is still to be done, without a change.
    pub fn audit_acted(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        match &self.acting {
            Some(_) => self.write(now, |_| Ok(())),
            None => Ok(()),
        }
    }

    /// Writes a row about something that changed nothing, such as a refusal.
    pub fn audit_append(&self, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            transaction.audit(entry.clone());
            Ok(())
        })
    }
}

/// What a transaction knows about its entry.
pub(crate) fn pending(acting: Option<&Pending>) -> Option<AuditEntry> {
    acting.and_then(|pending| pending.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// The entry has been committed.
pub(crate) fn written(acting: Option<&Pending>) {
    if let Some(pending) = acting {
        *pending.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Fills in the name of an entry's subject, and its datastore, as far as they are known now.
pub(crate) fn describe(connection: &mut AnyConnection, entry: &mut AuditEntry) -> Result<(), StoreError> {
    let Some(id) = entry.subject.id.map(|id| id.to_string()) else { return Ok(()) };
    let (name, datastore) = match entry.subject.kind {
        SubjectKind::Datastore => {
            let name = datastores::table.find(&id).select(datastores::name).first(connection).optional()?;
            (name, Some(id))
        }
        SubjectKind::Storage => (storages::table.find(&id).select(storages::name).first(connection).optional()?, None),
        SubjectKind::Backup => of_backup(connection, &id)?,
        SubjectKind::Restore => {
            let found: Option<(i64, String)> = restores::table
                .find(&id)
                .select((restores::backup_number, restores::datastore_id))
                .first(connection)
                .optional()?;
            found.map_or((None, None), |(number, datastore)| (Some(number.to_string()), Some(datastore)))
        }
        SubjectKind::Schedule => {
            (None, schedules::table.find(&id).select(schedules::datastore_id).first(connection).optional()?)
        }
        SubjectKind::Job => {
            let found: Option<(String, Option<String>)> =
                jobs::table.find(&id).select((jobs::kind, jobs::datastore_id)).first(connection).optional()?;
            found.map_or((None, None), |(kind, datastore)| (Some(kind), datastore))
        }
        SubjectKind::Worker
        | SubjectKind::User
        | SubjectKind::Session
        | SubjectKind::Token
        | SubjectKind::Project
        | SubjectKind::Service => (None, None),
    };
    entry.subject.name = entry.subject.name.take().or(name);
    if entry.datastore_id.is_none() {
        entry.datastore_id = optional_uuid("datastores.id", datastore.as_deref())?;
    }
    Ok(())
}

fn of_backup(connection: &mut AnyConnection, id: &str) -> Result<(Option<String>, Option<String>), StoreError> {
    let found: Option<(i64, String)> =
        backups::table.find(id).select((backups::number, backups::datastore_id)).first(connection).optional()?;
    Ok(found.map_or((None, None), |(number, datastore)| (Some(number.to_string()), Some(datastore))))
}

/// What a transaction made tells what its entry is about, where the request could not: a thing of the entry's kind.
pub(crate) fn complete(entry: &mut AuditEntry, about: Option<&Subject>, changed: &[(SubjectKind, Uuid, Option<Uuid>)]) {
    if let Some(about) = about {
        entry.subject = about.clone();
    }
    let made = changed
        .iter()
        .find(|(kind, id, _)| *kind == entry.subject.kind && entry.subject.id.is_none_or(|subject| subject == *id));
    if let Some((_, id, datastore)) = made {
        entry.subject.id = Some(*id);
        entry.datastore_id = entry.datastore_id.or(*datastore);
    }
}

/// Writes the rows at the end of a transaction.
pub(crate) fn append(transaction: &mut Transaction<'_>, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    if let AnyConnection::Postgres(postgres) = transaction.connection {
        postgres.batch_execute(&format!("select pg_advisory_xact_lock({AUDIT_LOCK})"))?;
    }
    let mut head = head(transaction.connection, transaction.key)?.map_or_else(|| broken(transaction.connection), Ok)?;
    for mut entry in entries {
        describe(transaction.connection, &mut entry)?;
        let event = head.append(printable(entry), transaction.now);
        diesel::insert_into(audit_events::table).values(AuditRow::of(&event)).execute(transaction.connection)?;
        head = Head::of(&event);
    }
    save_head(transaction.connection, transaction.key, &head)
}

/// What both databases keep as it is.
fn printable(entry: AuditEntry) -> AuditEntry {
    let clean = |text: Option<String>| text.map(|text| without_nul(&text));
    AuditEntry {
        actor: domain::Actor { name: without_nul(&entry.actor.name), ..entry.actor },
        action: without_nul(&entry.action),
        subject: Subject { name: clean(entry.subject.name), ..entry.subject },
        from_address: clean(entry.from_address),
        detail: clean(entry.detail),
        request_id: clean(entry.request_id),
        ..entry
    }
}

/// Somebody took the head away or forged it. The service goes on, since it has to be able to restore; the next row is
/// built on nothing, which [`Store::audit_verify`] finds.
fn broken(connection: &mut AnyConnection) -> Result<Head, StoreError> {
    tracing::error!(
        "the audit log's sealed end is missing: somebody changed the control database; run holdfast audit verify"
    );
    let last: Option<i64> =
        audit_events::table.select(audit_events::id).order(audit_events::id.desc()).first(connection).optional()?;
    Ok(Head { count: last.unwrap_or(0), ..Head::genesis() })
}

/// The head as it was sealed; none when there is none that opens.
fn head(connection: &mut AnyConnection, key: &MasterKey) -> Result<Option<Head>, StoreError> {
    let sealed: Option<String> = meta::table.find(HEAD).select(meta::value).first(connection).optional()?;
    let opened = sealed.and_then(|sealed| key.open(HEAD, &sealed).ok());
    Ok(opened.and_then(|json| serde_json::from_slice(&json).ok()))
}

fn save_head(connection: &mut AnyConnection, key: &MasterKey, head: &Head) -> Result<(), StoreError> {
    let sealed = key.seal(HEAD, to_json("meta.audit_head", head)?.as_bytes())?;
    let changed = diesel::update(meta::table.find(HEAD)).set(meta::value.eq(&sealed)).execute(connection)?;
    if changed == 0 {
        diesel::insert_into(meta::table).values((meta::key.eq(HEAD), meta::value.eq(&sealed))).execute(connection)?;
    }
    Ok(())
}

/// Seals the end of an empty log, once, when the tables are made.
pub(crate) fn begin(connection: &mut AnyConnection, key: &MasterKey) -> Result<(), StoreError> {
    let known: Option<String> = meta::table.find(HEAD).select(meta::value).first(connection).optional()?;
    let rows: Option<i64> = audit_events::table.select(audit_events::id).first(connection).optional()?;
    if known.is_some() || rows.is_some() {
        return Ok(());
    }
    match save_head(connection, key, &Head::genesis()) {
        // Another process was first.
        Err(StoreError::Database(diesel::result::Error::DatabaseError(
            diesel::result::DatabaseErrorKind::UniqueViolation,
            _,
        ))) => Ok(()),
        outcome => outcome,
    }
}

impl Store {
    /// One row of the log.
    pub fn audit_get(&self, id: i64) -> Result<AuditEvent, StoreError> {
        self.read(|connection| {
            let row: Option<AuditRow> = audit_events::table.find(id).first(connection).optional()?;
            row.ok_or(StoreError::NotFound { what: "audit event" })?.into_domain()
        })
    }
}
