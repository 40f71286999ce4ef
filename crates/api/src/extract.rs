//! How requests are read: bodies and query strings become typed values, or a problem that names the field.

mod body;
mod pointer;
mod query;

pub(crate) use body::{Body, WORKER_LIMIT};
pub(crate) use query::Query;

use actix_web::{HttpRequest, web};
use tokio_util::sync::CancellationToken;

use crate::openapi::Addresses;
use crate::problem::ApiProblem;

/// Whether the caller was found to be allowed. A body is not looked at before: who may not do something does not learn what
/// would be wrong with it, and sends no bytes to be parsed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decided(CancellationToken);

impl Decided {
    /// The caller may.
    pub(crate) fn tell(&self) {
        self.0.cancel();
    }

    async fn wait(&self) {
        self.0.cancelled().await;
    }
}

/// An id in a path. One that is no UUID names nothing, so it is answered like any unknown one.
pub(crate) type Id = web::Path<uuid::Uuid>;

pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|_, request| no_such_address(request).into())
}

/// What is answered where the id in an address is none.
pub(crate) fn no_such_address(request: &HttpRequest) -> ApiProblem {
    // `PATCH /datastores/test` looks like one with the id `test`, but is another address with the wrong method.
    let addresses = request.app_data::<web::Data<Addresses>>();
    match addresses.and_then(|addresses| addresses.allowed_exactly(request.path())) {
        Some(allowed) => ApiProblem::method_not_allowed(allowed),
        None => ApiProblem::not_found("resource: the id is not a UUID"),
    }
}
