//! What a list of datastores shows about each one's backups, gathered with a few queries for all of a page.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::{DatastoreOverview, JobKind, JobStatus, RunStatus};

use crate::StoreError;
use crate::columns::{micros, time};
use crate::connection::AnyConnection;
use crate::jobs::condition;
use crate::jobs::row::{JobRow, into_jobs};
use crate::logs;
use crate::schema::{backup_totals, jobs, schedule_runs, schedules};

/// How many sizes the little chart shows.
const RECENT: usize = 30;

#[derive(QueryableByName)]
struct Recent {
    #[diesel(sql_type = Text)]
    datastore_id: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    ended_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    size_bytes: Option<i64>,
}

/// The overviews of the datastores with these ids.
pub fn overviews(
    connection: &mut AnyConnection,
    ids: &[String],
    now: DateTime<Utc>,
) -> Result<HashMap<String, DatastoreOverview>, StoreError> {
    let mut overviews: HashMap<String, DatastoreOverview> =
        ids.iter().map(|id| (id.clone(), DatastoreOverview::default())).collect();

    let totals: Vec<(String, i64, i64)> = backup_totals::table
        .filter(backup_totals::datastore_id.eq_any(ids))
        .filter(backup_totals::status.eq(JobStatus::Completed.as_str()))
        .select((backup_totals::datastore_id, backup_totals::backups, backup_totals::size_bytes))
        .load(connection)?;
    for (id, count, bytes) in totals {
        let overview = overviews.entry(id).or_default();
        overview.backup_count += count;
        overview.stored_bytes += bytes;
    }

    for recent in recent(connection, ids)? {
        let overview = overviews.entry(recent.datastore_id).or_default();
        overview.recent_sizes_bytes.push(recent.size_bytes.unwrap_or(0));
        // They come oldest first.
        overview.last_good_backup_number = Some(recent.number);
        overview.last_good_backup_at = recent.ended_at.map(time);
    }

    let failures: Vec<Option<String>> = jobs::table
        .filter(jobs::datastore_id.eq_any(ids))
        .filter(condition::failed())
        .filter(jobs::ended_at.gt(micros(now - Duration::hours(24))))
        .filter(jobs::kind.eq_any([JobKind::Backup.as_str(), JobKind::Restore.as_str()]))
        .select(jobs::datastore_id)
        .load(connection)?;
    for id in failures.into_iter().flatten() {
        overviews.entry(id).or_default().failures_24h += 1;
    }

    let missed: Vec<String> = schedules::table
        .inner_join(schedule_runs::table)
        .filter(schedules::datastore_id.eq_any(ids))
        .filter(schedule_runs::status.eq_any([RunStatus::Missed.as_str(), RunStatus::Skipped.as_str()]))
        .filter(schedule_runs::due_at.gt(micros(now - Duration::hours(24))))
        .select(schedules::datastore_id)
        .load(connection)?;
    for id in missed {
        overviews.entry(id).or_default().failures_24h += 1;
    }

    let next: Vec<(String, Option<i64>)> = schedules::table
        .filter(schedules::datastore_id.eq_any(ids))
        .group_by(schedules::datastore_id)
        .select((schedules::datastore_id, diesel::dsl::min(schedules::next_run_at)))
        .load(connection)?;
    for (id, next) in next {
        overviews.entry(id).or_default().next_run_at = next.map(time);
    }

    for (id, (status, until)) in logs::overviews(connection, ids)? {
        let overview = overviews.entry(id).or_default();
        (overview.log_archiving, overview.recoverable_until) = (status, until);
    }
    for (id, until) in logs::covered_until(connection, ids)? {
        overviews.entry(id).or_default().recoverable_until = Some(until);
    }

    let active: Vec<JobRow> =
        jobs::table.filter(jobs::datastore_id.eq_any(ids)).filter(condition::changing()).load(connection)?;
    for job in into_jobs(connection, active)? {
        if let Some(id) = job.datastore_id {
            overviews.entry(id.to_string()).or_default().active_job = Some(Box::new(job));
        }
    }
    Ok(overviews)
}

/// The newest completed backups of each datastore, oldest first. Each database has its own way to say "the first few of
/// each" so that only those rows are read.
fn recent(connection: &mut AnyConnection, ids: &[String]) -> Result<Vec<Recent>, StoreError> {
    let completed = JobStatus::Completed.as_str();
    match connection {
        AnyConnection::Postgres(postgres) => Ok(diesel::sql_query(format!(
            "select recent.* from unnest($1) as wanted (id) cross join lateral (
                 select datastore_id, number, ended_at, size_bytes from backups
                 where datastore_id = wanted.id and status = '{completed}' order by number desc limit {RECENT}
             ) as recent order by recent.number"
        ))
        .bind::<diesel::sql_types::Array<Text>, _>(ids)
        .load(postgres)?),
        AnyConnection::Sqlite(sqlite) => {
            let wanted = serde_json::Value::from(ids.to_vec()).to_string();
            Ok(diesel::sql_query(format!(
                "select backups.datastore_id, backups.number, backups.ended_at, backups.size_bytes
                 from json_each(?) as wanted cross join backups on backups.id in (
                     select id from backups as newest where newest.datastore_id = wanted.value
                     and newest.status = '{completed}' order by newest.number desc limit {RECENT}
                 ) order by backups.number"
            ))
            .bind::<Text, _>(wanted)
            .load(sqlite)?)
        }
    }
}
