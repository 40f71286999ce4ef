//! Who may reach the service, and what its answers allow a browser to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use api::ApiError;
use domain::Secret;
use serde_json::json;

use crate::support::{TOKEN, TestService, open_store};

/// Sends raw text and gives the whole answer.
async fn raw(service: &TestService, request: String) -> String {
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
        let config = api::ServiceConfig {
            listen: address.parse().unwrap(),
            store: open_store(directory.path()),
            worker_token: Secret::new(TOKEN),
            default_storage_path: "/var/lib/holdfast/storage".into(),
            version: "0.0.0-test",
            schedule_settings: domain::ScheduleSettings::default(),
            edge: api::EdgeSettings::default(),
        };
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

#[actix_web::test]
async fn every_answer_tells_the_browser_to_be_careful() {
    let service = TestService::start().await;
    for path in ["/", "/healthz", "/api/v1/jobs", "/api/v1/nothing", "/datastores/new"] {
        let answer = service.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self' 'wasm-unsafe-eval'"));
        assert!(!policy.contains("unsafe-inline"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
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
