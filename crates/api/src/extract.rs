//! How requests are read: bodies and query strings become typed values, or a problem that names the field.

mod body;
mod pointer;
mod query;

pub(crate) use body::{Body, WORKER_LIMIT};
pub(crate) use query::Query;

use actix_web::web;

use crate::problem::ApiProblem;

/// An id in a path. One that is no UUID names nothing, so it is answered like any unknown one.
pub(crate) type Id = web::Path<uuid::Uuid>;

pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|_, _| ApiProblem::not_found("resource: the id is not a UUID").into())
}
