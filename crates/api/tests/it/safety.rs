//! Who may reach the service, and what its answers allow a browser to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use api::{ApiError, EdgeSettings};
use reqwest::Method;
use serde_json::json;

use crate::support::{TestService, config, open_store};

/// Sends raw text and gives the whole answer.
pub async fn raw(service: &TestService, request: String) -> String {
    let address = service.address;
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[actix_web::test]
async fn only_loopback_addresses_are_listened_on() {
    let directory = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let mut config = config(open_store(directory.path()), EdgeSettings::default());
        config.listen = address.parse().unwrap();
        let refused = api::start(config).await.err().expect(address);
        assert!(matches!(refused, ApiError::NotLoopback(_)));
        assert!(refused.to_string().contains("use 127.0.0.1"), "{refused}");
    }
}

#[actix_web::test]
async fn f86_other_hosts_and_origins_are_refused() {
    let service = TestService::start().await;
    let port = service.address.port();
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example:8080", ""] {
        let request = format!("GET /api/v1/datastores HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = raw(&service, request).await;
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"forbidden\""), "{host}: {answer}");
    }
    let answer = raw(&service, "GET /healthz HTTP/1.0\r\n\r\n".to_owned()).await;
    assert!(answer.contains(" 403 "), "{answer}");
    let answer = raw(
        &service,
        format!("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned(), "LocalHost".to_owned()] {
        let answer = raw(&service, format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }

    let body = json!({"name": "x", "kind": "local", "path": "/x"});
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost"] {
        let request = service.http.post(service.url("/api/v1/storages")).header("origin", origin).json(&body);
        service.send(request).await.problem(403, "forbidden");
    }
    let own = service.url("");
    let request = service.http.post(service.url("/api/v1/storages")).header("origin", own).json(&body);
    assert_eq!(service.send(request).await.status, 201);
    let read = service.http.get(service.url("/healthz")).header("origin", "http://evil.example");
    let answer = service.send(read).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, ""));
    service.stop().await;
}

/// Every operation of the document that changes anything, with ids that name nothing.
fn changes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(api::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "018f0000-0000-7000-8000-000000000000");
        for method in item.as_object().unwrap().keys().filter(|method| !matches!(method.as_str(), "get" | "parameters"))
        {
            found.push((method.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    found
}

#[actix_web::test]
async fn f86_no_change_is_made_for_another_site() {
    let service = TestService::start().await;
    let changes = changes();
    assert!(changes.len() > 30, "{changes:?}");
    let ask = |method: &Method, path: &str| service.http.request(method.clone(), service.url(path));
    for (method, path) in &changes {
        for origin in ["http://evil.example", "null"] {
            let answer = service.send(ask(method, path).header("origin", origin)).await;
            answer.problem(403, "forbidden");
        }
        // What a form of another site would send if its browser did not know SameSite.
        let form = ask(method, path).header("cookie", "a=b; holdfast_session=x").body("a=b");
        let answer = service.send(form).await;
        assert!(answer.problem(403, "forbidden")["detail"].as_str().unwrap().contains("X-Holdfast-Request"));
        let own = ask(method, path).header("cookie", "holdfast_session=x").header("x-holdfast-request", "1");
        let answer = service.send(own.header("origin", service.url(""))).await;
        assert!(!answer.text.contains("X-Holdfast-Request"), "{method} {path}: {}", answer.text);
    }
    // Nothing is allowed in advance either.
    let preflight =
        service.http.request(Method::OPTIONS, service.url("/api/v1/storages")).header("origin", "http://evil.example");
    let answer = service.send(preflight.header("access-control-request-headers", "x-holdfast-request")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    service.stop().await;
}

#[actix_web::test]
async fn f92_no_list_gives_more_than_its_bound() {
    let service = TestService::start().await;
    let document = serde_json::to_value(api::openapi()).unwrap();
    let mut lists = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let Some(limit) = parameters.iter().find(|parameter| parameter["name"] == "limit") else {
            let answer = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str();
            // There are as many workers as people started, and as many sessions as one of them opened.
            let is_short = ["/api/v1/workers", "/api/v1/auth/sessions"].contains(&path.as_str());
            let is_unbounded = answer.is_some_and(|name| name.contains("/Page_")) && !is_short;
            assert!(!is_unbounded, "{path} is a list without a bound");
            continue;
        };
        let most = limit["schema"]["maximum"].as_f64().unwrap_or_else(|| panic!("{path} tells no bound: {limit}"));
        assert!(most <= 1000.0, "{path}: {most}");
        let filled = path.replace("{id}", "018f0000-0000-7000-8000-000000000000");
        for wrong in [most + 1.0, 0.0] {
            let answer = service.get(&format!("{filled}?limit={wrong}")).await;
            // The log of a thing that is not there is looked for first.
            if path.ends_with("{id}/log") && answer.status == 404 {
                continue;
            }
            answer.problem(422, "validation_failed");
            answer.field("/limit");
        }
        lists += 1;
    }
    assert!(lists >= 6, "{lists}");
    service.stop().await;
}

#[actix_web::test]
async fn every_answer_tells_the_browser_to_be_careful() {
    let service = TestService::start().await;
    for path in ["/", "/healthz", "/api/v1/jobs", "/api/v1/nothing", "/datastores/new"] {
        let answer = service.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self' 'wasm-unsafe-eval'"));
        assert!(!policy.contains("unsafe-inline"), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", ""),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {name}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"));
    }
    for path in ["/docs/", "/docs/errors", "/docs/swagger-initializer.js"] {
        let policy = service.get(path).await.header("content-security-policy").to_owned();
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
    assert_eq!(service.get("/api/v1/jobs").await.header("cache-control"), "no-store");
    service.stop().await;
}

#[actix_web::test]
async fn what_is_not_http_harms_nothing() {
    let service = TestService::start().await;
    for text in [
        "GET /healthz HTTP/9.9\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /api/v1/jobs?cursor=%ff&limit=%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "POST /api/v1/storages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\u{7f}{",
    ] {
        let answer = raw(&service, text.to_owned()).await;
        assert!(!answer.starts_with("HTTP/1.1 5"), "{text:?}: {answer}");
    }
    assert_eq!(service.get("/healthz").await.status, 200);
    service.stop().await;
}

#[actix_web::test]
async fn f92_a_body_that_breaks_off_is_forgotten() {
    let service = TestService::start().await;
    let mut stream = TcpStream::connect(service.address).unwrap();
    let head = "POST /api/v1/storages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    drop(stream);
    assert_eq!(service.get("/readyz").await.status, 200);
    assert_eq!(service.get("/api/v1/storages").await.json()["total"], 1);
    service.stop().await;
}
