//! The control database on PostgreSQL, and what the service does while it is gone.

use domain::DatastoreStatus;
use serde_json::json;
use store::{MasterKey, Store};
use testkit::Postgres;

use crate::support::{FakeWorker, TestService, claim, draft, eventually, start_on, success};

#[actix_web::test]
async fn f20_a_lost_control_database_is_said_honestly_and_found_again() {
    let server = Postgres::start().unwrap();
    server.sql("create role control login password 'control'").unwrap();
    server.sql("create database control owner control").unwrap();
    let url = format!("postgres://control:control@127.0.0.1:{}/control", server.port);
    let service = TestService::start_at(&url).await;
    let saved = service.client().datastore_create(&draft("shop")).await.unwrap();
    assert_eq!(service.get("/readyz").await.status, 200);

    server.crash().unwrap();
    for path in ["/readyz", "/api/v1/datastores", "/metrics"] {
        let answer = service.get(path).await;
        answer.problem(503, "database_unavailable");
        assert_eq!(answer.header("retry-after"), "2");
    }
    let answer = service.post("/api/v1/storages", json!({"name": "x", "kind": "local", "path": "/x"})).await;
    answer.problem(503, "database_unavailable");
    assert_eq!(service.get("/healthz").await.status, 200);

    server.start_again().unwrap();
    eventually("the service is ready", || service.get("/readyz"), |answer| answer.status == 200).await;
    let ask = || async { service.client().datastore_get(saved.id).await.ok() };
    eventually("the datastore is there", ask, |found| found.as_ref().is_some_and(|found| found.name == "shop")).await;
    assert_eq!(service.get("/api/v1/storages").await.json()["total"], 1);
    service.stop().await;
}

#[actix_web::test]
async fn two_services_on_one_database_tell_each_other() {
    let database = testkit::control_database();
    let first = TestService::start_at(&database.url).await;
    let key = MasterKey::load_or_create(&first.directory.path().join("master.key")).unwrap();
    let running = start_on(Store::open(&database.url, key).unwrap()).await;
    let second = TestService::with(running, tempfile::tempdir().unwrap());
    // A worker of the second does what the first is asked for.
    second.worker_client().worker_claim(&claim("far", 0)).await.unwrap();
    let worker = FakeWorker::spawn(&second, "far", success);
    let found = first.client().datastore_create(&draft("shop")).await.unwrap();
    assert_eq!(found.status, DatastoreStatus::Online);
    worker.stop().await;
    second.stop().await;
    first.stop().await;
}
