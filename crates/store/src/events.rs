//! Events: what changed, in the order of the commits that changed it. An event names the thing; whoever cares reads it again.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{Event, EventKind};
use uuid::Uuid;

use crate::columns::{micros, optional_uuid, time, uuid, word};
use crate::schema::events;
use crate::{Store, StoreError, access};

/// Things of no datastore that whoever has a role may see.
const SHARED: [&str; 2] = [EventKind::Storage.as_str(), EventKind::Worker.as_str()];

#[derive(Queryable)]
struct EventRow {
    id: i64,
    kind: String,
    resource_id: String,
    datastore_id: Option<String>,
    at: i64,
}

impl EventRow {
    fn into_domain(self) -> Result<Event, StoreError> {
        Ok(Event {
            id: self.id,
            kind: word("events.kind", &self.kind)?,
            resource_id: uuid("events.resource_id", &self.resource_id)?,
            datastore_id: optional_uuid("events.datastore_id", self.datastore_id.as_deref())?,
            at: time(self.at),
        })
    }
}

impl Store {
    /// The events after id `after_id`, oldest first, at most `limit`.
    pub fn event_list(&self, after_id: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read(|connection| {
            let rows: Vec<EventRow> = events::table
                .filter(events::id.gt(after_id))
                .order(events::id.asc())
                .limit(i64::from(limit))
                .load(connection)?;
            rows.into_iter().map(EventRow::into_domain).collect()
        })
    }

    /// Those of the events after id `after_id` that tell of datastores of the projects, or of nobody's, oldest first.
    pub fn event_list_of_projects(
        &self,
        projects: &[Uuid],
        after_id: i64,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        self.read(|connection| {
            let visible = access::of_projects(connection, projects)?;
            let rows: Vec<EventRow> = events::table
                .filter(events::id.gt(after_id))
                .filter(
                    events::datastore_id
                        .is_null()
                        .and(events::kind.eq_any(SHARED))
                        .or(events::datastore_id.eq_any(visible.iter().map(Some)).assume_not_null()),
                )
                .order(events::id.asc())
                .limit(i64::from(limit))
                .load(connection)?;
            rows.into_iter().map(EventRow::into_domain).collect()
        })
    }

    /// The id of the newest event; 0 before the first.
    pub fn event_latest_id(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            let newest = events::table.select(events::id).order(events::id.desc()).first(connection).optional()?;
            Ok(newest.unwrap_or(0))
        })
    }

    /// Deletes the events from before `older_than`, but never the newest, and says how many. A reader that was away for
    /// longer has to read everything again.
    pub fn events_prune(&self, older_than: DateTime<Utc>) -> Result<u64, StoreError> {
        self.write(older_than, |transaction| {
            let newest: Option<i64> =
                events::table.select(events::id).order(events::id.desc()).first(transaction.connection).optional()?;
            let old =
                events::table.filter(events::at.lt(micros(older_than))).filter(events::id.lt(newest.unwrap_or(0)));
            let deleted = diesel::delete(old).execute(transaction.connection)?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        })
    }
}
