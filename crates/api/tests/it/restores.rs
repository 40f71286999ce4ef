//! The refusals of a restore, each before anything is created, and in their order.

use std::sync::{Arc, Mutex};

use client::PlanQuery;
use domain::assignment::{Outcome, Task, TaskResult};
use domain::{BackupCreate, DatabaseCopy, Engine, ErrorCode, JobError, JobStatus, Method, RestoreTarget, Service};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestService, draft, eventually, healthy, plan, success};

/// A worker that finds servers as their names say.
fn by_name(task: &Task) -> Outcome {
    let Task::Inspect { datastore } = task else { return success(task) };
    let mut inspection = healthy(datastore.engine);
    match datastore.name.as_str() {
        "no-service" => {
            inspection.capabilities.restore_in_place = false;
            inspection.capabilities.restore_in_place_reason = Some("nobody told how to stop it".into());
        }
        "newer" => inspection.engine_version = Some("16.2".into()),
        _ => {}
    }
    Outcome::Completed { result: TaskResult::Inspect { inspection } }
}

async fn completed_backup(service: &TestService, name: &str, engine: Engine) -> Uuid {
    let mut body = draft(name);
    body.engine = engine;
    if name == "no-service" {
        body.service = Some(Service::None);
    }
    let datastore = service.client().datastore_create(&body).await.unwrap();
    let backup = service.client().backup_create(datastore.id, &Default::default()).await.unwrap().id;
    let ask = || async { service.client().backup_get(backup).await.unwrap() };
    eventually("the backup ends", ask, |backup| backup.status == JobStatus::Completed).await;
    backup
}

#[actix_web::test]
async fn f61_f64_each_refusal_has_its_code_and_touches_nothing() {
    let service = TestService::start().await;
    let worker = service.worker(by_name);
    let shop = completed_backup(&service, "shop", Engine::Postgresql).await;
    let redis = completed_backup(&service, "cache", Engine::Redis).await;
    let no_service = completed_backup(&service, "no-service", Engine::Postgresql).await;
    let newer = completed_backup(&service, "newer", Engine::Postgresql).await;
    let (past, future) = ("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
    let in_place = json!({"kind": "in_place"});
    let elsewhere = json!({"kind": "new_datastore", "name": "copy", "data_directory": "relative"});
    let order = |fields: Value| {
        let mut body = json!({"target": in_place, "confirm": "shop"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    for (backup, body, status, code, pointer) in [
        (
            shop,
            order(json!({"pitr_stop_time": past, "pitr_stop_position": {"lsn": "0/1"}})),
            422,
            "validation_failed",
            "/pitr_stop_position",
        ),
        (shop, order(json!({"pitr_stop_time": "yesterday"})), 422, "validation_failed", "/pitr_stop_time"),
        (shop, order(json!({"pitr_stop_time": "2026-01-01T00:00:00"})), 422, "validation_failed", "/pitr_stop_time"),
        (shop, order(json!({"pitr_stop_position": 7})), 422, "validation_failed", "/pitr_stop_position"),
        (shop, order(json!({"pitr_stop_time": future})), 422, "pitr_time_in_future", "/pitr_stop_time"),
        (shop, order(json!({"pitr_stop_time": past})), 422, "pitr_not_supported", "/pitr_stop_time"),
        (shop, order(json!({"pitr_stop_time": "latest"})), 422, "pitr_not_supported", "/pitr_stop_time"),
        (shop, order(json!({"pitr_stop_position": {"lsn": "0/1"}})), 422, "pitr_not_supported", "/pitr_stop_position"),
        (redis, order(json!({"pitr_stop_time": future})), 422, "pitr_not_supported", "/pitr_stop_time"),
        (redis, order(json!({"pitr_stop_time": "odd"})), 422, "validation_failed", "/pitr_stop_time"),
        (shop, order(json!({"target": elsewhere})), 422, "validation_failed", "/target/data_directory"),
        (
            shop,
            order(json!({"target": {"kind": "new_databases", "databases": [{"name": "a", "new_name": "b"}]}})),
            422,
            "validation_failed",
            "/target/kind",
        ),
        (shop, order(json!({"confirm": "Shop"})), 422, "confirmation_mismatch", "/confirm"),
        (shop, order(json!({"confirm": "shop "})), 422, "confirmation_mismatch", "/confirm"),
        (shop, order(json!({"confirm": null})), 422, "confirmation_mismatch", "/confirm"),
        (shop, json!({"target": {"kind": "in_place"}}), 422, "confirmation_mismatch", "/confirm"),
        (shop, order(json!({"target": {"kind": "moon"}})), 422, "validation_failed", "/target/kind"),
        (shop, order(json!({"colour": "red"})), 422, "validation_failed", "/colour"),
        (no_service, order(json!({"confirm": "no-service"})), 409, "service_control_missing", ""),
        (newer, order(json!({"confirm": "newer"})), 409, "incompatible_engine_version", ""),
        // The order: the stop before the target, the target before the confirmation.
        (
            shop,
            order(json!({"pitr_stop_time": past, "target": elsewhere, "confirm": "x"})),
            422,
            "pitr_not_supported",
            "/pitr_stop_time",
        ),
        (shop, order(json!({"target": elsewhere, "confirm": "x"})), 422, "validation_failed", "/target/data_directory"),
        (no_service, order(json!({"confirm": "x"})), 422, "confirmation_mismatch", "/confirm"),
    ] {
        let answer = service.post(&format!("/api/v1/backups/{backup}/restore"), body.clone()).await;
        let problem = answer.problem(status, code);
        if pointer.is_empty() {
            assert!(problem.get("errors").is_none(), "{problem}");
        } else {
            answer.field(pointer);
        }
    }
    let nobody = Uuid::nil();
    service.post(&format!("/api/v1/backups/{nobody}/restore"), order(json!({}))).await.problem(404, "not_found");
    assert_eq!(service.get("/api/v1/jobs?kind=restore").await.json()["total"], 0);
    worker.stop().await;

    // Only what is completed, and one at a time.
    let datastore = service.client().backup_get(shop).await.unwrap().datastore_id;
    let waiting = service.client().backup_create(datastore, &Default::default()).await.unwrap();
    let restore = |backup: Uuid| {
        let service = &service;
        async move {
            service
                .post(
                    &format!("/api/v1/backups/{backup}/restore"),
                    json!({"target": {"kind": "in_place"}, "confirm": "shop"}),
                )
                .await
        }
    };
    restore(waiting.id).await.problem(409, "backup_not_restorable");
    service.get(&format!("/api/v1/backups/{}/restore-plan", waiting.id)).await.problem(409, "backup_not_restorable");
    let busy = restore(shop).await.problem(409, "datastore_busy");
    assert!(busy["detail"].as_str().unwrap().contains(&waiting.job_id.to_string()), "{busy}");
    service.client().backup_cancel(waiting.id).await.unwrap();
    restore(waiting.id).await.problem(409, "backup_not_restorable");
    assert_eq!(restore(shop).await.status, 202);
    restore(shop).await.problem(409, "datastore_busy");
    service.delete(&format!("/api/v1/backups/{shop}")).await.problem(409, "backup_in_use");
    service.stop().await;
}

#[actix_web::test]
async fn a_plan_tells_what_the_worker_found_or_why_there_is_none() {
    let service = TestService::start().await;
    let worker = service.worker(|task| match task {
        Task::PlanRestore { datastore, .. } if datastore.name == "broken" => {
            Outcome::Failed { error: JobError::new(ErrorCode::StorageUnavailable, "the directory is gone") }
        }
        Task::PlanRestore { .. } => {
            let obstacle = domain::Obstacle::new(ErrorCode::InsufficientDiskSpace, "20 GiB are missing");
            let plan = domain::RestorePlan { obstacles: vec![obstacle], ..plan() };
            Outcome::Completed { result: TaskResult::PlanRestore { plan } }
        }
        other => success(other),
    });
    let shop = completed_backup(&service, "shop", Engine::Postgresql).await;
    let broken = completed_backup(&service, "broken", Engine::Postgresql).await;
    let plan = service.client().backup_restore_plan(shop, &client::PlanQuery::default()).await.unwrap();
    assert_eq!(plan.obstacles[0].code, ErrorCode::InsufficientDiskSpace);
    service.get(&format!("/api/v1/backups/{broken}/restore-plan")).await.problem(503, "storage_unavailable");
    worker.stop().await;
    service.stop().await;
}

/// As [`success`], on a server that dumps can be made of.
fn dumping(task: &Task) -> Outcome {
    let Task::Inspect { datastore } = task else { return success(task) };
    let mut inspection = healthy(datastore.engine);
    for known in &mut inspection.capabilities.methods {
        (known.method, known.kind) = (Method::PgDump, Method::PgDump.kind());
    }
    Outcome::Completed { result: TaskResult::Inspect { inspection } }
}

#[actix_web::test]
async fn databases_are_restored_under_new_names_without_a_confirmation() {
    let service = TestService::start().await;
    let (seen, planned) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let worker = service.worker({
        let (seen, planned) = (seen.clone(), planned.clone());
        move |task| {
            match task {
                Task::Restore { restore, .. } => seen.lock().unwrap().push(restore.target.clone()),
                Task::PlanRestore { target, .. } => planned.lock().unwrap().push(target.clone()),
                _ => {}
            }
            dumping(task)
        }
    });
    let datastore = service.client().datastore_create(&draft("shop")).await.unwrap().id;
    let ask = || async { service.client().datastore_get(datastore).await.unwrap() };
    eventually("it is looked at", ask, |datastore| !datastore.capabilities.methods.is_empty()).await;
    let order = BackupCreate { method: Some(Method::PgDump), ..BackupCreate::default() };
    let backup = service.client().backup_create(datastore, &order).await.unwrap().id;
    let ask = || async { service.client().backup_get(backup).await.unwrap() };
    eventually("the backup ends", ask, |backup| backup.status == JobStatus::Completed).await;

    let url = format!("/api/v1/backups/{backup}/restore");
    for (databases, pointer) in [
        (json!([]), "/target/databases"),
        (json!([{"name": "a", "new_name": " "}]), "/target/databases/0/new_name"),
        (json!([{"name": "a", "new_name": "b"}, {"name": "c", "new_name": "B"}]), "/target/databases/1/new_name"),
    ] {
        let answer = service.post(&url, json!({"target": {"kind": "new_databases", "databases": databases}})).await;
        answer.problem(422, "validation_failed");
        answer.field(pointer);
    }
    for query in ["shop", "[]"] {
        let url = format!("/api/v1/backups/{backup}/restore-plan?new_databases={query}");
        service.get(&url).await.problem(422, "validation_failed");
    }
    let copies = vec![DatabaseCopy { name: "a&b".into(), new_name: "a copy".into() }];
    let query = PlanQuery { new_databases: Some(json!(copies).to_string()), ..PlanQuery::default() };
    service.client().backup_restore_plan(backup, &query).await.unwrap();
    let expected = RestoreTarget::NewDatabases { databases: copies.clone() };
    assert_eq!(*planned.lock().unwrap(), vec![expected.clone()]);

    let target = json!({"kind": "new_databases", "databases": copies});
    let restore = service.post(&url, json!({"target": target})).await.json();
    assert_eq!(restore["target"], target);
    let id: Uuid = restore["id"].as_str().unwrap().parse().unwrap();
    let ask = || async { service.client().restore_get(id).await.unwrap() };
    eventually("the restore ends", ask, |restore| restore.undo_until.is_some()).await;
    assert_eq!(*seen.lock().unwrap(), [expected]);
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn an_undo_is_possible_once() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let backup = completed_backup(&service, "shop", Engine::Postgresql).await;
    let order = json!({"target": {"kind": "in_place"}, "confirm": "shop"});
    let restore = service.post(&format!("/api/v1/backups/{backup}/restore"), order).await.json();
    let id: Uuid = restore["id"].as_str().unwrap().parse().unwrap();
    let ask = || async { service.client().restore_get(id).await.unwrap() };
    eventually("the restore ends", ask, |restore| restore.undo_until.is_some()).await;
    service.client().restore_undo(id).await.unwrap();
    eventually("it is undone", ask, |restore| restore.status == domain::RestoreStatus::Undone).await;
    service.post(&format!("/api/v1/restores/{id}/undo"), json!({})).await.problem(409, "undo_not_possible");
    worker.stop().await;
    service.stop().await;
}
