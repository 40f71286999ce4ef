//! Users, for administrators of everything.

use actix_web::web::Json;
use actix_web::{HttpResponse, delete, get, patch, post};
use domain::access::{Grant, SetupLink, User, UserCreate, UserCreated, UserPatch, UserSource, UserStatus};
use domain::name::validate_name;
use domain::{ErrorCode, Page, Problem};
use store::{Store, StoreError};

use crate::access::{Allowed, operation};
use crate::extract::{Body, Id, Query};
use crate::paging::{PageQuery, page_of};
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// The most grants that one user may have.
const MAX_GRANTS: usize = 100;

/// List the users
///
/// Newest first.
#[utoipa::path(tag = "users", params(PageQuery), responses((status = 200, description = "The users", body = Page<User>)))]
#[get("/users")]
pub(crate) async fn user_list(
    _: Allowed<operation::UserList>,
    state: State,
    query: Query<PageQuery>,
) -> Result<Json<Page<User>>, ApiProblem> {
    let page = page_of(query.0.limit, query.0.cursor)?;
    Ok(Json(state.read(move |store| store.user_list(&page)).await?))
}

/// Add a user
///
/// The answer holds a one-time link's token, to be handed to the user as `/setup#TOKEN`.
#[utoipa::path(
    tag = "users",
    request_body = UserCreate,
    responses(
        (status = 201, description = "The user, and the link's token, which is shown this once", body = UserCreated, headers(("Location" = String, description = "The user's address"))),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/users")]
pub(crate) async fn user_create(
    _: Allowed<operation::UserCreate>,
    state: State,
    body: Body<UserCreate>,
) -> Result<HttpResponse, ApiProblem> {
    let create = body.value;
    if let Err(error) = validate_name(&create.username) {
        return Err(ApiProblem::invalid_field("/username", error.to_string()));
    }
    check_grants(&create.grants)?;
    let made = with_projects(&state, move |store| store.user_create(&create, now())).await?;
    let location = format!("/api/v1/users/{}", made.user.id);
    Ok(HttpResponse::Created().insert_header(("Location", location)).json(made))
}

/// Read a user
#[utoipa::path(
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses((status = 200, description = "The user", body = User))
)]
#[get("/users/{id}")]
pub(crate) async fn user_get(_: Allowed<operation::UserGet>, state: State, id: Id) -> Result<Json<User>, ApiProblem> {
    let id = id.into_inner();
    Ok(Json(state.read(move |store| store.user_get(id)).await?))
}

/// Change a user
///
/// Who is disabled is signed out at once, and the tokens that he made stop working.
#[utoipa::path(
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id")),
    request_body = UserPatch,
    responses(
        (status = 200, description = "The user as it is now", body = User),
        (status = 409, description = "`last_administrator`", body = Problem, content_type = "application/problem+json")
    )
)]
#[patch("/users/{id}")]
pub(crate) async fn user_patch(
    _: Allowed<operation::UserPatch>,
    state: State,
    id: Id,
    body: Body<UserPatch>,
) -> Result<Json<User>, ApiProblem> {
    let (id, change) = (id.into_inner(), body.value);
    check_grants(change.grants.as_deref().unwrap_or_default())?;
    Ok(Json(with_projects(&state, move |store| store.user_update(id, &change, now())).await?))
}

/// Remove a user
///
/// With all sessions and tokens.
#[utoipa::path(
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 204, description = "The user is gone"),
        (status = 409, description = "`last_administrator`", body = Problem, content_type = "application/problem+json")
    )
)]
#[delete("/users/{id}")]
pub(crate) async fn user_delete(
    _: Allowed<operation::UserDelete>,
    state: State,
    id: Id,
) -> Result<HttpResponse, ApiProblem> {
    let id = id.into_inner();
    state.change(move |store| store.user_delete(id, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Make a new one-time link for a user
///
/// For who forgot the password, or let the first link grow old. Earlier links are void.
#[utoipa::path(
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The link's token, which is shown this once", body = SetupLink),
        (status = 409, description = "`conflict`: the user is disabled, or signs in elsewhere", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/users/{id}/setup-link")]
pub(crate) async fn user_setup_link(
    _: Allowed<operation::UserSetupLink>,
    state: State,
    id: Id,
) -> Result<Json<SetupLink>, ApiProblem> {
    let id = id.into_inner();
    let user = state.read(move |store| store.user_get(id)).await?;
    let refuse = |detail| Err(ApiProblem::new(ErrorCode::Conflict, detail));
    match (user.status, user.source) {
        (_, UserSource::Oidc) => refuse("This user signs in at the OpenID provider and has no password here."),
        (UserStatus::Disabled, _) => refuse("This user is disabled. Enable it first."),
        _ => Ok(Json(state.change(move |store| store.user_setup_link(id, now())).await?)),
    }
}

fn check_grants(grants: &[Grant]) -> Result<(), ApiProblem> {
    if grants.len() > MAX_GRANTS {
        return Err(ApiProblem::invalid_field("/grants", format!("must be at most {MAX_GRANTS}")));
    }
    Ok(())
}

/// A change that names projects: one that is not there is a bad field.
async fn with_projects<T: Send + 'static>(
    state: &State,
    change: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiProblem> {
    let outcome = state
        .change(move |store| match change(store) {
            Err(StoreError::NotFound { what: "project" }) => Ok(None),
            outcome => outcome.map(Some),
        })
        .await?;
    outcome.ok_or_else(|| ApiProblem::invalid_field("/grants", "there is no such project"))
}
