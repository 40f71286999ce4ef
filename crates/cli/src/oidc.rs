//! The options about sign-in by an OpenID Connect provider.

use std::path::PathBuf;

use api::{OidcSettings, RoleMapping};
use clap::Args;
use url::Url;

use crate::failure::Failure;
use crate::files::read_secret;

/// How people sign in elsewhere; not at all without an issuer.
#[derive(Debug, Args)]
pub struct OidcArguments {
    /// The OpenID Connect provider that people may sign in with, such as https://login.example.com/realms/main.
    #[arg(long, env = "HOLDFAST_OIDC_ISSUER", requires_all = ["oidc_client_id", "oidc_roles"])]
    pub oidc_issuer: Option<Url>,
    /// What the provider calls Holdfast.
    #[arg(long, env = "HOLDFAST_OIDC_CLIENT_ID", requires = "oidc_issuer")]
    pub oidc_client_id: Option<String>,
    /// The file with the client's secret, readable by its owner only; a public client has none.
    #[arg(long, env = "HOLDFAST_OIDC_CLIENT_SECRET_FILE", requires = "oidc_issuer")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// What the button of the sign-in page says after "Sign in with".
    #[arg(long, env = "HOLDFAST_OIDC_NAME", default_value = "single sign-on")]
    pub oidc_name: String,
    /// The claim whose values give roles; realm_access.roles is one inside another.
    #[arg(long, env = "HOLDFAST_OIDC_ROLE_CLAIM", default_value = "groups")]
    pub oidc_role_claim: String,
    /// A role for a value of the claim, as VALUE=ROLE, or VALUE=ROLE@PROJECT for one project. May be repeated. Who has none of the
    /// values is not let in.
    #[arg(long = "oidc-role", env = "HOLDFAST_OIDC_ROLE", value_delimiter = ';')]
    pub oidc_roles: Vec<RoleMapping>,
}

impl OidcArguments {
    /// The settings; `None` when nobody signs in elsewhere.
    ///
    /// # Errors
    /// When the secret can't be read, or the issuer could be played by anybody on the way.
    pub fn settings(self) -> Result<Option<OidcSettings>, Failure> {
        let (Some(issuer), Some(client_id)) = (self.oidc_issuer, self.oidc_client_id) else { return Ok(None) };
        if issuer.scheme() != "https" && !crate::network::is_on_this_machine(issuer.as_str()) {
            return Err(Failure::configuration(
                format!("{issuer} is not encrypted: anybody on the way could say who signs in."),
                "Give --oidc-issuer https://….",
            ));
        }
        let client_secret = self.oidc_client_secret_file.as_deref().map(read_secret).transpose()?;
        Ok(Some(OidcSettings {
            issuer,
            client_id,
            client_secret,
            name: self.oidc_name,
            role_claim: self.oidc_role_claim,
            roles: self.oidc_roles,
        }))
    }
}
