//! Backup settings, the retention plan, holds, and what the service deletes by itself.

use serde_json::{Value, json};

use crate::support::{TestService, eventually, success};

/// A datastore with completed backups, its addresses, the oldest backup first.
async fn shop(service: &TestService, backups: usize) -> (String, Vec<String>) {
    let datastore = format!("/api/v1/datastores/{}", service.datastore("shop").await.id);
    let mut made = Vec::new();
    for _ in 0..backups {
        let backup = service.post(&format!("{datastore}/backups"), json!({})).await.header("location").to_owned();
        let ask = || async { service.get(&backup).await.json() };
        eventually("the backup ends", ask, |backup| backup["status"] == "completed").await;
        made.push(backup);
    }
    (datastore, made)
}

async fn put(service: &TestService, path: &str, body: Value) -> crate::support::Answered {
    service.send(service.http.put(service.url(path)).json(&body)).await
}

async fn settings(service: &TestService, datastore: &str) -> Value {
    service.get(&format!("{datastore}/backup-settings")).await.json()
}

#[actix_web::test]
async fn settings_that_cannot_work_are_refused_with_their_field() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let (datastore, _) = shop(&service, 0).await;
    let path = format!("{datastore}/backup-settings");
    let before = settings(&service, &datastore).await;
    assert_eq!((&before["compression_level"], &before["log_archiving"]), (&json!(3), &json!(false)));
    let with = |field: &str, value: Value| {
        let mut changed = before.clone();
        *changed.pointer_mut(field).unwrap() = value;
        changed
    };
    for (field, value) in [
        ("/compression_level", json!(0)),
        ("/maximum_chain_length", json!(0)),
        ("/storage_id", json!("018f0000-0000-7000-8000-000000000000")),
        ("/retention/keep_last", json!(0)),
        ("/retention/keep_days", json!(4_000_000)),
        ("/retention/minimum_good_backups", json!(0)),
        ("/retention/point_in_time_window_days", json!(7)),
    ] {
        let refused = put(&service, &path, with(field, value)).await;
        refused.problem(422, "validation_failed");
        refused.field(field);
    }
    let negative = put(&service, &path, with("/retention/keep_last", json!(-1))).await;
    assert!(matches!(negative.status.as_u16(), 400 | 422), "{}", negative.text);
    assert_eq!(settings(&service, &datastore).await, before);
    let saved = put(&service, &path, with("/compression_level", json!(9))).await.json();
    assert_eq!(settings(&service, &datastore).await, saved);
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_policy_is_tried_before_it_is_saved_and_then_carried_out() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let (datastore, backups) = shop(&service, 4).await;
    let hold = format!("{}/hold", backups[0]);
    put(&service, &hold, json!({"reason": " "})).await.field("/reason");
    assert_eq!(put(&service, &hold, json!({"reason": "for the auditors"})).await.json()["held"], "for the auditors");
    let refused = service.delete(&backups[0]).await.problem(409, "backup_held");
    assert!(refused["detail"].as_str().unwrap().contains("for the auditors"), "{refused}");

    let plan = format!("{datastore}/retention-plan");
    let policy = json!({"keep_last": 1, "minimum_good_backups": 1});
    let tried = service.post(&plan, policy.clone()).await.json();
    assert_eq!((&tried["totals"]["deleted_count"], &tried["blocked"]), (&json!(2), &Value::Null));
    service.post(&plan, json!({"keep_last": 0})).await.problem(422, "validation_failed");
    assert_eq!(service.get(&plan).await.json()["deletions"], json!([]), "trying saves nothing");

    let mut new = settings(&service, &datastore).await;
    new["retention"] = json!({"keep_last": 1, "minimum_good_backups": 1});
    assert_eq!(put(&service, &format!("{datastore}/backup-settings"), new).await.status, 200);
    let ask = || async { service.get(&format!("{datastore}/backups")).await.json() };
    let left = eventually("two backups are gone", ask, |page| page["total"] == 2).await;
    let numbers: Vec<_> = left["items"].as_array().unwrap().iter().map(|backup| backup["number"].clone()).collect();
    assert_eq!(numbers, [json!(4), json!(1)], "the newest and the held one stay");
    assert_eq!(service.delete(&hold).await.json()["held"], Value::Null);
    let deletions = service.get(&plan).await.json()["deletions"].clone();
    assert_eq!(deletions, json!([left["items"][1]["id"]]), "the released one goes next");
    worker.stop().await;
    service.stop().await;
}
