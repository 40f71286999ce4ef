//! The hash chain over the audit log: `hash = SHA-256(previous hash ‖ canonical JSON of the row)`. Whoever changes, removes,
//! inserts or moves a row breaks the chain there, unless the hashes of all later rows are made anew; that, and a log
//! that was cut off at its end, is found by the [`Head`], which is sealed with the master key.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Actor, AuditEntry, AuditEvent, AuditOutcome, Subject};

/// The hash before the first row.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the chain ends: what the next row is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many rows there are: the last one's id.
    pub count: i64,
    /// The last row's hash.
    pub hash: String,
}

impl Head {
    /// The head of a chain without rows.
    pub fn genesis() -> Self {
        Self { count: 0, hash: GENESIS.to_owned() }
    }

    /// Makes the next row. `at` is kept in microseconds.
    pub fn append(&self, entry: AuditEntry, at: DateTime<Utc>) -> AuditEvent {
        let mut event = AuditEvent {
            id: self.count.saturating_add(1),
            at,
            actor: entry.actor,
            action: entry.action,
            subject: entry.subject,
            datastore_id: entry.datastore_id,
            from_address: entry.from_address,
            outcome: entry.outcome,
            detail: entry.detail,
            request_id: entry.request_id,
            hash: String::new(),
        };
        event.hash = hash(&self.hash, &event);
        event
    }

    /// The head after a row.
    pub fn of(event: &AuditEvent) -> Self {
        Self { count: event.id, hash: event.hash.clone() }
    }
}

/// A row as it is hashed: its fields in this order, without its own hash. A new field goes to the end and is left out
/// where it is null, so that old rows keep their hash.
#[derive(Serialize)]
struct Canonical<'a> {
    id: i64,
    at_micros: i64,
    actor: &'a Actor,
    action: &'a str,
    subject: &'a Subject,
    datastore_id: Option<uuid::Uuid>,
    from_address: Option<&'a str>,
    outcome: AuditOutcome,
    detail: Option<&'a str>,
    request_id: Option<&'a str>,
}

/// The hash of a row that follows one with the hash `previous`.
pub fn hash(previous: &str, event: &AuditEvent) -> String {
    let canonical = Canonical {
        id: event.id,
        at_micros: event.at.timestamp_micros(),
        actor: &event.actor,
        action: &event.action,
        subject: &event.subject,
        datastore_id: event.datastore_id,
        from_address: event.from_address.as_deref(),
        outcome: event.outcome,
        detail: event.detail.as_deref(),
        request_id: event.request_id.as_deref(),
    };
    // Only maps with keys that are no text, and types that refuse to be written, fail: there are none of these here.
    let json = serde_json::to_vec(&canonical).unwrap_or_default();
    hex::encode(Sha256::new().chain_update(previous.as_bytes()).chain_update(json).finalize())
}

/// What is wrong with an audit log; the row named is the first that is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// A row is not there.
    #[error("row {id} was removed")]
    Removed { id: i64 },
    /// A row does not follow from the one before it.
    #[error("row {id} was changed, inserted or moved: its hash does not follow from it and row {}", .id - 1)]
    Altered { id: i64 },
    /// Rows at the end are not there.
    #[error("row {id} was removed: the log was cut off there, {} rows were written in all", .count)]
    CutOff { id: i64, count: i64 },
    /// Rows at the end were not written by Holdfast.
    #[error("row {id} was inserted: only {} rows were written", .id - 1)]
    Surplus { id: i64 },
    /// The rows follow from each other, but not to the hash that was sealed.
    #[error("the log was written anew: its last row {id} has another hash than the one that was sealed")]
    Rewritten { id: i64 },
    /// The sealed end can't be opened, or there is none.
    #[error("the sealed end of the log is missing or was not sealed by this installation")]
    NoHead,
}

/// Checks a log row by row, oldest first.
#[derive(Debug, Clone)]
pub struct Verifier {
    last: Head,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { last: Head::genesis() }
    }
}

impl Verifier {
    /// Checks the next row in the order of ids.
    ///
    /// # Errors
    /// The first row that is missing or does not follow from the one before.
    pub fn check(&mut self, event: &AuditEvent) -> Result<(), Break> {
        let expected = self.last.count.saturating_add(1);
        if event.id > expected {
            return Err(Break::Removed { id: expected });
        }
        if event.id < expected || event.hash != hash(&self.last.hash, event) {
            return Err(Break::Altered { id: event.id });
        }
        self.last = Head::of(event);
        Ok(())
    }

    /// Compares the end with the sealed one, and gives it.
    ///
    /// # Errors
    /// When there is none, or another.
    pub fn finish(self, sealed: Option<&Head>) -> Result<Head, Break> {
        let Some(sealed) = sealed else { return Err(Break::NoHead) };
        let (found, id) = (&self.last, self.last.count);
        if found.count < sealed.count {
            return Err(Break::CutOff { id: found.count.saturating_add(1), count: sealed.count });
        }
        if found.count > sealed.count {
            return Err(Break::Surplus { id: sealed.count.saturating_add(1) });
        }
        if found.hash != sealed.hash {
            return Err(Break::Rewritten { id });
        }
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests;
