//! Reading the audit log: pages for people, and all of it in chunks for an export.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{AuditEvent, AuditOutcome, Page};
use uuid::Uuid;

use super::row::AuditRow;
use crate::columns::micros;
use crate::connection::MultiBackend;
use crate::page::PageRequest;
use crate::schema::audit_events;
use crate::{Store, StoreError};

/// What a list of audit events is narrowed down to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// The name or the id of who did it.
    pub actor: Option<String>,
    pub action: Option<String>,
    pub datastore_id: Option<Uuid>,
    pub outcome: Option<AuditOutcome>,
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

type Query<'q> = audit_events::BoxedQuery<'q, MultiBackend>;

impl AuditFilter {
    fn query(&self) -> Query<'_> {
        let mut query = audit_events::table.into_boxed::<MultiBackend>();
        if let Some(actor) = &self.actor {
            query = query.filter(audit_events::actor_name.eq(actor).or(audit_events::actor_id.eq(actor)));
        }
        if let Some(action) = &self.action {
            query = query.filter(audit_events::action.eq(action));
        }
        if let Some(datastore) = self.datastore_id {
            query = query.filter(audit_events::datastore_id.eq(datastore.to_string()));
        }
        if let Some(outcome) = self.outcome {
            query = query.filter(audit_events::outcome.eq(outcome.as_str()));
        }
        if let Some(from) = self.from {
            query = query.filter(audit_events::at.ge(micros(from)));
        }
        if let Some(to) = self.to {
            query = query.filter(audit_events::at.lt(micros(to)));
        }
        query
    }
}

impl Store {
    /// Audit events, newest first.
    pub fn audit_list(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEvent>, StoreError> {
        let after = page.after_number()?;
        self.read(|connection| {
            let mut query = filter.query().order(audit_events::id.desc()).limit(page.rows());
            if let Some(after) = after {
                query = query.filter(audit_events::id.lt(after));
            }
            let mut rows: Vec<AuditRow> = query.load(connection)?;
            let total = filter.query().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| row.id.to_string());
            let items = rows.into_iter().map(AuditRow::into_domain).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }

    /// At most `limit` audit events after the id `after`, oldest first: an export reads on from the last one it got.
    pub fn audit_after(&self, filter: &AuditFilter, after: i64, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        self.read(|connection| {
            let query = filter.query().filter(audit_events::id.gt(after)).order(audit_events::id.asc());
            let rows: Vec<AuditRow> = query.limit(i64::from(limit)).load(connection)?;
            rows.into_iter().map(AuditRow::into_domain).collect()
        })
    }
}
