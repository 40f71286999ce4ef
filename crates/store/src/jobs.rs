//! Jobs: all that workers do. Reading them here; how they begin, are claimed, kept alive and end in the modules below.

pub(crate) mod cancel;
mod claim;
pub(crate) mod create;
mod finish;
mod heartbeat;
mod lease;
pub(crate) mod log;
mod outcome;
pub(crate) mod row;
pub(crate) mod settle;
mod task;

use diesel::prelude::*;
use domain::{Job, JobKind, JobStatus, Page};
use uuid::Uuid;

use crate::columns::from_json;
use crate::connection::{AnyConnection, MultiBackend};
use crate::page::{PageRequest, time_and_id};
use crate::schema::{job_totals, jobs};
use crate::{Store, StoreError, access};
use row::{JobRow, into_jobs};

/// What a list of jobs is narrowed down to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    /// Only those that people care for ([`JobKind::is_visible`]) when null.
    pub kind: Option<JobKind>,
    pub datastore_id: Option<Uuid>,
    /// Only those of datastores of these projects; all when null.
    pub projects: Option<Vec<Uuid>>,
}

impl JobFilter {
    /// How many jobs of any status there are, without counting them.
    fn total(&self, connection: &mut AnyConnection) -> Result<i64, StoreError> {
        let kinds: Vec<&str> = match self.kind {
            Some(kind) => vec![kind.as_str()],
            None => JobKind::ALL.iter().filter(|kind| kind.is_visible()).map(|kind| kind.as_str()).collect(),
        };
        let mut query = job_totals::table
            .filter(job_totals::kind.eq_any(kinds))
            .select(job_totals::jobs)
            .into_boxed::<MultiBackend>();
        if let Some(datastore) = self.datastore_id {
            query = query.filter(job_totals::datastore_id.eq(datastore.to_string()));
        }
        let counts: Vec<i64> = query.load(connection)?;
        Ok(counts.into_iter().sum())
    }
}

/// Conditions on a job's status that the partial indexes know. They are written out and not bound, since SQLite takes a
/// partial index only for words that it can see (sqlite.org/partialindex.html).
pub(crate) mod condition {
    use diesel::dsl::sql;
    use diesel::expression::SqlLiteral;
    use diesel::sql_types::Bool;

    /// It waits for a worker.
    pub fn waiting() -> SqlLiteral<Bool> {
        sql("jobs.status = 'pending'")
    }

    /// A worker has it.
    pub fn running() -> SqlLiteral<Bool> {
        sql("jobs.status = 'running'")
    }

    /// It failed.
    pub fn failed() -> SqlLiteral<Bool> {
        sql("jobs.status = 'failed'")
    }

    /// It changes its datastore, or waits to.
    pub fn changing() -> SqlLiteral<Bool> {
        sql("jobs.exclusive and jobs.status in ('pending', 'running')")
    }
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
        let of_projects = |projects: &Vec<Uuid>| self.read(|connection| access::of_projects(connection, projects));
        let visible = filter.projects.as_ref().map(of_projects).transpose()?;
        let filtered = || {
            let mut query = jobs::table.into_boxed::<MultiBackend>();
            if let Some(visible) = &visible {
                query = query.filter(jobs::datastore_id.eq_any(visible.iter().map(Some)));
            }
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
            let total = match (filter.status, &visible) {
                (Some(_), _) | (_, Some(_)) => filtered().count().get_result(connection)?,
                (None, None) => filter.total(connection)?,
            };
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            Ok(Page { items: into_jobs(connection, rows)?, total, next_cursor })
        })
    }
}
