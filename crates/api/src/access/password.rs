//! Hashing and comparing passwords: argon2id with the parameters that OWASP's Password Storage Cheat Sheet names first
//! (19 MiB, two passes, one lane). It takes long on purpose, so it runs beside the threads that answer, and only so many at once.

use std::sync::Arc;

use actix_web::web;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::Secret;
use tokio::sync::Semaphore;

use crate::problem::ApiProblem;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many are hashed at once.
const AT_ONCE: usize = 2;

/// Hashes passwords.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    /// What the password of an unknown user is compared with, so that the time tells nothing. // F-88
    dummy: String,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
#[error("hashing a password: {0}")]
struct HashError(argon2::password_hash::Error);

impl Passwords {
    pub(crate) fn new() -> Self {
        let dummy = hash("nobody has this password").unwrap_or_default();
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), dummy }
    }

    /// The hash of a new password, with its salt and parameters (PHC string format).
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, ApiProblem> {
        let password = password.clone();
        self.in_turn(move || hash(password.expose())).await?.map_err(|error| ApiProblem::internal(&error))
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long, and is not.
    pub(crate) async fn verify(&self, password: &Secret, hash: Option<String>) -> Result<bool, ApiProblem> {
        let is_known = hash.is_some();
        let (password, hash) = (password.clone(), hash.unwrap_or_else(|| self.dummy.clone()));
        let is_right = self.in_turn(move || verify(password.expose(), &hash)).await?;
        Ok(is_right && is_known)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiProblem> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|error| ApiProblem::internal(&error))?;
        web::block(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(|error| ApiProblem::internal(&error))
    }
}

fn hasher() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn hash(password: &str) -> Result<String, HashError> {
    let salt = SaltString::generate(&mut OsRng);
    let hashed =
        hasher().and_then(|argon2| argon2.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()));
    hashed.map_err(HashError)
}

fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f88_a_hash_is_salted_and_slow() {
        let (one, other) = (hash("correct horse").unwrap(), hash("correct horse").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(verify("correct horse", &one) && verify("correct horse", &other));
        assert!(!verify("correct horsf", &one) && !verify("correct horse", ""));
    }

    #[actix_web::test]
    async fn f88_nobody_has_the_password_of_nobody() {
        let passwords = Passwords::new();
        assert!(!passwords.verify(&Secret::new("nobody has this password"), None).await.unwrap());
    }
}
