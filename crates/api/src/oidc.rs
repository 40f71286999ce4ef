//! Sign-in by an OpenID Connect provider: authorization code with PKCE (RFC 7636), discovery, and a nonce. What a browser
//! has to bring back is in a cookie of its own, so any process of the service can finish what another began.
//!
//! - [`provider`]: what is asked of the provider, only where [`dial`] lets it;
//! - [`pending`]: what is remembered between going there and coming back;
//! - [`roles`]: which roles the provider's word gives.

pub(crate) mod pending;
pub(crate) mod provider;
pub(crate) mod roles;

use domain::Secret;
use url::Url;

pub use roles::RoleMapping;

/// How people sign in elsewhere.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// The provider, whose `.well-known/openid-configuration` tells the rest.
    pub issuer: Url,
    pub client_id: String,
    /// None for a public client, which PKCE alone protects.
    pub client_secret: Option<Secret>,
    /// What the button says.
    pub name: String,
    /// The claim with the values that roles are given for; a path with dots where it lies deeper.
    pub role_claim: String,
    pub roles: Vec<RoleMapping>,
}
