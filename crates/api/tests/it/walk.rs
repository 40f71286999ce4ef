//! One life of a datastore from registration to removal, which calls every operation of the document: an operation that
//! is added without being called here fails the test.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::people::{PASS_PHRASE, cookie_of, with_cookie};
use crate::support::{Answered, TOKEN, TestService, eventually, identity, line, success};

#[actix_web::test]
async fn every_operation_of_the_document_is_called_with_success() {
    let mut service = TestService::start().await;
    let worker = service.worker(success);
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v1/workers"] {
        service.get(path).await;
    }

    let storages = service.get("/api/v1/storages").await.json();
    assert_eq!(storages["items"][0]["name"], "default");
    let created = service.post("/api/v1/storages", json!({"name": "second", "kind": "local", "path": "/srv/b"})).await;
    assert_eq!(created.status, 201);
    let storage = created.header("location").to_owned();
    assert_eq!(service.patch(&storage, json!({"name": "renamed"})).await.json()["name"], "renamed");
    assert_eq!(service.get(&storage).await.json()["path"], "/srv/b");
    assert_eq!(service.delete(&storage).await.status, 204);
    service.get(&storage).await.problem(404, "not_found");

    let draft =
        json!({"name": "shop", "engine": "postgresql", "host": "127.0.0.1", "password": crate::support::PASSWORD});
    let tested = service.post("/api/v1/datastores/test", draft.clone()).await.json();
    assert_eq!(tested["status"], "online");
    let created = service.post("/api/v1/datastores", draft).await;
    assert_eq!(created.status, 201);
    let datastore = created.header("location").to_owned();
    let listed = service.get("/api/v1/datastores?engine=postgresql&status=online").await.json();
    assert_eq!((&listed["total"], &listed["items"][0]["name"]), (&json!(1), &json!("shop")));
    assert_eq!(service.patch(&datastore, json!({"name": "shop-2"})).await.json()["name"], "shop-2");
    assert_eq!(service.get(&datastore).await.json()["has_password"], true);
    assert_eq!(service.post(&format!("{datastore}/test"), json!({})).await.json()["status"], "online");
    assert_eq!(service.get(&format!("{datastore}/recovery-window")).await.json()["supported"], false);

    let backup = ended(&service, service.post(&format!("{datastore}/backups"), json!({})).await, "completed").await;
    let read = service.get(&backup).await.json();
    assert_eq!(
        (&read["number"], &read["size_bytes"], &read["method"]),
        (&json!(1), &json!(1234), &json!("pg_basebackup"))
    );
    assert_eq!(service.get(&format!("{datastore}/backups?status=completed&type=full")).await.json()["total"], 1);
    let log = service.get(&format!("{backup}/log?after=0&limit=10")).await.json();
    assert_eq!(log["items"][0]["text"], "did the backup");
    ended(&service, service.post(&format!("{backup}/verify"), json!({})).await, "completed").await;
    assert_eq!(service.get(&backup).await.json()["verification"]["status"], "passed");

    keep_a_schedule(&service, &datastore).await;
    look_after(&service, &datastore, &backup).await;

    let plan = service.get(&format!("{backup}/restore-plan")).await.json();
    assert_eq!(plan["obstacles"], json!([]));
    assert!(plan["estimated_seconds"].is_u64(), "{plan}");
    let order = json!({"target": {"kind": "in_place"}, "confirm": "shop-2"});
    let restore = ended(&service, service.post(&format!("{backup}/restore"), order).await, "completed").await;
    assert_eq!(service.get(&format!("{datastore}/restores")).await.json()["items"][0]["downtime_seconds"], 1.5);
    assert_eq!(service.get(&format!("{restore}/log")).await.json()["items"][0]["text"], "did the restore");
    let plan = service.get(&format!("{backup}/restore-plan")).await.json();
    assert_eq!(plan["estimated_downtime_seconds"], 2);
    let undo = ended(&service, service.post(&format!("{restore}/undo"), json!({})).await, "completed").await;
    assert_eq!(service.get(&restore).await.json()["status"], "undone");
    assert_eq!(service.get(&format!("{undo}/log")).await.json()["total"], 1);
    assert!(service.get("/api/v1/jobs?kind=restore").await.json()["total"] == 1);

    archive_logs(&service, &datastore).await;
    worker.stop().await;
    cancel_each_kind(&service, &datastore, &backup).await;
    speak_as_worker(&service, &datastore).await;

    let worker = service.worker(success);
    service.delete(&datastore).await.problem(409, "datastore_has_backups");
    let deleted = service.delete(&backup).await;
    assert_eq!(deleted.status, 202);
    eventually("the backup is gone", || service.get(&backup), |answer| answer.status == 404).await;
    assert_eq!(service.delete(&format!("{datastore}?forget_backups=true")).await.status, 204);
    worker.stop().await;

    let stream = service.http.get(service.url("/api/v1/events")).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    service.succeeded.lock().unwrap().insert(("GET".to_owned(), "/api/v1/events".to_owned()));

    let exported = service.get("/api/v1/audit-events/export?format=csv").await;
    assert!(exported.text.starts_with("id,at,actor_kind"), "{}", exported.text);
    let_people_in(&mut service).await;
    let untraced = untraced(&service).await;
    assert_eq!(untraced, Vec::<String>::new(), "operations that changed something and left no audit row");
    // Browsers walk these by way of an identity provider: see the browser tests.
    for path in ["/api/v1/auth/oidc/start", "/api/v1/auth/oidc/callback"] {
        service.succeeded.lock().unwrap().insert(("GET".to_owned(), path.to_owned()));
    }
    assert_eq!(missing(&service), Vec::<String>::new(), "operations that no request called with success");
    service.stop().await;
}

/// Projects, users and tokens; then somebody signs in, and from there on asks for everything.
async fn let_people_in(service: &mut TestService) {
    let project = service.post("/api/v1/projects", json!({"name": "shops"})).await.header("location").to_owned();
    assert_eq!(service.patch(&project, json!({"name": "stores"})).await.json()["name"], "stores");
    assert_eq!(service.get(&project).await.json()["datastores"], 0);
    assert_eq!(service.get("/api/v1/projects").await.json()["total"], 1);
    assert_eq!(service.delete(&project).await.status, 204);
    let made = service.post("/api/v1/users", json!({"username": "anna", "grants": [{"role": "viewer"}]})).await;
    let user = made.header("location").to_owned();
    assert_eq!(service.get(&user).await.json()["status"], "invited");
    assert_eq!(service.post(&format!("{user}/setup-link"), json!({})).await.status, 200);
    assert_eq!(service.patch(&user, json!({"disabled": true})).await.json()["status"], "disabled");
    service.post(&format!("{user}/setup-link"), json!({})).await.problem(409, "conflict");
    assert_eq!(service.delete(&user).await.status, 204);
    assert_eq!(service.get("/api/v1/auth/options").await.json()["oidc"], Value::Null);

    let cookie = service.claim().await;
    service.http = with_cookie(&cookie);
    assert_eq!(service.get("/api/v1/users").await.json()["items"][0]["username"], "admin");
    assert_eq!(service.get("/api/v1/auth/me").await.json()["claimed"], true);
    let token = service.post("/api/v1/tokens", json!({"name": "ci", "role": "viewer"})).await.json();
    assert_eq!(service.get("/api/v1/tokens").await.json()["items"][0], token["token"]);
    let token = format!("/api/v1/tokens/{}", token["token"]["id"].as_str().unwrap());
    assert_eq!(service.delete(&token).await.status, 204);
    let begun = service.post("/api/v1/auth/two-factor", json!({})).await.json();
    let secret = totp_rs::Secret::try_from_base32(begun["secret"].as_str().unwrap()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = json!({"code": totp.generate_current().to_string()});
    assert_eq!(service.post("/api/v1/auth/two-factor/confirm", code).await.status, 200);
    let password = json!({"password": PASS_PHRASE});
    assert_eq!(service.post("/api/v1/auth/two-factor/disable", password).await.status, 204);
    let change = json!({"current_password": PASS_PHRASE, "new_password": PASS_PHRASE});
    assert_eq!(service.post("/api/v1/auth/password", change).await.status, 204);
    let other = with_cookie(&cookie_of(&anew(service).await));
    let sessions = service.get("/api/v1/auth/sessions").await.json();
    let second = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let second = format!("/api/v1/auth/sessions/{}", second["id"].as_str().unwrap());
    assert_eq!(service.delete(&second).await.status, 204);
    service.ask(&other, "GET", "/api/v1/auth/me", Value::Null).await.problem(401, "unauthenticated");
    let other = with_cookie(&cookie_of(&anew(service).await));
    assert_eq!(service.ask(&other, "POST", "/api/v1/auth/logout", Value::Null).await.status, 204);
}

/// A sign-in by a browser that has no session yet.
async fn anew(service: &TestService) -> Answered {
    let body = json!({"username": "admin", "password": PASS_PHRASE});
    service.ask(&reqwest::Client::new(), "POST", "/api/v1/auth/login", body).await
}

/// A schedule's life, its first run included.
async fn keep_a_schedule(service: &TestService, datastore: &str) {
    let recurrence = json!({"recurrence": "TZ=UTC 0 4 * * *"});
    let preview = service.post("/api/v1/schedules/preview", recurrence.clone()).await.json();
    assert_eq!(preview["next_runs"].as_array().map(Vec::len), Some(5));
    assert_eq!(service.get("/api/v1/schedules/settings").await.json()["default_schedule"], true);
    let created = service.post(&format!("{datastore}/schedules"), recurrence).await;
    let schedule = created.header("location").to_owned();
    assert_eq!(service.get(&format!("{datastore}/schedules")).await.json()["total"], 2);
    let edited = service.patch(&schedule, json!({"recurrence": "TZ=UTC 0 6 * * *"})).await.json();
    assert_eq!(service.get(&schedule).await.json(), edited);
    assert_eq!(service.post(&format!("{schedule}/pause"), json!({})).await.json()["status"], "paused");
    assert_eq!(service.post(&format!("{schedule}/resume"), json!({})).await.json()["status"], "active");
    let backup = ended(service, service.post(&format!("{schedule}/run"), json!({})).await, "completed").await;
    assert_eq!(service.get(&format!("{schedule}/runs")).await.json()["total"], 1);
    assert_eq!(service.delete(&schedule).await.status, 204);
    let deleted = service.delete(&backup).await;
    assert_eq!(deleted.status, 202);
    eventually("the backup is gone", || service.get(&backup), |answer| answer.status == 404).await;
}

/// What retention has to say, a hold, and a sweep.
async fn look_after(service: &TestService, datastore: &str, backup: &str) {
    let settings = format!("{datastore}/backup-settings");
    let read = service.get(&settings).await.json();
    let put = |path: String, body: Value| service.send(service.http.put(service.url(&path)).json(&body));
    assert_eq!(put(settings, read.clone()).await.json(), read);
    let plan = format!("{datastore}/retention-plan");
    assert_eq!(service.get(&plan).await.json()["decisions"][0]["verdict"], "keep");
    assert_eq!(service.post(&plan, json!({"keep_last": 5})).await.json()["deletions"], json!([]));
    assert_eq!(put(format!("{backup}/hold"), json!({"reason": "a test"})).await.json()["held"], "a test");
    assert_eq!(service.delete(&format!("{backup}/hold")).await.json()["held"], Value::Null);
    ended(service, service.post(&format!("{datastore}/sweep"), json!({})).await, "completed").await;
}

/// Logs that a worker archives, and what they are good for.
async fn archive_logs(service: &TestService, datastore: &str) {
    let settings = format!("{datastore}/backup-settings");
    let mut switched = service.get(&settings).await.json();
    switched["log_archiving"] = json!(true);
    let answer = service.send(service.http.put(service.url(&settings)).json(&switched)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let claim = json!({"worker": identity("archivist"), "holds": []});
    let claims = service.post_as_worker("/api/v1/worker/log-archivers/claim", &claim).await.json();
    let assignment = &claims["assignments"][0];
    assert_eq!(assignment["branch"], "origin");
    let id = assignment["datastore"]["id"].as_str().unwrap();
    let segment = json!({
        "incarnation": "7512345678901234567-1.origin", "name": "000000010000000000000003", "start": 0x300_0000,
        "end": 0x400_0000, "closed": true, "first_commit_at": "2026-01-01T00:00:00Z", "last_commit_at": chrono::Utc::now(),
        "objects": [{"key": "000000010000000000000003.zst", "size_bytes": 10, "sha256": "00", "original_size_bytes": 0x100_0000}]
    });
    let report = json!({
        "epoch": assignment["epoch"], "incarnation": "7512345678901234567-1.origin", "status": "archiving", "code": null,
        "detail": null, "segments": [segment], "complete_until": chrono::Utc::now(), "lag_bytes": 0
    });
    let address = format!("/api/v1/worker/log-archivers/{id}");
    assert_eq!(service.post_as_worker(&format!("{address}/report"), &report).await.status, 204);
    assert_eq!(service.get_as_worker(&format!("{address}/segments")).await.json()[0]["closed"], true);
    let window = service.get(&format!("{datastore}/recovery-window")).await.json();
    assert_eq!((&window["supported"], &window["log_archiving"]["status"]), (&json!(true), &json!("archiving")));
    let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
    assert_eq!(service.post(&format!("{datastore}/log-scan"), span).await.json()["entries"], json!([]));
    let backup = window["windows"][0]["backup_id"].as_str().unwrap();
    service.delete(&format!("/api/v1/backups/{backup}")).await.problem(409, "backup_has_dependents");
    switched["log_archiving"] = json!(false);
    assert_eq!(service.send(service.http.put(service.url(&settings)).json(&switched)).await.status, 200);
    let ending = || async { service.get("/api/v1/jobs?kind=end_log_archiving").await.json() };
    eventually("the server keeps no log any more", ending, |jobs| jobs["items"][0]["status"] == "completed").await;
}

/// Cancels a waiting job under each of the names that it has.
async fn cancel_each_kind(service: &TestService, datastore: &str, backup: &str) {
    let made = service.post(&format!("{datastore}/backups"), json!({"type": "full"})).await;
    let waiting = made.header("location").to_owned();
    for _ in 0..2 {
        assert_eq!(service.post(&format!("{waiting}/cancel"), json!({})).await.json()["status"], "cancelled");
    }
    let order = json!({"target": {"kind": "in_place"}, "confirm": "shop-2"});
    let restore = service.post(&format!("{backup}/restore"), order).await.header("location").to_owned();
    assert_eq!(service.post(&format!("{restore}/cancel"), json!({})).await.json()["status"], "cancelled");
    let job = service.post(&format!("{backup}/verify"), json!({})).await.header("location").to_owned();
    assert_eq!(service.post(&format!("{job}/cancel"), json!({})).await.json()["status"], "cancelled");
    service.post(&format!("{backup}/cancel"), json!({})).await.problem(409, "not_cancellable");
}

async fn speak_as_worker(service: &TestService, datastore: &str) {
    let backup = service.post(&format!("{datastore}/backups"), json!({})).await.header("location").to_owned();
    let claim = json!({"worker": identity("second-worker"), "wait_seconds": 5});
    let assignment = service.post_as_worker("/api/v1/worker/jobs/claim", &claim).await.json()["assignment"].clone();
    assert_eq!(assignment["task"]["kind"], "backup");
    let job = format!("/api/v1/worker/jobs/{}", assignment["job_id"].as_str().unwrap());
    let paused = service.post_as_worker(&format!("{job}/suspend-archiving"), &json!({"attempt": 1})).await.json();
    assert_eq!(paused["is_free"], true, "nobody archives it");
    let progress = json!({"phase": "streaming", "bytes_done": 5, "bytes_total": 10, "percent": 50.0, "bytes_per_second": 5, "eta_seconds": 1});
    let beat = json!({"attempt": 1, "progress": progress, "log_lines": [line("half")]});
    assert_eq!(service.post_as_worker(&format!("{job}/heartbeat"), &beat).await.json()["cancel_requested"], false);
    assert_eq!(service.get(&backup).await.json()["progress"]["percent"], 50.0);
    let end = json!({"attempt": 1, "outcome": {"status": "failed", "error": {"code": "engine_stalled", "detail": "no bytes"}}, "log_lines": []});
    assert_eq!(service.post_as_worker(&format!("{job}/result"), &end).await.status, 204);
    assert_eq!(service.get(&backup).await.json()["error"]["code"], "engine_stalled");
    assert!(!TOKEN.is_empty());
}

/// The address in `Location`, once its resource has the status.
async fn ended(service: &TestService, answer: crate::support::Answered, status: &str) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let location = answer.header("location").to_owned();
    eventually(status, || async { service.get(&location).await.json() }, |resource| resource["status"] == status).await;
    location
}

/// Operations that are asked for with a body and change nothing.
const QUESTIONS: [&str; 2] = ["retention_preview", "schedule_preview"];

/// The operations of the document that may change something and of which the audit log has no row.
async fn untraced(service: &TestService) -> Vec<String> {
    let mut traced = BTreeSet::new();
    let mut address = "/api/v1/audit-events?limit=200".to_owned();
    loop {
        let page = service.get(&address).await.json();
        for row in page["items"].as_array().unwrap() {
            traced.insert(row["action"].as_str().unwrap().to_owned());
            let by_worker = row["actor"]["kind"] == "worker";
            assert_eq!(by_worker, row["request_id"].is_null(), "{row}");
            assert_eq!(by_worker, row["action"].as_str().unwrap().ends_with("_end"), "{row}");
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => address = format!("/api/v1/audit-events?limit=200&cursor={cursor}"),
            None => break,
        }
    }
    let document: Value = serde_json::to_value(api::openapi()).unwrap();
    let mut untraced = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let is_of_workers = path.starts_with("/api/v1/worker/");
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            let changes = method != "get" && !is_of_workers && !QUESTIONS.contains(&id);
            if changes != traced.contains(id) {
                untraced.push(format!("{method} {path} ({id})"));
            }
        }
    }
    untraced
}

fn missing(service: &TestService) -> Vec<String> {
    let document: Value = serde_json::to_value(api::openapi()).unwrap();
    let called: BTreeSet<(String, Vec<String>)> = service
        .succeeded
        .lock()
        .unwrap()
        .iter()
        .map(|(method, path)| (method.clone(), path.split('/').map(str::to_owned).collect()))
        .collect();
    let mut missing = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let pattern: Vec<&str> = path.split('/').collect();
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let fits = |(verb, parts): &(String, Vec<String>)| {
                verb.eq_ignore_ascii_case(method)
                    && parts.len() == pattern.len()
                    && pattern.iter().zip(parts).all(|(own, given)| own == given || own.starts_with('{'))
            };
            if !called.iter().any(fits) {
                missing.push(format!("{method} {path}"));
            }
        }
    }
    missing
}
