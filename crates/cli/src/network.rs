//! The options about the network: how the service is reached, and where one may dial.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use api::{EdgeLimits, EdgeSettings, ProxyHeaders, TlsFiles};
use clap::{Args, ValueEnum};
use client::Client;
use dial::Policy;
use ipnet::IpNet;
use url::Url;

use crate::failure::Failure;

/// How the service is reached.
#[derive(Debug, Args)]
pub struct EdgeArguments {
    /// A PEM file with the certificate to encrypt connections with, the intermediate ones after it. Read again when it changes.
    #[arg(long, env = "HOLDFAST_TLS_CERTIFICATE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The PEM file with the certificate's private key.
    #[arg(long, env = "HOLDFAST_TLS_KEY", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// A proxy, as address or CIDR, whose headers about the client and its encryption are believed. May be repeated.
    #[arg(long = "trusted-proxy", env = "HOLDFAST_TRUSTED_PROXY", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Which headers the trusted proxies set: only those are read.
    #[arg(long, env = "HOLDFAST_PROXY_HEADERS", default_value = "x-forwarded")]
    pub proxy_headers: ProxyHeadersArgument,
    /// Where people and workers find the service, such as https://backup.example.com.
    #[arg(long, env = "HOLDFAST_PUBLIC_URL")]
    pub public_url: Option<Url>,
    /// A further host name that the service answers to. May be repeated.
    #[arg(long = "allow-host", env = "HOLDFAST_ALLOW_HOST", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// How many requests a second one address may send for long, ten times as many at once; 0 for any number. Workers with
    /// a valid token are not counted.
    #[arg(long, env = "HOLDFAST_REQUESTS_PER_SECOND", default_value_t = EdgeLimits::default().requests_per_second)]
    pub requests_per_second: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeadersArgument {
    /// X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host.
    XForwarded,
    /// Forwarded (RFC 7239).
    Forwarded,
}

impl EdgeArguments {
    /// The settings.
    ///
    /// # Errors
    /// When the public URL is none of HTTP.
    pub fn settings(self) -> Result<EdgeSettings, Failure> {
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        if let Some(url) = &self.public_url
            && !(is_http(url) && url.path() == "/" && url.query().is_none())
        {
            let what = format!("{url} is not where Holdfast can be: it needs a host of its own.");
            return Err(Failure::configuration(what, "Give --public-url https://backup.example.com."));
        }
        Ok(EdgeSettings {
            tls: self.tls_certificate.zip(self.tls_key).map(|(certificate, key)| TlsFiles { certificate, key }),
            trusted_proxies: self.trusted_proxies,
            proxy_headers: match self.proxy_headers {
                ProxyHeadersArgument::XForwarded => ProxyHeaders::XForwarded,
                ProxyHeadersArgument::Forwarded => ProxyHeaders::Forwarded,
            },
            public_url: self.public_url,
            allowed_hosts: self.allowed_hosts,
            limits: EdgeLimits { requests_per_second: self.requests_per_second, ..EdgeLimits::default() },
        })
    }
}

/// Where this process may dial when somebody else chooses the address.
#[derive(Debug, Args)]
pub struct DialArguments {
    /// An address or CIDR that is not public, and that storages' endpoints may be at all the same. May be repeated. This machine
    /// itself may be dialled when the control plane serves this machine alone.
    #[arg(long = "allow-private-address", env = "HOLDFAST_ALLOW_PRIVATE_ADDRESS", value_delimiter = ',', value_parser = network)]
    pub allowed: Vec<IpNet>,
    /// A PEM file with the certificate of an authority that storages' endpoints and the identity provider may be certified by, beside
    /// those that this machine trusts. May be repeated.
    #[arg(long = "trust-authority", env = "HOLDFAST_TRUST_AUTHORITY", value_delimiter = ',')]
    pub authorities: Vec<PathBuf>,
}

impl DialArguments {
    /// Sets it for this process. `is_local` says that the control plane serves this machine alone.
    ///
    /// # Errors
    /// When an authority's file can't be read or holds no certificate.
    pub fn apply(self, is_local: bool) -> Result<(), Failure> {
        let mut policy = Policy::allowing(self.allowed);
        for file in &self.authorities {
            let unusable = |why: String| {
                let hint = "Give --trust-authority a PEM file with the authority's certificate.";
                Failure::configuration(format!("{} can't be used: {why}.", file.display()), hint)
            };
            let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            policy = policy.trusting(&pem).map_err(|error| unusable(error.to_string()))?;
        }
        dial::set_for_process(if is_local { policy.and_loopback() } else { policy });
        Ok(())
    }
}

/// Whether a control plane serves the machine that it runs on alone: nobody else reaches it, by a proxy neither.
pub fn serves_this_machine_alone(listen: SocketAddr, edge: &EdgeSettings) -> bool {
    listen.ip().is_loopback() && edge.trusted_proxies.is_empty() && edge.public_url.is_none()
}

/// A client of the control plane at an address that somebody gave.
///
/// # Errors
/// When it is none.
pub fn client_of(server: &str) -> Result<Client, Failure> {
    if !(server.starts_with("http://") || server.starts_with("https://")) {
        let what = format!("{server:?} is not an address.");
        return Err(Failure::configuration(what, "Give --server http://127.0.0.1:8080."));
    }
    Ok(Client::new(server))
}

/// Whether a control plane's URL leads to this machine.
pub fn is_on_this_machine(server: &str) -> bool {
    let url = server.parse::<Url>().ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || literal.is_ok_and(|address| address.is_loopback())
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse::<IpNet>()).map_err(|_| "must be an address or a CIDR such as 10.0.0.0/8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_or_cidrs() {
        for (text, read) in
            [("10.0.0.5", "10.0.0.5/32"), ("10.0.0.0/8", "10.0.0.0/8"), ("fd00::/8", "fd00::/8"), ("::1", "::1/128")]
        {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), Ok(read));
        }
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0", "*"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_recognised() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1", "https://[::1]:8080/"] {
            assert!(is_on_this_machine(good), "{good}");
        }
        for bad in ["http://10.0.0.1", "https://localhost.example.com", "http://backup.example.com:8080"] {
            assert!(!is_on_this_machine(bad), "{bad}");
        }
    }
}
