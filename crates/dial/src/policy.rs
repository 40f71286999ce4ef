//! Where a process may dial: public addresses, and the networks that whoever started it allowed; and whose certificates it believes
//! there.

use std::net::IpAddr;
use std::sync::OnceLock;

use ipnet::IpNet;
use reqwest::Certificate;

use crate::address::is_public;

/// Where one may dial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    allowed: Vec<IpNet>,
    /// Certificates in PEM, checked already.
    authorities: Vec<Vec<u8>>,
}

/// A file that was to hold an authority's certificate.
#[derive(Debug, thiserror::Error)]
#[error("there is no certificate in PEM")]
pub struct NoCertificate;

/// An address that may not be dialled. Says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} is at {address}, which is no public address; if that is meant, start this process with --allow-private-address {address}"
)]
pub struct Refused {
    pub host: String,
    pub address: IpAddr,
}

impl Policy {
    /// Public addresses, and these networks.
    pub fn allowing(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self { allowed: networks.into_iter().collect(), ..Self::default() }
    }

    /// That, and this machine itself.
    pub fn and_loopback(mut self) -> Self {
        let everything = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let networks = everything.into_iter().filter_map(|address| match address {
            IpAddr::V4(_) => IpNet::new(address, 8).ok(),
            IpAddr::V6(_) => IpNet::new(address, 128).ok(),
        });
        self.allowed.extend(networks);
        self
    }

    /// Believes certificates of this authority, too, beside those that the machine trusts.
    ///
    /// # Errors
    /// When there is no certificate in `pem`.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, NoCertificate> {
        match Certificate::from_pem_bundle(pem) {
            Ok(found) if !found.is_empty() => self.authorities.push(pem.to_vec()),
            _ => return Err(NoCertificate),
        }
        Ok(self)
    }

    pub(crate) fn authorities(&self) -> impl Iterator<Item = Certificate> {
        self.authorities.iter().filter_map(|pem| Certificate::from_pem_bundle(pem).ok()).flatten()
    }

    /// Judges one address of `host`.
    ///
    /// # Errors
    /// When it is neither public nor allowed.
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let plain = address.to_canonical();
        if is_public(address) || self.allowed.iter().any(|network| network.contains(&plain)) {
            Ok(())
        } else {
            Err(Refused { host: host.to_owned(), address: plain })
        }
    }
}

static OF_PROCESS: OnceLock<Policy> = OnceLock::new();

/// Sets where this process may dial, once, at its start; a later call changes nothing.
pub fn set_for_process(policy: Policy) {
    let _ = OF_PROCESS.set(policy);
}

/// Where this process may dial: public addresses only, unless it was told at its start.
pub fn of_process() -> Policy {
    OF_PROCESS.get().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f85_what_is_allowed_is_allowed_in_each_of_its_forms() {
        let policy = Policy::allowing(["10.1.0.0/16".parse().unwrap()]);
        for good in ["10.1.2.3", "::ffff:10.1.2.3", "8.8.8.8"] {
            assert_eq!(policy.check("x", good.parse().unwrap()), Ok(()), "{good}");
        }
        for bad in ["10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1", "::1"] {
            let refused = policy.check("bucket.example", bad.parse().unwrap()).unwrap_err();
            assert!(refused.to_string().starts_with("bucket.example is at "), "{refused}");
        }
        let local = Policy::default().and_loopback();
        for good in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(local.check("x", good.parse().unwrap()), Ok(()), "{good}");
        }
        assert!(local.check("x", "10.0.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn what_is_no_certificate_is_no_authority() {
        for text in ["", "certificate", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE----"] {
            assert!(Policy::default().trusting(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
