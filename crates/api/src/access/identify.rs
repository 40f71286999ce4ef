//! Finds out who asks, once per request, before any handler. Addresses that are public for ever are listed here; all others
//! of the API need credentials as soon as the service has any.

use std::sync::Arc;

use actix_web::HttpMessage;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::web::Data;
use domain::access::{Token, TokenKind};
use domain::{ErrorCode, Secret};

use super::caller::{Caller, CallerKind, Credential};
use crate::connection::Connection;
use crate::problem::ApiProblem;
use crate::request_context;
use crate::same_origin::SESSION_COOKIE;
use crate::state::{AppState, State, now};

/// The addresses of the API that take no credentials.
const PUBLIC: &[&str] = &[
    "/api/v1/auth/options",
    "/api/v1/auth/login",
    "/api/v1/auth/setup",
    "/api/v1/auth/oidc/start",
    "/api/v1/auth/oidc/callback",
];
const WORKER_PROTOCOL: &str = "/api/v1/worker/";
/// What the shared token's holder is called.
const SHARED_TOKEN: &str = "worker.token";

/// Who may ask at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Public,
    Worker,
    Others,
}

impl Gate {
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with(WORKER_PROTOCOL) {
            Self::Worker
        } else if PUBLIC.contains(&path) || !(path == "/metrics" || path == "/api" || path.starts_with("/api/")) {
            Self::Public
        } else {
            Self::Others
        }
    }
}

/// The middleware.
pub(crate) async fn identify(
    state: Data<AppState>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let gate = Gate::of(request.path());
    if gate != Gate::Public {
        match admit(&state, &request, gate).await {
            Ok(caller) => {
                request_context::set_actor(caller.actor());
                request.extensions_mut().insert(Arc::new(caller));
            }
            Err(problem) => {
                return Ok(request.error_response(problem));
            }
        }
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

async fn admit(state: &State, request: &ServiceRequest, gate: Gate) -> Result<Caller, ApiProblem> {
    let credential = credential_of(request);
    let caller = resolve(state, credential.clone()).await?;
    request.extensions_mut().insert(Arc::new(credential));
    let is_worker = matches!(caller.kind, CallerKind::Worker { .. });
    match gate {
        Gate::Others if is_worker => {
            request_context::set_actor(caller.actor());
            Err(ApiProblem::new(ErrorCode::Forbidden, "A worker's token is good for the worker protocol only."))
        }
        Gate::Worker if caller.kind == CallerKind::Unclaimed => {
            Err(ApiProblem::new(ErrorCode::Unauthenticated, "Send Authorization: Bearer with the worker's token."))
        }
        _ => Ok(caller),
    }
}

/// What a request shows. A token in the header says more than a cookie that a browser adds by itself.
fn credential_of(request: &ServiceRequest) -> Credential {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let bearer = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        return Credential::Bearer(Secret::new(bearer.unwrap_or_default()));
    }
    let is_local = Connection::of_service(request).is_this_machine();
    match request.cookie(SESSION_COOKIE) {
        Some(cookie) => Credential::Cookie { secret: Secret::new(cookie.value()), is_local },
        None if is_local => Credential::Local,
        None => Credential::None,
    }
}

/// Who a credential stands for.
///
/// # Errors
/// `unauthenticated` when it stands for nobody, or no longer.
pub(crate) async fn resolve(state: &State, credential: Credential) -> Result<Caller, ApiProblem> {
    match credential {
        Credential::Bearer(secret) => of_token(state, secret).await,
        Credential::Cookie { secret, is_local } => match of_session(state, secret).await? {
            Some(caller) => Ok(caller),
            // A cookie of an earlier service at this address means nothing yet.
            None if is_local && !state.is_claimed().await? => Ok(Caller::unclaimed()),
            None => Err(unauthenticated("The session has ended. Sign in again.")),
        },
        Credential::Local if !state.is_claimed().await? => Ok(Caller::unclaimed()),
        Credential::Local | Credential::None => {
            Err(unauthenticated("Sign in, or send a token as Authorization: Bearer."))
        }
    }
}

fn unauthenticated(detail: &str) -> ApiProblem {
    ApiProblem::new(ErrorCode::Unauthenticated, detail)
}

async fn of_session(state: &State, secret: Secret) -> Result<Option<Caller>, ApiProblem> {
    let Some(holder) = state.read(move |store| store.session_by_secret(secret.expose(), now())).await? else {
        return Ok(None);
    };
    if holder.is_stale {
        let id = holder.session_id;
        note_use(state.read(move |store| store.session_touch(id, now())).await);
    }
    let grants = holder.user.grants.clone();
    let kind = CallerKind::User { user: Box::new(holder.user), session_id: holder.session_id };
    Ok(Some(Caller { kind, grants }))
}

async fn of_token(state: &State, secret: Secret) -> Result<Caller, ApiProblem> {
    if state.worker_token.matches(secret.expose()) {
        let kind = CallerKind::Worker { token_id: None, name: SHARED_TOKEN.to_owned() };
        return Ok(Caller { kind, grants: Vec::new() });
    }
    let found = state.read(move |store| store.token_by_secret(secret.expose(), now())).await?;
    let holder = found.ok_or_else(|| {
        unauthenticated(
            "This token is unknown, has expired or was revoked. Send Authorization: Bearer with a valid one.",
        )
    })?;
    let Token { id, kind, name, .. } = holder.token.clone();
    if holder.is_stale {
        note_use(state.read(move |store| store.token_touch(id, now())).await);
    }
    let kind = match kind {
        TokenKind::Worker => CallerKind::Worker { token_id: Some(id), name },
        TokenKind::Api => CallerKind::Token { token: Box::new(holder.token), owner: holder.owner },
    };
    Ok(Caller { kind, grants: holder.grants })
}

/// A full disk must not keep anybody from reading. // F-26
fn note_use(noted: Result<(), ApiProblem>) {
    if let Err(problem) = noted {
        tracing::debug!(%problem, "the use of a credential was not noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f87_what_is_not_listed_is_not_public() {
        for path in ["/", "/datastores", "/healthz", "/readyz", "/openapi.json", "/docs/", "/api/v1/auth/login"] {
            assert_eq!(Gate::of(path), Gate::Public, "{path}");
        }
        for path in
            ["/metrics", "/api/v1/datastores", "/api/v1/auth/me", "/api/v1/nothing", "/api/v1/auth/login/x", "/api"]
        {
            assert_eq!(Gate::of(path), Gate::Others, "{path}");
        }
        assert_eq!(Gate::of("/api/v1/worker/jobs/claim"), Gate::Worker);
    }
}
