//! Jobs: all that workers do. Reading them here; how they begin, are claimed, kept alive and end in the modules below.

pub(crate) mod cancel;
mod claim;
pub(crate) mod create;
mod finish;
mod heartbeat;
mod lease;
pub(crate) mod log;
pub(crate) mod row;
pub(crate) mod settle;
mod task;

use diesel::prelude::*;
use domain::{Job, JobKind, JobStatus, Page};
use uuid::Uuid;

use crate::columns::from_json;
use crate::connection::{AnyConnection, MultiBackend};
use crate::page::{PageRequest, time_and_id};
use crate::schema::jobs;
use crate::{Store, StoreError};
use row::{JobRow, into_jobs};

/// What a list of jobs is narrowed down to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    /// Only those that people care for ([`JobKind::is_visible`]) when null.
    pub kind: Option<JobKind>,
    pub datastore_id: Option<Uuid>,
}

pub(crate) fn find(connection: &mut AnyConnection, id: &str) -> Result<JobRow, StoreError> {
    jobs::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "job" })
}

impl Store {
    /// One job.
    pub fn job_get(&self, id: Uuid) -> Result<Job, StoreError> {
        self.read(|connection| find(connection, &id.to_string())?.into_job(connection))
    }

    /// What a completed job found: an [`domain::Inspection`] or a [`domain::RestorePlan`] as JSON, the problems of a
    /// verification; null for others and before the end.
    pub fn job_result_value(&self, id: Uuid) -> Result<Option<serde_json::Value>, StoreError> {
        self.read(|connection| {
            let row = find(connection, &id.to_string())?;
            row.result.map(|text| from_json("jobs.result", &text)).transpose()
        })
    }

    /// Jobs, newest first.
    pub fn job_list(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<Job>, StoreError> {
        let after = page.after_time_and_id()?;
        let filtered = || {
            let mut query = jobs::table.into_boxed::<MultiBackend>();
            query = match filter.kind {
                Some(kind) => query.filter(jobs::kind.eq(kind.as_str())),
                None => query.filter(jobs::visible.eq(true)),
            };
            if let Some(status) = filter.status {
                query = query.filter(jobs::status.eq(status.as_str()));
            }
            if let Some(datastore) = filter.datastore_id {
                query = query.filter(jobs::datastore_id.eq(datastore.to_string()));
            }
            query
        };
        self.read(|connection| {
            let mut query = filtered().order((jobs::created_at.desc(), jobs::id.desc())).limit(page.rows());
            if let Some((at, id)) = after {
                // The first half is implied by the second; the index understands only the first.
                query = query.filter(jobs::created_at.le(at)).filter(jobs::created_at.lt(at).or(jobs::id.lt(id)));
            }
            let mut rows: Vec<JobRow> = query.load(connection)?;
            let total = filtered().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            Ok(Page { items: into_jobs(connection, rows)?, total, next_cursor })
        })
    }
}
