//! The records of a schedule's due times: one per time, whatever happened. // F-13, F-14

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::schedule::decision::{OpenRun, OpenState};
use domain::{ErrorCode, JobStatus, LastRun, Page, RunStatus, ScheduleRun, Trigger};
use uuid::Uuid;

use crate::columns::{micros, optional_uuid, time, uuid, word};
use crate::connection::{AnyConnection, MultiBackend};
use crate::jobs::row::JobRow;
use crate::page::PageRequest;
use crate::schedules::row as schedule_row;
use crate::schema::{backups, schedule_runs, schedules};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = schedule_runs, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct RunRow {
    pub schedule_id: String,
    pub due_at: i64,
    pub status: String,
    pub reason: Option<String>,
    pub attempt: i32,
    pub backup_id: Option<String>,
    pub retry_at: Option<i64>,
    pub open: bool,
    pub since: Option<i64>,
    pub retry_class: Option<String>,
    pub recorded_at: i64,
}

impl RunRow {
    /// A record of a time at which no backup was started.
    pub fn without_backup(schedule: &str, due_at: i64, status: RunStatus, reason: String, now: i64) -> Self {
        Self {
            schedule_id: schedule.to_owned(),
            due_at,
            status: status.as_str().to_owned(),
            reason: Some(reason),
            attempt: 0,
            backup_id: None,
            retry_at: None,
            open: status == RunStatus::Waiting,
            since: (status == RunStatus::Waiting).then_some(now),
            retry_class: None,
            recorded_at: now,
        }
    }

    fn status(&self) -> Result<RunStatus, StoreError> {
        word("schedule_runs.status", &self.status)
    }

    /// Writes the row, new or changed. The caller holds the schedule's lock.
    pub fn save(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        let of_time = schedule_runs::table.find((&self.schedule_id, self.due_at));
        if diesel::update(of_time).set(self).execute(connection)? == 0 {
            diesel::insert_into(schedule_runs::table).values(self).execute(connection)?;
        }
        Ok(())
    }

    fn into_run(self) -> Result<ScheduleRun, StoreError> {
        Ok(ScheduleRun {
            schedule_id: uuid("schedule_runs.schedule_id", &self.schedule_id)?,
            due_at: time(self.due_at),
            status: self.status()?,
            attempt: self.attempt,
            backup_id: optional_uuid("schedule_runs.backup_id", self.backup_id.as_deref())?,
            retry_at: self.retry_at.map(time),
            recorded_at: time(self.recorded_at),
            reason: self.reason,
        })
    }

    fn into_open(self) -> Result<OpenRun, StoreError> {
        let since = time(self.since.unwrap_or(self.recorded_at));
        let state = match self.retry_class.as_deref() {
            None => OpenState::Waiting { since },
            Some(class) => OpenState::Failed {
                attempt: u32::try_from(self.attempt).unwrap_or_default(),
                at: since,
                retry: word("schedule_runs.retry_class", class)?,
            },
        };
        Ok(OpenRun { due_at: time(self.due_at), state })
    }
}

/// The record of a due time, if there is one.
pub fn find(connection: &mut AnyConnection, schedule: &str, due_at: i64) -> Result<Option<RunRow>, StoreError> {
    Ok(schedule_runs::table.find((schedule, due_at)).first(connection).optional()?)
}

/// The runs about which something is left to decide.
pub fn open(connection: &mut AnyConnection, schedule: &str) -> Result<Vec<OpenRun>, StoreError> {
    let rows: Vec<RunRow> = schedule_runs::table
        .filter(schedule_runs::schedule_id.eq(schedule))
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("open"))
        .load(connection)?;
    rows.into_iter().map(RunRow::into_open).collect()
}

/// The run that came due last.
pub fn newest(connection: &mut AnyConnection, schedule: &str) -> Result<Option<LastRun>, StoreError> {
    let row: Option<RunRow> = schedule_runs::table
        .filter(schedule_runs::schedule_id.eq(schedule))
        .order(schedule_runs::due_at.desc())
        .first(connection)
        .optional()?;
    row.map(|row| {
        let run = row.into_run()?;
        Ok(LastRun { at: run.due_at, backup_id: run.backup_id, status: run.status })
    })
    .transpose()
}

/// Records that a backup was started for a due time.
pub fn record_started(
    transaction: &mut Transaction<'_>,
    schedule: &str,
    due_at: i64,
    attempt: i32,
    backup: &str,
) -> Result<(), StoreError> {
    let row = RunRow {
        schedule_id: schedule.to_owned(),
        due_at,
        status: RunStatus::Pending.as_str().to_owned(),
        reason: None,
        attempt,
        backup_id: Some(backup.to_owned()),
        retry_at: None,
        open: false,
        since: None,
        retry_class: None,
        recorded_at: micros(transaction.now),
    };
    row.save(transaction.connection)
}

/// Lets the run of a schedule follow the job that makes its backup. One that failed and was started by the schedule stays
/// open, and the scheduler decides about it at once. The caller holds the datastore's lock.
pub fn follow(transaction: &mut Transaction<'_>, job: &JobRow) -> Result<(), StoreError> {
    let Some(backup) = &job.backup_id else { return Ok(()) };
    let of_schedule: Option<(String, String)> = backups::table
        .find(backup)
        .filter(backups::schedule_id.is_not_null())
        .select((backups::schedule_id.assume_not_null(), backups::trigger))
        .first(transaction.connection)
        .optional()?;
    let Some((schedule, trigger)) = of_schedule else { return Ok(()) };
    transaction.lock_schedule(&schedule)?;
    let run: Option<RunRow> = schedule_runs::table
        .filter(schedule_runs::backup_id.eq(backup))
        .filter(schedule_runs::schedule_id.eq(&schedule))
        .first(transaction.connection)
        .optional()?;
    // The schedule was deleted meanwhile.
    let Some(mut run) = run else { return Ok(()) };
    let status: JobStatus = word("jobs.status", &job.status)?;
    run.status = RunStatus::from(status).as_str().to_owned();
    run.open = status == JobStatus::Failed && trigger == Trigger::Schedule.as_str();
    run.reason.clone_from(&job.error_detail);
    if run.open {
        let code: ErrorCode = word("jobs.error_code", job.error_code.as_deref().unwrap_or_default())?;
        run.since = job.ended_at;
        run.retry_class = Some(code.retry_class().as_str().to_owned());
        diesel::update(schedules::table.find(&schedule).filter(schedules::wake_at.is_not_null()))
            .set(schedules::wake_at.eq(micros(transaction.now)))
            .execute(transaction.connection)?;
    }
    run.save(transaction.connection)?;
    schedule_row::find(transaction.connection, &schedule)?.note_change(transaction)
}

/// Has the scheduler look at once at the datastore's schedules that wait for it. The caller holds the datastore's lock.
pub fn datastore_is_free(transaction: &mut Transaction<'_>, datastore: &str) -> Result<(), StoreError> {
    let waiting = schedule_runs::table
        .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("open"))
        .select(schedule_runs::schedule_id);
    diesel::update(
        schedules::table
            .filter(schedules::datastore_id.eq(datastore))
            .filter(schedules::wake_at.is_not_null())
            .filter(schedules::id.eq_any(waiting)),
    )
    .set(schedules::wake_at.eq(micros(transaction.now)))
    .execute(transaction.connection)?;
    Ok(())
}

impl Store {
    /// What became of the times at which a schedule was due, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the schedule, [`StoreError::InvalidCursor`].
    pub fn schedule_run_list(&self, schedule_id: Uuid, page: &PageRequest) -> Result<Page<ScheduleRun>, StoreError> {
        let after = page.after_number()?;
        let schedule = schedule_id.to_string();
        self.read(|connection| {
            schedule_row::find(connection, &schedule)?;
            let of_schedule =
                || schedule_runs::table.filter(schedule_runs::schedule_id.eq(&schedule)).into_boxed::<MultiBackend>();
            let mut query = of_schedule().order(schedule_runs::due_at.desc()).limit(page.rows());
            if let Some(due_at) = after {
                query = query.filter(schedule_runs::due_at.lt(due_at));
            }
            let mut rows: Vec<RunRow> = query.load(connection)?;
            let total = of_schedule().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| row.due_at.to_string());
            let items = rows.into_iter().map(RunRow::into_run).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }

    /// Scheduled runs since a time that should have made a backup and did not, by what became of them.
    pub fn schedule_run_failures(&self, since: DateTime<Utc>) -> Result<Vec<(RunStatus, i64)>, StoreError> {
        self.read(|connection| {
            let failures = RunStatus::ALL.iter().copied().filter(|status| status.is_failure());
            failures
                .map(|status| {
                    let count = schedule_runs::table
                        .filter(failure())
                        .filter(schedule_runs::status.eq(status.as_str()))
                        .filter(schedule_runs::due_at.gt(micros(since)))
                        .count()
                        .get_result(connection)?;
                    Ok((status, count))
                })
                .collect()
        })
    }

    /// Deletes records from before `older_than`, but of no schedule the newest, and none about which something is left to
    /// decide.
    pub fn schedule_runs_prune(&self, older_than: DateTime<Utc>) -> Result<u64, StoreError> {
        self.write(older_than, |transaction| {
            let later = diesel::alias!(schedule_runs as later);
            let newer = later
                .filter(later.field(schedule_runs::schedule_id).eq(schedule_runs::schedule_id))
                .filter(later.field(schedule_runs::due_at).gt(schedule_runs::due_at));
            let old = schedule_runs::table
                .filter(schedule_runs::recorded_at.lt(micros(older_than)))
                .filter(schedule_runs::open.eq(false))
                .filter(diesel::dsl::exists(newer));
            let deleted = diesel::delete(old).execute(transaction.connection)?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
    }
}

/// Written out for the partial index `schedule_runs_failures`.
pub fn failure() -> diesel::expression::SqlLiteral<diesel::sql_types::Bool> {
    diesel::dsl::sql("schedule_runs.status in ('failed', 'missed', 'skipped')")
}
