//! The workers' shared token, of the file `worker.token`. Kept as a digest and compared in constant time.

use domain::Secret;
use sha2::{Digest, Sha256};

/// The SHA-256 of a token.
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose().as_bytes()).into())
    }

    /// Compares digests without telling by its duration where they differ.
    pub(crate) fn matches(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        self.0.iter().zip(given).fold(0, |differences, (own, theirs)| differences | (own ^ theirs)) == 0
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
