//! `/auth/oidc/…`: sign-in by an OpenID Connect provider. A browser walks here, so what goes wrong is told by the sign-in page;
//! the log says more.

use actix_web::cookie::Cookie;
use actix_web::http::header::{self, HOST};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::access::Grant;
use domain::list::MAX_LIMIT;
use domain::{Actor, ActorKind, ErrorCode};
use serde::Deserialize;
use store::{ExternalUser, PageRequest, Store, StoreError};
use utoipa::IntoParams;

use crate::access::session_cookie::open_session;
use crate::connection::Connection;
use crate::edge_settings::EdgeSettings;
use crate::extract::Query;
use crate::oidc::RoleMapping;
use crate::oidc::pending::{PENDING_COOKIE, Pending, local_path};
use crate::oidc::provider::{Identity, Provider};
use crate::oidc::roles::granted;
use crate::problem::{ApiProblem, Chain};
use crate::request_context;
use crate::state::{State, now};

/// The page that tells what went wrong.
const SIGN_IN: &str = "/sign-in";
const CALLBACK: &str = "/api/v1/auth/oidc/callback";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartQuery {
    /// The page to go to afterwards: a path of this service.
    return_to: Option<String>,
}

/// Begin a sign-in by the identity provider
///
/// For browsers: leads to the provider's pages, and from there back to the callback.
#[utoipa::path(
    tag = "access",
    params(StartQuery),
    responses(
        (status = 302, description = "To the provider, or back to the sign-in page when it can't be reached"),
        (status = 404, description = "No provider is set up", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[get("/auth/oidc/start")]
pub(crate) async fn auth_oidc_start(
    provider: Data<Option<Provider>>,
    settings: Data<EdgeSettings>,
    state: State,
    request: HttpRequest,
    query: Query<StartQuery>,
) -> Result<HttpResponse, ApiProblem> {
    let provider = (**provider).as_ref().ok_or_else(|| ApiProblem::not_found("way to sign in"))?;
    let connection = Connection::of(&request);
    state.throttle.count_address(connection.client)?;
    let return_to = local_path(query.0.return_to.as_deref());
    let redirect_uri = format!("{}{CALLBACK}", origin_of(&request, &connection, &settings));
    Ok(match provider.begin(redirect_uri, return_to).await {
        Ok((url, pending)) => go(url.as_str(), &[pending.cookie(connection.encrypted)]),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "a sign-in by the identity provider could not begin");
            failed(ErrorCode::IdentityProviderFailed)
        }
    })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    /// The provider's code.
    code: Option<String>,
    /// What the sign-in began with.
    state: Option<String>,
    /// What the provider says went wrong.
    error: Option<String>,
}

/// End a sign-in by the identity provider
///
/// For browsers that come back from the provider's pages.
#[utoipa::path(
    tag = "access",
    params(CallbackQuery),
    responses(
        (status = 302, description = "To the page that was asked for, with a session's cookie; or to the sign-in page"),
        (status = 404, description = "No provider is set up", body = domain::Problem, content_type = "application/problem+json")
    )
)]
#[get("/auth/oidc/callback")]
pub(crate) async fn auth_oidc_callback(
    provider: Data<Option<Provider>>,
    state: State,
    request: HttpRequest,
    query: Query<CallbackQuery>,
) -> Result<HttpResponse, ApiProblem> {
    let provider = (**provider).as_ref().ok_or_else(|| ApiProblem::not_found("way to sign in"))?;
    state.throttle.count_address(Connection::of(&request).client)?;
    let CallbackQuery { code, state: told, error } = query.0;
    let cookie = request.cookie(PENDING_COOKIE);
    let pending = cookie.and_then(|cookie| Pending::of_cookie(cookie.value(), &told.unwrap_or_default(), now()));
    let Some(pending) = pending else {
        tracing::warn!("somebody came back from the identity provider without having gone there from here");
        return Ok(failed(ErrorCode::SignInExpired));
    };
    let Some(code) = code else {
        tracing::warn!(error = error.unwrap_or_default(), "the identity provider signed nobody in");
        return Ok(failed(ErrorCode::IdentityProviderFailed));
    };
    let identity = match provider.finish(&pending, code).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "a sign-in by the identity provider failed");
            return Ok(failed(ErrorCode::IdentityProviderFailed));
        }
    };
    request_context::set_actor(Actor::named(ActorKind::Anonymous, &identity.username));
    Ok(match enter(&state, &request, provider, identity).await {
        Ok(session) => go(&pending.return_to, &[Pending::cookie_gone(), session]),
        Err(problem) => {
            note_refusal(&state, problem.code()).await;
            failed(problem.code())
        }
    })
}

/// Leaves the audit log's row about somebody whom the provider knows and who was not let in. The answer is the same whether or
/// not it could be written.
async fn note_refusal(state: &State, code: ErrorCode) {
    let Some(entry) = request_context::audit_entry() else { return };
    let entry = entry.refused(code.as_str());
    if let Err(error) = state.read(move |store| store.audit_append(&entry, now())).await {
        tracing::warn!(%error, "a refusal could not be written to the audit log");
    }
}

/// Opens a session for who the provider says it is, when that gives a role.
async fn enter(
    state: &State,
    request: &HttpRequest,
    provider: &Provider,
    identity: Identity,
) -> Result<Cookie<'static>, ApiProblem> {
    let Identity { issuer, subject, username, values } = identity;
    let mappings: Vec<RoleMapping> = granted(&provider.settings.roles, &values).into_iter().cloned().collect();
    let grants = state.read(move |store| grants_of(store, &mappings)).await?;
    if grants.is_empty() {
        tracing::warn!(subject, username, "signed in at the identity provider, but its word gives no role here");
        return Err(ApiProblem::new(
            ErrorCode::Forbidden,
            "Your sign-in gives no role here. Ask an administrator for one.",
        ));
    }
    let external = ExternalUser { issuer, subject, username, grants };
    let user = state.change_aside(move |store| store.user_from_provider(&external, now())).await?;
    let user = user.ok_or_else(|| ApiProblem::new(ErrorCode::Forbidden, "An administrator disabled this user."))?;
    Ok(open_session(state, request, &user).await?.0)
}

/// The roles of these mappings. A project that is not there gives none.
fn grants_of(store: &Store, mappings: &[RoleMapping]) -> Result<Vec<Grant>, StoreError> {
    let mut projects = Vec::new();
    let mut page = PageRequest { limit: MAX_LIMIT, cursor: None };
    while mappings.iter().any(|mapping| mapping.project.is_some()) {
        let found = store.project_list(None, &page)?;
        projects.extend(found.items);
        page.cursor = found.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    let grant_of = |mapping: &RoleMapping| match &mapping.project {
        None => Some(Grant::everywhere(mapping.role)),
        Some(name) => match projects.iter().find(|project| project.name == *name) {
            Some(project) => Some(Grant::within(mapping.role, project.id)),
            None => {
                tracing::warn!(project = name, "a role is mapped to a project that is not there");
                None
            }
        },
    };
    let mut grants: Vec<Grant> = Vec::new();
    for grant in mappings.iter().filter_map(grant_of) {
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }
    Ok(grants)
}

/// The origin that the browser knows the service by. Its name is one of ours: others are refused before.
fn origin_of(request: &HttpRequest, connection: &Connection, settings: &EdgeSettings) -> String {
    if let Some(url) = &settings.public_url {
        return url.origin().ascii_serialization();
    }
    let header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = connection.forwarded_host.as_deref().or(header).or(authority).unwrap_or_default();
    format!("{}://{host}", if connection.encrypted { "https" } else { "http" })
}

fn failed(code: ErrorCode) -> HttpResponse {
    go(&format!("{SIGN_IN}?error={code}"), &[Pending::cookie_gone()])
}

fn go(target: &str, cookies: &[Cookie<'static>]) -> HttpResponse {
    let mut response = HttpResponse::Found();
    response.insert_header((header::LOCATION, target));
    for cookie in cookies {
        response.cookie(cookie.clone());
    }
    response.finish()
}
