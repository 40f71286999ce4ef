//! The audit log as the API shows it: who asked, from where, and under which request id; and the files that it is exported to.

use client::{AuditExportFormat, AuditQuery};
use domain::{ActorKind, AuditEvent, AuditOutcome, SubjectKind};
use serde_json::json;

use crate::support::{PASSWORD, TestService, eventually, success};

async fn rows(service: &TestService, query: &AuditQuery) -> Vec<AuditEvent> {
    service.client().audit_event_list(query).await.unwrap().items
}

fn of(action: &str) -> AuditQuery {
    AuditQuery { action: Some(action.into()), ..AuditQuery::default() }
}

#[actix_web::test]
async fn a_row_tells_who_asked_from_where_and_under_which_request() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let created = service
        .post(
            "/api/v1/datastores",
            json!({"name": "shop", "engine": "postgresql", "host": "127.0.0.1", "password": PASSWORD}),
        )
        .await;
    let datastore = created.json();
    let found = rows(&service, &AuditQuery::default()).await;
    assert_eq!(found.len(), 1, "the worker's look at the server is part of it: {found:?}");
    let row = &found[0];
    assert_eq!((row.action.as_str(), row.outcome), ("datastore_create", AuditOutcome::Succeeded));
    assert_eq!((row.actor.kind, row.actor.name.as_str()), (ActorKind::Unclaimed, "this machine"));
    assert_eq!((row.subject.kind, row.subject.name.as_deref()), (SubjectKind::Datastore, Some("shop")));
    assert_eq!(json!(row.subject.id), datastore["id"]);
    assert_eq!(json!(row.datastore_id), datastore["id"]);
    assert_eq!(row.from_address.as_deref(), Some("127.0.0.1"));
    assert_eq!(row.request_id.as_deref(), Some(created.header("x-request-id")));

    let address = format!("/api/v1/datastores/{}", row.datastore_id.unwrap());
    let backup = service.post(&format!("{address}/backups"), json!({})).await.json();
    let path = format!("/api/v1/backups/{}", backup["id"].as_str().unwrap());
    eventually("it ends", || async { service.get(&path).await.json() }, |backup| backup["status"] == "completed").await;
    let end = rows(&service, &of("backup_end")).await.remove(0);
    assert_eq!((end.actor.kind, end.actor.name.as_str()), (ActorKind::Worker, "test-worker"));
    assert_eq!((json!(end.subject.id), end.request_id), (backup["id"].clone(), None));
    assert!(end.actor.id.is_some());
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn what_is_refused_or_repeated_leaves_no_second_row() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await;
    worker.stop().await;
    let backups = service.url(&format!("/api/v1/datastores/{}/backups", datastore.id));
    for _ in 0..2 {
        let request = service.http.post(&backups).header("Idempotency-Key", "once").json(&json!({}));
        assert_eq!(service.send(request).await.status, 202);
    }
    service.send(service.http.post(&backups).json(&json!({}))).await.problem(409, "datastore_busy");
    service.send(service.http.post(&backups).json(&json!({"method": "rdb"}))).await.problem(422, "unsupported_method");
    assert_eq!(rows(&service, &of("backup_create")).await.len(), 1);
    let read = rows(&service, &of("datastore_list")).await;
    assert_eq!(read, Vec::new(), "reading is not written down");
    service.stop().await;
}

#[actix_web::test]
async fn filters_and_pages_are_kept_and_wrong_ones_refused() {
    let service = TestService::start().await;
    for name in ["a", "b", "c"] {
        let body = json!({"name": name, "kind": "local", "path": "/srv/b"});
        assert_eq!(service.post("/api/v1/storages", body).await.status, 201);
    }
    let first = service.get("/api/v1/audit-events?limit=2&actor=this%20machine&outcome=succeeded").await.json();
    assert_eq!((&first["total"], &first["items"][0]["subject"]["name"]), (&json!(3), &json!("c")));
    let next = format!("/api/v1/audit-events?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let last = service.get(&next).await.json();
    assert_eq!((&last["items"][0]["id"], &last["next_cursor"]), (&json!(1), &json!(null)));
    let at = first["items"][0]["at"].as_str().unwrap();
    assert_eq!(service.get(&format!("/api/v1/audit-events?from={at}")).await.json()["total"], 1);
    assert_eq!(service.get(&format!("/api/v1/audit-events?to={at}")).await.json()["total"], 2);
    for (query, pointer) in [
        ("outcome=fine", "/outcome"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "/to"),
        ("limit=0", "/limit"),
        ("cursor=zz", "/cursor"),
        ("datastore_id=1", "/datastore_id"),
    ] {
        service.get(&format!("/api/v1/audit-events?{query}")).await.field(pointer);
    }
    service.get("/api/v1/audit-events/export?format=xml").await.field("/format");
    service.stop().await;
}

#[actix_web::test]
async fn an_export_holds_every_row_however_many() {
    let service = TestService::start().await;
    // More than one piece of the stream.
    let store = crate::support::open_store(service.directory.path());
    let entry = domain::AuditEntry::new(
        domain::Actor::named(ActorKind::Anonymous, "=cmd|'/c calc'!A1"),
        "auth_login",
        domain::Subject::of(SubjectKind::User, None),
    );
    for _ in 0..1201 {
        store.audit_append(&entry, chrono::Utc::now()).unwrap();
    }
    let all = AuditQuery { actor: Some(entry.actor.name.clone()), ..AuditQuery::default() };
    let client = service.client();
    let lines = String::from_utf8(client.audit_event_export(AuditExportFormat::Ndjson, &all).await.unwrap()).unwrap();
    let ids: Vec<i64> = lines.lines().map(|line| serde_json::from_str::<AuditEvent>(line).unwrap().id).collect();
    assert_eq!(ids, (1..=1201).collect::<Vec<_>>());
    let answer = service.get("/api/v1/audit-events/export?format=csv").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert!(answer.header("content-disposition").contains("audit-events.csv"));
    assert_eq!(answer.text.lines().count(), 1202);
    assert!(answer.text.contains(",'=cmd|") && !answer.text.contains(",=cmd|"));
    let none = AuditQuery { actor: Some("nobody".into()), ..AuditQuery::default() };
    assert_eq!(client.audit_event_export(AuditExportFormat::Ndjson, &none).await.unwrap(), b"");
    service.stop().await;
}
