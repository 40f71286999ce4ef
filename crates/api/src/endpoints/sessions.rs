//! One's own sessions.

use actix_web::web::Json;
use actix_web::{HttpResponse, delete, get};
use domain::Page;
use domain::access::Session;

use crate::access::Person;
use crate::access::session_cookie::close_session;
use crate::extract::Id;
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// List one's own sessions
///
/// All that live, newest first.
#[utoipa::path(tag = "access", responses((status = 200, description = "The sessions", body = Page<Session>)))]
#[get("/auth/sessions")]
pub(crate) async fn auth_session_list(person: Person, state: State) -> Result<Json<Page<Session>>, ApiProblem> {
    let Person { user, session_id } = person;
    Ok(Json(state.read(move |store| store.session_list(user.id, Some(session_id), now())).await?))
}

/// End one of one's own sessions
#[utoipa::path(
    tag = "access",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 204, description = "It has ended"))
)]
#[delete("/auth/sessions/{id}")]
pub(crate) async fn auth_session_delete(person: Person, state: State, id: Id) -> Result<HttpResponse, ApiProblem> {
    close_session(&state, person.user.id, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
