//! Replaces known secrets in what a child wrote (F-81).

use secrecy::{ExposeSecret, SecretString};

const REPLACEMENT: &[u8] = b"[redacted]";

/// The secrets of one command.
#[derive(Default)]
pub(crate) struct Redactor {
    /// Longest first, so that a secret that begins with another one is replaced as a whole. Never empty ones.
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// Adds a secret. Output is looked at line by line, so a secret of several lines counts as several secrets.
    pub(crate) fn add(&mut self, secret: &SecretString) {
        let lines = secret.expose_secret().split(['\n', '\r']).filter(|line| !line.is_empty());
        self.secrets.extend(lines.map(SecretString::from));
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }

    /// Bytes of the longest secret.
    pub(crate) fn longest_bytes(&self) -> usize {
        self.secrets.first().map_or(0, |secret| secret.expose_secret().len())
    }

    /// The text of `bytes`, up to `limit_bytes` of them, without secrets. A secret that begins before the limit is
    /// replaced even where it goes on after it.
    pub(crate) fn redact(&self, bytes: &[u8], limit_bytes: usize) -> String {
        let mut clean = Vec::with_capacity(bytes.len().min(limit_bytes));
        let mut rest = bytes;
        while let Some((&first, after_first)) = rest.split_first() {
            if bytes.len() - rest.len() >= limit_bytes {
                break;
            }
            let found = self.secrets.iter().find_map(|secret| rest.strip_prefix(secret.expose_secret().as_bytes()));
            rest = if let Some(after_secret) = found {
                clean.extend_from_slice(REPLACEMENT);
                after_secret
            } else {
                clean.push(first);
                after_first
            };
        }
        String::from_utf8_lossy(&clean).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.add(&SecretString::from(*secret));
        }
        redactor
    }

    #[test]
    fn f81_every_occurrence_of_every_secret_is_replaced() {
        let redactor = redactor(&["hunter", "hunter2", "line one\nline two", ""]);
        let clean = |text: &str| redactor.redact(text.as_bytes(), usize::MAX);
        assert_eq!(clean("a hunter2 b hunter c"), "a [redacted] b [redacted] c");
        assert_eq!(clean("hunter2hunter2"), "[redacted][redacted]");
        assert_eq!(clean("x line two"), "x [redacted]");
        assert_eq!(clean("hunte"), "hunte");
    }

    #[test]
    fn f81_a_secret_across_the_cut_is_replaced_and_none_is_moved_before_it() {
        let redactor = redactor(&["0123456789abcdef"]);
        assert_eq!(redactor.redact(b"xx0123456789abcdef", 4), "xx[redacted]");
        assert_eq!(redactor.redact(b"0123456789abcdef0123456", 16), "[redacted]");
        assert_eq!(redactor.redact("caf\u{e9}".as_bytes(), 4), "caf\u{fffd}");
    }
}
