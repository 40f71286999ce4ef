//! The second factor: time-based one-time passwords (RFC 6238), and recovery codes for who lost the app.

use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, post};
use domain::access::{RecoveryCodes, TwoFactor, TwoFactorCode, TwoFactorDisable};
use domain::{ErrorCode, Problem, Secret};
use totp_rs::{Builder, Totp, TotpError};
use uuid::Uuid;

use super::auth::{confirm_password, refused};
use crate::access::Person;
use crate::connection::Connection;
use crate::extract::Body;
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// Begin to set up a second factor
///
/// It is on once a code of it was confirmed. Asking again draws another secret.
#[utoipa::path(
    tag = "access",
    responses(
        (status = 200, description = "What the authenticator app needs to know; shown this once", body = TwoFactor),
        (status = 409, description = "`conflict`: one is on already", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/auth/two-factor")]
pub(crate) async fn auth_two_factor(person: Person, state: State) -> Result<Json<TwoFactor>, ApiProblem> {
    let Person { user, .. } = person;
    let secret = state.change(move |store| store.user_totp_begin(user.id, now())).await?.ok_or_else(already_on)?;
    let totp = totp(secret, &user.username).map_err(|error| ApiProblem::internal(&error))?;
    let uri = totp.to_url().map_err(|error| ApiProblem::internal(&error))?;
    Ok(Json(TwoFactor { secret: Secret::new(totp.secret().to_base32()), otpauth_uri: Secret::new(uri) }))
}

/// Switch the second factor on
#[utoipa::path(
    tag = "access",
    request_body = TwoFactorCode,
    responses(
        (status = 200, description = "Ten recovery codes, each good once; shown this once", body = RecoveryCodes),
        (status = 401, description = "`invalid_credentials`: the code is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: one is on already, or none was begun", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/auth/two-factor/confirm")]
pub(crate) async fn auth_two_factor_confirm(
    person: Person,
    state: State,
    request: HttpRequest,
    body: Body<TwoFactorCode>,
) -> Result<Json<RecoveryCodes>, ApiProblem> {
    let Person { user, .. } = person;
    state.throttle.count(&user.username, Connection::of(&request).client)?;
    if user.two_factor {
        return Err(already_on());
    }
    if !accept_totp(&state, user.id, body.value.code.expose()).await? {
        return Err(refused());
    }
    let codes = state.change(move |store| store.user_totp_confirm(user.id, now())).await?.ok_or_else(already_on)?;
    Ok(Json(RecoveryCodes { recovery_codes: codes }))
}

/// Switch the second factor off
#[utoipa::path(
    tag = "access",
    request_body = TwoFactorDisable,
    responses(
        (status = 204, description = "It is off"),
        (status = 401, description = "`invalid_credentials`: the password is wrong", body = Problem, content_type = "application/problem+json")
    )
)]
#[post("/auth/two-factor/disable")]
pub(crate) async fn auth_two_factor_disable(
    person: Person,
    state: State,
    request: HttpRequest,
    body: Body<TwoFactorDisable>,
) -> Result<HttpResponse, ApiProblem> {
    let Person { user, .. } = person;
    confirm_password(&state, &request, &user, &body.value.password).await?;
    state.change(move |store| store.user_totp_disable(user.id, now())).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn already_on() -> ApiProblem {
    let detail = "A second factor is on already, or none was begun. Switch it off first to set up another.";
    ApiProblem::new(ErrorCode::Conflict, detail)
}

/// Takes a code of the app, or a recovery code. Each is good once. // F-88
pub(super) async fn accept(state: &State, user: Uuid, code: &Secret) -> Result<bool, ApiProblem> {
    if accept_totp(state, user, code.expose()).await? {
        return Ok(true);
    }
    let code = code.clone();
    state.read(move |store| store.user_recovery_code_use(user, code.expose(), now())).await
}

async fn accept_totp(state: &State, user: Uuid, code: &str) -> Result<bool, ApiProblem> {
    let Some(secret) = state.read(move |store| store.user_totp_secret(user)).await? else { return Ok(false) };
    let totp = totp(secret, "").map_err(|error| ApiProblem::internal(&error))?;
    let seconds = u64::try_from(now().timestamp()).unwrap_or(0);
    let step = totp.check(code.trim(), seconds).and_then(|step| i64::try_from(step).ok());
    let Some(step) = step else { return Ok(false) };
    state.read(move |store| store.user_totp_accept(user, step, now())).await
}

/// Six digits of SHA-1 every 30 seconds, one step early or late: what every app understands.
fn totp(secret: Vec<u8>, account: &str) -> Result<Totp, TotpError> {
    // A colon would end the name.
    Builder::new()
        .with_secret(secret)
        .with_account_name(account.replace(':', "_"))
        .with_issuer(Some("Holdfast"))
        .build()
}
