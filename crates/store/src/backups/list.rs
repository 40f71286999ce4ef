//! The list of a datastore's backups. It stays quick with hundreds of thousands: a page is read along an index from its
//! cursor on, and the total comes from `backup_totals`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Backup, BackupType, JobStatus, Method, Page};
use uuid::Uuid;

use crate::backups::row::{BackupRow, progress_of};
use crate::columns::micros;
use crate::connection::{AnyConnection, MultiBackend};
use crate::datastores::row as datastore_row;
use crate::page::PageRequest;
use crate::schema::{backup_totals, backups};
use crate::{Store, StoreError};

/// What a list of backups is narrowed down to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupFilter {
    pub status: Option<JobStatus>,
    pub backup_type: Option<BackupType>,
    pub method: Option<Method>,
    /// Created at or after this.
    pub from: Option<DateTime<Utc>>,
    /// Created before this.
    pub to: Option<DateTime<Utc>>,
}

impl BackupFilter {
    fn rows<'a>(&'a self, datastore: &'a str) -> backups::BoxedQuery<'a, MultiBackend> {
        let mut query = backups::table.filter(backups::datastore_id.eq(datastore)).into_boxed();
        if let Some(status) = self.status {
            query = query.filter(backups::status.eq(status.as_str()));
        }
        if let Some(backup_type) = self.backup_type {
            query = query.filter(backups::backup_type.eq(backup_type.as_str()));
        }
        if let Some(method) = self.method {
            query = query.filter(backups::method.eq(method.as_str()));
        }
        if let Some(from) = self.from {
            query = query.filter(backups::created_at.ge(micros(from)));
        }
        if let Some(to) = self.to {
            query = query.filter(backups::created_at.lt(micros(to)));
        }
        query
    }

    const fn is_span(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    fn total(&self, connection: &mut AnyConnection, datastore: &str) -> Result<i64, StoreError> {
        if self.is_span() {
            return Ok(self.rows(datastore).count().get_result(connection)?);
        }
        let mut query = backup_totals::table
            .filter(backup_totals::datastore_id.eq(datastore))
            .select(backup_totals::backups)
            .into_boxed::<MultiBackend>();
        if let Some(status) = self.status {
            query = query.filter(backup_totals::status.eq(status.as_str()));
        }
        if let Some(backup_type) = self.backup_type {
            query = query.filter(backup_totals::backup_type.eq(backup_type.as_str()));
        }
        if let Some(method) = self.method {
            query = query.filter(backup_totals::method.eq(method.as_str()));
        }
        let counts: Vec<i64> = query.load(connection)?;
        Ok(counts.into_iter().sum())
    }
}

impl Store {
    /// Backups of a datastore, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the datastore.
    pub fn backup_list(
        &self,
        datastore_id: Uuid,
        filter: &BackupFilter,
        page: &PageRequest,
    ) -> Result<Page<Backup>, StoreError> {
        let after = page.after_time_and_number()?;
        let datastore = datastore_id.to_string();
        self.read(|connection| {
            datastore_row::find(connection, &datastore)?;
            let mut query = filter.rows(&datastore).limit(page.rows());
            // Newest first is the same either way; within a span of time the index by time is the short one.
            if filter.is_span() {
                query = query.order((backups::created_at.desc(), backups::number.desc()));
                if let Some((at, number)) = after {
                    query = query
                        .filter(backups::created_at.le(at))
                        .filter(backups::created_at.lt(at).or(backups::number.lt(number)));
                }
            } else {
                query = query.order(backups::number.desc());
                if let Some((_, number)) = after {
                    query = query.filter(backups::number.lt(number));
                }
            }
            let mut rows: Vec<BackupRow> = query.load(connection)?;
            let total = filter.total(connection, &datastore)?;
            let next_cursor = page.cut(&mut rows, |row| format!("{} {}", row.created_at, row.number));
            let jobs = rows.iter().map(|row| (&row.job_id, row.status.as_str()));
            let mut progress = progress_of(connection, jobs)?;
            let items = rows
                .into_iter()
                .map(|row| {
                    let progress = progress.remove(&row.job_id);
                    row.into_backup(progress)
                })
                .collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }
}
