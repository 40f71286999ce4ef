//! Users, their sessions and how they sign in, as the API has them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Grant;
use crate::Secret;
use crate::engine::named_enum;

named_enum! {
    /// Whether a user can sign in.
    UserStatus {
        /// Has not set a password yet.
        Invited => "invited",
        Active => "active",
        Disabled => "disabled",
    }
}

named_enum! {
    /// Who vouches for a user.
    UserSource {
        Password => "password",
        /// An OpenID provider.
        Oidc => "oidc",
    }
}

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    pub id: Uuid,
    /// Unique among users, whatever the case of its letters.
    pub username: String,
    pub status: UserStatus,
    pub source: UserSource,
    pub grants: Vec<Grant>,
    /// Whether a second factor is asked for.
    pub two_factor: bool,
    pub created_at: DateTime<Utc>,
    pub last_sign_in_at: Option<DateTime<Utc>>,
}

/// A new user, who sets a password by a one-time link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserCreate {
    pub username: String,
    pub grants: Vec<Grant>,
}

/// The answer to a new user. The link's token is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserCreated {
    pub user: User,
    /// To be opened as `/setup#TOKEN`.
    pub setup_link_token: Secret,
    pub expires_at: DateTime<Utc>,
}

/// What may be changed of a user; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<Grant>>,
    /// A disabled user's sessions and tokens end at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// True takes the second factor away, for who lost it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_two_factor: Option<bool>,
}

/// A new one-time link with which a user sets a password. Shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetupLink {
    pub setup_link_token: Secret,
    pub expires_at: DateTime<Utc>,
}

named_enum! {
    /// What somebody proved to be.
    MeKind {
        User => "user",
        Token => "token",
        /// Somebody on the service's own machine, before anybody can sign in.
        Unclaimed => "unclaimed",
    }
}

/// Who asks, and what he may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// Whether the service has credentials; before, this machine is its administrator.
    pub claimed: bool,
    pub kind: MeKind,
    pub user: Option<User>,
    pub token_name: Option<String>,
    pub grants: Vec<Grant>,
}

/// Where else one can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OidcOption {
    pub name: String,
}

named_enum! {
    /// What is wrong with how the service is set up.
    AuthWarning {
        /// Everybody on its machine is its administrator.
        Unclaimed => "unclaimed",
        /// Passwords travel readable for others.
        Unencrypted => "unencrypted",
    }
}

/// How one can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuthOptions {
    pub claimed: bool,
    pub oidc: Option<OidcOption>,
    /// Whether this request came by TLS, or never left its machine.
    pub encrypted: bool,
    pub warnings: Vec<AuthWarning>,
}

/// A sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Login {
    pub username: String,
    pub password: Secret,
    /// A code of the authenticator app, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Secret>,
}

/// A password, set by a one-time link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Setup {
    pub token: Secret,
    pub password: Secret,
}

/// A change of one's own password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasswordChange {
    pub current_password: Secret,
    pub new_password: Secret,
}

/// A browser that somebody is signed in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    /// Within a minute.
    pub last_used_at: DateTime<Utc>,
    pub from_address: Option<String>,
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// What an authenticator app needs to know. Shown this once; the factor is on once a code was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TwoFactor {
    /// Base32, to be typed in.
    pub secret: Secret,
    /// The same, to be shown as a QR code.
    pub otpauth_uri: Secret,
}

/// A code of the authenticator app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TwoFactorCode {
    pub code: Secret,
}

/// Codes for who lost the authenticator app, each good once. Shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    pub recovery_codes: Vec<Secret>,
}

/// The password again, to switch the second factor off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TwoFactorDisable {
    pub password: Secret,
}
