//! Credentials of programs, and projects: groups of datastores that roles are given for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Grant, Place, Role, role_on};
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

impl Token {
    /// What it may do: its own role, and nothing that its owner may not do now, where a person owns it.
    pub fn grants(&self, owner: Option<&[Grant]>) -> Vec<Grant> {
        let Some(role) = self.role else { return Vec::new() };
        let own = Grant { role, project_id: self.project_id };
        let Some(owner) = owner else { return vec![own] };
        match self.project_id {
            Some(project) => role_on(owner, Place::Project(project))
                .map(|most| Grant::within(role.min(most), project))
                .into_iter()
                .collect(),
            None => owner.iter().map(|grant| Grant { role: role.min(grant.role), ..*grant }).collect(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f87_a_token_never_exceeds_its_owner() {
        let project = Uuid::from_u128(1);
        let token = |role, project_id| Token {
            id: Uuid::nil(),
            name: "t".into(),
            kind: TokenKind::Api,
            role: Some(role),
            project_id,
            created_by: "anna".into(),
            created_at: DateTime::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
        };
        let everywhere = token(Role::Operator, None);
        assert_eq!(everywhere.grants(None), [Grant::everywhere(Role::Operator)]);
        assert_eq!(everywhere.grants(Some(&[Grant::everywhere(Role::Viewer)])), [Grant::everywhere(Role::Viewer)]);
        let demoted = [Grant::within(Role::Administrator, project)];
        assert_eq!(everywhere.grants(Some(&demoted)), [Grant::within(Role::Operator, project)]);
        let within = token(Role::Administrator, Some(project));
        assert_eq!(within.grants(Some(&[Grant::everywhere(Role::Operator)])), [Grant::within(Role::Operator, project)]);
        assert_eq!(within.grants(Some(&[])), []);
    }
}
