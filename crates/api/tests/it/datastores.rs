//! Registration: what is saved, what is refused, and that what was saved before is never lost.

use domain::assignment::{Outcome, Task, TaskResult};
use domain::{DatastoreStatus, ErrorCode, Inspection, JobError, JobStatus};
use serde_json::json;

use crate::support::{FakeWorker, PASSWORD, TestService, draft, eventually, healthy, success};

/// A worker whose inspections depend on the host that it is told.
fn by_host(task: &Task) -> Outcome {
    let Task::Inspect { datastore } = task else { return success(task) };
    assert_eq!(datastore.password.as_ref().map(|password| password.expose()), Some(PASSWORD));
    let inspection = match datastore.host.as_str() {
        "unreachable" => Inspection::failed(ErrorCode::HostUnreachable, "nobody answers", Some("start it".into())),
        "wrong-password" => Inspection::failed(ErrorCode::AuthenticationFailed, "no", None),
        "tablespaces" => Inspection {
            refusal: Some(JobError::new(ErrorCode::TablespacesUnsupported, "there is the tablespace fast")),
            ..healthy(datastore.engine)
        },
        "other-server" => Inspection { server_identity: Some("1".into()), ..healthy(datastore.engine) },
        "broken" => {
            let error = JobError::new(ErrorCode::MissingTool, "psql is not installed");
            return Outcome::Failed { error };
        }
        _ => healthy(datastore.engine),
    };
    Outcome::Completed { result: TaskResult::Inspect { inspection } }
}

#[actix_web::test]
async fn what_a_worker_finds_is_saved_with_the_datastore() {
    let service = TestService::start().await;
    let worker = service.worker(by_host);
    for (host, status, finding) in [
        ("good", "online", "connected"),
        ("unreachable", "offline", "host_unreachable"),
        ("wrong-password", "offline", "authentication_failed"),
        ("broken", "unknown", "missing_tool"),
    ] {
        let mut body = draft(host);
        body.host = host.to_owned();
        let answer = service.post("/api/v1/datastores", serde_json::to_value(&body).unwrap()).await;
        assert_eq!(answer.status, 201, "{host}: {}", answer.text);
        let saved = service.get(answer.header("location")).await.json();
        assert_eq!(saved["status"], status, "{saved}");
        assert_eq!(saved["findings"][0]["code"], finding, "{saved}");
        assert_eq!(saved["has_password"], true);
        assert!(saved.get("password").is_none());
    }
    let mut refused = draft("tablespaces");
    refused.host = "tablespaces".to_owned();
    let answer = service.post("/api/v1/datastores", serde_json::to_value(&refused).unwrap()).await;
    answer.problem(422, "tablespaces_unsupported");
    assert_eq!(service.get("/api/v1/datastores").await.json()["total"], 4);

    let problem = service.post("/api/v1/datastores", serde_json::to_value(draft("good")).unwrap()).await;
    problem.problem(409, "name_taken");
    problem.field("/name");
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn without_a_worker_nobody_waits() {
    let service = TestService::start().await;
    let started = std::time::Instant::now();
    let tested = service.client().datastore_test_draft(&draft("a")).await.unwrap();
    assert_eq!((tested.status, tested.findings[0].code.as_str()), (DatastoreStatus::Unknown, "no_worker"));
    let saved = service.client().datastore_create(&draft("a")).await.unwrap();
    assert_eq!((saved.status, saved.findings[0].code.as_str()), (DatastoreStatus::Unknown, "no_worker"));
    // A worker that may not have this datastore is none for it.
    let worker = service.worker(success);
    eventually("the worker is known", || worker_names(&service), |workers| !workers.is_empty()).await;
    let mut pinned = draft("pinned");
    pinned.worker = Some("elsewhere".to_owned());
    let saved = service.client().datastore_create(&pinned).await.unwrap();
    assert_eq!(saved.findings[0].code, "no_worker");
    assert!(started.elapsed().as_secs() < 15, "somebody waited");
    worker.stop().await;
    service.stop().await;
}

async fn worker_names(service: &TestService) -> Vec<String> {
    service.client().worker_list().await.unwrap().items.into_iter().map(|worker| worker.name).collect()
}

#[actix_web::test]
async fn a_change_that_is_refused_changes_nothing() {
    let service = TestService::start().await;
    let worker = service.worker(by_host);
    let before = service.datastore("shop").await;
    service.datastore("taken").await;
    let path = format!("/api/v1/datastores/{}", before.id);
    service.patch(&path, json!({"host": "tablespaces"})).await.problem(422, "tablespaces_unsupported");
    // F-54
    service.patch(&path, json!({"host": "other-server"})).await.problem(409, "server_identity_changed");
    service.patch(&path, json!({"host": "good", "name": "taken"})).await.problem(409, "name_taken");
    service.patch(&path, json!({"engine": "redis"})).await.field("/engine");
    assert_eq!(service.client().datastore_get(before.id).await.unwrap(), before);
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_failed_look_keeps_what_was_known() {
    let service = TestService::start().await;
    let worker = service.worker(by_host);
    let before = service.datastore("shop").await;
    let path = format!("/api/v1/datastores/{}", before.id);
    let changed = service.patch(&path, json!({"host": "unreachable"})).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let after = service.client().datastore_get(before.id).await.unwrap();
    assert_eq!((after.status, after.host.as_str()), (DatastoreStatus::Offline, "unreachable"));
    assert_eq!(after.engine_version, before.engine_version);
    assert_eq!(after.server_identity, before.server_identity);
    assert_eq!(after.capabilities, before.capabilities);
    assert_eq!(after.service, before.service);
    // The password was left out, and stays: the worker asserts that it gets it.
    let back = service.patch(&path, json!({"host": "good"})).await.json();
    assert_eq!(back["status"], "online");
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_renaming_needs_no_worker() {
    let service = TestService::start().await;
    let worker = service.worker(by_host);
    let before = service.datastore("shop").await;
    let looks = worker.seen.lock().unwrap().len();
    let renamed =
        service.patch(&format!("/api/v1/datastores/{}", before.id), json!({"name": "O'Reilly $(x) 数据"})).await;
    assert_eq!(renamed.json()["name"], "O'Reilly $(x) 数据");
    assert_eq!(renamed.json()["status"], "online");
    assert_eq!(worker.seen.lock().unwrap().len(), looks);
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_test_saves_what_it_finds() {
    let service = TestService::start().await;
    let saved = service.client().datastore_create(&draft("shop")).await.unwrap();
    assert_eq!(saved.status, DatastoreStatus::Unknown);
    let worker = FakeWorker::start(&service, "w", by_host);
    eventually("the worker is known", || worker_names(&service), |workers| !workers.is_empty()).await;
    assert_eq!(service.client().datastore_test(saved.id).await.unwrap().status, DatastoreStatus::Online);
    let after = service.client().datastore_get(saved.id).await.unwrap();
    assert_eq!((after.status, after.engine_version.as_deref()), (DatastoreStatus::Online, Some("15.18")));
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_datastore_with_backups_is_kept_unless_they_may_be_forgotten() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let id = service.datastore("shop").await.id;
    let backup = service.client().backup_create(id, &Default::default()).await.unwrap().id;
    let ask = || async { service.client().backup_get(backup).await.unwrap() };
    eventually("the backup ends", ask, |backup| backup.status == JobStatus::Completed).await;
    service.delete(&format!("/api/v1/datastores/{id}")).await.problem(409, "datastore_has_backups");
    service.client().datastore_delete(id, true).await.unwrap();
    service.get(&format!("/api/v1/backups/{backup}")).await.problem(404, "not_found");
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_storage_in_use_stays_and_its_secret_is_never_shown() {
    let service = TestService::start().await;
    let body = json!({"name": "bucket", "kind": "s3", "bucket": "backups", "access_key_id": "AK", "secret_access_key": PASSWORD});
    let created = service.post("/api/v1/storages", body).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["bucket"], "backups");
    let taken = service.post("/api/v1/storages", json!({"name": "bucket", "kind": "local", "path": "/a"})).await;
    taken.problem(409, "name_taken");
    let relative = service.post("/api/v1/storages", json!({"name": "x", "kind": "local", "path": "a"})).await;
    relative.problem(422, "validation_failed");
    relative.field("/path");
    service.client().datastore_create(&draft("shop")).await.unwrap();
    let default = service.get("/api/v1/storages").await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|storage| storage["name"] == "default")
        .unwrap()["id"]
        .clone();
    service.delete(&format!("/api/v1/storages/{}", default.as_str().unwrap())).await.problem(409, "storage_in_use");
    service.stop().await;
}

#[actix_web::test]
async fn a_shared_storage_is_a_bucket_and_never_beside_a_directory() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let bucket = json!({"name": "bucket", "kind": "s3", "bucket": "backups", "access_key_id": "AK", "secret_access_key": PASSWORD});
    let bucket = service.post("/api/v1/storages", bucket).await.json()["id"].clone();
    let local = service.post("/api/v1/storages", json!({"name": "local", "kind": "local", "path": "/a"})).await;
    let local = local.json()["id"].clone();
    let directory = json!({"server_path": "/srv/x", "worker_path": "/srv/x"});
    let registration = |storage: &serde_json::Value, directory: Option<&serde_json::Value>| {
        let mut body = serde_json::to_value(draft("shop")).unwrap();
        body["shared_storage_id"] = storage.clone();
        body["shared_directory"] = directory.cloned().unwrap_or_default();
        body
    };
    let nothing = json!(uuid::Uuid::nil());
    for address in ["/api/v1/datastores", "/api/v1/datastores/test"] {
        for body in [registration(&bucket, Some(&directory)), registration(&local, None), registration(&nothing, None)]
        {
            let refused = service.post(address, body).await;
            refused.problem(422, "validation_failed");
            refused.field("/shared_storage_id");
        }
    }
    let created = service.post("/api/v1/datastores", registration(&bucket, None)).await;
    assert_eq!((created.status.as_u16(), &created.json()["shared_storage_id"]), (201, &bucket), "{}", created.text);
    assert!(!created.text.contains(PASSWORD));
    let address = created.header("location").to_owned();
    let both = service.patch(&address, json!({"shared_storage_id": bucket, "shared_directory": directory})).await;
    both.problem(422, "validation_failed");
    service.patch(&address, json!({"shared_storage_id": local})).await.problem(422, "validation_failed");
    let used = service.delete(&format!("/api/v1/storages/{}", bucket.as_str().unwrap())).await;
    used.problem(409, "storage_in_use");
    assert!(used.text.contains("shop"), "{}", used.text);
    let changed = service.patch(&address, json!({"shared_directory": directory})).await.json();
    assert_eq!((&changed["shared_directory"], &changed["shared_storage_id"]), (&directory, &serde_json::Value::Null));
    service.delete(&format!("/api/v1/storages/{}", bucket.as_str().unwrap())).await;
    worker.stop().await;
    service.stop().await;
}
