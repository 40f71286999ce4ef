//! Recovery windows and stops over the API: what is offered, what is refused and in which words.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{TestService, eventually, identity, success};

const LINE: &str = "7512345678901234567-1.origin";
const SEGMENT: u64 = 0x100_0000;

/// Segment `number` of the log; the service's backups end in segment 3.
fn segment(number: u64, first: DateTime<Utc>, last: DateTime<Utc>) -> Value {
    let name = format!("{number:024}");
    json!({
        "incarnation": LINE, "name": name, "start": number * SEGMENT, "end": (number + 1) * SEGMENT, "closed": true,
        "first_commit_at": first, "last_commit_at": last,
        "objects": [{"key": format!("{name}.zst"), "size_bytes": 10, "sha256": "00", "original_size_bytes": SEGMENT}]
    })
}

struct Archive<'a> {
    service: &'a TestService,
    datastore: String,
    id: String,
    epoch: i64,
}

impl<'a> Archive<'a> {
    /// A datastore with log archiving on, one backup, and a worker that archives.
    async fn begin(service: &'a TestService) -> (Self, String) {
        let datastore = service.datastore("shop").await;
        let address = format!("/api/v1/datastores/{}", datastore.id);
        let settings = format!("{address}/backup-settings");
        let mut switched = service.get(&settings).await.json();
        switched["log_archiving"] = json!(true);
        assert_eq!(service.send(service.http.put(service.url(&settings)).json(&switched)).await.status, 200);
        let made = service.post(&format!("{address}/backups"), json!({})).await.header("location").to_owned();
        eventually("a backup", || async { service.get(&made).await.json() }, |backup| backup["status"] == "completed")
            .await;
        let claim = json!({"worker": identity("archivist"), "holds": []});
        let claims = service.post_as_worker("/api/v1/worker/log-archivers/claim", &claim).await.json();
        let epoch = claims["assignments"][0]["epoch"].as_i64().unwrap();
        (Self { service, datastore: address, id: datastore.id.to_string(), epoch }, made)
    }

    async fn report(&self, more: Value) -> u16 {
        let mut report = json!({
            "epoch": self.epoch, "incarnation": LINE, "status": "archiving", "code": null, "detail": null, "complete_until": null,
            "lag_bytes": null
        });
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let address = format!("/api/v1/worker/log-archivers/{}/report", self.id);
        self.service.post_as_worker(&address, &report).await.status.as_u16()
    }

    async fn window(&self) -> Value {
        self.service.get(&format!("{}/recovery-window", self.datastore)).await.json()
    }
}

#[actix_web::test]
async fn f61_stops_are_refused_with_what_can_be_reached() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let (archive, backup) = Archive::begin(&service).await;
    let ended: DateTime<Utc> = serde_json::from_value(service.get(&backup).await.json()["ended_at"].clone()).unwrap();
    let order = |stop: Value| {
        let mut order = json!({"target": {"kind": "in_place"}, "confirm": "shop"});
        order.as_object_mut().unwrap().extend(stop.as_object().unwrap().clone());
        order
    };
    let restore = format!("{backup}/restore");
    let now = Utc::now();
    service.post(&restore, order(json!({"pitr_stop_time": now}))).await.problem(422, "pitr_not_supported");

    let segments = json!([
        segment(3, ended, ended + TimeDelta::milliseconds(1)),
        segment(4, ended, ended + TimeDelta::milliseconds(2))
    ]);
    assert_eq!(archive.report(json!({"segments": segments})).await, 204);
    let window = archive.window().await;
    assert_eq!((&window["supported"], window["windows"].as_array().map(Vec::len)), (&json!(true), Some(1)), "{window}");
    for (stop, code, pointer) in [
        (json!({"pitr_stop_time": now + TimeDelta::hours(1)}), "pitr_time_in_future", "/pitr_stop_time"),
        (json!({"pitr_stop_time": ended - TimeDelta::seconds(1)}), "pitr_time_before_backup", "/pitr_stop_time"),
        (json!({"pitr_stop_time": ended + TimeDelta::milliseconds(3)}), "pitr_time_not_covered", "/pitr_stop_time"),
        (json!({"pitr_stop_time": "2026-11-22T06:00:00"}), "validation_failed", "/pitr_stop_time"),
        (json!({"pitr_stop_position": {"lsn": "0/1", "gtid": "0-1-1"}}), "validation_failed", "/pitr_stop_position"),
        (json!({"pitr_stop_position": {"nothing": 1}}), "validation_failed", "/pitr_stop_position"),
        (json!({"pitr_stop_position": {"file": "bin.000001"}}), "validation_failed", "/pitr_stop_position"),
    ] {
        let problem = service.post(&restore, order(stop.clone())).await.problem(422, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{stop} {problem}");
        if code.starts_with("pitr_time_") && code != "pitr_time_in_future" {
            let nearest = window["windows"][0]["to"].as_str().unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(nearest), "{problem}");
        }
        let query = match (&stop["pitr_stop_time"], &stop["pitr_stop_position"]) {
            (Value::String(time), _) => [("pitr_stop_time", time.clone())],
            (_, position) => [("pitr_stop_position", position.to_string())],
        };
        let plan = service.http.get(service.url(&format!("{backup}/restore-plan"))).query(&query);
        service.send(plan).await.problem(422, code);
    }

    let idle = json!({"complete_until": now + TimeDelta::hours(1)});
    assert_eq!(archive.report(idle).await, 204);
    let covered = service.post(&restore, order(json!({"pitr_stop_time": ended + TimeDelta::milliseconds(3)}))).await;
    assert_eq!(covered.status, 202, "the server is known to have been idle: {}", covered.text);
    assert!(covered.json()["pitr_stop_time"].is_string());
    let seen = worker.seen.clone();
    eventually(
        "the replay",
        || async { seen.lock().unwrap().len() },
        |_| {
            seen.lock().unwrap().iter().any(|job| {
                matches!(&job.task, domain::assignment::Task::Restore { replay: Some(replay), .. }
            if replay.logs.iter().map(|logs| logs.segments.len()).sum::<usize>() == 2)
            })
        },
    )
    .await;
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_report_of_a_worker_that_was_replaced_is_refused() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let (mut archive, _) = Archive::begin(&service).await;
    archive.epoch -= 1;
    assert_eq!(archive.report(json!({})).await, 409);
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn engines_without_a_log_say_so() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let draft = json!({"name": "cache", "engine": "redis", "host": "127.0.0.1"});
    let created = service.post("/api/v1/datastores", draft).await;
    let address = created.header("location").to_owned();
    let window = service.get(&format!("{address}/recovery-window")).await.json();
    assert_eq!((&window["supported"], window["windows"].as_array().map(Vec::len)), (&json!(false), Some(0)));
    assert!(window["reason"].as_str().unwrap().contains("Redis keeps no log"), "{window}");
    let span = json!({"from": "2026-11-22T06:00:00Z", "to": "2026-11-22T07:00:00Z"});
    service.post(&format!("{address}/log-scan"), span).await.problem(422, "pitr_not_supported");
    let backwards = json!({"from": "2026-11-22T07:00:00Z", "to": "2026-11-22T06:00:00Z"});
    service.post(&format!("{address}/log-scan"), backwards).await.problem(422, "validation_failed");
    let settings = format!("{address}/backup-settings");
    let mut switched = service.get(&settings).await.json();
    switched["log_archiving"] = json!(true);
    service.send(service.http.put(service.url(&settings)).json(&switched)).await.problem(422, "validation_failed");
    worker.stop().await;
    service.stop().await;
}
