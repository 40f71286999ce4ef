//! Tokens: credentials of programs and of workers. Their secrets are answered once.

use actix_web::web::Json;
use actix_web::{HttpResponse, delete, get, post};
use domain::access::{Place, Role, Token, TokenCreate, TokenCreated, TokenKind, role_on};
use domain::{ErrorCode, Page};
use store::{StoreError, TokenOrder};
use uuid::Uuid;

use crate::access::{Allowed, Caller, CallerKind, operation};
use crate::extract::{Body, Id, Query};
use crate::paging::{PageQuery, page_of};
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// List the tokens
///
/// Newest first, without their secrets: one's own, and all for administrators of everything.
#[utoipa::path(tag = "tokens", params(PageQuery), responses((status = 200, description = "The tokens", body = Page<Token>)))]
#[get("/tokens")]
pub(crate) async fn token_list(
    access: Allowed<operation::TokenList>,
    state: State,
    query: Query<PageQuery>,
) -> Result<Json<Page<Token>>, ApiProblem> {
    let (page, owner) = (page_of(query.0.limit, query.0.cursor)?, owner_filter(access.caller()));
    Ok(Json(state.read(move |store| store.token_list(owner, &page)).await?))
}

/// Make a token
///
/// For what one may do oneself, or less; should one's own role shrink later, so does the token's. A worker's token needs
/// an administrator of everything. Tokens can't make tokens.
#[utoipa::path(
    tag = "tokens",
    request_body = TokenCreate,
    responses((status = 201, description = "The token and its secret, which is shown this once", body = TokenCreated))
)]
#[post("/tokens")]
pub(crate) async fn token_create(
    access: Allowed<operation::TokenCreate>,
    state: State,
    body: Body<TokenCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let create = body.value;
    let created_by = match &access.caller().kind {
        CallerKind::User { user, .. } => user.username.clone(),
        CallerKind::Unclaimed => access.caller().actor().name,
        CallerKind::Token { .. } | CallerKind::Worker { .. } => {
            let detail = "A token can't make tokens: it would outlive its own end. Sign in to make one.";
            return Err(ApiProblem::new(ErrorCode::Forbidden, detail));
        }
    };
    let errors = create.validate();
    if !errors.is_empty() {
        return Err(ApiProblem::invalid(errors));
    }
    match (create.kind, create.role) {
        (TokenKind::Api, Some(role)) => access.require_role(role, Place::of_project(create.project_id))?,
        _ => access.require_role(Role::Administrator, Place::Everything)?,
    }
    let owner = access.caller().user_id();
    let make = move |store: &store::Store| {
        let order = TokenOrder { create: &create, owner, created_by: &created_by };
        match store.token_create(&order, now()) {
            Err(StoreError::NotFound { what: "project" }) => Ok(None),
            outcome => outcome.map(Some),
        }
    };
    let missing = || ApiProblem::invalid_field("/project_id", "there is no such project");
    Ok(HttpResponse::Created().json(state.change(make).await?.ok_or_else(missing)?))
}

/// Revoke a token
///
/// It stops working at once. One's own, and any for administrators of everything.
#[utoipa::path(
    tag = "tokens",
    params(("id" = Uuid, Path, description = "The token's id")),
    responses((status = 204, description = "It is revoked"))
)]
#[delete("/tokens/{id}")]
pub(crate) async fn token_delete(
    access: Allowed<operation::TokenDelete>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let (id, owner) = (id.into_inner(), owner_filter(access.caller()));
    state.change(move |store| store.token_delete(id, owner, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whose tokens the caller may see; null for all.
fn owner_filter(caller: &Caller) -> Option<Uuid> {
    match role_on(&caller.grants, Place::Everything) {
        Some(Role::Administrator) => None,
        // Nobody's, for a token that nobody owns.
        _ => Some(caller.user_id().unwrap_or_default()),
    }
}
