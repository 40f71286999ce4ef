//! Credentials of programs, and projects: groups of datastores that roles are given for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Role;
use crate::Secret;
use crate::engine::named_enum;
use crate::name::validate_name;
use crate::problem::FieldError;

/// The longest life of a token, in days: ten years.
pub const MAX_TOKEN_DAYS: u32 = 3650;

named_enum! {
    /// What a token is for.
    TokenKind {
        /// A program that uses the API.
        Api => "api",
        /// A worker: it claims jobs, reports them, and nothing else.
        Worker => "worker",
    }
}

impl TokenKind {
    /// How its secrets begin, so that people and scanners for leaks know them.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Api => "hfa_",
            Self::Worker => "hfw_",
        }
    }
}

/// A program's credentials, without their secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    pub id: Uuid,
    pub name: String,
    pub kind: TokenKind,
    /// Null for a worker's.
    pub role: Option<Role>,
    /// The project that the role is for; null for everything.
    pub project_id: Option<Uuid>,
    /// The name of who made it.
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenCreate {
    pub name: String,
    #[serde(default = "api")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub kind: TokenKind,
    /// Needed for the API, not given for a worker.
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub project_id: Option<Uuid>,
    /// Never when left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 3650))]
    pub expires_in_days: Option<u32>,
}

const fn api() -> TokenKind {
    TokenKind::Api
}

impl TokenCreate {
    /// Checks all fields. An empty list means that nothing is wrong.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Err(error) = validate_name(&self.name) {
            errors.push(FieldError::new("/name", error.to_string()));
        }
        match (self.kind, self.role) {
            (TokenKind::Api, None) => errors.push(FieldError::new("/role", "is needed for a token of the API")),
            (TokenKind::Worker, Some(_)) => errors.push(FieldError::new("/role", "a worker has none")),
            _ => {}
        }
        if self.kind == TokenKind::Worker && self.project_id.is_some() {
            errors.push(FieldError::new("/project_id", "a worker works for all projects"));
        }
        if self.expires_in_days.is_some_and(|days| !(1..=MAX_TOKEN_DAYS).contains(&days)) {
            errors.push(FieldError::new("/expires_in_days", format!("must be between 1 and {MAX_TOKEN_DAYS}")));
        }
        errors
    }
}

/// The answer to a new token. The secret is shown this once, and sent as `Authorization: Bearer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenCreated {
    pub token: Token,
    pub secret: Secret,
}

/// A group of datastores that roles are given for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Project {
    pub id: Uuid,
    /// Unique among projects.
    pub name: String,
    /// How many datastores it has.
    pub datastores: i64,
    pub created_at: DateTime<Utc>,
}

/// What a project is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectDraft {
    pub name: String,
}
