//! What is asked of the provider: where its pages are, and who the person is that came back from them. Whatever the provider
//! tells to ask is dialled by way of [`dial`]: its issuer's URL was written by an operator, but the rest comes over the network. // F-85

use std::sync::Arc;
use std::time::Duration;

use dial::{DialError, Dialer, Limits};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::OidcSettings;
use super::pending::Pending;
use super::roles::values_of;
use crate::state::now;

const LIMITS: Limits = Limits { connect: Duration::from_secs(5), whole: Duration::from_secs(15) };
/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;
/// What is kept of a user's name, in characters.
const USERNAME_CHARS: usize = 100;
/// How old the provider's document may be when a sign-in begins, and when its keys are needed.
const MAX_AGE: Duration = Duration::from_secs(600);
const MAX_AGE_OF_KEYS: Duration = Duration::from_secs(30);

/// Claims that are not of the standard.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct OtherClaims(Map<String, Value>);

impl AdditionalClaims for OtherClaims {}

type Fields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Client = openidconnect::Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the identity provider's document can't be read")]
    Discover(#[source] Cause),
    #[error("the identity provider did not exchange its code")]
    Exchange(#[source] Cause),
    #[error("the identity provider's word is not valid")]
    Invalid(#[source] Cause),
    #[error("the identity provider did not tell about the user")]
    UserInfo(#[source] Cause),
    #[error("the identity provider gave no {0}")]
    Missing(&'static str),
}

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Who somebody is, by the provider's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) issuer: String,
    /// The provider's own name for the person: the only one that never changes hands.
    pub(crate) subject: String,
    /// What people call the person.
    pub(crate) username: String,
    /// The values of the claim that gives roles.
    pub(crate) values: Vec<String>,
}

/// The provider. One for all requests.
pub(crate) struct Provider {
    pub(crate) settings: OidcSettings,
    dialer: Dialer,
    known: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

impl Provider {
    /// Sends nothing yet.
    pub(crate) fn new(settings: OidcSettings) -> Result<Self, OidcError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dialer = Dialer::new(dial::of_process(), LIMITS).map_err(|error| OidcError::Discover(error.into()))?;
        Ok(Self { settings, dialer, known: Mutex::new(None) })
    }

    /// Begins a sign-in: where the browser has to go, and what has to come back with it.
    pub(crate) async fn begin(&self, redirect_uri: String, return_to: String) -> Result<(Url, Pending), OidcError> {
        let metadata = self.metadata(MAX_AGE).await?;
        let client = self.client(&metadata, &redirect_uri)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(["profile", "email"].map(|scope| Scope::new(scope.to_owned())))
            .add_scopes(self.scope_of_roles(&metadata))
            .set_pkce_challenge(challenge)
            .url();
        let pending = Pending {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            redirect_uri,
            return_to,
            begun_at: now(),
        };
        Ok((url, pending))
    }

    /// Ends it: exchanges the code and says who came.
    pub(crate) async fn finish(&self, pending: &Pending, code: String) -> Result<Identity, OidcError> {
        let metadata = self.metadata(MAX_AGE_OF_KEYS).await?;
        let client = self.client(&metadata, &pending.redirect_uri)?;
        let http = |request| self.send(request);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| OidcError::Exchange(error.into()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
            .request_async(&http)
            .await
            .map_err(|error| OidcError::Exchange(error.into()))?;
        let id_token = tokens.id_token().ok_or(OidcError::Missing("ID token"))?;
        let verifier = client.id_token_verifier().set_allowed_algs(signatures(&metadata));
        let invalid = |error: Cause| OidcError::Invalid(error);
        let claims =
            id_token.claims(&verifier, &Nonce::new(pending.nonce.clone())).map_err(|error| invalid(error.into()))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|error| invalid(error.into()))?;
            let key = id_token.signing_key(&verifier).map_err(|error| invalid(error.into()))?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)
                .map_err(|error| invalid(error.into()))?;
            if actual != *expected {
                return Err(invalid("the access token is another one's".into()));
            }
        }
        let text = |error: serde_json::Error| OidcError::Invalid(error.into());
        let mut told = serde_json::to_value(claims).map_err(text)?;
        if values_of(&told, &self.settings.role_claim).is_none() && metadata.userinfo_endpoint().is_some() {
            let more: UserInfoClaims<OtherClaims, CoreGenderClaim> = client
                .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
                .map_err(|error| OidcError::UserInfo(error.into()))?
                .request_async(&http)
                .await
                .map_err(|error| OidcError::UserInfo(error.into()))?;
            merge(&mut told, serde_json::to_value(more).map_err(text)?);
        }
        let word = |name: &str| told.get(name).and_then(Value::as_str).filter(|word| !word.is_empty());
        let subject = claims.subject().as_str().to_owned();
        let username = word("preferred_username").or_else(|| word("email")).unwrap_or(&subject);
        let username = username.chars().filter(|character| !character.is_control()).take(USERNAME_CHARS).collect();
        let values = values_of(&told, &self.settings.role_claim).unwrap_or_default();
        Ok(Identity { issuer: self.settings.issuer.to_string(), subject, username, values })
    }

    fn client(&self, metadata: &CoreProviderMetadata, redirect_uri: &str) -> Result<Client, OidcError> {
        let id = ClientId::new(self.settings.client_id.clone());
        let secret = self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let redirect_uri =
            RedirectUrl::new(redirect_uri.to_owned()).map_err(|error| OidcError::Discover(error.into()))?;
        let methods = metadata.token_endpoint_auth_methods_supported();
        let only_in_body = methods.is_some_and(|methods| !methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let how = if only_in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(Client::from_provider_metadata(metadata.clone(), id, secret)
            .set_auth_type(how)
            .set_redirect_uri(redirect_uri))
    }

    /// A scope named like the claim, where the provider has one: that is how most are made to tell it.
    fn scope_of_roles(&self, metadata: &CoreProviderMetadata) -> Option<Scope> {
        let scope = Scope::new(self.settings.role_claim.clone());
        metadata.scopes_supported().is_some_and(|scopes| scopes.contains(&scope)).then_some(scope)
    }

    /// The provider's document with its keys, asked for when what is known is too old.
    async fn metadata(&self, max_age: Duration) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = known.as_ref()
            && at.elapsed() <= max_age
        {
            return Ok(Arc::clone(metadata));
        }
        let issuer = self.settings.issuer.as_str();
        // The issuer is compared as it is written; a URL without a path is parsed with one.
        let issuer = if self.settings.issuer.path() == "/" { issuer.trim_end_matches('/') } else { issuer };
        let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|error| OidcError::Discover(error.into()))?;
        let http = |request| self.send(request);
        let metadata = CoreProviderMetadata::discover_async(issuer, &http)
            .await
            .map_err(|error| OidcError::Discover(error.into()))?;
        let metadata = Arc::new(metadata);
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, AskError> {
        let request = reqwest::Request::try_from(request).map_err(AskError::Answer)?;
        let mut answer = self.dialer.execute(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(AskError::Answer)? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(AskError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

/// Why the provider's answer is not there.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the answer broke off")]
    Answer(#[source] reqwest::Error),
    #[error("the answer is larger than {ANSWER_LIMIT} bytes")]
    TooLarge,
}

/// Signatures that only the provider can make: not those by the client's own secret, and not none at all.
fn signatures(metadata: &CoreProviderMetadata) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Algorithm;
    let is_by_a_key_pair = |algorithm: &&Algorithm| {
        !matches!(algorithm, Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 | Algorithm::None)
    };
    metadata.id_token_signing_alg_values_supported().iter().filter(is_by_a_key_pair).cloned().collect()
}

fn merge(told: &mut Value, more: Value) {
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        for (name, value) in more {
            told.entry(name).or_insert(value);
        }
    }
}
