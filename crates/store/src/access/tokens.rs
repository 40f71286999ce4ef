//! Tokens: credentials of programs and of workers.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::access::{Grant, Token, TokenCreate, TokenCreated, TokenKind};
use domain::{Page, Subject, SubjectKind};
use uuid::Uuid;

use super::secrets::{digest_of, new_secret};
use super::sessions::USED_EVERY_SECONDS;
use super::{claim, projects, users};
use crate::columns::{micros, new_id, optional_uuid, time, uuid, word};
use crate::connection::MultiBackend;
use crate::page::{PageRequest, time_and_id};
use crate::schema::tokens;
use crate::{Store, StoreError};

#[derive(Queryable, Insertable)]
#[diesel(table_name = tokens, treat_none_as_default_value = false)]
struct TokenRow {
    id: String,
    digest: String,
    name: String,
    kind: String,
    role: Option<String>,
    project_id: Option<String>,
    owner_id: Option<String>,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl TokenRow {
    fn into_domain(self) -> Result<Token, StoreError> {
        Ok(Token {
            id: uuid("tokens.id", &self.id)?,
            kind: word("tokens.kind", &self.kind)?,
            role: self.role.as_deref().map(|role| word("tokens.role", role)).transpose()?,
            project_id: optional_uuid("tokens.project_id", self.project_id.as_deref())?,
            created_at: time(self.created_at),
            expires_at: self.expires_at.map(time),
            last_used_at: self.last_used_at.map(time),
            name: self.name,
            created_by: self.created_by,
        })
    }

    fn is_alive(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|at| now < time(at))
    }
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct TokenOrder<'a> {
    pub create: &'a TokenCreate,
    /// The user who makes it and whom it never exceeds.
    pub owner: Option<Uuid>,
    /// What the maker is called.
    pub created_by: &'a str,
}

/// Whose token it is, and what it may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    pub token: Token,
    /// Its own role, cut down to what its maker may do now. Empty for a worker's.
    pub grants: Vec<Grant>,
    pub owner: Option<Uuid>,
    /// Whether its use should be noted.
    pub is_stale: bool,
}

impl Store {
    /// Makes a token. One of the API claims the service.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the project.
    pub fn token_create(&self, order: &TokenOrder<'_>, now: DateTime<Utc>) -> Result<TokenCreated, StoreError> {
        let create = order.create;
        self.write(now, |transaction| {
            if let Some(project) = create.project_id {
                projects::find(transaction.connection, &project.to_string())?;
            }
            let (secret, digest) = new_secret(create.kind.prefix())?;
            let id = new_id(now);
            let row = TokenRow {
                id: id.to_string(),
                digest,
                name: create.name.clone(),
                kind: create.kind.as_str().to_owned(),
                role: create.role.map(|role| role.as_str().to_owned()),
                project_id: create.project_id.map(|id| id.to_string()),
                owner_id: order.owner.map(|id| id.to_string()),
                created_by: order.created_by.to_owned(),
                created_at: micros(now),
                expires_at: create.expires_in_days.map(|days| micros(now + TimeDelta::days(i64::from(days)))),
                last_used_at: None,
            };
            diesel::insert_into(tokens::table).values(&row).execute(transaction.connection)?;
            if create.kind == TokenKind::Api {
                claim(transaction)?;
            }
            transaction.about(Subject { kind: SubjectKind::Token, id: Some(id), name: Some(row.name.clone()) });
            Ok(TokenCreated { token: row.into_domain()?, secret })
        })
    }

    /// Whose token this secret is; null when it is unknown or has ended, or its maker is disabled.
    pub fn token_by_secret(&self, secret: &str, now: DateTime<Utc>) -> Result<Option<TokenHolder>, StoreError> {
        self.read(|connection| {
            let found: Option<TokenRow> =
                tokens::table.filter(tokens::digest.eq(digest_of(secret))).first(connection).optional()?;
            let Some(row) = found.filter(|row| row.is_alive(now)) else { return Ok(None) };
            let owner = row.owner_id.as_deref().map(|id| users::find(connection, id)).transpose()?;
            if owner.as_ref().is_some_and(|owner| owner.disabled) {
                return Ok(None);
            }
            let owner_grants = owner.as_ref().map(users::UserRow::grants).transpose()?;
            let used = row.last_used_at.map(time);
            let is_stale = used.is_none_or(|used| now - used >= TimeDelta::seconds(USED_EVERY_SECONDS));
            let token = row.into_domain()?;
            let grants = token.grants(owner_grants.as_deref());
            let owner = owner.map(|owner| uuid("users.id", &owner.id)).transpose()?;
            Ok(Some(TokenHolder { token, grants, owner, is_stale }))
        })
    }

    /// Notes that a token was used.
    pub fn token_touch(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.aside().write(now, |transaction| {
            diesel::update(tokens::table.find(id.to_string()))
                .set(tokens::last_used_at.eq(micros(now)))
                .execute(transaction.connection)?;
            Ok(())
        })
    }

    /// Tokens, newest first: all, or those that a user made.
    pub fn token_list(&self, owner: Option<Uuid>, page: &PageRequest) -> Result<Page<Token>, StoreError> {
        let after = page.after_time_and_id()?;
        let filtered = || {
            let mut query = tokens::table.into_boxed::<MultiBackend>();
            if let Some(owner) = owner {
                query = query.filter(tokens::owner_id.eq(owner.to_string()));
            }
            query
        };
        self.read(|connection| {
            let mut query = filtered().order((tokens::created_at.desc(), tokens::id.desc())).limit(page.rows());
            if let Some((at, id)) = after {
                query = query.filter(tokens::created_at.le(at)).filter(tokens::created_at.lt(at).or(tokens::id.lt(id)));
            }
            let mut rows: Vec<TokenRow> = query.load(connection)?;
            let total = filtered().count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let items = rows.into_iter().map(TokenRow::into_domain).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }

    /// Ends a token: any, or one that a user made. What workers it bound to itself is free for another.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also when it is another user's.
    pub fn token_delete(&self, id: Uuid, owner: Option<Uuid>, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(now, |transaction| {
            let found: Option<TokenRow> =
                tokens::table.find(id.to_string()).first(transaction.connection).optional()?;
            let is_own = |row: &TokenRow| owner.is_none_or(|owner| row.owner_id == Some(owner.to_string()));
            let row = found.filter(is_own).ok_or(StoreError::NotFound { what: "token" })?;
            diesel::delete(tokens::table.find(&row.id)).execute(transaction.connection)?;
            transaction.about(Subject { kind: SubjectKind::Token, id: Some(id), name: Some(row.name) });
            Ok(())
        })
    }
}
