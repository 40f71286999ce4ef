//! Signing in: the first link, sessions, throttling, the second factor, one's own password; tokens that end.

use chrono::Utc;
use domain::access::{Grant, Role};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret as TotpSecret};

use crate::people::{PASS_PHRASE, cookie_of, with_cookie, with_token};
use crate::support::{Answered, TestService, open_store};

async fn me(service: &TestService, client: &reqwest::Client) -> Answered {
    service.ask(client, "GET", "/api/v1/auth/me", Value::Null).await
}

#[actix_web::test]
async fn f88_the_first_password_claims_the_service_for_ever() {
    let service = TestService::start().await;
    let options = service.get("/api/v1/auth/options").await.json();
    assert_eq!((&options["claimed"], &options["warnings"]), (&json!(false), &json!(["unclaimed"])));
    let open = service.get("/api/v1/auth/me").await.json();
    assert_eq!((&open["kind"], &open["grants"][0]["role"]), (&json!("unclaimed"), &json!("administrator")));

    let store = open_store(service.directory.path());
    let first = store.user_first_setup_link(Utc::now()).unwrap().unwrap();
    let second = store.user_first_setup_link(Utc::now()).unwrap().unwrap();
    let set_up =
        |token: &str, password: &str| service.post("/api/v1/auth/setup", json!({"token": token, "password": password}));
    set_up(first.setup_link_token.expose(), PASS_PHRASE).await.problem(401, "invalid_credentials");
    let token = second.setup_link_token.expose();
    set_up(token, "short").await.problem(422, "validation_failed");
    let entered = set_up(token, PASS_PHRASE).await;
    assert_eq!(entered.json()["user"]["username"], "admin");
    let cookie = entered.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    set_up(token, PASS_PHRASE).await.problem(401, "invalid_credentials");
    assert!(store.user_first_setup_link(Utc::now()).unwrap().is_none(), "claimed for ever");

    for path in ["/api/v1/datastores", "/api/v1/auth/me", "/metrics", "/api/v1/nothing"] {
        service.get(path).await.problem(401, "unauthenticated");
    }
    assert_eq!(service.get("/api/v1/auth/options").await.json()["claimed"], true);
    assert_eq!(me(&service, &with_cookie(&cookie_of(&entered))).await.json()["kind"], "user");
    service.stop().await;
}

#[actix_web::test]
async fn f88_sessions_are_new_at_each_sign_in_and_end_with_it() {
    let service = TestService::start().await;
    let first = service.claim().await;
    let again = service
        .ask(&with_cookie(&first), "POST", "/api/v1/auth/login", json!({"username": "ADMIN", "password": PASS_PHRASE}))
        .await;
    let second = cookie_of(&again);
    assert_ne!(first, second);
    me(&service, &with_cookie(&first)).await.problem(401, "unauthenticated");

    let (here, there) = (with_cookie(&second), with_cookie(&cookie_of(&service.sign_in("admin").await)));
    let sessions = service.ask(&here, "GET", "/api/v1/auth/sessions", Value::Null).await.json();
    assert_eq!(sessions["total"], 2);
    let current: Vec<bool> = sessions["items"].as_array().unwrap().iter().map(|one| one["current"] == true).collect();
    assert_eq!(current, [false, true]);

    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let ask = |body| service.ask(&here, "POST", "/api/v1/auth/password", body);
    ask(change("a wrong pass phrase", "another pass phrase")).await.problem(401, "invalid_credentials");
    ask(change(PASS_PHRASE, "short")).await.problem(422, "validation_failed");
    assert_eq!(ask(change(PASS_PHRASE, "another pass phrase")).await.status, 204);
    me(&service, &there).await.problem(401, "unauthenticated");
    assert_eq!(me(&service, &here).await.status, 200);
    service.sign_in("admin").await.problem(401, "invalid_credentials");

    // A cookie alone changes nothing. // F-86
    let bare = reqwest::Client::new().post(service.url("/api/v1/auth/logout")).header("cookie", &second);
    service.send(bare).await.problem(403, "forbidden");
    let out = service.ask(&here, "POST", "/api/v1/auth/logout", Value::Null).await;
    assert!(out.status == 204 && out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    me(&service, &here).await.problem(401, "unauthenticated");
    service.stop().await;
}

#[actix_web::test]
async fn f88_guessing_is_slowed_down_and_learns_no_names() {
    let service = TestService::start().await;
    service.claim().await;
    let guess = |name: &str, password: &str| {
        service.post("/api/v1/auth/login", json!({"username": name, "password": password}))
    };
    let known = guess("admin", "a wrong pass phrase").await.problem(401, "invalid_credentials");
    let unknown = guess("nobody", "a wrong pass phrase").await.problem(401, "invalid_credentials");
    assert_eq!(known["detail"], unknown["detail"]);
    let mut refused = None;
    for _ in 0..10 {
        let answer = guess("Admin", "a wrong pass phrase").await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("the eleventh attempt is refused");
    refused.problem(429, "too_many_requests");
    assert!((1..=31).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    guess("admin", PASS_PHRASE).await.problem(429, "too_many_requests");
    guess("somebody else", "a wrong pass phrase").await.problem(401, "invalid_credentials");
    service.stop().await;
}

#[actix_web::test]
async fn f88_each_code_of_the_second_factor_is_good_once() {
    let service = TestService::start().await;
    let person = with_cookie(&service.claim().await);
    let ask = |path: &str, body: Value| {
        let path = format!("/api/v1/auth/two-factor{path}");
        let (service, person) = (&service, &person);
        async move { service.ask(person, "POST", &path, body).await }
    };
    ask("/confirm", json!({"code": "000000"})).await.problem(401, "invalid_credentials");
    let begun = ask("", Value::Null).await.json();
    assert!(begun["otpauth_uri"].as_str().unwrap().starts_with("otpauth://totp/Holdfast:admin?secret="), "{begun}");
    let secret = TotpSecret::try_from_base32(begun["secret"].as_str().unwrap()).unwrap();
    let totp = Builder::new().with_secret(secret).build().unwrap();
    // The window is one step early or late: three codes, each a step of its own.
    let code = |steps: i64| totp.generate(u64::try_from(Utc::now().timestamp() + steps * 30).unwrap()).to_string();
    let (early, late) = (code(-1), code(1));
    let confirmed = ask("/confirm", json!({"code": early})).await;
    let codes: Vec<String> = serde_json::from_value(confirmed.json()["recovery_codes"].clone()).unwrap();
    assert_eq!(codes.len(), 10);
    ask("", Value::Null).await.problem(409, "conflict");

    let login = |code: Value| {
        service.post("/api/v1/auth/login", json!({"username": "admin", "password": PASS_PHRASE, "code": code}))
    };
    service.sign_in("admin").await.problem(401, "second_factor_required");
    login(json!(early)).await.problem(401, "invalid_credentials");
    assert_eq!(login(json!(late)).await.status, 200);
    login(json!(late)).await.problem(401, "invalid_credentials");
    assert_eq!(login(json!(codes[3].to_uppercase().replace('-', ""))).await.status, 200);
    login(json!(codes[3])).await.problem(401, "invalid_credentials");

    ask("/disable", json!({"password": "a wrong pass phrase"})).await.problem(401, "invalid_credentials");
    assert_eq!(ask("/disable", json!({"password": PASS_PHRASE})).await.status, 204);
    service.stop().await;
}

#[actix_web::test]
async fn the_last_administrator_stays() {
    let service = TestService::start().await;
    let administrator = with_cookie(&service.claim().await);
    let mine = me(&service, &administrator).await.json()["user"]["id"].as_str().unwrap().to_owned();
    let own = format!("/api/v1/users/{mine}");
    let patch = |body: Value| service.ask(&administrator, "PATCH", &own, body);
    patch(json!({"grants": [{"role": "operator", "project_id": null}]})).await.problem(409, "last_administrator");
    patch(json!({"disabled": true})).await.problem(409, "last_administrator");
    service.ask(&administrator, "DELETE", &own, Value::Null).await.problem(409, "last_administrator");
    // Who was only invited can't help anybody yet.
    let body = json!({"username": "invited", "grants": [{"role": "administrator"}]});
    assert_eq!(service.ask(&administrator, "POST", "/api/v1/users", body).await.json()["user"]["status"], "invited");
    patch(json!({"disabled": true})).await.problem(409, "last_administrator");
    let (_, other) = service.user(&administrator, "other", &[Grant::everywhere(Role::Administrator)]).await;
    assert_eq!(patch(json!({"disabled": true})).await.json()["status"], "disabled");
    me(&service, &administrator).await.problem(401, "unauthenticated");
    service.sign_in("admin").await.problem(401, "invalid_credentials");
    assert_eq!(me(&service, &other).await.status, 200);
    let nowhere = json!({"grants": [{"role": "viewer", "project_id": uuid::Uuid::nil()}]});
    let bad = service.ask(&other, "PATCH", &own, nowhere).await;
    bad.problem(422, "validation_failed");
    bad.field("/grants");
    service.stop().await;
}

#[actix_web::test]
async fn f87_tokens_reach_no_further_than_who_made_them() {
    let service = TestService::start().await;
    let administrator = with_cookie(&service.claim().await);
    let (id, operator) = service.user(&administrator, "anna", &[Grant::everywhere(Role::Operator)]).await;
    let make = |client: &reqwest::Client, body: Value| {
        let client = client.clone();
        let service = &service;
        async move { service.ask(&client, "POST", "/api/v1/tokens", body).await }
    };
    make(&operator, json!({"name": "t", "role": "administrator"})).await.problem(403, "forbidden");
    make(&operator, json!({"name": "t", "kind": "worker"})).await.problem(403, "forbidden");
    make(&operator, json!({"name": "t"})).await.problem(422, "validation_failed");
    let nowhere = make(&operator, json!({"name": "t", "role": "viewer", "project_id": uuid::Uuid::nil()})).await;
    nowhere.field("/project_id");
    let (token, secret) =
        service.token(&operator, json!({"name": "t", "role": "operator", "expires_in_days": 1})).await;
    assert!(secret.starts_with("hfa_") && secret.len() == 47, "{}", secret.len());
    let program = with_token(&secret);
    let seen = me(&service, &program).await.json();
    assert_eq!((&seen["kind"], &seen["token_name"]), (&json!("token"), &json!("t")));
    make(&program, json!({"name": "t", "role": "viewer"})).await.problem(403, "forbidden");
    let listed = service.ask(&operator, "GET", "/api/v1/tokens", Value::Null).await;
    assert!(!listed.text.contains(&secret) && listed.json()["items"][0]["last_used_at"].is_string(), "{}", listed.text);

    let user = format!("/api/v1/users/{id}");
    let demote = json!({"grants": [{"role": "viewer"}]});
    assert_eq!(service.ask(&administrator, "PATCH", &user, demote).await.status, 200);
    assert_eq!(me(&service, &program).await.json()["grants"], json!([{"role": "viewer", "project_id": null}]));
    assert_eq!(service.ask(&administrator, "PATCH", &user, json!({"disabled": true})).await.status, 200);
    me(&service, &program).await.problem(401, "unauthenticated");
    assert_eq!(service.ask(&administrator, "PATCH", &user, json!({"disabled": false})).await.status, 200);
    assert_eq!(me(&service, &program).await.status, 200);
    assert_eq!(
        service.ask(&administrator, "DELETE", &format!("/api/v1/tokens/{token}"), Value::Null).await.status,
        204
    );
    me(&service, &program).await.problem(401, "unauthenticated");
    service.stop().await;
}

#[actix_web::test]
async fn f88_an_event_stream_ends_with_its_session() {
    let service = TestService::start().await;
    let administrator = with_cookie(&service.claim().await);
    let (id, viewer) = service.user(&administrator, "viewer", &[Grant::everywhere(Role::Viewer)]).await;
    let stream = viewer.get(service.url("/api/v1/events")).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let user = format!("/api/v1/users/{id}");
    assert_eq!(service.ask(&administrator, "PATCH", &user, json!({"disabled": true})).await.status, 200);
    // The stream ends by itself; a stream that goes on would never be read to its end.
    let whole = tokio::time::timeout(std::time::Duration::from_secs(60), stream.text()).await;
    assert!(whole.expect("the stream ended").is_ok());
    service.stop().await;
}

#[actix_web::test]
async fn a_project_goes_only_when_it_is_empty() {
    let service = TestService::start().await;
    let project = service.post("/api/v1/projects", json!({"name": "shops"})).await;
    let address = project.header("location").to_owned();
    let id = project.json()["id"].clone();
    service.post("/api/v1/projects", json!({"name": "shops"})).await.problem(409, "name_taken");
    let datastore = format!("/api/v1/datastores/{}", service.datastore("shop").await.id);
    assert_eq!(service.patch(&datastore, json!({"project_id": id})).await.json()["project_id"], id);
    assert_eq!(service.get(&address).await.json()["datastores"], 1);
    service.delete(&address).await.problem(409, "project_not_empty");
    let nowhere = service.patch(&datastore, json!({"project_id": uuid::Uuid::nil()})).await;
    nowhere.field("/project_id");
    assert_eq!(service.patch(&datastore, json!({"name": "shop-2"})).await.json()["project_id"], id, "left out stays");
    assert_eq!(service.patch(&datastore, json!({"project_id": null})).await.json()["project_id"], Value::Null);
    assert_eq!(service.delete(&address).await.status, 204);
    service.stop().await;
}

#[actix_web::test]
async fn f88_before_it_is_claimed_only_this_machine_gets_in() {
    let service = TestService::start().await;
    // Somebody handed these on: whoever sent them may be anywhere.
    for header in ["x-forwarded-for", "forwarded", "via"] {
        for cookie in ["", "holdfast_session=stale"] {
            let request =
                service.http.get(service.url("/api/v1/datastores")).header(header, "x").header("cookie", cookie);
            service.send(request).await.problem(401, "unauthenticated");
        }
    }
    let stale = service.http.get(service.url("/api/v1/datastores")).header("cookie", "holdfast_session=stale");
    assert_eq!(service.send(stale).await.status, 200);
    let wrong = service.http.get(service.url("/api/v1/datastores")).bearer_auth("hfa_made-up");
    service.send(wrong).await.problem(401, "unauthenticated");
    service.stop().await;
}
