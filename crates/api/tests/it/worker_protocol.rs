//! The protocol between service and workers.

use std::time::{Duration, Instant};

use client::ClientError;
use domain::assignment::{Heartbeat, Outcome, ResultReport, Task, TaskResult};
use domain::{ErrorCode, JobStatus, Secret};
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestService, claim, draft, identity, line, success};

#[actix_web::test]
async fn only_the_workers_token_opens_the_protocol() {
    let service = TestService::start().await;
    let body = json!({"worker": identity("w"), "wait_seconds": 0});
    for path in
        ["claim", "018f0000-0000-7000-8000-000000000000/heartbeat", "018f0000-0000-7000-8000-000000000000/result"]
    {
        let url = service.url(&format!("/api/v1/worker/jobs/{path}"));
        for authorization in
            [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic dGhl"), Some("the-workers-token-of-this-test")]
        {
            let mut request = service.http.post(&url).json(&body);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = service.send(request).await;
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let client = service.client().with_token(Secret::new("wrong"));
    let refused = client.worker_claim(&claim("w", 0)).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthenticated));
    service.stop().await;
}

#[actix_web::test]
async fn bad_claims_are_refused() {
    let service = TestService::start().await;
    for (body, pointer) in [
        (json!({"worker": identity(""), "wait_seconds": 0}), "/worker/name"),
        (json!({"worker": identity("w"), "wait_seconds": 31}), "/wait_seconds"),
        (json!({"worker": identity("w")}), "/wait_seconds"),
    ] {
        let answer = service.post_as_worker("/api/v1/worker/jobs/claim", &body).await;
        answer.problem(422, "validation_failed");
        answer.field(pointer);
    }
    service.stop().await;
}

#[actix_web::test]
async fn a_waiting_claim_gets_a_new_job_at_once() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await.id;
    worker.stop().await;
    let claiming = {
        let client = service.worker_client();
        tokio::spawn(async move { client.worker_claim(&claim("waits", 20)).await.unwrap() })
    };
    // The claim waits once its worker is known.
    crate::support::eventually(
        "the worker is known",
        || async { service.client().worker_list().await.unwrap().items },
        |workers| workers.iter().any(|worker| worker.name == "waits"),
    )
    .await;
    let started = Instant::now();
    let backup = service.client().backup_create(datastore, &Default::default()).await.unwrap();
    let assignment = claiming.await.unwrap().assignment.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "the claim slept");
    assert_eq!((assignment.job_id, assignment.attempt), (backup.job_id, 1));
    let Task::Backup { datastore, .. } = &assignment.task else { panic!("{assignment:?}") };
    assert_eq!(datastore.password.as_ref().map(Secret::expose), Some(crate::support::PASSWORD));
    let running = service.client().worker_list().await.unwrap().items;
    assert!(running.iter().any(|worker| worker.name == "waits" && worker.online && worker.running.len() == 1));
    service.stop().await;
}

#[actix_web::test]
async fn f11_an_old_attempt_hears_lease_lost_and_changes_nothing() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await.id;
    worker.stop().await;
    let client = service.worker_client();
    let backup = service.client().backup_create(datastore, &Default::default()).await.unwrap();
    let request = claim("w", 5);
    let assignment = client.worker_claim(&request).await.unwrap().assignment.unwrap();

    let stale = Heartbeat { attempt: assignment.attempt - 1, ..Heartbeat::default() };
    lost(client.worker_heartbeat(backup.job_id, &stale).await);
    let Outcome::Completed { result } = success(&assignment.task) else { unreachable!() };
    let mut report = ResultReport { attempt: 7, outcome: Outcome::Completed { result }, log_lines: Vec::new() };
    lost(client.worker_result(backup.job_id, &report).await);
    lost(client.worker_heartbeat(Uuid::now_v7(), &Heartbeat { attempt: 1, ..Heartbeat::default() }).await);
    assert_eq!(service.client().backup_get(backup.id).await.unwrap().status, JobStatus::Running);

    // Asked to stop, the worker hears it with its next heartbeat.
    service.client().backup_cancel(backup.id).await.unwrap();
    let beat = Heartbeat { attempt: 1, progress: None, log_lines: vec![line("on")] };
    assert!(client.worker_heartbeat(backup.job_id, &beat).await.unwrap().cancel_requested);

    // F-23: the same report again is accepted, another one is not.
    report.attempt = 1;
    report.outcome = Outcome::Cancelled;
    client.worker_result(backup.job_id, &report).await.unwrap();
    client.worker_result(backup.job_id, &report).await.unwrap();
    assert_eq!(service.client().backup_get(backup.id).await.unwrap().status, JobStatus::Cancelled);
    report.outcome = success(&assignment.task);
    lost(client.worker_result(backup.job_id, &report).await);
    service.stop().await;
}

fn lost<T>(result: Result<T, ClientError>) {
    let code = result.err().and_then(|error| error.code());
    assert_eq!(code, Some(ErrorCode::LeaseLost));
}

#[actix_web::test]
async fn a_result_of_another_kind_is_refused() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await.id;
    worker.stop().await;
    let backup = service.client().backup_create(datastore, &Default::default()).await.unwrap();
    let client = service.worker_client();
    client.worker_claim(&claim("w", 5)).await.unwrap().assignment.unwrap();
    let report =
        ResultReport { attempt: 1, outcome: Outcome::Completed { result: TaskResult::Delete }, log_lines: Vec::new() };
    let answer = service.post_as_worker(&format!("/api/v1/worker/jobs/{}/result", backup.job_id), &report).await;
    answer.problem(422, "validation_failed");
    assert_eq!(service.client().backup_get(backup.id).await.unwrap().status, JobStatus::Running);
    service.stop().await;
}

#[actix_web::test]
async fn a_job_given_back_is_tried_again() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await.id;
    worker.stop().await;
    let backup = service.client().backup_create(datastore, &Default::default()).await.unwrap();
    let client = service.worker_client();
    let request = claim("w", 5);
    client.worker_claim(&request).await.unwrap().assignment.unwrap();
    let report = ResultReport { attempt: 1, outcome: Outcome::Released, log_lines: vec![line("shutting down")] };
    client.worker_result(backup.job_id, &report).await.unwrap();
    let again = client.worker_claim(&request).await.unwrap().assignment.unwrap();
    assert_eq!((again.job_id, again.attempt), (backup.job_id, 2));
    let log = service.client().job_log(backup.job_id, 0, 100).await.unwrap();
    assert!(log.items.iter().any(|line| line.text == "shutting down"));
    let rest = service.client().job_log(backup.job_id, log.items[0].sequence, 1).await.unwrap();
    assert!(rest.items.iter().all(|line| line.sequence > log.items[0].sequence));
    service.stop().await;
}

#[actix_web::test]
async fn a_restarted_service_knows_what_it_knew() {
    let mut service = TestService::start().await;
    let saved = service.client().datastore_create(&draft("shop")).await.unwrap();
    service.running.take().unwrap().stop(Duration::from_secs(5)).await;
    let running = crate::support::start_on(crate::support::open_store(service.directory.path())).await;
    service.address = running.address();
    service.running = Some(running);
    assert_eq!(service.client().datastore_get(saved.id).await.unwrap().name, "shop");
    assert_eq!(service.get("/api/v1/storages").await.json()["total"], 1);
    service.stop().await;
}
