//! The restore guard: where a datastore has it, a restore in place begins only after a second person has approved it. A
//! request is decided once, or expires; what it was decided to stays.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::{Actor, ActorKind};
use crate::engine::named_enum;

/// How long a request waits for a decision, in hours.
pub const APPROVAL_HOURS: i64 = 24;
/// The longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 500;

named_enum! {
    /// Where a request for a guarded restore stands.
    ApprovalStatus {
        /// It waits for a second person.
        Requested => "requested",
        Approved => "approved",
        Refused => "refused",
        /// Nobody decided in time.
        Expired => "expired",
        /// The restore was cancelled before anybody decided.
        Withdrawn => "withdrawn",
    }
}

/// The request for a guarded restore, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approval {
    pub status: ApprovalStatus,
    /// Who asked for the restore.
    pub requested_by: String,
    pub requested_at: DateTime<Utc>,
    /// When it expires, or would have.
    pub expires_at: DateTime<Utc>,
    /// Who decided; null while it waits and after it expired.
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    /// What the one who decided had to say.
    pub note: Option<String>,
}

/// A decision about a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalDecision {
    /// For whoever asked; at most 500 characters.
    #[serde(default)]
    pub note: Option<String>,
}

/// Who asks or decides: the actor, and the person behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    pub actor: Actor,
    /// The user, or the one who made the token; null where nobody signed in.
    pub person: Option<Uuid>,
}

impl Requester {
    /// Whether this one counts as a second person beside the other: a token counts as whoever made it, and nobody can
    /// tell who sits at this machine.
    pub fn is_second_to(&self, other: &Self) -> bool {
        if matches!(self.actor.kind, ActorKind::User | ActorKind::Token) {
            self.person.is_some() && self.person != other.person && self.actor != other.actor
        } else {
            false
        }
    }
}

/// A request with all that decisions about it need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalState {
    pub status: ApprovalStatus,
    pub requested_by: Requester,
    pub requested_at: DateTime<Utc>,
    pub decided_by: Option<Requester>,
    pub decided_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
}

/// What can happen to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalEvent {
    Approve {
        by: Requester,
        note: Option<String>,
    },
    Refuse {
        by: Requester,
        note: Option<String>,
    },
    /// Its time is over.
    Expire,
    /// The restore was cancelled.
    Withdraw,
}

/// Why that can't happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefusal {
    #[error("the request is already {0}")]
    AlreadyDecided(ApprovalStatus),
    #[error("a second person has to decide about the request")]
    OwnRequest,
    #[error("the request has expired")]
    Expired,
    #[error("the request has not expired yet")]
    NotExpired,
}

impl ApprovalState {
    /// A new request.
    pub const fn requested(by: Requester, now: DateTime<Utc>) -> Self {
        Self {
            status: ApprovalStatus::Requested,
            requested_by: by,
            requested_at: now,
            decided_by: None,
            decided_at: None,
            note: None,
        }
    }

    /// When it expires.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.requested_at + TimeDelta::hours(APPROVAL_HOURS)
    }

    /// The state after an event.
    ///
    /// # Errors
    /// When the event can't happen in this state; the state then stays.
    pub fn apply(&self, event: ApprovalEvent, now: DateTime<Utc>) -> Result<Self, ApprovalRefusal> {
        if self.status != ApprovalStatus::Requested {
            return Err(ApprovalRefusal::AlreadyDecided(self.status));
        }
        let has_expired = now >= self.expires_at();
        let decided = |status, by: Requester, note| {
            if has_expired {
                return Err(ApprovalRefusal::Expired);
            }
            if !by.is_second_to(&self.requested_by) {
                return Err(ApprovalRefusal::OwnRequest);
            }
            Ok(Self { status, decided_by: Some(by), decided_at: Some(now), note, ..self.clone() })
        };
        match event {
            ApprovalEvent::Approve { by, note } => decided(ApprovalStatus::Approved, by, note),
            ApprovalEvent::Refuse { by, note } => decided(ApprovalStatus::Refused, by, note),
            ApprovalEvent::Expire if has_expired => {
                Ok(Self { status: ApprovalStatus::Expired, decided_at: Some(now), ..self.clone() })
            }
            ApprovalEvent::Expire => Err(ApprovalRefusal::NotExpired),
            ApprovalEvent::Withdraw => {
                Ok(Self { status: ApprovalStatus::Withdrawn, decided_at: Some(now), ..self.clone() })
            }
        }
    }

    /// As people see it.
    pub fn shown(&self) -> Approval {
        Approval {
            status: self.status,
            requested_by: self.requested_by.actor.name.clone(),
            requested_at: self.requested_at,
            expires_at: self.expires_at(),
            decided_by: self.decided_by.as_ref().map(|by| by.actor.name.clone()),
            decided_at: self.decided_at,
            note: self.note.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u128) -> Requester {
        let id = Uuid::from_u128(id);
        Requester { actor: Actor::known(ActorKind::User, id, format!("user {id}")), person: Some(id) }
    }

    fn token_of(person: u128, id: u128) -> Requester {
        let actor = Actor::known(ActorKind::Token, Uuid::from_u128(id), "ci");
        Requester { actor, person: Some(Uuid::from_u128(person)) }
    }

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        let asked = DateTime::UNIX_EPOCH;
        let mut table = String::new();
        for &status in ApprovalStatus::ALL {
            let state = ApprovalState { status, ..ApprovalState::requested(user(1), asked) };
            for (when, now) in [("in time", asked), ("too late", state.expires_at())] {
                for (name, event) in [
                    ("approve by another", ApprovalEvent::Approve { by: user(2), note: None }),
                    ("approve by the same", ApprovalEvent::Approve { by: user(1), note: None }),
                    ("refuse by another", ApprovalEvent::Refuse { by: user(2), note: None }),
                    ("refuse by the same", ApprovalEvent::Refuse { by: user(1), note: None }),
                    ("expire", ApprovalEvent::Expire),
                    ("withdraw", ApprovalEvent::Withdraw),
                ] {
                    let outcome = match state.apply(event, now) {
                        Ok(after) => after.status.to_string(),
                        Err(refusal) => format!("refused: {refusal}"),
                    };
                    table.push_str(&format!("{status} | {name} {when} -> {outcome}\n"));
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_token_is_the_person_who_made_it() {
        assert!(user(2).is_second_to(&user(1)));
        assert!(token_of(2, 9).is_second_to(&user(1)) && user(1).is_second_to(&token_of(2, 9)));
        assert!(!token_of(1, 9).is_second_to(&user(1)), "one's own token is no second person");
        assert!(!user(1).is_second_to(&token_of(1, 9)) && !token_of(1, 8).is_second_to(&token_of(1, 9)));
    }

    #[test]
    fn nobody_at_this_machine_is_a_second_person() {
        let here = Requester { actor: Actor::unclaimed(), person: None };
        assert!(!here.is_second_to(&here) && !here.is_second_to(&user(1)));
        assert!(user(1).is_second_to(&here), "somebody who signed in is");
        let orphan = Requester { person: None, ..token_of(1, 9) };
        assert!(!orphan.is_second_to(&user(1)), "a token of nobody could be anybody's");
    }
}
