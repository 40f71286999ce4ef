//! An HTTP client that goes only where its policy lets it.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Request, Response, Url};

use crate::policy::{Policy, Refused};
use crate::resolver::{CheckedResolver, Lookup, SystemLookup};

/// How long a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until the connection is there.
    pub connect: Duration,
    /// Until the last byte of the answer.
    pub whole: Duration,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
}

/// The client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dialer {
    client: Client,
    policy: Arc<Policy>,
}

impl Dialer {
    /// A client under this policy. A rustls crypto provider must have been installed before.
    ///
    /// # Errors
    /// When the system's certificates can't be read.
    pub fn new(policy: Policy, limits: Limits) -> Result<Self, reqwest::Error> {
        Self::with_lookup(policy, limits, Arc::new(SystemLookup))
    }

    /// A client that asks `lookup` for the addresses of names.
    ///
    /// # Errors
    /// When the system's certificates can't be read.
    pub fn with_lookup(policy: Policy, limits: Limits, lookup: Arc<dyn Lookup>) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        let client = Client::builder()
            .dns_resolver(CheckedResolver { lookup, policy: Arc::clone(&policy) })
            // Whoever answers may not send us on: its word is not the user's.
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve and dial by itself, unchecked.
            .no_proxy()
            .tls_certs_merge(policy.authorities())
            .connect_timeout(limits.connect)
            .timeout(limits.whole)
            .build()?;
        Ok(Self { client, policy })
    }

    /// The client, for a request to `url`: addresses in a URL are dialled without being looked up, so they are judged here.
    ///
    /// # Errors
    /// When the URL names an address that may not be dialled.
    pub fn client_for(&self, url: &Url) -> Result<&Client, Refused> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse::<IpAddr>() {
            self.policy.check(literal, address)?;
        }
        Ok(&self.client)
    }

    /// Sends a request. Cancelling it drops the connection.
    ///
    /// # Errors
    /// When the address may not be dialled, or there is no answer.
    pub async fn execute(&self, request: Request) -> Result<Response, DialError> {
        let client = self.client_for(request.url())?;
        client.execute(request).await.map_err(|error| match Refused::behind(&error) {
            Some(refused) => DialError::Refused(refused.clone()),
            None => DialError::Request(error.without_url()),
        })
    }
}

impl Refused {
    /// The refusal that caused an error of the client, if one did.
    pub fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refused) = error.downcast_ref::<Self>() {
                return Some(refused);
            }
            next = error.source();
        }
        None
    }
}
