//! A text that must never be shown. It can be serialized, since the worker protocol has to carry it, but neither
//! `Debug` nor `Display` print it (F-81). Of the types that answer
//! to people only those hold one that hand a new one out, once.

use serde::{Deserialize, Serialize};

/// A password or key on its way to the one who uses it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text: each call of this is a place to audit.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    // F-81: a secret in a format string does not compile.
    static_assertions::assert_not_impl_any!(Secret: std::fmt::Display, std::fmt::LowerHex, std::ops::Deref<Target = str>, AsRef<str>);

    #[test]
    fn f81_a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "Secret(redacted)");
        assert!(!format!("{:#?}", Some(Secret::new("canary"))).contains("canary"));
    }
}
