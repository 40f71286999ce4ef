//! Who sends a request, and how it travels: the one place that says both. What a proxy tells of its client counts only when
//! the proxy is a trusted one; everybody can write headers.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::dev::{RequestHead, ServiceRequest};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Data;

use crate::connections::Socket;
use crate::edge_settings::{EdgeSettings, ProxyHeaders};
use crate::forwarded;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What is known of a request's way here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The client, for throttling and for the record.
    pub(crate) client: IpAddr,
    /// Whether it came by TLS: the service's own, or a trusted proxy's.
    pub(crate) encrypted: bool,
    /// The name that the client asked for, as its proxy tells it.
    pub(crate) forwarded_host: Option<String>,
    /// The address of this machine that was dialled, as far as it is known.
    pub(crate) local: Option<IpAddr>,
    /// Whether anybody on the way says that it handed the request on, trusted or not.
    pub(crate) is_forwarded: bool,
}

impl Connection {
    /// How the request came here.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let secure = request.app_config().secure();
        let local = request.conn_data::<Socket>().map(Socket::local);
        Self::read(request.head(), secure, local, request.app_data::<Data<EdgeSettings>>().map(|data| data.as_ref()))
    }

    /// How the request came here, for middleware.
    pub(crate) fn of_service(request: &ServiceRequest) -> Self {
        Self::of(request.request())
    }

    /// Whether the client is a program on this very machine. A request that somebody handed on never is, since the one who
    /// did may be a proxy that nobody declared.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.client.is_loopback() && !self.is_forwarded
    }

    fn read(head: &RequestHead, secure: bool, local: Option<IpAddr>, settings: Option<&EdgeSettings>) -> Self {
        let peer = head.peer_addr.map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip().to_canonical());
        let headers = head.headers();
        let is_forwarded = [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, header::FORWARDED, header::VIA]
            .iter()
            .any(|name| headers.contains_key(name));
        let mut connection = Self { client: peer, encrypted: secure, forwarded_host: None, local, is_forwarded };
        if let Some(settings) = settings
            && settings.is_trusted(peer)
        {
            connection.believe(headers, settings);
        }
        connection
    }

    /// Takes what a trusted proxy says. It speaks last, so its words are the last ones of each header.
    fn believe(&mut self, headers: &HeaderMap, settings: &EdgeSettings) {
        let told = match settings.proxy_headers {
            ProxyHeaders::XForwarded => forwarded::of_x_forwarded(
                &joined(headers, &X_FORWARDED_FOR),
                &joined(headers, &X_FORWARDED_PROTO),
                &joined(headers, &X_FORWARDED_HOST),
                |address| settings.is_trusted(address),
            ),
            ProxyHeaders::Forwarded => {
                forwarded::of_forwarded(&joined(headers, &header::FORWARDED), |address| settings.is_trusted(address))
            }
        };
        if let Some(client) = told.client {
            self.client = client;
        }
        self.encrypted |= told.encrypted;
        self.forwarded_host = told.host;
    }
}

impl EdgeSettings {
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// All lines of a header as one list.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines: Vec<&str> = headers.get_all(name).filter_map(|value| value.to_str().ok()).collect();
    lines.join(",")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(peer: &str, headers: &[(&'static str, &'static str)], settings: &EdgeSettings) -> Connection {
        let mut request = TestRequest::default().peer_addr(format!("{peer}:1000").parse().unwrap());
        for header in headers {
            request = request.append_header(*header);
        }
        Connection::read(request.to_http_request().head(), false, None, Some(settings))
    }

    fn behind(proxy: &str, proxy_headers: ProxyHeaders) -> EdgeSettings {
        EdgeSettings { trusted_proxies: vec![proxy.parse().unwrap()], proxy_headers, ..EdgeSettings::default() }
    }

    #[test]
    fn headers_of_strangers_are_not_believed() {
        let settings = behind("10.0.0.0/24", ProxyHeaders::XForwarded);
        let lies = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example")];
        let stranger = read("10.0.1.1", &lies, &settings);
        assert_eq!((stranger.client, stranger.encrypted), ("10.0.1.1".parse().unwrap(), false));
        assert_eq!(stranger.forwarded_host, None);
        let proxy = read("10.0.0.1", &lies, &settings);
        assert_eq!((proxy.client, proxy.encrypted), ("1.1.1.1".parse().unwrap(), true));
        assert_eq!(proxy.forwarded_host.as_deref(), Some("a.example"));
        // A proxy that sets X-Forwarded-For hands on a Forwarded of its client.
        let other = read("10.0.0.1", &[("Forwarded", "for=1.1.1.1;proto=https")], &settings);
        assert_eq!((other.client, other.encrypted), ("10.0.0.1".parse().unwrap(), false));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        let settings = behind("10.0.0.0/24", ProxyHeaders::XForwarded);
        for (said, client) in [
            ("6.6.6.6, 2.2.2.2", "2.2.2.2"),
            ("6.6.6.6, 2.2.2.2, 10.0.0.7", "2.2.2.2"),
            ("2.2.2.2:4711", "2.2.2.2"),
            ("\"[2a00::1]:80\"", "2a00::1"),
            ("2a00::1", "2a00::1"),
            ("10.0.0.7", "10.0.0.7"),
            ("6.6.6.6, unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(read("10.0.0.1", &[("X-Forwarded-For", said)], &settings).client.to_string(), client, "{said}");
        }
        let two_lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "2.2.2.2")];
        assert_eq!(read("10.0.0.1", &two_lines, &settings).client.to_string(), "2.2.2.2");
        let settings = behind("10.0.0.0/24", ProxyHeaders::Forwarded);
        let said = "for=6.6.6.6;proto=http;host=evil.example, For=\"[2a00::1]:80\";Proto=HTTPS;Host=\"a.example:8443\"";
        let found = read("10.0.0.1", &[("Forwarded", said)], &settings);
        assert_eq!((found.client.to_string().as_str(), found.encrypted), ("2a00::1", true));
        assert_eq!(found.forwarded_host.as_deref(), Some("a.example:8443"));
    }

    #[test]
    fn what_was_handed_on_is_not_of_this_machine() {
        let settings = EdgeSettings::default();
        assert!(read("127.0.0.1", &[], &settings).is_this_machine());
        for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via"] {
            assert!(!read("127.0.0.1", &[(name, "127.0.0.1")], &settings).is_this_machine(), "{name}");
        }
        assert!(!read("10.0.0.1", &[], &settings).is_this_machine());
    }
}
