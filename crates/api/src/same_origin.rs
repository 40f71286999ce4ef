//! Who may talk to the service from a browser: only pages that the service itself served.
//!
//! - Another site's page could reach it by a name that resolves to its address (DNS rebinding): the name that was asked for
//!   gives it away, so only the service's own names are answered.
//! - It could send forms and requests across origins: the `Origin` header gives it away, and with a session's cookie a
//!   header is demanded that no form can set and that across origins needs a permission that is never given. // F-86

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::web::Data;
use domain::ErrorCode;

use crate::connection::Connection;
use crate::edge;
use crate::edge_settings::EdgeSettings;
use crate::problem::ApiProblem;

/// The cookie of a session.
pub(crate) const SESSION_COOKIE: &str = "holdfast_session";
/// The header that a request with this cookie must have when it changes anything; its value does not matter.
const CHANGE_HEADER: &str = "X-Holdfast-Request";

/// The middleware.
pub(crate) async fn check(
    settings: Data<EdgeSettings>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match judge(&request, &settings) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(edge::refuse(request, &problem)),
    }
}

fn judge(request: &ServiceRequest, settings: &EdgeSettings) -> Result<(), ApiProblem> {
    let connection = Connection::of_service(request);
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = header.or(authority).unwrap_or_default();
    let names = [Some(host), authority, connection.forwarded_host.as_deref()];
    if !names.into_iter().flatten().all(|name| is_own(name, &connection, settings)) {
        return Err(ApiProblem::new(
            ErrorCode::Forbidden,
            "The service does not answer to this name. Open the address that it printed, or start it with --public-url or \
             --allow-host and this name.",
        ));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let asked_for = connection.forwarded_host.as_deref().unwrap_or(host);
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let is_own_origin =
            origin.to_str().is_ok_and(|origin| is_same(origin, asked_for, connection.encrypted, settings));
        if !is_own_origin {
            return Err(ApiProblem::new(ErrorCode::Forbidden, "Pages of other origins may not change anything here."));
        }
    }
    if request.cookie(SESSION_COOKIE).is_some() && !request.headers().contains_key(CHANGE_HEADER) {
        return Err(ApiProblem::new(
            ErrorCode::Forbidden,
            "With a session's cookie, changes need the header X-Holdfast-Request: 1. Programs use a token instead.",
        ));
    }
    Ok(())
}

/// Whether a `host[:port]` names this service: the address that was dialled, a loopback name for who dialled loopback, or a
/// name that it was told.
fn is_own(host: &str, connection: &Connection, settings: &EdgeSettings) -> bool {
    let name = name_of(host);
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    let address = literal.parse::<IpAddr>().ok();
    let dialled_loopback = connection.local.is_none_or(|local| local.is_loopback());
    let told = settings.public_url.as_ref().and_then(|url| url.host_str());
    (dialled_loopback && (matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost")))
        || address.is_some_and(|address| connection.local == Some(address.to_canonical()))
        || told
            .into_iter()
            .chain(settings.allowed_hosts.iter().map(String::as_str))
            .any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether a page of `origin` was served under the name `host`, or under the public one. An encrypted service's pages are.
fn is_same(origin: &str, host: &str, encrypted: bool, settings: &EdgeSettings) -> bool {
    let rest = match origin.strip_prefix("https://") {
        Some(rest) => Some(rest),
        // Behind a proxy that nobody declared, nothing says that its pages are encrypted.
        None => origin.strip_prefix("http://").filter(|_| !encrypted),
    };
    let public = settings.public_url.as_ref().map(|url| url.origin().ascii_serialization());
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host)) || public.as_deref() == Some(origin)
}

fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn dialled(local: &str) -> Connection {
        let request = TestRequest::default().peer_addr("127.0.0.1:1".parse().unwrap()).to_http_request();
        Connection { local: Some(local.parse().unwrap()), ..Connection::of(&request) }
    }

    #[test]
    fn f86_only_names_of_this_machine_are_answered_on_loopback() {
        let settings = EdgeSettings::default();
        for good in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8080"] {
            assert!(is_own(good, &dialled("127.0.0.1"), &settings), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "evil.example:127",
            "::2",
            "localhost:",
            "a@localhost",
            "192.168.0.5",
        ] {
            assert!(!is_own(bad, &dialled("127.0.0.1"), &settings), "{bad}");
        }
    }

    #[test]
    fn f86_elsewhere_the_dialled_address_and_the_names_that_were_told_are_answered() {
        let settings = EdgeSettings {
            public_url: Some("https://backup.example.com".parse().unwrap()),
            allowed_hosts: vec!["holdfast".to_owned()],
            ..EdgeSettings::default()
        };
        for good in ["192.168.0.5:8080", "192.168.0.5", "backup.example.com", "Backup.Example.COM:443", "holdfast:8080"]
        {
            assert!(is_own(good, &dialled("192.168.0.5"), &settings), "{good}");
        }
        assert!(is_own("[2a00::5]:80", &dialled("2a00::5"), &settings));
        for bad in ["localhost", "127.0.0.1", "192.168.0.6", "example.com", "backup.example.com.evil.example"] {
            assert!(!is_own(bad, &dialled("192.168.0.5"), &settings), "{bad}");
        }
    }

    #[test]
    fn f86_an_origin_must_be_the_host() {
        let plain = EdgeSettings::default();
        assert!(is_same("http://localhost:8080", "localhost:8080", false, &plain));
        assert!(is_same("https://a.example", "a.example", true, &plain));
        for bad in ["null", "http://localhost:8081", "http://evil.example", "file://localhost:8080"] {
            assert!(!is_same(bad, "localhost:8080", false, &plain), "{bad}");
        }
        assert!(!is_same("http://a.example", "a.example", true, &plain), "a page that somebody could have changed");
        let named = EdgeSettings { public_url: Some("https://b.example:8443/".parse().unwrap()), ..plain };
        assert!(is_same("https://b.example:8443", "holdfast:8080", false, &named));
        assert!(!is_same("http://b.example:8443", "holdfast:8080", false, &named));
    }
}
