//! Who may talk to the service from a browser: only pages that the service itself served. The service listens on
//! loopback, so another site's page could reach it by a name that resolves to 127.0.0.1 (DNS rebinding: the `Host`
//! header gives it away) or by sending forms and requests across origins (the `Origin` header does). // F-86

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use domain::ErrorCode;

use crate::edge;
use crate::problem::ApiProblem;

/// The middleware.
pub(crate) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match judge(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(edge::refuse(request, &problem)),
    }
}

fn judge(request: &ServiceRequest) -> Result<(), ApiProblem> {
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = header.or(authority).unwrap_or_default();
    if !is_loopback(host) || !authority.is_none_or(is_loopback) {
        return Err(ApiProblem::new(
            ErrorCode::Forbidden,
            "The service answers to 127.0.0.1, localhost and [::1] only. Open the address that it printed.",
        ));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    match request.headers().get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.to_str().is_ok_and(|origin| is_same(origin, host)) => Ok(()),
        Some(_) => Err(ApiProblem::new(ErrorCode::Forbidden, "Pages of other origins may not change anything here.")),
    }
}

fn is_same(origin: &str, host: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(|rest| rest.eq_ignore_ascii_case(host))
}

/// Whether a `host[:port]` names this very machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1" || name == "[::1]" || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f86_only_names_of_this_machine_are_loopback() {
        for good in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]", "[::1]:8080"] {
            assert!(is_loopback(good), "{good}");
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
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    #[test]
    fn f86_an_origin_must_be_the_host() {
        assert!(is_same("http://localhost:8080", "localhost:8080"));
        for bad in ["null", "http://localhost:8081", "http://evil.example", "file://localhost:8080"] {
            assert!(!is_same(bad, "localhost:8080"), "{bad}");
        }
    }
}
