//! How the service meets the network: encrypted or not, behind whom, under which names, and how much it takes.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

/// The certificate that the service shows, as PEM files. They are read again when they change.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and the intermediate ones after it.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Which headers a trusted proxy sets. Only these are read: a proxy hands on the others as its client sent them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeaders {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Bounds on what anybody may send. // F-92
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// How many requests a second one address may send for long; ten times as many at once. 0: any number.
    pub requests_per_second: u32,
    /// How many connections are open at once; who comes later waits.
    pub connections: usize,
    /// How many of them may be of one address that is no trusted proxy.
    pub connections_per_address: usize,
    /// How long the head of a request may take to arrive.
    pub head: Duration,
    /// How long the body of a request may take to arrive.
    pub body: Duration,
    /// How long a request may take until its answer begins.
    pub answer: Duration,
    /// How long a connection is kept on which nobody asks anything.
    pub keep_alive: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            connections: 1024,
            connections_per_address: 256,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            // The slowest handler reads logs for two minutes, after its body arrived.
            answer: Duration::from_secs(180),
            keep_alive: Duration::from_secs(75),
        }
    }
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct EdgeSettings {
    pub tls: Option<TlsFiles>,
    /// From whom the headers about the client are believed.
    pub trusted_proxies: Vec<IpNet>,
    pub proxy_headers: ProxyHeaders,
    /// Where people and workers find the service.
    pub public_url: Option<Url>,
    /// Further names that the service answers to, as `name` or `name:port`.
    pub allowed_hosts: Vec<String>,
    pub limits: EdgeLimits,
}

impl EdgeSettings {
    /// The scheme of the service's own listener.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether nothing says that passwords and cookies travel encrypted.
    pub(crate) fn is_unprotected(&self) -> bool {
        self.tls.is_none() && self.trusted_proxies.is_empty()
    }
}
