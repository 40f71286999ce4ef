//! The service with a certificate of its own, and behind proxies.

use std::net::{IpAddr, UdpSocket};
use std::path::Path;

use api::{ApiError, EdgeSettings, ProxyHeaders, TlsFiles};
use domain::access::{Grant, Role};
use reqwest::{Certificate, Client};
use serde_json::json;
use store::ExternalUser;

use crate::support::{TestService, config, eventually, open_store};

/// Writes a new certificate for this machine and gives it as PEM.
fn certify(directory: &Path) -> (TlsFiles, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: directory.join("certificate.pem"), key: directory.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.pem())
}

/// A client that trusts this certificate and no other.
fn trusting(certificate: &str) -> Client {
    let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
    Client::builder().tls_certs_only([certificate]).no_proxy().build().unwrap()
}

#[actix_web::test]
async fn tls_by_files_and_a_renewed_certificate_needs_no_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (files, first) = certify(directory.path());
    let service = TestService::start_with(EdgeSettings { tls: Some(files), ..EdgeSettings::default() }).await;
    let url = |path: &str| format!("https://localhost:{}{path}", service.address.port());
    let ask = |certificate: String| {
        let request = trusting(&certificate).get(url("/healthz"));
        async move { request.send().await.ok() }
    };
    let answer = ask(first.clone()).await.expect("the certificate is shown");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");

    // An encrypted service takes changes from encrypted pages only.
    let body = json!({"name": "x", "kind": "local", "path": "/x"});
    let change = |scheme: &str| {
        let origin = format!("{scheme}://localhost:{}", service.address.port());
        trusting(&first).post(url("/api/v1/storages")).header("origin", origin).json(&body).send()
    };
    assert_eq!(change("http").await.unwrap().status(), 403);
    assert_eq!(change("https").await.unwrap().status(), 201);

    // The worker beside it needs no certificate.
    let inner = service.running.as_ref().unwrap().inner_address();
    assert!(inner.ip().is_loopback() && inner != service.address);
    let answer = service.http.get(format!("http://{inner}/healthz")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("strict-transport-security")), (200, None));

    let (files, second) = certify(directory.path());
    eventually("the new certificate is shown", || ask(second.clone()), Option::is_some).await;
    assert!(ask(first).await.is_none());
    // One that is half written changes nothing.
    std::fs::write(&files.certificate, &second[..200]).unwrap();
    eventually("the old certificate is kept", || ask(second.clone()), Option::is_some).await;
    service.stop().await;
}

#[actix_web::test]
async fn files_that_are_no_certificate_are_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (files, _) = certify(directory.path());
    let start = || {
        let tls = Some(files.clone());
        api::start(config(open_store(directory.path()), EdgeSettings { tls, ..EdgeSettings::default() }))
    };
    let other = tempfile::tempdir().unwrap();
    std::fs::copy(certify(other.path()).0.key, &files.key).unwrap();
    assert!(matches!(start().await.err(), Some(ApiError::Certificate(_))), "another certificate's key");
    std::fs::write(&files.certificate, "no certificate").unwrap();
    assert!(matches!(start().await.err(), Some(ApiError::Certificate(_))));
    std::fs::remove_file(&files.key).unwrap();
    assert!(matches!(start().await.err(), Some(ApiError::Certificate(_))));
}

/// An address of this machine that is not loopback, where it has one.
fn outer_address() -> Option<IpAddr> {
    // Sends nothing: it only asks the kernel for the way.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

#[actix_web::test]
async fn once_somebody_can_sign_in_any_address_is_listened_on_and_only_own_names_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_store(directory.path());
    let administrator = ExternalUser {
        issuer: "https://login.example".to_owned(),
        subject: "1".to_owned(),
        username: "ada".to_owned(),
        grants: vec![Grant::everywhere(Role::Administrator)],
    };
    store.user_from_provider(&administrator, chrono::Utc::now()).unwrap();
    let public_url = Some("https://backup.example.com".parse().unwrap());
    let mut config = config(store, EdgeSettings { public_url, ..EdgeSettings::default() });
    config.listen = "0.0.0.0:0".parse().unwrap();
    let running = api::start(config).await.unwrap();
    assert_eq!(running.url(), "https://backup.example.com");
    let (port, inner) = (running.address().port(), running.inner_address());
    assert!(inner.ip().is_loopback() && inner.port() != port);
    let service = TestService::with(running, directory);
    let ask = |to: String, host: String| {
        let request = service.http.get(format!("http://{to}/healthz")).header("host", host);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let inside = format!("127.0.0.1:{port}");
    assert_eq!(ask(inside.clone(), inside.clone()).await, 200);
    assert_eq!(ask(inner.to_string(), inner.to_string()).await, 200);
    assert_eq!(ask(inside.clone(), "backup.example.com".to_owned()).await, 200);
    assert_eq!(ask(inside, "evil.example".to_owned()).await, 403);
    if let Some(outer) = outer_address() {
        let outside = format!("{outer}:{port}");
        assert_eq!(ask(outside.clone(), outside.clone()).await, 200);
        for name in ["localhost", "127.0.0.1", "evil.example"] {
            assert_eq!(ask(outside.clone(), name.to_owned()).await, 403, "{name}");
        }
    }
    service.stop().await;
}

fn behind(proxies: &[&str], proxy_headers: ProxyHeaders) -> EdgeSettings {
    EdgeSettings {
        trusted_proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
        proxy_headers,
        public_url: Some("https://backup.example.com".parse().unwrap()),
        ..EdgeSettings::default()
    }
}

#[actix_web::test]
async fn only_a_trusted_proxy_says_that_a_request_was_encrypted_and_for_whom() {
    let headers = [("x-forwarded-proto", "https"), ("x-forwarded-host", "backup.example.com")];
    let ask = |service: &TestService, origin: &str| {
        let mut request = service.http.post(service.url("/api/v1/storages")).header("origin", origin);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.json(&json!({"name": "x", "kind": "local", "path": "/x"}))
    };
    let trusting = TestService::start_with(behind(&["127.0.0.0/8"], ProxyHeaders::XForwarded)).await;
    let answer = trusting.send(ask(&trusting, "https://backup.example.com")).await;
    // Its origin is right; but who comes by way of a proxy is not this machine, and has to say who he is.
    answer.problem(401, "unauthenticated");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    trusting.send(ask(&trusting, "http://backup.example.com")).await.problem(403, "forbidden");
    trusting.send(ask(&trusting, "https://evil.example")).await.problem(403, "forbidden");
    let evil = trusting.http.get(trusting.url("/healthz")).header("x-forwarded-host", "evil.example");
    trusting.send(evil).await.problem(403, "forbidden");
    trusting.stop().await;

    for settings in
        [behind(&["192.0.2.1/32"], ProxyHeaders::XForwarded), behind(&["127.0.0.0/8"], ProxyHeaders::Forwarded)]
    {
        let doubting = TestService::start_with(settings).await;
        let answer = doubting.send(ask(&doubting, "http://evil.example")).await;
        answer.problem(403, "forbidden");
        assert_eq!(answer.header("strict-transport-security"), "");
        doubting.stop().await;
    }
}
