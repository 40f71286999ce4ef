//! Signing in and out, and what somebody does about his own password.

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse, get, post};
use domain::access::password::validate_password;
use domain::access::{
    AuthOptions, AuthWarning, Login, Me, MeKind, OidcOption, PasswordChange, Setup, User, UserStatus,
};
use domain::{ErrorCode, Problem};

use super::two_factor;
use crate::access::session_cookie::{close_session, open_session, removal};
use crate::access::{Caller, CallerKind, Person, SignedIn};
use crate::connection::Connection;
use crate::extract::Body;
use crate::oidc::provider::Provider;
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// Read how one can sign in
///
/// Takes no credentials. Until the service is `claimed`, everybody on its machine is its administrator.
#[utoipa::path(tag = "access", responses((status = 200, description = "The ways in, and what is wrong with the set-up", body = AuthOptions)))]
#[get("/auth/options")]
pub(crate) async fn auth_options(
    provider: Data<Option<Provider>>,
    state: State,
    request: HttpRequest,
) -> Result<Json<AuthOptions>, ApiProblem> {
    let connection = Connection::of(&request);
    let claimed = state.is_claimed().await?;
    let encrypted = connection.encrypted || connection.is_this_machine();
    let warnings = [(!claimed, AuthWarning::Unclaimed), (!encrypted, AuthWarning::Unencrypted)];
    let warnings = warnings.into_iter().filter_map(|(is_so, warning)| is_so.then_some(warning)).collect();
    let oidc = provider.as_ref().as_ref().map(|provider| OidcOption { name: provider.settings.name.clone() });
    Ok(Json(AuthOptions { claimed, oidc, encrypted, warnings }))
}

/// Sign in
///
/// The answer sets the session's cookie. It ends after 12 hours without use and 7 days in any case. Attempts are counted for
/// each account and each address.
#[utoipa::path(
    tag = "access",
    request_body = Login,
    responses(
        (status = 200, description = "Who signed in", body = Me, headers(("Set-Cookie" = String, description = "The session"))),
        (status = 401, description = "`invalid_credentials`; `second_factor_required`: the password is right, send `code` too", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = Problem, content_type = "application/problem+json", headers(("Retry-After" = i64, description = "Seconds to wait")))
    )
)]
#[post("/auth/login")]
pub(crate) async fn auth_login(
    state: State,
    request: HttpRequest,
    body: Body<Login>,
) -> Result<HttpResponse, ApiProblem> {
    let Login { username, password, code } = body.value;
    state.throttle.count(&username, Connection::of(&request).client)?;
    let found = state.read(move |store| store.user_credentials(&username)).await?;
    let found = found.filter(|found| found.user.status == UserStatus::Active);
    let hash = found.as_ref().and_then(|found| found.password_hash.clone());
    let is_right = state.passwords.verify(&password, hash).await?;
    let user = found.filter(|_| is_right).ok_or_else(refused)?.user;
    if user.two_factor {
        let code = code.ok_or_else(|| {
            let detail = "Send the code that the authenticator app shows, or a recovery code.";
            ApiProblem::new(ErrorCode::SecondFactorRequired, detail)
        })?;
        if !two_factor::accept(&state, user.id, &code).await? {
            return Err(refused());
        }
    }
    enter(&state, &request, &user).await
}

/// The same words whatever was wrong, so that nobody learns which names there are. // F-88
pub(super) fn refused() -> ApiProblem {
    ApiProblem::new(ErrorCode::InvalidCredentials, "User name, password or code is wrong.")
}

async fn enter(state: &State, request: &HttpRequest, user: &User) -> Result<HttpResponse, ApiProblem> {
    let (cookie, user) = open_session(state, request, user).await?;
    let grants = user.grants.clone();
    let claimed = state.is_claimed().await?;
    let me = Me { claimed, kind: MeKind::User, user: Some(user), token_name: None, grants };
    Ok(HttpResponse::Ok().cookie(cookie).json(me))
}

/// Sign out
///
/// Ends the session that asks. A token is not ended by this.
#[utoipa::path(tag = "access", responses((status = 204, description = "Signed out")))]
#[post("/auth/logout")]
pub(crate) async fn auth_logout(
    SignedIn(caller): SignedIn,
    state: State,
    request: HttpRequest,
) -> Result<HttpResponse, ApiProblem> {
    if let CallerKind::User { user, session_id } = &caller.kind {
        close_session(&state, user.id, *session_id).await?;
    }
    Ok(HttpResponse::NoContent().cookie(removal(&request)).finish())
}

/// Read who the credentials belong to
#[utoipa::path(tag = "access", responses((status = 200, description = "Who asks, and what he may do", body = Me)))]
#[get("/auth/me")]
pub(crate) async fn auth_me(SignedIn(caller): SignedIn, state: State) -> Result<Json<Me>, ApiProblem> {
    let claimed = state.is_claimed().await?;
    let Caller { kind, grants } = caller.as_ref().clone();
    let (kind, user, token_name) = match kind {
        CallerKind::User { user, .. } => (MeKind::User, Some(*user), None),
        CallerKind::Token { token, .. } => (MeKind::Token, None, Some(token.name)),
        CallerKind::Worker { name, .. } => (MeKind::Token, None, Some(name)),
        CallerKind::Unclaimed => (MeKind::Unclaimed, None, None),
    };
    Ok(Json(Me { claimed, kind, user, token_name, grants }))
}

/// Set a password by a one-time link, and sign in
///
/// For the first administrator, for users that an administrator adds, and for who forgot the password. Other sessions end. A
/// second factor that is on stays on: then the password is set, and signing in needs a code.
#[utoipa::path(
    tag = "access",
    request_body = Setup,
    responses(
        (status = 200, description = "Who signed in", body = Me, headers(("Set-Cookie" = String, description = "The session"))),
        (status = 401, description = "`invalid_credentials`: the link is unknown, used or too old; `second_factor_required`: the password is set, now sign in", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`: the password is too short or too long", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/auth/setup")]
pub(crate) async fn auth_setup(
    state: State,
    request: HttpRequest,
    body: Body<Setup>,
) -> Result<HttpResponse, ApiProblem> {
    state.throttle.count_address(Connection::of(&request).client)?;
    let Setup { token, password } = body.value;
    let void =
        || ApiProblem::new(ErrorCode::InvalidCredentials, "This link was used, is too old, or is not one of ours.");
    let asked = token.clone();
    let user = state.read(move |store| store.user_of_setup_link(asked.expose(), now())).await?.ok_or_else(void)?;
    if let Err(why) = validate_password(password.expose(), &user.username) {
        return Err(ApiProblem::invalid_field("/password", why.to_string()));
    }
    let hash = state.passwords.hash(&password).await?;
    let user = state.change(move |store| store.user_set_up(token.expose(), &hash, now())).await?.ok_or_else(void)?;
    if user.two_factor {
        let detail = "The password is set. Sign in with it and a code.";
        return Err(ApiProblem::new(ErrorCode::SecondFactorRequired, detail));
    }
    enter(&state, &request, &user).await
}

/// Change one's own password
///
/// All other sessions end.
#[utoipa::path(
    tag = "access",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "It is changed"),
        (status = 401, description = "`invalid_credentials`: the current password is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation_failed`: the new password is too short or too long", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/auth/password")]
pub(crate) async fn auth_password(
    person: Person,
    state: State,
    request: HttpRequest,
    body: Body<PasswordChange>,
) -> Result<HttpResponse, ApiProblem> {
    let PasswordChange { current_password, new_password } = body.value;
    let Person { user, session_id } = person;
    if let Err(why) = validate_password(new_password.expose(), &user.username) {
        return Err(ApiProblem::invalid_field("/new_password", why.to_string()));
    }
    confirm_password(&state, &request, &user, &current_password).await?;
    let hash = state.passwords.hash(&new_password).await?;
    state.change(move |store| store.user_set_password(user.id, &hash, session_id, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes sure that whoever holds a session also knows the password.
pub(super) async fn confirm_password(
    state: &State,
    request: &HttpRequest,
    user: &User,
    password: &domain::Secret,
) -> Result<(), ApiProblem> {
    state.throttle.count(&user.username, Connection::of(request).client)?;
    let name = user.username.clone();
    let hash = state.read(move |store| store.user_credentials(&name)).await?.and_then(|found| found.password_hash);
    if state.passwords.verify(password, hash).await? { Ok(()) } else { Err(refused()) }
}
