//! A row of the audit log as it is kept.

use diesel::prelude::*;
use domain::{Actor, AuditEvent, Subject};

use crate::StoreError;
use crate::columns::{micros, optional_uuid, time, word};
use crate::schema::audit_events;

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
pub struct AuditRow {
    pub id: i64,
    pub at: i64,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub actor_name: String,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: Option<String>,
    pub subject_name: Option<String>,
    pub datastore_id: Option<String>,
    pub from_address: Option<String>,
    pub outcome: String,
    pub detail: Option<String>,
    pub request_id: Option<String>,
    pub hash: String,
}

impl AuditRow {
    pub fn of(event: &AuditEvent) -> Self {
        Self {
            id: event.id,
            at: micros(event.at),
            actor_kind: event.actor.kind.as_str().to_owned(),
            actor_id: event.actor.id.map(|id| id.to_string()),
            actor_name: event.actor.name.clone(),
            action: event.action.clone(),
            subject_kind: event.subject.kind.as_str().to_owned(),
            subject_id: event.subject.id.map(|id| id.to_string()),
            subject_name: event.subject.name.clone(),
            datastore_id: event.datastore_id.map(|id| id.to_string()),
            from_address: event.from_address.clone(),
            outcome: event.outcome.as_str().to_owned(),
            detail: event.detail.clone(),
            request_id: event.request_id.clone(),
            hash: event.hash.clone(),
        }
    }

    pub fn into_domain(self) -> Result<AuditEvent, StoreError> {
        Ok(AuditEvent {
            id: self.id,
            at: time(self.at),
            actor: Actor {
                kind: word("audit_events.actor_kind", &self.actor_kind)?,
                id: optional_uuid("audit_events.actor_id", self.actor_id.as_deref())?,
                name: self.actor_name,
            },
            action: self.action,
            subject: Subject {
                kind: word("audit_events.subject_kind", &self.subject_kind)?,
                id: optional_uuid("audit_events.subject_id", self.subject_id.as_deref())?,
                name: self.subject_name,
            },
            datastore_id: optional_uuid("audit_events.datastore_id", self.datastore_id.as_deref())?,
            from_address: self.from_address,
            outcome: word("audit_events.outcome", &self.outcome)?,
            detail: self.detail,
            request_id: self.request_id,
            hash: self.hash,
        })
    }
}
