//! Workers: who was heard of and when. A row is a memory of a name; which jobs a worker runs is in the jobs.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use domain::worker::{WORKER_SILENT_SECONDS, WorkerIdentity};
use domain::{EventKind, Job, Page, Worker};

use crate::columns::{from_json, micros, new_id, time, to_json, uuid};
use crate::connection::AnyConnection;
use crate::jobs::condition;
use crate::jobs::row::{JobRow, into_jobs};
use crate::schema::{jobs, workers};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// Idle workers ask every moment; their row is written at most this often.
const SEEN_EVERY_SECONDS: i64 = 5;

#[derive(Queryable, Insertable)]
#[diesel(table_name = workers)]
struct WorkerRow {
    id: String,
    name: String,
    version: String,
    labels: String,
    last_seen_at: i64,
}

fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<WorkerRow>, StoreError> {
    Ok(workers::table.filter(workers::name.eq(name)).first(connection).optional()?)
}

/// Whether what is known of a worker is so fresh that it need not be written again.
pub(crate) fn is_fresh(
    connection: &mut AnyConnection,
    worker: &WorkerIdentity,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let labels = to_json("workers.labels", &worker.labels)?;
    let fresh = |row: WorkerRow| {
        let silent = now - time(row.last_seen_at);
        row.version == worker.version
            && row.labels == labels
            && silent < Duration::seconds(SEEN_EVERY_SECONDS)
            && silent > Duration::seconds(-SEEN_EVERY_SECONDS)
    };
    Ok(find(connection, &worker.name)?.is_some_and(fresh))
}

/// Notes that a worker was heard of. Only news makes an event: a new worker, another version, one that was gone.
pub(crate) fn seen(transaction: &mut Transaction<'_>, worker: &WorkerIdentity) -> Result<(), StoreError> {
    let labels = to_json("workers.labels", &worker.labels)?;
    let now = micros(transaction.now);
    let id = match find(transaction.connection, &worker.name)? {
        None => {
            let id = new_id(transaction.now);
            let row = WorkerRow {
                id: id.to_string(),
                name: worker.name.clone(),
                version: worker.version.clone(),
                labels,
                last_seen_at: now,
            };
            insert(transaction, &row)?;
            id
        }
        Some(row) => {
            diesel::update(workers::table.find(&row.id))
                .set((workers::version.eq(&worker.version), workers::labels.eq(&labels), workers::last_seen_at.eq(now)))
                .execute(transaction.connection)?;
            let was_gone = transaction.now - time(row.last_seen_at) >= Duration::seconds(WORKER_SILENT_SECONDS);
            if !was_gone && row.version == worker.version && row.labels == labels {
                return Ok(());
            }
            uuid("workers.id", &row.id)?
        }
    };
    transaction.changed(EventKind::Worker, id, None);
    Ok(())
}

/// Two claims of a new name may come at once, and on PostgreSQL a failed insert would end the transaction.
fn insert(transaction: &mut Transaction<'_>, row: &WorkerRow) -> Result<(), StoreError> {
    match transaction.connection {
        AnyConnection::Postgres(postgres) => {
            diesel::insert_into(workers::table).values(row).on_conflict_do_nothing().execute(postgres)?
        }
        AnyConnection::Sqlite(sqlite) => diesel::insert_into(workers::table).values(row).execute(sqlite)?,
    };
    Ok(())
}

/// Notes that the worker of a running job was heard of.
pub(crate) fn seen_by_name(transaction: &mut Transaction<'_>, name: &str) -> Result<(), StoreError> {
    diesel::update(workers::table.filter(workers::name.eq(name)))
        .set(workers::last_seen_at.eq(micros(transaction.now)))
        .execute(transaction.connection)?;
    Ok(())
}

impl Store {
    /// All workers that were ever heard of, by name, with what they run.
    pub fn worker_list(&self, now: DateTime<Utc>) -> Result<Page<Worker>, StoreError> {
        self.read(|connection| {
            let rows: Vec<WorkerRow> = workers::table.order(workers::name.asc()).load(connection)?;
            let running: Vec<JobRow> = jobs::table
                .filter(condition::running())
                .order((jobs::created_at.asc(), jobs::id.asc()))
                .load(connection)?;
            let mut of_worker: HashMap<String, Vec<Job>> = HashMap::new();
            for job in into_jobs(connection, running)? {
                of_worker.entry(job.worker.clone().unwrap_or_default()).or_default().push(job);
            }
            let silent = Duration::seconds(WORKER_SILENT_SECONDS);
            let items = rows
                .into_iter()
                .map(|row| {
                    Ok(Worker {
                        id: uuid("workers.id", &row.id)?,
                        version: row.version,
                        labels: from_json("workers.labels", &row.labels)?,
                        last_seen_at: time(row.last_seen_at),
                        online: now - time(row.last_seen_at) < silent,
                        running: of_worker.remove(&row.name).unwrap_or_default(),
                        name: row.name,
                    })
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
            Ok(Page { items, total, next_cursor: None })
        })
    }
}
