//! Sign-in by an identity provider, as far as the service alone goes: where it sends browsers, and whom it does not believe
//! when they come back. The browser tests sign in for real.

use api::{EdgeSettings, OidcSettings};
use domain::Secret;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Answered, TestService, config, open_store};

/// A provider that tells about itself and refuses every code.
async fn provider() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid", "groups"]
    });
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = vec![0; 8192];
            let read = connection.read(&mut head).await.unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let (status, body) = match head.split(' ').nth(1).unwrap_or_default() {
                "/.well-known/openid-configuration" => ("200 OK", document.clone()),
                "/jwks" => ("200 OK", json!({"keys": []})),
                _ => ("400 Bad Request", json!({"error": "invalid_grant"})),
            };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.write_all(answer.as_bytes()).await;
        }
    });
    issuer.parse().unwrap()
}

async fn start(issuer: Url) -> TestService {
    // The provider of these tests is on this machine.
    dial::set_for_process(dial::Policy::default().and_loopback());
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(open_store(directory.path()), EdgeSettings::default());
    config.oidc = Some(OidcSettings {
        issuer,
        client_id: "holdfast".to_owned(),
        client_secret: Some(Secret::new("s3cret")),
        name: "Example".to_owned(),
        role_claim: "groups".to_owned(),
        roles: vec!["dba=operator".parse().unwrap()],
    });
    let mut service = TestService::with(api::start(config).await.unwrap(), directory);
    service.http = Client::builder().redirect(Policy::none()).build().unwrap();
    service
}

/// Begins a sign-in; gives the provider's URL and the cookie.
async fn begin(service: &TestService, query: &str) -> (Url, String) {
    let answer = service.get(&format!("/api/v1/auth/oidc/start{query}")).await;
    assert_eq!(answer.status, 302, "{}", answer.text);
    let cookie = answer.header("set-cookie").to_owned();
    for word in ["HttpOnly", "SameSite=Lax", "Path=/api/v1/auth/oidc", "Max-Age=600"] {
        assert!(cookie.contains(word), "{word}: {cookie}");
    }
    (answer.header("location").parse().unwrap(), cookie.split(';').next().unwrap().to_owned())
}

async fn come_back(service: &TestService, query: &str, cookie: Option<&str>) -> Answered {
    let request = service.http.get(service.url(&format!("/api/v1/auth/oidc/callback{query}")));
    let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
    let answer = service.send(request).await;
    assert_eq!(answer.status, 302, "{}", answer.text);
    assert!(
        !answer.headers.get_all("set-cookie").iter().any(|cookie| cookie.as_bytes().starts_with(b"holdfast_session="))
    );
    answer
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[actix_web::test]
async fn a_browser_is_sent_to_the_provider_with_all_that_binds_it() {
    let issuer = provider().await;
    let service = start(issuer.clone()).await;
    let (url, cookie) = begin(&service, "?return_to=/datastores").await;
    assert!(url.as_str().starts_with(&format!("{issuer}auth?")), "{url}");
    for (name, value) in [("response_type", "code"), ("client_id", "holdfast"), ("code_challenge_method", "S256")] {
        assert_eq!(parameter(&url, name), value);
    }
    assert_eq!(parameter(&url, "redirect_uri"), service.url("/api/v1/auth/oidc/callback"));
    assert_eq!(parameter(&url, "scope"), "openid profile email groups");
    let (again, other_cookie) = begin(&service, "").await;
    for name in ["state", "nonce", "code_challenge"] {
        assert!(parameter(&url, name).len() >= 22 && parameter(&url, name) != parameter(&again, name), "{name}");
    }
    assert_ne!(cookie, other_cookie);
    assert!(!url.as_str().contains("s3cret"));
    service.stop().await;
}

#[actix_web::test]
async fn who_did_not_begin_here_or_brings_no_valid_code_gets_nowhere() {
    let service = start(provider().await).await;
    let (url, cookie) = begin(&service, "").await;
    let state = parameter(&url, "state");
    for (query, cookie) in [
        (format!("?code=x&state={state}"), None),
        ("?code=x&state=other".to_owned(), Some(cookie.as_str())),
        ("?code=x".to_owned(), Some(cookie.as_str())),
        (String::new(), None),
        (format!("?code=x&state={state}"), Some("holdfast_oidc=7b7d")),
    ] {
        let answer = come_back(&service, &query, cookie).await;
        assert_eq!(answer.header("location"), "/sign-in?error=sign_in_expired", "{query}");
    }
    for query in [format!("?code=x&state={state}"), format!("?error=access_denied&state={state}")] {
        let answer = come_back(&service, &query, Some(&cookie)).await;
        assert_eq!(answer.header("location"), "/sign-in?error=identity_provider_failed", "{query}");
        assert!(answer.header("set-cookie").starts_with("holdfast_oidc=;"), "it can't be used again");
    }
    service.stop().await;
}

#[actix_web::test]
async fn without_a_provider_there_is_no_such_way_and_one_that_is_gone_is_said() {
    let service = TestService::start().await;
    for path in ["/api/v1/auth/oidc/start", "/api/v1/auth/oidc/callback?code=x&state=y"] {
        service.get(path).await.problem(404, "not_found");
    }
    service.stop().await;
    let service = start("http://127.0.0.1:9".parse().unwrap()).await;
    let answer = service.get("/api/v1/auth/oidc/start").await;
    assert_eq!(answer.header("location"), "/sign-in?error=identity_provider_failed");
    service.stop().await;
}
