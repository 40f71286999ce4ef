//! Getting into a claimed service: people with passwords, and programs with tokens.

use chrono::Utc;
use domain::access::Grant;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::support::{Answered, TestService, open_store};

pub const PASS_PHRASE: &str = "correct horse battery";

/// A client that sends a header with every request.
fn client(name: HeaderName, value: &str) -> reqwest::Client {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    headers.insert("X-Holdfast-Request", HeaderValue::from_static("1"));
    reqwest::Client::builder().default_headers(headers).build().unwrap()
}

pub fn with_cookie(cookie: &str) -> reqwest::Client {
    client(COOKIE, cookie)
}

pub fn with_token(secret: &str) -> reqwest::Client {
    client(AUTHORIZATION, &format!("Bearer {secret}"))
}

/// The cookie that an answer sets, as a browser sends it back.
#[track_caller]
pub fn cookie_of(answer: &Answered) -> String {
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("holdfast_session=") && cookie.contains("HttpOnly"), "{cookie:?} {}", answer.text);
    cookie.split(';').next().unwrap().to_owned()
}

impl TestService {
    /// Sets the first administrator's password, and gives the session's cookie.
    pub async fn claim(&self) -> String {
        let link =
            open_store(self.directory.path()).user_first_setup_link(Utc::now()).unwrap().expect("not claimed yet");
        self.set_up(link.setup_link_token.expose()).await
    }

    /// Sets a password by a link, and gives the session's cookie.
    pub async fn set_up(&self, link: &str) -> String {
        cookie_of(&self.post("/api/v1/auth/setup", json!({"token": link, "password": PASS_PHRASE})).await)
    }

    pub async fn sign_in(&self, username: &str) -> Answered {
        self.post("/api/v1/auth/login", json!({"username": username, "password": PASS_PHRASE})).await
    }

    /// Sends a request with other credentials.
    pub async fn ask(&self, client: &reqwest::Client, method: &str, path: &str, body: Value) -> Answered {
        let request = client.request(method.parse().unwrap(), self.url(path));
        let request = if body.is_null() { request } else { request.json(&body) };
        self.send_as(client, request).await
    }

    /// Adds a user who has set a password: its id, and a client that is signed in.
    pub async fn user(
        &self,
        administrator: &reqwest::Client,
        name: &str,
        grants: &[Grant],
    ) -> (String, reqwest::Client) {
        let made = self.ask(administrator, "POST", "/api/v1/users", json!({"username": name, "grants": grants})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        let cookie = self.set_up(made["setup_link_token"].as_str().unwrap()).await;
        (made["user"]["id"].as_str().unwrap().to_owned(), with_cookie(&cookie))
    }

    /// Makes a token: its id and secret.
    pub async fn token(&self, maker: &reqwest::Client, create: Value) -> (String, String) {
        let made = self.ask(maker, "POST", "/api/v1/tokens", create).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json();
        (made["token"]["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }
}
