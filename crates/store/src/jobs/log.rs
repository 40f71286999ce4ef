//! The lines of a job's log, numbered from 1 within the job.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{LogLine, LogLineDraft, Page};
use uuid::Uuid;

use crate::columns::{micros, time, without_nul, word};
use crate::jobs;
use crate::schema::job_log_lines;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// The most bytes of a line; the rest is cut off.
const MAX_LINE_BYTES: usize = 4096;
/// The most lines that one answer holds.
const MAX_LINES: u32 = 1000;

#[derive(Queryable, Insertable)]
#[diesel(table_name = job_log_lines)]
struct LineRow {
    job_id: String,
    sequence: i64,
    at: i64,
    level: String,
    text: String,
}

impl LineRow {
    fn into_domain(self) -> Result<LogLine, StoreError> {
        Ok(LogLine {
            sequence: self.sequence,
            at: time(self.at),
            level: word("job_log_lines.level", &self.level)?,
            text: self.text,
        })
    }
}

/// Appends lines after number `last` and gives the new last number. The caller holds the job's lock and stores the number.
pub fn append(
    transaction: &mut Transaction<'_>,
    job: &str,
    last: i64,
    lines: &[LogLineDraft],
) -> Result<i64, StoreError> {
    let mut sequence = last;
    for line in lines {
        sequence += 1;
        let end = line.text.floor_char_boundary(MAX_LINE_BYTES);
        let row = LineRow {
            job_id: job.to_owned(),
            sequence,
            at: micros(line.at),
            level: line.level.as_str().to_owned(),
            text: without_nul(line.text.get(..end).unwrap_or_default()),
        };
        diesel::insert_into(job_log_lines::table).values(&row).execute(transaction.connection)?;
    }
    Ok(sequence)
}

impl Store {
    /// Appends lines to a job's log, whatever its state.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn job_log_append(&self, id: Uuid, lines: &[LogLineDraft], now: DateTime<Utc>) -> Result<(), StoreError> {
        let id = id.to_string();
        self.write(now, |transaction| {
            transaction.lock_job(&id)?;
            let mut row = jobs::find(transaction.connection, &id)?;
            row.last_line = append(transaction, &id, row.last_line, lines)?;
            row.save(transaction.connection)?;
            row.note_change(transaction)
        })
    }

    /// The lines after number `after`, oldest first, at most `limit` (1 to 1000). `total` is that of the whole log;
    /// `next_cursor` is the last line's number while there are more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn job_log(&self, id: Uuid, after: i64, limit: u32) -> Result<Page<LogLine>, StoreError> {
        let id = id.to_string();
        self.read(|connection| {
            let total = jobs::find(connection, &id)?.last_line;
            let rows: Vec<LineRow> = job_log_lines::table
                .filter(job_log_lines::job_id.eq(&id))
                .filter(job_log_lines::sequence.gt(after))
                .order(job_log_lines::sequence.asc())
                .limit(i64::from(limit.clamp(1, MAX_LINES)))
                .load(connection)?;
            let next_cursor = rows.last().filter(|line| line.sequence < total).map(|line| line.sequence.to_string());
            let items = rows.into_iter().map(LineRow::into_domain).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }
}
