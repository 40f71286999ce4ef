//! Query strings. What is not documented for an address is refused, and each wrong value is named. // F-92

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::pointer::field_error;
use crate::problem::ApiProblem;

/// The query string as a `T`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ApiProblem> {
    let nul = form_urlencoded::parse(text.as_bytes()).find(|(_, value)| value.contains('\0'));
    if let Some((name, _)) = nul {
        return Err(ApiProblem::invalid_field(format!("/{name}"), "must not hold NUL characters"));
    }
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| ApiProblem::invalid(vec![field_error(error.path(), &error.inner().to_string())]))
}
