//! The workers' token: the only credentials until people can sign in. Kept as a digest and compared in constant time.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use domain::{ErrorCode, Secret};
use sha2::{Digest, Sha256};

use crate::problem::ApiProblem;
use crate::state::State;

/// The SHA-256 of a token.
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose().as_bytes()).into())
    }

    /// Compares digests without telling by its duration where they differ.
    fn matches(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        self.0.iter().zip(given).fold(0, |differences, (own, theirs)| differences | (own ^ theirs)) == 0
    }
}

/// Proof that a request came from a worker.
pub(crate) struct WorkerOnly;

impl FromRequest for WorkerOnly {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, ApiProblem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let given = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let expected = request.app_data::<State>().map(|state| &state.worker_token);
        ready(match (given, expected) {
            (Some(given), Some(expected)) if expected.matches(given) => Ok(Self),
            (None, _) => {
                Err(ApiProblem::new(ErrorCode::Unauthenticated, "Send Authorization: Bearer with the worker's token."))
            }
            _ => Err(ApiProblem::new(ErrorCode::Unauthenticated, "This is not the workers' token of this service.")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_matches() {
        let digest = TokenDigest::of(&Secret::new("right"));
        assert!(digest.matches("right"));
        for wrong in ["", "righ", "right ", "Right", "wrong"] {
            assert!(!digest.matches(wrong), "{wrong:?}");
        }
    }
}
