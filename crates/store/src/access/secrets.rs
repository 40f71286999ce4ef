//! Secrets that are handed out once: 256 bits from the operating system, kept as SHA-256. So many bits need no slow hash.

use domain::Secret;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::StoreError;

const SECRET_BYTES: usize = 32;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new secret that begins with `prefix`, and what is kept of it.
pub fn new_secret(prefix: &str) -> Result<(Secret, String), StoreError> {
    let text = format!("{prefix}{}", base64url(&random::<SECRET_BYTES>()?));
    let digest = digest_of(&text);
    Ok((Secret::new(text), digest))
}

/// Random bytes of the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| StoreError::Random { detail: error.to_string() })?;
    Ok(bytes)
}

/// What is kept of a secret.
pub fn digest_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0_u8; 4];
        for (place, byte) in group.iter_mut().skip(1).zip(chunk) {
            *place = *byte;
        }
        let bits = u32::from_be_bytes(group);
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            let index = usize::try_from(bits >> shift & 63).unwrap_or(0);
            text.push(ALPHABET.get(index).copied().map_or('A', char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base64url() {
        // RFC 4648, section 10.
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn no_secret_comes_twice() {
        let (one, digest) = new_secret("hfa_").unwrap();
        let (other, _) = new_secret("hfa_").unwrap();
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 4 + 43);
        assert_eq!(digest, digest_of(one.expose()));
    }
}
