//! Users: who they are and what they may do.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::access::{
    Grant, Place, Role, SetupLink, User, UserCreate, UserCreated, UserPatch, UserSource, UserStatus, role_on,
};
use domain::{Page, Subject, SubjectKind};
use uuid::Uuid;

use super::secrets::new_secret;
use super::{claim, is_claimed, projects};
use crate::columns::{from_json, micros, new_id, time, to_json, uuid, word};
use crate::connection::{AnyConnection, MultiBackend};
use crate::page::{PageRequest, time_and_id};
use crate::schema::{sessions, users};
use crate::storages::name_taken;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

/// How long a one-time link may be used.
const SETUP_LINK_HOURS: i64 = 24;
/// The administrator whom the first start makes.
const FIRST_ADMINISTRATOR: &str = "admin";

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct UserRow {
    pub id: String,
    pub username: String,
    pub username_key: String,
    pub source: String,
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub password_hash: Option<String>,
    pub grants: String,
    pub disabled: bool,
    pub totp_sealed: Option<String>,
    pub totp_on: bool,
    pub totp_step: i64,
    pub recovery_codes: String,
    pub setup_digest: Option<String>,
    pub setup_until: Option<i64>,
    pub created_at: i64,
    pub last_sign_in_at: Option<i64>,
}

impl UserRow {
    fn new(username: &str, source: UserSource, grants: &[Grant], now: DateTime<Utc>) -> Result<Self, StoreError> {
        Ok(Self {
            id: new_id(now).to_string(),
            username: username.to_owned(),
            username_key: key_of(username),
            source: source.as_str().to_owned(),
            issuer: None,
            subject: None,
            password_hash: None,
            grants: to_json("users.grants", &grants)?,
            disabled: false,
            totp_sealed: None,
            totp_on: false,
            totp_step: 0,
            recovery_codes: "[]".to_owned(),
            setup_digest: None,
            setup_until: None,
            created_at: micros(now),
            last_sign_in_at: None,
        })
    }

    pub fn status(&self) -> UserStatus {
        match (self.disabled, &self.password_hash, &self.subject) {
            (true, ..) => UserStatus::Disabled,
            (false, None, None) => UserStatus::Invited,
            (false, ..) => UserStatus::Active,
        }
    }

    pub fn grants(&self) -> Result<Vec<Grant>, StoreError> {
        from_json("users.grants", &self.grants)
    }

    pub fn is_administrator(&self) -> Result<bool, StoreError> {
        Ok(role_on(&self.grants()?, Place::Everything) == Some(Role::Administrator))
    }

    pub fn into_domain(self) -> Result<User, StoreError> {
        Ok(User {
            id: uuid("users.id", &self.id)?,
            status: self.status(),
            source: word("users.source", &self.source)?,
            grants: self.grants()?,
            two_factor: self.totp_on,
            created_at: time(self.created_at),
            last_sign_in_at: self.last_sign_in_at.map(time),
            username: self.username,
        })
    }

    pub fn save(&self, connection: &mut AnyConnection) -> QueryResult<usize> {
        diesel::update(users::table.find(&self.id)).set(self).execute(connection)
    }

    /// Gives it a new one-time link in place of any earlier one.
    fn invite(&mut self, now: DateTime<Utc>) -> Result<SetupLink, StoreError> {
        let (secret, digest) = new_secret("")?;
        let expires_at = now + TimeDelta::hours(SETUP_LINK_HOURS);
        self.setup_digest = Some(digest);
        self.setup_until = Some(micros(expires_at));
        Ok(SetupLink { setup_link_token: secret, expires_at })
    }

    /// Says in the audit log whom a change is about.
    pub fn is_subject(&self, transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
        let id = Some(uuid("users.id", &self.id)?);
        transaction.about(Subject { kind: SubjectKind::User, id, name: Some(self.username.clone()) });
        Ok(())
    }
}

/// Somebody whom an OpenID provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUser {
    pub issuer: String,
    pub subject: String,
    pub username: String,
    /// What the provider's claims give; they replace those of the sign-in before.
    pub grants: Vec<Grant>,
}

/// By what two names are the same.
pub(super) fn key_of(username: &str) -> String {
    username.to_lowercase()
}

pub(super) fn find(connection: &mut AnyConnection, id: &str) -> Result<UserRow, StoreError> {
    users::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "user" })
}

pub(super) fn find_by_name(connection: &mut AnyConnection, username: &str) -> Result<Option<UserRow>, StoreError> {
    Ok(users::table.filter(users::username_key.eq(key_of(username))).first(connection).optional()?)
}

/// Keeps others from changing any user until the end: whether an administrator is the last one depends on all.
fn lock_all(transaction: &mut Transaction<'_>) -> Result<(), StoreError> {
    if let AnyConnection::Postgres(postgres) = transaction.connection {
        let _: Vec<String> = users::table.select(users::id).order(users::id.asc()).for_update().load(postgres)?;
    }
    Ok(())
}

/// Refuses to take away the last one who can give others a role.
fn refuse_last(connection: &mut AnyConnection, row: &UserRow) -> Result<(), StoreError> {
    if row.status() != UserStatus::Active || !row.is_administrator()? {
        return Ok(());
    }
    let others: Vec<UserRow> = users::table.filter(users::id.ne(&row.id)).load(connection)?;
    for other in others {
        if other.status() == UserStatus::Active && other.is_administrator()? {
            return Ok(());
        }
    }
    Err(StoreError::LastAdministrator)
}

fn end_sessions(connection: &mut AnyConnection, user: &str) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user))).execute(connection)
}

impl Store {
    /// Adds a user, who sets a password by the link that is answered.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`]; [`StoreError::NotFound`] for a project.
    pub fn user_create(&self, create: &UserCreate, now: DateTime<Utc>) -> Result<UserCreated, StoreError> {
        self.write(now, |transaction| {
            projects::require_all(transaction.connection, &create.grants)?;
            let mut row = UserRow::new(&create.username, UserSource::Password, &create.grants, now)?;
            let SetupLink { setup_link_token, expires_at } = row.invite(now)?;
            let insert = diesel::insert_into(users::table).values(&row);
            name_taken(&create.username, insert.execute(transaction.connection))?;
            row.is_subject(transaction)?;
            Ok(UserCreated { user: row.into_domain()?, setup_link_token, expires_at })
        })
    }

    /// A new one-time link; any earlier one is void. The password, if there is one, works until the link was used.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn user_setup_link(&self, id: Uuid, now: DateTime<Utc>) -> Result<SetupLink, StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            let link = row.invite(now)?;
            row.save(transaction.connection)?;
            row.is_subject(transaction)?;
            Ok(link)
        })
    }

    /// A one-time link for the first administrator, who is made where there is none yet; null once the service is claimed.
    pub fn user_first_setup_link(&self, now: DateTime<Utc>) -> Result<Option<SetupLink>, StoreError> {
        self.write(now, |transaction| {
            if is_claimed(transaction.connection)? {
                return Ok(None);
            }
            let grants = [Grant::everywhere(Role::Administrator)];
            let (mut row, is_new) = match find_by_name(transaction.connection, FIRST_ADMINISTRATOR)? {
                Some(row) => (row, false),
                None => (UserRow::new(FIRST_ADMINISTRATOR, UserSource::Password, &grants, now)?, true),
            };
            let link = row.invite(now)?;
            if is_new {
                diesel::insert_into(users::table).values(&row).execute(transaction.connection)?;
            } else {
                row.save(transaction.connection)?;
            }
            Ok(Some(link))
        })
    }

    /// One user.
    pub fn user_get(&self, id: Uuid) -> Result<User, StoreError> {
        self.read(|connection| find(connection, &id.to_string())?.into_domain())
    }

    /// The user of this name.
    pub fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.read(|connection| find_by_name(connection, username)?.map(UserRow::into_domain).transpose())
    }

    /// Users, newest first.
    pub fn user_list(&self, page: &PageRequest) -> Result<Page<User>, StoreError> {
        let after = page.after_time_and_id()?;
        self.read(|connection| {
            let mut query = users::table
                .order((users::created_at.desc(), users::id.desc()))
                .limit(page.rows())
                .into_boxed::<MultiBackend>();
            if let Some((at, id)) = after {
                query = query.filter(users::created_at.lt(at).or(users::created_at.eq(at).and(users::id.lt(id))));
            }
            let mut rows: Vec<UserRow> = query.load(connection)?;
            let total = users::table.count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let items = rows.into_iter().map(UserRow::into_domain).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }

    /// Changes what the patch holds. Who is disabled is signed out at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for a project; [`StoreError::LastAdministrator`].
    pub fn user_update(&self, id: Uuid, patch: &UserPatch, now: DateTime<Utc>) -> Result<User, StoreError> {
        self.write(now, |transaction| {
            lock_all(transaction)?;
            let before = find(transaction.connection, &id.to_string())?;
            let mut row = before.clone();
            if let Some(grants) = &patch.grants {
                projects::require_all(transaction.connection, grants)?;
                row.grants = to_json("users.grants", grants)?;
            }
            row.disabled = patch.disabled.unwrap_or(row.disabled);
            if patch.reset_two_factor == Some(true) {
                row.forget_second_factor();
            }
            if row.disabled || !row.is_administrator()? {
                refuse_last(transaction.connection, &before)?;
            }
            if row.disabled {
                end_sessions(transaction.connection, &row.id)?;
                (row.setup_digest, row.setup_until) = (None, None);
            }
            row.save(transaction.connection)?;
            row.is_subject(transaction)?;
            row.into_domain()
        })
    }

    /// Forgets a user, with all sessions and tokens.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::LastAdministrator`].
    pub fn user_delete(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            lock_all(transaction)?;
            let row = find(transaction.connection, &id.to_string())?;
            refuse_last(transaction.connection, &row)?;
            diesel::delete(users::table.find(&row.id)).execute(transaction.connection)?;
            row.is_subject(transaction)
        })
    }

    /// The user whom a provider vouches for, made at the first sign-in. Null when the user was disabled here.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when a new user's name is another user's.
    pub fn user_from_provider(&self, external: &ExternalUser, now: DateTime<Utc>) -> Result<Option<User>, StoreError> {
        self.write(now, |transaction| {
            let found: Option<UserRow> = users::table
                .filter(users::issuer.eq(&external.issuer))
                .filter(users::subject.eq(&external.subject))
                .first(transaction.connection)
                .optional()?;
            let row = match found {
                Some(row) if row.disabled => return Ok(None),
                Some(mut row) => {
                    row.grants = to_json("users.grants", &external.grants)?;
                    row.save(transaction.connection)?;
                    row
                }
                None => {
                    let mut row = UserRow::new(&external.username, UserSource::Oidc, &external.grants, now)?;
                    (row.issuer, row.subject) = (Some(external.issuer.clone()), Some(external.subject.clone()));
                    let insert = diesel::insert_into(users::table).values(&row);
                    name_taken(&external.username, insert.execute(transaction.connection))?;
                    row
                }
            };
            if row.is_administrator()? {
                claim(transaction)?;
            }
            row.is_subject(transaction)?;
            row.into_domain().map(Some)
        })
    }
}
