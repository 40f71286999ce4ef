//! Sessions: browsers that somebody is signed in with. They end after 12 hours without use and 7 days in any case. // F-88

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::access::{Session, User};
use domain::{Page, Secret};
use uuid::Uuid;

use super::secrets::{digest_of, new_secret};
use super::users::find;
use crate::columns::{micros, new_id, time, uuid, without_nul};
use crate::connection::AnyConnection;
use crate::schema::{sessions, users};
use crate::{Store, StoreError};

/// How long a session lives without being used.
pub const SESSION_IDLE_HOURS: i64 = 12;
/// How long it lives at all.
pub const SESSION_ABSOLUTE_DAYS: i64 = 7;
/// The use of a session or token is noted at most this often.
pub(super) const USED_EVERY_SECONDS: i64 = 60;
/// What is kept of a browser's own description, in characters.
const USER_AGENT_CHARS: usize = 300;

#[derive(Queryable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
struct SessionRow {
    id: String,
    digest: String,
    user_id: String,
    created_at: i64,
    last_used_at: i64,
    from_address: Option<String>,
    user_agent: Option<String>,
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHolder {
    pub session_id: Uuid,
    pub user: User,
    /// Whether its use should be noted.
    pub is_stale: bool,
}

fn is_alive(row: &SessionRow, now: DateTime<Utc>) -> bool {
    now < time(row.last_used_at) + TimeDelta::hours(SESSION_IDLE_HOURS)
        && now < time(row.created_at) + TimeDelta::days(SESSION_ABSOLUTE_DAYS)
}

fn of_user(connection: &mut AnyConnection, user: Uuid) -> Result<Vec<SessionRow>, StoreError> {
    Ok(sessions::table
        .filter(sessions::user_id.eq(user.to_string()))
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .load(connection)?)
}

impl Store {
    /// Opens a session and gives its secret. The one that the browser had before ends, and so do the user's expired ones.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the user.
    pub fn session_create(
        &self,
        user_id: Uuid,
        from_address: Option<&str>,
        user_agent: Option<&str>,
        replaces: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(Secret, User), StoreError> {
        self.write(now, |transaction| {
            let mut user = find(transaction.connection, &user_id.to_string())?;
            let mut ended: Vec<String> = of_user(transaction.connection, user_id)?
                .into_iter()
                .filter(|row| !is_alive(row, now))
                .map(|row| row.digest)
                .collect();
            ended.extend(replaces.map(digest_of));
            diesel::delete(sessions::table.filter(sessions::digest.eq_any(ended))).execute(transaction.connection)?;
            let (secret, digest) = new_secret("")?;
            let row = SessionRow {
                id: new_id(now).to_string(),
                digest,
                user_id: user.id.clone(),
                created_at: micros(now),
                last_used_at: micros(now),
                from_address: from_address.map(str::to_owned),
                user_agent: user_agent.map(|text| without_nul(text).chars().take(USER_AGENT_CHARS).collect()),
            };
            diesel::insert_into(sessions::table).values(&row).execute(transaction.connection)?;
            user.last_sign_in_at = Some(micros(now));
            diesel::update(users::table.find(&user.id))
                .set(users::last_sign_in_at.eq(user.last_sign_in_at))
                .execute(transaction.connection)?;
            user.is_subject(transaction)?;
            Ok((secret, user.into_domain()?))
        })
    }

    /// Whose session this secret is; null when it is unknown or has ended, or its user is disabled.
    pub fn session_by_secret(&self, secret: &str, now: DateTime<Utc>) -> Result<Option<SessionHolder>, StoreError> {
        self.read(|connection| {
            let found: Option<SessionRow> =
                sessions::table.filter(sessions::digest.eq(digest_of(secret))).first(connection).optional()?;
            let Some(row) = found.filter(|row| is_alive(row, now)) else { return Ok(None) };
            let user = find(connection, &row.user_id)?;
            if user.disabled {
                return Ok(None);
            }
            let is_stale = now - time(row.last_used_at) >= TimeDelta::seconds(USED_EVERY_SECONDS);
            Ok(Some(SessionHolder { session_id: uuid("sessions.id", &row.id)?, user: user.into_domain()?, is_stale }))
        })
    }

    /// Notes that a session was used.
    pub fn session_touch(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.aside().write(now, |transaction| {
            let older = sessions::table.find(id.to_string()).filter(sessions::last_used_at.lt(micros(now)));
            diesel::update(older).set(sessions::last_used_at.eq(micros(now))).execute(transaction.connection)?;
            Ok(())
        })
    }

    /// The sessions of a user that live, newest first; `current` is the one that asks.
    pub fn session_list(
        &self,
        user: Uuid,
        current: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<Page<Session>, StoreError> {
        self.read(|connection| {
            let items = of_user(connection, user)?
                .into_iter()
                .filter(|row| is_alive(row, now))
                .map(|row| {
                    let id = uuid("sessions.id", &row.id)?;
                    Ok(Session {
                        id,
                        created_at: time(row.created_at),
                        last_used_at: time(row.last_used_at),
                        from_address: row.from_address,
                        user_agent: row.user_agent,
                        current: current == Some(id),
                    })
                })
                .collect::<Result<Vec<_>, StoreError>>()?;
            let total = i64::try_from(items.len()).unwrap_or(i64::MAX);
            Ok(Page { items, total, next_cursor: None })
        })
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also when it is another user's.
    pub fn session_delete(&self, user: Uuid, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            let own = sessions::table.find(id.to_string()).filter(sessions::user_id.eq(user.to_string()));
            if diesel::delete(own).execute(transaction.connection)? == 0 {
                return Err(StoreError::NotFound { what: "session" });
            }
            Ok(())
        })
    }
}
