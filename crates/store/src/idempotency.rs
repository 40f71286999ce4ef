//! Idempotency keys: the same key and request within a day gets the first answer again. The key is taken before the work
//! begins, so two requests that come at once do it once. // F-23

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::columns::{from_json, micros, to_json};
use crate::connection::AnyConnection;
use crate::schema::idempotency_keys;
use crate::{Store, StoreError};

/// How long an answer is kept, in hours.
const KEPT_HOURS: i64 = 24;
/// After how many seconds without an answer the first request counts as lost, so that another may try.
const LOST_AFTER_SECONDS: i64 = 60;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotentAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Location` header, where there was one.
    pub location: Option<String>,
    pub body: String,
}

/// What to do with a request that bears a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotency {
    /// Nobody used the key: do the work, then [`Store::idempotency_put`] or [`Store::idempotency_abandon`].
    Fresh,
    /// The same request is being worked on.
    InProgress,
    /// It was done: answer this.
    Answered(IdempotentAnswer),
}

/// A request may hold a password, so even its hash is sealed: it could be guessed from.
pub(crate) fn place(key: &str) -> String {
    format!("idempotency_keys.request:{key}")
}

impl Store {
    /// Takes a key for a request (its method, path and body), or says what became of it.
    ///
    /// # Errors
    /// [`StoreError::IdempotencyKeyReused`] when the key came with another request.
    pub fn idempotency_begin(&self, key: &str, request: &[u8], now: DateTime<Utc>) -> Result<Idempotency, StoreError> {
        let digest = Sha256::digest(request);
        self.write(now, |transaction| {
            let expired = micros(now - Duration::hours(KEPT_HOURS));
            diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.lt(expired)))
                .execute(transaction.connection)?;
            let lost = micros(now - Duration::seconds(LOST_AFTER_SECONDS));
            let abandoned = idempotency_keys::table
                .find(key)
                .filter(idempotency_keys::answer.is_null())
                .filter(idempotency_keys::created_at.lt(lost));
            diesel::delete(abandoned).execute(transaction.connection)?;
            let known: Option<(String, Option<String>)> = idempotency_keys::table
                .find(key)
                .select((idempotency_keys::request_sealed, idempotency_keys::answer))
                .first(transaction.connection)
                .optional()?;
            let Some((sealed, answer)) = known else {
                let row = (
                    idempotency_keys::key.eq(key),
                    idempotency_keys::request_sealed.eq(transaction.key.seal(&place(key), &digest)?),
                    idempotency_keys::created_at.eq(micros(now)),
                );
                let insert = diesel::insert_into(idempotency_keys::table).values(row);
                let inserted = match transaction.connection {
                    // Another request with this key may have come between the look and now.
                    AnyConnection::Postgres(postgres) => insert.on_conflict_do_nothing().execute(postgres)?,
                    AnyConnection::Sqlite(sqlite) => insert.execute(sqlite)?,
                };
                return Ok(if inserted == 1 { Idempotency::Fresh } else { Idempotency::InProgress });
            };
            if transaction.key.open_sealed(&place(key), &sealed)? != digest.as_slice() {
                return Err(StoreError::IdempotencyKeyReused);
            }
            match answer {
                Some(answer) => Ok(Idempotency::Answered(from_json("idempotency_keys.answer", &answer)?)),
                None => Ok(Idempotency::InProgress),
            }
        })
    }

    /// Keeps the answer of a request whose key was taken.
    pub fn idempotency_put(&self, key: &str, answer: &IdempotentAnswer, now: DateTime<Utc>) -> Result<(), StoreError> {
        let answer = to_json("idempotency_keys.answer", answer)?;
        self.write(now, |transaction| {
            diesel::update(idempotency_keys::table.find(key))
                .set(idempotency_keys::answer.eq(&answer))
                .execute(transaction.connection)?;
            Ok(())
        })
    }

    /// Gives a key back whose request changed nothing.
    pub fn idempotency_abandon(&self, key: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            let unanswered = idempotency_keys::table.find(key).filter(idempotency_keys::answer.is_null());
            diesel::delete(unanswered).execute(transaction.connection)?;
            Ok(())
        })
    }
}
