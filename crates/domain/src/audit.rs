//! The audit log: who did what, on what, from where, when, and with which outcome. One row per request that changes
//! something or was refused, and one for what Holdfast does by itself; never changed and never deleted. [`chain`] makes
//! that provable.

pub mod chain;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::EventKind;
use crate::engine::named_enum;

named_enum! {
    /// What sort of actor did something.
    ActorKind {
        User => "user",
        /// A program with a token of the API.
        Token => "token",
        Worker => "worker",
        /// A schedule that came due.
        Schedule => "schedule",
        /// The program on the service's own machine.
        CommandLine => "command_line",
        /// Somebody on this machine, before anybody can sign in.
        Unclaimed => "unclaimed",
        /// Somebody without valid credentials.
        Anonymous => "anonymous",
        /// A rule that people set and the service carries out, such as retention.
        Service => "service",
    }
}

/// Who did something, as it was called then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Actor {
    pub kind: ActorKind,
    /// Of the user, token, worker or schedule.
    pub id: Option<Uuid>,
    pub name: String,
}

impl Actor {
    /// An actor that has an id.
    pub fn known(kind: ActorKind, id: Uuid, name: impl Into<String>) -> Self {
        Self { kind, id: Some(id), name: name.into() }
    }

    /// An actor that is known by its name alone.
    pub fn named(kind: ActorKind, name: impl Into<String>) -> Self {
        Self { kind, id: None, name: name.into() }
    }

    /// Somebody on this machine, before anybody can sign in.
    pub fn unclaimed() -> Self {
        Self::named(ActorKind::Unclaimed, "this machine")
    }
}

named_enum! {
    /// What sort of thing something was done to.
    SubjectKind {
        Datastore => "datastore",
        Backup => "backup",
        Restore => "restore",
        Schedule => "schedule",
        Storage => "storage",
        Job => "job",
        Worker => "worker",
        User => "user",
        Session => "session",
        Token => "token",
        Project => "project",
        Service => "service",
    }
}

impl SubjectKind {
    /// What an event of this kind tells of.
    pub const fn of_event(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Backup => Some(Self::Backup),
            EventKind::Restore => Some(Self::Restore),
            EventKind::Schedule => Some(Self::Schedule),
            EventKind::Datastore => Some(Self::Datastore),
            EventKind::Worker => Some(Self::Worker),
            EventKind::Job => Some(Self::Job),
            EventKind::Storage => Some(Self::Storage),
        }
    }
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Subject {
    pub kind: SubjectKind,
    pub id: Option<Uuid>,
    /// As it was called then; a backup by its number.
    pub name: Option<String>,
}

impl Subject {
    /// A thing whose name the store looks up.
    pub const fn of(kind: SubjectKind, id: Option<Uuid>) -> Self {
        Self { kind, id, name: None }
    }
}

named_enum! {
    /// How it ended.
    AuditOutcome {
        Succeeded => "succeeded",
        /// It was not allowed, and nothing was changed.
        Refused => "refused",
        /// A job did not do what it was to do.
        Failed => "failed",
    }
}

/// What is to be written. Id, time and hash are given to it in the transaction that it is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub actor: Actor,
    /// What was done: the API's operation, such as `backup_create`.
    pub action: String,
    /// A new thing has no id yet: it gets that of what the transaction made.
    pub subject: Subject,
    pub datastore_id: Option<Uuid>,
    /// The client's address.
    pub from_address: Option<String>,
    pub outcome: AuditOutcome,
    /// Never a secret.
    pub detail: Option<String>,
    /// The id of the request, as its answer and the log have it.
    pub request_id: Option<String>,
}

impl AuditEntry {
    /// Something that was done; not in a request unless more is filled in.
    pub fn new(actor: Actor, action: impl Into<String>, subject: Subject) -> Self {
        Self {
            actor,
            action: action.into(),
            subject,
            datastore_id: None,
            from_address: None,
            outcome: AuditOutcome::Succeeded,
            detail: None,
            request_id: None,
        }
    }

    /// The same, refused for this reason.
    #[must_use]
    pub fn refused(self, detail: impl Into<String>) -> Self {
        Self { outcome: AuditOutcome::Refused, detail: Some(detail.into()), ..self }
    }
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    /// 1 for the first row, and one more for each that follows: no number is left out.
    pub id: i64,
    pub at: DateTime<Utc>,
    pub actor: Actor,
    /// What was done: the API's operation, such as `backup_create`.
    pub action: String,
    pub subject: Subject,
    pub datastore_id: Option<Uuid>,
    /// The client's address; null for what was not asked for in a request.
    pub from_address: Option<String>,
    pub outcome: AuditOutcome,
    pub detail: Option<String>,
    pub request_id: Option<String>,
    /// SHA-256 over the row before and this one, in hexadecimal digits.
    pub hash: String,
}
