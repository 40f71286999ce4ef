//! Log sequence numbers: places in a transaction log, in order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A log sequence number, as SQL Server's catalog shows it: `numeric(25,0)`. On the wire it is text, since it is larger than
/// the numbers that JSON's readers keep exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Lsn(u128);

/// The most digits that a log sequence number has.
const DIGITS: usize = 25;

/// Text that is no log sequence number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log sequence number: it has 1 to {DIGITS} digits and nothing else")]
pub struct InvalidLsn(String);

impl Lsn {
    /// The number itself; null when it has more digits than SQL Server gives.
    pub fn new(number: u128) -> Option<Self> {
        (number < 10_u128.pow(25)).then_some(Self(number))
    }

    pub const fn number(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or_else(|| InvalidLsn(text.to_owned()))
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = InvalidLsn;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

// By hand, since the derive would show the number that it is kept as.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Lsn {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A log sequence number of SQL Server, in decimal digits."))
            .pattern(Some("^[0-9]{1,25}$"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Lsn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_exactly_and_anything_else_is_refused() {
        for text in ["0", "24000000018400037", "9999999999999999999999999"] {
            let lsn: Lsn = text.parse().unwrap();
            assert_eq!(serde_json::to_string(&lsn).unwrap(), format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Lsn>(&format!("{text:?}")).unwrap(), lsn);
            assert_eq!(Lsn::new(lsn.number()), Some(lsn));
        }
        for text in ["", "-1", "+1", "1.0", "0x1", " 1", "10000000000000000000000000"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?}");
        }
        assert_eq!(Lsn::new(10_u128.pow(25)), None);
        assert!("9".parse::<Lsn>().unwrap() < "10".parse().unwrap(), "by number, not by text");
    }
}
