//! Passwords and one-time links. Hashes are made and compared elsewhere, since that takes long; here they are kept.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::access::{User, UserStatus};
use uuid::Uuid;

use super::claim;
use super::secrets::digest_of;
use super::users::{UserRow, find, find_by_name};
use crate::columns::micros;
use crate::connection::AnyConnection;
use crate::schema::{sessions, users};
use crate::{Store, StoreError};

/// What a sign-in is compared with.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub user: User,
    /// Null before a password was set, and for users of a provider.
    pub password_hash: Option<String>,
}

fn by_link(connection: &mut AnyConnection, token: &str, now: DateTime<Utc>) -> Result<Option<UserRow>, StoreError> {
    Ok(users::table
        .filter(users::setup_digest.eq(digest_of(token)))
        .filter(users::setup_until.gt(micros(now)))
        .filter(users::disabled.eq(false))
        .first(connection)
        .optional()?)
}

impl Store {
    /// What a sign-in under a name is compared with; null for an unknown name.
    pub fn user_credentials(&self, username: &str) -> Result<Option<Credentials>, StoreError> {
        let credentials = |row: UserRow| {
            let password_hash = row.password_hash.clone();
            Ok(Credentials { user: row.into_domain()?, password_hash })
        };
        self.read(|connection| find_by_name(connection, username)?.map(credentials).transpose())
    }

    /// The user whose one-time link this is; null for one that is unknown, used or too old.
    pub fn user_of_setup_link(&self, token: &str, now: DateTime<Utc>) -> Result<Option<User>, StoreError> {
        self.read(|connection| by_link(connection, token, now)?.map(UserRow::into_domain).transpose())
    }

    /// Sets the password by a one-time link, which is void from then on, as are all sessions. An administrator's first
    /// password claims the service. Null when the link is no longer good.
    pub fn user_set_up(&self, token: &str, hash: &str, now: DateTime<Utc>) -> Result<Option<User>, StoreError> {
        self.write(now, |transaction| {
            let Some(mut row) = by_link(transaction.connection, token, now)? else { return Ok(None) };
            row.password_hash = Some(hash.to_owned());
            (row.setup_digest, row.setup_until) = (None, None);
            // Of two who use the link at once, one finds it used.
            let used = diesel::update(users::table.find(&row.id).filter(users::setup_digest.eq(digest_of(token))))
                .set(&row)
                .execute(transaction.connection)?;
            if used == 0 {
                return Ok(None);
            }
            diesel::delete(sessions::table.filter(sessions::user_id.eq(&row.id))).execute(transaction.connection)?;
            if row.is_administrator()? && row.status() == UserStatus::Active {
                claim(transaction)?;
            }
            row.is_subject(transaction)?;
            row.into_domain().map(Some)
        })
    }

    /// Sets another password. All sessions end but the one given.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn user_set_password(&self, id: Uuid, hash: &str, keep: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            row.password_hash = Some(hash.to_owned());
            (row.setup_digest, row.setup_until) = (None, None);
            row.save(transaction.connection)?;
            let others =
                sessions::table.filter(sessions::user_id.eq(&row.id)).filter(sessions::id.ne(keep.to_string()));
            diesel::delete(others).execute(transaction.connection)?;
            row.is_subject(transaction)
        })
    }
}
