//! What holds for every address: how errors look, what is refused, how lists are paged, what a repeated request does.

use domain::ErrorCode;
use serde_json::json;

use crate::support::{TestService, draft, healthy, success};
use domain::assignment::{Outcome, Task, TaskResult};

#[actix_web::test]
async fn every_answer_bears_an_id_of_its_own() {
    let service = TestService::start().await;
    let (first, second) = (service.get("/healthz").await, service.get("/api/v1/nothing").await);
    assert_eq!(first.header("x-request-id").len(), 36);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_eq!(second.problem(404, "not_found")["instance"], "/api/v1/nothing");
    service.stop().await;
}

#[actix_web::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405() {
    let service = TestService::start().await;
    let unknown = "018f0000-0000-7000-8000-000000000000";
    for path in [
        "/api".to_owned(),
        "/api/v2/datastores".to_owned(),
        format!("/api/v1/datastores/{unknown}"),
        format!("/api/v1/datastores/{unknown}/backups"),
        format!("/api/v1/datastores/{unknown}/restores"),
        format!("/api/v1/datastores/{unknown}/recovery-window"),
        format!("/api/v1/backups/{unknown}"),
        format!("/api/v1/backups/{unknown}/log"),
        format!("/api/v1/backups/{unknown}/restore-plan"),
        format!("/api/v1/restores/{unknown}"),
        format!("/api/v1/jobs/{unknown}"),
        format!("/api/v1/jobs/{unknown}/log"),
        format!("/api/v1/storages/{unknown}"),
        "/api/v1/jobs/not-a-uuid".to_owned(),
        "/api/v1/jobs/..%2f..%2fetc".to_owned(),
    ] {
        service.get(&path).await.problem(404, "not_found");
    }
    for (path, allow) in [
        ("/api/v1/jobs", "GET, HEAD"),
        ("/api/v1/datastores/x/backups", "GET, HEAD, POST"),
        ("/api/v1/datastores/test", "POST"),
        ("/healthz", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ] {
        for method in ["PUT", "TRACE", "OPTIONS", "BREW"] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let answer = service.send(service.http.request(method, service.url(path))).await;
            answer.problem(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), allow, "{path}");
        }
    }
    // Without its token the workers' protocol says nothing, not even that.
    service.post("/api/v1/worker/jobs/claim", json!({})).await.problem(401, "unauthenticated");
    let answer = service.get_as_worker("/api/v1/worker/jobs/claim").await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
    let answer = service.patch("/api/v1/datastores/test", json!({})).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
    let head = service.send(service.http.head(service.url("/api/v1/jobs"))).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    service.stop().await;
}

#[actix_web::test]
async fn bad_bodies_are_refused_with_their_field() {
    let service = TestService::start().await;
    let post = |body: &'static str| {
        service.http.post(service.url("/api/v1/datastores")).header("content-type", "application/json").body(body)
    };
    for body in ["", "{", "[]", "null", "{\"name\": \"a\"", "\u{feff}{}"] {
        service.send(post(body)).await.problem(400, "malformed_body");
    }
    let form = service.http.post(service.url("/api/v1/datastores")).body("name=a");
    service.send(form).await.problem(400, "malformed_body");

    let good = json!({"name": "a", "engine": "redis", "host": "localhost"});
    for (change, pointer) in [
        (json!({"engine": "oracle"}), "/engine"),
        (json!({"engine": 7}), "/engine"),
        (json!({"port": 0}), "/port"),
        (json!({"port": 70000}), "/port"),
        (json!({"name": "-rf"}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "a\u{0}b"}), "/name"),
        (json!({"host": "a b"}), "/host"),
        (json!({"username": "-u"}), "/username"),
        (json!({"data_directory": "relative"}), "/data_directory"),
        (json!({"service": {"kind": "command", "start": [], "stop": ["x"]}}), "/service/start"),
        (json!({"storage_id": "018f0000-0000-7000-8000-000000000000"}), "/storage_id"),
        (json!({"worker": ""}), "/worker"),
        (json!({"colour": "red"}), "/colour"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = service.post("/api/v1/datastores", body).await;
        answer.problem(422, "validation_failed");
        answer.field(pointer);
    }
    let mut without_host = good;
    without_host.as_object_mut().unwrap().remove("host");
    let answer = service.post("/api/v1/datastores", without_host).await;
    answer.problem(422, "validation_failed");
    answer.field("/host");
    assert_eq!(service.get("/api/v1/datastores").await.json()["total"], 0);
    service.stop().await;
}

#[actix_web::test]
async fn bad_queries_are_refused_with_their_field() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let id = service.datastore("shop").await.id;
    for (path, pointer) in [
        ("/api/v1/jobs?limit=0".to_owned(), "/limit"),
        ("/api/v1/jobs?limit=201".to_owned(), "/limit"),
        ("/api/v1/jobs?limit=-1".to_owned(), "/limit"),
        ("/api/v1/jobs?status=odd".to_owned(), "/status"),
        ("/api/v1/jobs?colour=red".to_owned(), "/colour"),
        ("/api/v1/jobs?cursor=odd".to_owned(), "/cursor"),
        ("/api/v1/jobs?cursor=".to_owned(), "/cursor"),
        ("/api/v1/jobs?datastore_id=".to_owned(), "/datastore_id"),
        ("/api/v1/jobs?limit=1&limit=2".to_owned(), "/limit"),
        ("/api/v1/jobs?cursor=%00".to_owned(), "/cursor"),
        ("/api/v1/jobs?datastore_id=7".to_owned(), "/datastore_id"),
        ("/api/v1/datastores?engine=oracle".to_owned(), "/engine"),
        (format!("/api/v1/datastores/{id}/backups?from=yesterday"), "/from"),
        (format!("/api/v1/datastores/{id}/backups?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"), "/to"),
        (format!("/api/v1/datastores/{id}/backups?method=magic"), "/method"),
        (format!("/api/v1/datastores/{id}/restores?status=odd"), "/status"),
        ("/api/v1/storages?limit=x".to_owned(), "/limit"),
    ] {
        let answer = service.get(&path).await;
        answer.problem(422, "validation_failed");
        answer.field(pointer);
    }
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn lists_are_paged_by_cursor() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    for number in 0..5 {
        service.datastore(&format!("shop-{number}")).await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/datastores?limit=2".to_owned();
    loop {
        let page = service.get(&path).await.json();
        assert_eq!(page["total"], 5);
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => path = format!("/api/v1/datastores?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["shop-4", "shop-3", "shop-2", "shop-1", "shop-0"]);
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn f92_what_is_too_large_is_refused() {
    let service = TestService::start().await;
    let body = json!({"name": "x".repeat(300 << 10), "engine": "redis", "host": "localhost"});
    service.post("/api/v1/datastores", body).await.problem(413, "payload_too_large");
    service.stop().await;
}

#[actix_web::test]
async fn f23_a_repeated_request_does_its_work_once() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await.id;
    worker.stop().await;
    let url = service.url(&format!("/api/v1/datastores/{datastore}/backups"));
    let post = |key: &str, body: serde_json::Value| {
        service.send(service.http.post(&url).header("Idempotency-Key", key).json(&body))
    };

    let first = post("key-1", json!({})).await;
    let again = post("key-1", json!({})).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!((&first.text, first.header("location")), (&again.text, again.header("location")));
    post("key-1", json!({"type": "full"})).await.problem(409, "idempotency_key_reused");
    // A refusal is not kept: once the cause is gone, the same request works.
    post("key-2", json!({})).await.problem(409, "datastore_busy");
    service.post(&format!("{}/cancel", first.header("location")), json!({})).await;
    assert_eq!(post("key-2", json!({})).await.status, 202);
    assert_eq!(service.get(&format!("/api/v1/datastores/{datastore}/backups")).await.json()["total"], 2);
    let answer = post(&"k".repeat(256), json!({})).await;
    answer.problem(422, "validation_failed");
    answer.field("/Idempotency-Key");
    service.stop().await;
}

#[actix_web::test]
async fn f16_a_busy_datastore_names_its_job() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await.id;
    worker.stop().await;
    let backups = format!("/api/v1/datastores/{datastore}/backups");
    let job = service.post(&backups, json!({})).await.json()["job_id"].as_str().unwrap().to_owned();
    let problem = service.post(&backups, json!({})).await.problem(409, "datastore_busy");
    assert!(problem["detail"].as_str().unwrap().contains(&job), "{problem}");
    service.delete(&format!("/api/v1/datastores/{datastore}")).await.problem(409, "datastore_busy");
    service.stop().await;
}

#[actix_web::test]
async fn a_method_that_does_not_work_there_is_refused() {
    let service = TestService::start().await;
    let worker = service.worker(|task| match task {
        Task::Inspect { datastore } if datastore.name == "empty" => {
            let mut inspection = healthy(datastore.engine);
            inspection.capabilities.methods.clear();
            Outcome::Completed { result: TaskResult::Inspect { inspection } }
        }
        other => success(other),
    });
    let shop = service.datastore("shop").await.id;
    let tried = service.client().datastore_create(&draft("empty")).await.unwrap();
    // What was missing may have been mended since: the engine's own method is tried.
    assert_eq!(service.post(&format!("/api/v1/datastores/{}/backups", tried.id), json!({})).await.status, 202);
    for (id, body, pointer) in [
        (shop, json!({"method": "rdb"}), "/method"),
        (shop, json!({"type": "incremental"}), "/type"),
        (tried.id, json!({"method": "rdb"}), "/method"),
    ] {
        let answer = service.post(&format!("/api/v1/datastores/{id}/backups"), body).await;
        answer.problem(422, ErrorCode::UnsupportedMethod.as_str());
        answer.field(pointer);
    }
    worker.stop().await;
    service.stop().await;
}
