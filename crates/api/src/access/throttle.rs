//! Slows down who guesses: attempts are counted for each account and for each address, those that succeed too. // F-88

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};

use crate::problem::ApiProblem;

/// An account takes ten attempts at once, then one every 30 seconds: less than 3000 a day.
const ACCOUNT_BURST: u32 = 10;
const ACCOUNT_PERIOD: Duration = Duration::from_secs(30);
/// An address takes fifty, then one every two seconds: a whole office may be behind it.
const ADDRESS_BURST: u32 = 50;
const ADDRESS_PERIOD: Duration = Duration::from_secs(2);
/// When so many are counted, those that were quiet are forgotten.
const MOST_COUNTED: usize = 10_000;

/// Counts attempts.
pub(crate) struct Throttle {
    accounts: DefaultKeyedRateLimiter<[u8; 32]>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            accounts: RateLimiter::keyed(quota(ACCOUNT_BURST, ACCOUNT_PERIOD)),
            addresses: RateLimiter::keyed(quota(ADDRESS_BURST, ADDRESS_PERIOD)),
        }
    }

    /// Counts an attempt at an account from an address.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds to wait.
    pub(crate) fn count(&self, account: &str, address: IpAddr) -> Result<(), ApiProblem> {
        self.count_address(address)?;
        forget_quiet(&self.accounts);
        let account: [u8; 32] = Sha256::digest(account.to_lowercase().as_bytes()).into();
        let counted = self.accounts.check_key(&account);
        counted.map_err(|until| refusal(until.wait_time_from(DefaultClock::default().now())))
    }

    /// Counts an attempt from an address, whatever it is at.
    ///
    /// # Errors
    /// `too_many_requests`, with the seconds to wait.
    pub(crate) fn count_address(&self, address: IpAddr) -> Result<(), ApiProblem> {
        forget_quiet(&self.addresses);
        let counted = self.addresses.check_key(&crate::limits::household(address));
        counted.map_err(|until| refusal(until.wait_time_from(DefaultClock::default().now())))
    }
}

fn quota(burst: u32, period: Duration) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period).unwrap_or(Quota::per_minute(NonZeroU32::MIN)).allow_burst(burst)
}

fn forget_quiet<K: std::hash::Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>) {
    if limiter.len() > MOST_COUNTED {
        limiter.retain_recent();
    }
}

fn refusal(wait: Duration) -> ApiProblem {
    let detail = "There were too many attempts. Wait as long as Retry-After says.";
    ApiProblem::too_many_requests(detail, wait.as_secs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f88_an_account_is_guarded_from_all_addresses_and_an_address_for_all_accounts() {
        let throttle = Throttle::new();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let tried = (0..30).filter(|last| throttle.count("Anna", address(*last)).is_ok()).count();
        assert_eq!(tried, 10);
        assert!(throttle.count("anna", address(99)).is_err(), "whatever the case of its letters");
        assert!(throttle.count("bert", address(99)).is_ok());
        let tried = (0..100).filter(|n| throttle.count(&format!("user {n}"), address(200)).is_ok()).count();
        assert!((50..=51).contains(&tried), "{tried}");
    }
}
