//! The cookie of a session, and opening one: the one way in for people, whoever vouches for them.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::USER_AGENT;
use domain::access::User;
use domain::{Actor, ActorKind, Secret};
use store::SESSION_ABSOLUTE_DAYS;
use uuid::Uuid;

use crate::connection::Connection;
use crate::problem::ApiProblem;
use crate::request_context;
use crate::same_origin::SESSION_COOKIE;
use crate::state::{State, now};

/// Signs a user in whom the caller of this has made sure of: a new session, in place of the one that the browser had. // F-88
pub(crate) async fn open_session(
    state: &State,
    request: &HttpRequest,
    user: &User,
) -> Result<(Cookie<'static>, User), ApiProblem> {
    request_context::set_actor(Actor::known(ActorKind::User, user.id, &user.username));
    let connection = Connection::of(request);
    let address = connection.client.to_string();
    let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let before = request.cookie(SESSION_COOKIE).map(|cookie| Secret::new(cookie.value()));
    let id = user.id;
    let open = move |store: &store::Store| {
        let before = before.as_ref().map(Secret::expose);
        store.session_create(id, Some(&address), agent.as_deref(), before, now())
    };
    let (secret, user) = state.change(open).await?;
    Ok((cookie(secret.expose(), connection.encrypted, Duration::days(SESSION_ABSOLUTE_DAYS)), user))
}

/// Ends a session.
pub(crate) async fn close_session(state: &State, user: Uuid, session: Uuid) -> Result<(), ApiProblem> {
    state.change(move |store| store.session_delete(user, session, now())).await
}

/// A cookie that makes the browser forget the one that it has.
pub(crate) fn removal(request: &HttpRequest) -> Cookie<'static> {
    cookie("", Connection::of(request).encrypted, Duration::ZERO)
}

/// `Secure` is left out where the request came unencrypted: most browsers would drop the cookie.
fn cookie(value: &str, encrypted: bool, age: Duration) -> Cookie<'static> {
    Cookie::build(SESSION_COOKIE, value.to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(encrypted)
        .max_age(age)
        .finish()
}
