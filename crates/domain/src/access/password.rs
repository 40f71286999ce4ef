//! Which passwords and user names are taken. Length counts, not classes of characters (NIST SP 800-63B, section 5.1.1).

/// The fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// The most: beyond it hashing would be work that anybody could ask for. // F-92
pub const MAX_PASSWORD_CHARS: usize = 256;

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("must have at least {MIN_PASSWORD_CHARS} characters")]
    TooShort,
    #[error("must have at most {MAX_PASSWORD_CHARS} characters")]
    TooLong,
    #[error("must not be the user name")]
    UserName,
}

/// Checks a new password of a user.
///
/// # Errors
/// The first rule that it breaks.
pub fn validate_password(password: &str, username: &str) -> Result<(), InvalidPassword> {
    match password.chars().count() {
        count if count < MIN_PASSWORD_CHARS => Err(InvalidPassword::TooShort),
        count if count > MAX_PASSWORD_CHARS => Err(InvalidPassword::TooLong),
        _ if password.to_lowercase() == username.to_lowercase() => Err(InvalidPassword::UserName),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_not_the_name() {
        assert_eq!(validate_password("a pass phrase", "admin"), Ok(()));
        assert_eq!(validate_password("elevenchars", "admin"), Err(InvalidPassword::TooShort));
        assert_eq!(validate_password("ü".repeat(12).as_str(), "admin"), Ok(()));
        assert_eq!(validate_password(&"x".repeat(257), "admin"), Err(InvalidPassword::TooLong));
        assert_eq!(validate_password("Administrator", "administrator"), Err(InvalidPassword::UserName));
    }
}
