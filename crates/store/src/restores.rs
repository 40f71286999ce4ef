//! Restores: putting a backup back, and taking that back. A restore's status is that of its job, and `undone` after its
//! undo. Of those that replaced a datastore's data only the newest can be undone: an earlier one would bring back what a later one
//! replaced. Copies of databases replace nothing; theirs ends when a later restore replaces them.

mod begin;
pub(crate) mod guard;

pub use begin::RestoreRequest;

use diesel::prelude::*;
use domain::{JobKind, Method, Page, RecoveryStop, Restore, RestoreStatus, RestoreTarget};
use uuid::Uuid;

use crate::backups::row::progress_of;
use crate::columns::{duration_seconds, error, from_json, time, uuid, word};
use crate::connection::{AnyConnection, MultiBackend};
use crate::datastores::row as datastore_row;
use crate::jobs::row::JobRow;
use crate::page::{PageRequest, time_and_id};
use crate::schema::{backups, restores};
use crate::{Store, StoreError};

/// What a list of restores is narrowed down to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreFilter {
    pub status: Option<RestoreStatus>,
}

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = restores, treat_none_as_default_value = false)]
pub(crate) struct RestoreRow {
    pub id: String,
    pub datastore_id: String,
    pub backup_id: String,
    pub backup_number: i64,
    pub target: String,
    pub restore_configuration: bool,
    pub status: String,
    pub phase: String,
    pub job_id: String,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub downtime_seconds: Option<f64>,
    pub undo_until: Option<i64>,
    pub error_code: Option<String>,
    pub error_detail: Option<String>,
    pub stop: Option<String>,
    pub reached_position: Option<String>,
    pub reached_at: Option<i64>,
    pub replaced_branch: Option<String>,
    pub approval: Option<String>,
    pub approval_open_until: Option<i64>,
}

impl RestoreRow {
    pub fn into_restore(self, progress: Option<domain::Progress>) -> Result<Restore, StoreError> {
        let stop: Option<RecoveryStop> =
            self.stop.as_deref().map(|stop| from_json("restores.stop", stop)).transpose()?;
        let approval = guard::state(&self)?.map(|state| state.shown());
        Ok(Restore {
            id: uuid("restores.id", &self.id)?,
            datastore_id: uuid("restores.datastore_id", &self.datastore_id)?,
            backup_id: uuid("restores.backup_id", &self.backup_id)?,
            backup_number: self.backup_number,
            target: from_json("restores.target", &self.target)?,
            pitr_stop_time: stop.as_ref().and_then(RecoveryStop::time_text),
            pitr_stop_position: match stop {
                Some(RecoveryStop::Position { position }) => Some(position),
                _ => None,
            },
            reached_position: self.reached_position,
            reached_commit_at: self.reached_at.map(time),
            status: word("restores.status", &self.status)?,
            phase: word("restores.phase", &self.phase)?,
            job_id: uuid("restores.job_id", &self.job_id)?,
            progress,
            created_at: time(self.created_at),
            started_at: self.started_at.map(time),
            ended_at: self.ended_at.map(time),
            duration_seconds: duration_seconds(self.started_at, self.ended_at),
            downtime_seconds: self.downtime_seconds,
            undo_until: self.undo_until.map(time),
            approval,
            error: error(self.error_code.as_deref(), self.error_detail.as_deref())?,
        })
    }
}

pub(crate) fn find(connection: &mut AnyConnection, id: &str) -> Result<RestoreRow, StoreError> {
    restores::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "restore" })
}

/// No earlier restore of the datastore can be undone any more.
pub(crate) fn forget_undo(connection: &mut AnyConnection, datastore: &str) -> Result<(), StoreError> {
    diesel::update(restores::table.filter(restores::datastore_id.eq(datastore)))
        .set(restores::undo_until.eq(None::<i64>))
        .execute(connection)?;
    Ok(())
}

/// Where a restore puts the data.
pub(crate) fn target_of(connection: &mut AnyConnection, restore: &str) -> Result<RestoreTarget, StoreError> {
    let target: String = restores::table.find(restore).select(restores::target).first(connection)?;
    from_json("restores.target", &target)
}

/// Whether a job is a restore or an undo that replaces what people use: copies of databases only come beside it.
pub(crate) fn touches_data_in_use(connection: &mut AnyConnection, job: &JobRow) -> Result<bool, StoreError> {
    match (job.kind()?, &job.restore_id) {
        (JobKind::Restore | JobKind::Undo, Some(restore)) => {
            Ok(!matches!(target_of(connection, restore)?, RestoreTarget::NewDatabases { .. }))
        }
        _ => Ok(false),
    }
}

/// How long earlier restores took, rounded up to whole seconds; null without any.
pub(crate) struct Durations {
    pub seconds: Option<u64>,
    pub downtime_seconds: Option<u64>,
}

/// How many of the newest restores an estimate looks at.
const ESTIMATED_FROM: i64 = 5;

/// The longest of the newest completed restores of a datastore: an estimate that is kept more often than an average.
pub(crate) fn durations(connection: &mut AnyConnection, datastore: &str) -> Result<Durations, StoreError> {
    let rows: Vec<RestoreRow> = restores::table
        .filter(restores::datastore_id.eq(datastore))
        .filter(
            restores::status
                .eq(RestoreStatus::Completed.as_str())
                .or(restores::status.eq(RestoreStatus::Undone.as_str())),
        )
        .order((restores::created_at.desc(), restores::id.desc()))
        .limit(ESTIMATED_FROM)
        .load(connection)?;
    let longest = |of: fn(&RestoreRow) -> Option<f64>| {
        let longest = rows.iter().filter_map(of).max_by(f64::total_cmp)?;
        std::time::Duration::try_from_secs_f64(longest.ceil()).ok().map(|duration| duration.as_secs())
    };
    Ok(Durations {
        seconds: longest(|row| duration_seconds(row.started_at, row.ended_at)),
        downtime_seconds: longest(|row| row.downtime_seconds),
    })
}

impl Store {
    /// One restore.
    pub fn restore_get(&self, id: Uuid) -> Result<Restore, StoreError> {
        self.read(|connection| {
            let row = find(connection, &id.to_string())?;
            let progress =
                progress_of(connection, std::iter::once((&row.job_id, row.status.as_str())))?.remove(&row.job_id);
            row.into_restore(progress)
        })
    }

    /// Restores of a datastore, newest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the datastore.
    pub fn restore_list(
        &self,
        datastore_id: Uuid,
        filter: &RestoreFilter,
        page: &PageRequest,
    ) -> Result<Page<Restore>, StoreError> {
        let after = page.after_time_and_id()?;
        let datastore = datastore_id.to_string();
        let filtered = || {
            let mut query = restores::table.filter(restores::datastore_id.eq(&datastore)).into_boxed::<MultiBackend>();
            if let Some(status) = filter.status {
                query = query.filter(restores::status.eq(status.as_str()));
            }
            query
        };
        self.read(|connection| {
            datastore_row::find(connection, &datastore)?;
            let mut query = filtered().order((restores::created_at.desc(), restores::id.desc())).limit(page.rows());
            if let Some((at, id)) = after {
                query = query
                    .filter(restores::created_at.le(at))
                    .filter(restores::created_at.lt(at).or(restores::id.lt(id)));
            }
            let mut rows: Vec<RestoreRow> = query.load(connection)?;
            let total = filtered().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let mut progress = progress_of(connection, rows.iter().map(|row| (&row.job_id, row.status.as_str())))?;
            let items = rows
                .into_iter()
                .map(|row| {
                    let progress = progress.remove(&row.job_id);
                    row.into_restore(progress)
                })
                .collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }
}

/// Whether the data of a restore went through its server. A backup that is gone meanwhile tells nothing.
pub fn goes_through_server(connection: &mut AnyConnection, restore: &str) -> Result<bool, StoreError> {
    let backup: Option<String> =
        restores::table.find(restore).select(restores::backup_id).first(connection).optional()?;
    let Some(backup) = backup else { return Ok(false) };
    let method: Option<String> = backups::table.find(backup).select(backups::method).first(connection).optional()?;
    let method: Option<Method> = method.map(|method| word("backups.method", &method)).transpose()?;
    Ok(method.is_some_and(Method::restores_through_server))
}
