//! Which names a datastore, storage or worker may bear. Names are only ever shown or compared, never put on a command
//! line or in a path, so all of Unicode is welcome; what would mislead a reader or look like an option is not. // F-82

/// The most characters that a name may have.
pub const MAX_NAME_CHARS: usize = 100;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most {MAX_NAME_CHARS} characters")]
    TooLong,
    #[error("must not start with a dash")]
    LeadingDash,
    #[error("must not start or end with white space")]
    SurroundingSpace,
    #[error("must not hold control characters or marks that turn the writing direction")]
    ControlCharacter,
}

/// Checks a name.
///
/// # Errors
/// The first rule that the name breaks.
pub fn validate_name(name: &str) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(InvalidName::TooLong);
    }
    if name.starts_with('-') {
        return Err(InvalidName::LeadingDash);
    }
    if name.trim() != name {
        return Err(InvalidName::SurroundingSpace);
    }
    let misleading = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if name.chars().any(misleading) {
        return Err(InvalidName::ControlCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_hostile_names_are_accepted_or_refused_by_rule() {
        for good in
            ["shop", "O'Reilly \"quoted\"", "$(touch /tmp/x)", "Zürich 数据", "a;b|c&d", "a-b", &"x".repeat(100)]
        {
            assert_eq!(validate_name(good), Ok(()), "{good:?}");
        }
        for (bad, why) in [
            ("", InvalidName::Empty),
            ("-rf", InvalidName::LeadingDash),
            (" a", InvalidName::SurroundingSpace),
            ("a\nb", InvalidName::ControlCharacter),
            ("a\u{202e}b", InvalidName::ControlCharacter),
            (&"x".repeat(101), InvalidName::TooLong),
        ] {
            assert_eq!(validate_name(bad), Err(why), "{bad:?}");
        }
    }
}
