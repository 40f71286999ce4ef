//! Extractors that let a handler run only for who may: `Allowed<BackupCreate>` in its signature is the decision. // F-87

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use domain::ErrorCode;
use domain::access::{Permission, Place, Reach, Role, User, role_on};
use futures::future::LocalBoxFuture;
use uuid::Uuid;

use super::caller::{Caller, CallerKind};
use super::operation::Operation;
use crate::extract::{self, Decided};
use crate::problem::ApiProblem;
use crate::state::State;

/// Who the middleware found to ask.
pub(super) fn caller_of(request: &HttpRequest) -> Result<Arc<Caller>, ApiProblem> {
    let detail = "Sign in, or send a token as Authorization: Bearer.";
    request
        .extensions()
        .get::<Arc<Caller>>()
        .cloned()
        .ok_or_else(|| ApiProblem::new(ErrorCode::Unauthenticated, detail))
}

/// Proof that the caller may do what the handler does.
pub(crate) struct Allowed<O> {
    caller: Arc<Caller>,
    operation: PhantomData<O>,
}

impl<O> Allowed<O> {
    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The projects whose datastores the answer may tell of; null for all.
    pub(crate) fn visible(&self) -> Option<Vec<Uuid>> {
        self.caller.visible()
    }

    /// Looks closer: a further permission for the thing of the address, which the body asks for.
    pub(crate) async fn require_also(&self, state: &State, permission: Permission, id: Uuid) -> Result<(), ApiProblem> {
        let place = state.read(move |store| store.place_of(permission.reach(), id)).await?;
        self.caller.require(permission, place)
    }

    /// Looks closer: a role at a place that the body names.
    pub(crate) fn require_role(&self, least: Role, place: Place) -> Result<(), ApiProblem> {
        self.caller.require_role(least, place)
    }
}

impl<O: Operation + 'static> FromRequest for Allowed<O> {
    type Error = ApiProblem;
    type Future = LocalBoxFuture<'static, Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (caller, request, decided) = (caller_of(request), request.clone(), Decided::default());
        request.extensions_mut().insert(decided.clone());
        Box::pin(async move {
            let caller = caller?;
            require_here(&caller, O::PERMISSION, &request).await?;
            decided.tell();
            Ok(Self { caller, operation: PhantomData })
        })
    }
}

/// Decides about a permission for the thing that the address names.
async fn require_here(caller: &Caller, permission: Permission, request: &HttpRequest) -> Result<(), ApiProblem> {
    let reach = permission.reach();
    match reach {
        Reach::Everything => return caller.require(permission, Place::Everything),
        Reach::Somewhere => return caller.require(permission, Place::Somewhere),
        _ => {}
    }
    let id: Uuid = request
        .match_info()
        .get("id")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| extract::no_such_address(request))?;
    // A role for everything holds wherever the thing is; that saves looking.
    if role_on(&caller.grants, Place::Everything).is_some_and(|role| role >= permission.least_role()) {
        return Ok(());
    }
    let state = request.app_data::<State>().ok_or_else(|| ApiProblem::not_found("resource"))?;
    let place = state.read(move |store| store.place_of(reach, id)).await?;
    caller.require(permission, place)
}

/// Anybody with credentials that are not a worker's.
pub(crate) struct SignedIn(pub(crate) Arc<Caller>);

impl FromRequest for SignedIn {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller_of(request).map(Self))
    }
}

/// Somebody who signed in: for what a person does about himself.
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) session_id: Uuid,
}

impl FromRequest for Person {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let detail = "This is for people who have signed in: a token has no password, sessions or second factor.";
        ready(caller_of(request).and_then(|caller| match &caller.kind {
            CallerKind::User { user, session_id } => Ok(Self { user: (**user).clone(), session_id: *session_id }),
            _ => Err(ApiProblem::new(ErrorCode::Forbidden, detail)),
        }))
    }
}
