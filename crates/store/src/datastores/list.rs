//! The list of datastores.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Datastore, DatastoreStatus, Engine, Page};
use uuid::Uuid;

use crate::connection::MultiBackend;
use crate::datastores::overview::overviews;
use crate::datastores::row::DatastoreRow;
use crate::page::{PageRequest, time_and_id};
use crate::schema::datastores;
use crate::{Store, StoreError};

/// What a list of datastores is narrowed down to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatastoreFilter {
    pub engine: Option<Engine>,
    pub status: Option<DatastoreStatus>,
    /// Only those of these projects; all when null.
    pub projects: Option<Vec<Uuid>>,
}

impl Store {
    /// Datastores, newest first, each with its overview; `now` is for what that shows of the last 24 hours.
    pub fn datastore_list(
        &self,
        filter: &DatastoreFilter,
        page: &PageRequest,
        now: DateTime<Utc>,
    ) -> Result<Page<Datastore>, StoreError> {
        let after = page.after_time_and_id()?;
        let filtered = || {
            let mut query = datastores::table.into_boxed::<MultiBackend>();
            if let Some(engine) = filter.engine {
                query = query.filter(datastores::engine.eq(engine.as_str()));
            }
            if let Some(status) = filter.status {
                query = query.filter(datastores::status.eq(status.as_str()));
            }
            if let Some(projects) = &filter.projects {
                query = query.filter(datastores::project_id.eq_any(projects.iter().map(|id| Some(id.to_string()))));
            }
            query
        };
        self.read(|connection| {
            let mut query = filtered().order((datastores::created_at.desc(), datastores::id.desc())).limit(page.rows());
            if let Some((at, id)) = after {
                query = query
                    .filter(datastores::created_at.le(at))
                    .filter(datastores::created_at.lt(at).or(datastores::id.lt(id)));
            }
            let mut rows: Vec<DatastoreRow> = query.load(connection)?;
            let total = filtered().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
            let mut overviews = overviews(connection, &ids, now)?;
            let items = rows
                .into_iter()
                .map(|row| {
                    let overview = overviews.remove(&row.id).unwrap_or_default();
                    row.with_overview(overview)
                })
                .collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }
}
