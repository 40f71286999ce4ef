//! Who may do what: roles and where they are given, the permission that each operation needs, and the decision.
//!
//! [`permission`] holds the table and [`decide`], which is pure; [`people`] and [`token`] are the wire types of users and of
//! programs' credentials. Nothing here is a secret, except where a type hands one out, once.

pub mod password;
pub mod people;
pub mod permission;
pub mod token;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::named_enum;

pub use people::{
    AuthOptions, AuthWarning, Login, Me, MeKind, OidcOption, PasswordChange, RecoveryCodes, Session, Setup, SetupLink,
    TwoFactor, TwoFactorCode, TwoFactorDisable, User, UserCreate, UserCreated, UserPatch, UserSource, UserStatus,
};
pub use permission::{Decision, Permission, Place, Reach, decide, decide_at, role_on};
pub use token::{Project, ProjectDraft, Token, TokenCreate, TokenCreated, TokenKind};

named_enum! {
    /// What somebody may do; each role includes those before it.
    Role {
        /// Sees.
        Viewer => "viewer",
        /// Backs up, schedules, and restores to a new datastore.
        Operator => "operator",
        /// Restores in place, deletes, and changes settings.
        Administrator => "administrator",
    }
}

/// A role, for all datastores and everything global, or for the datastores of one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    pub role: Role,
    /// The project; null for everything.
    #[serde(default)]
    pub project_id: Option<Uuid>,
}

impl Grant {
    /// The role for everything.
    pub const fn everywhere(role: Role) -> Self {
        Self { role, project_id: None }
    }

    /// The role for the datastores of one project.
    pub const fn within(role: Role, project_id: Uuid) -> Self {
        Self { role, project_id: Some(project_id) }
    }
}
