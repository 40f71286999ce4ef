//! Schedules over the API: made, edited, paused, run, previewed; and every kind of bad input.

use serde_json::{Value, json};

use crate::support::{TestService, eventually, success};

/// A datastore's address, and that of the schedule which it got with its registration.
async fn shop(service: &TestService) -> (String, String) {
    let worker = service.worker(success);
    let datastore = format!("/api/v1/datastores/{}", service.datastore("shop").await.id);
    worker.stop().await;
    let first = service.get(&format!("{datastore}/schedules")).await.json()["items"][0].clone();
    (datastore, format!("/api/v1/schedules/{}", first["id"].as_str().unwrap()))
}

#[actix_web::test]
async fn a_new_datastore_has_a_daily_schedule() {
    let service = TestService::start().await;
    let (datastore, schedule) = shop(&service).await;
    let answer = service.get(&schedule).await;
    let first = answer.json();
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(first["status"], "active");
    assert_eq!(first["recurrence"], "TZ=UTC 0 5 * * *");
    assert_eq!(first["description"], "At 05:00 UTC, every day");
    assert_eq!(first["frequency"], json!({"kind": "daily", "every": 1, "at": "05:00", "time_zone": "UTC"}));
    assert_eq!(
        (&first["method"], &first["type"], &first["last_run"]),
        (&json!("pg_basebackup"), &json!("full"), &Value::Null)
    );
    assert_eq!(service.get(&datastore).await.json()["overview"]["next_run_at"], first["next_run_at"]);
    service.stop().await;
}

#[actix_web::test]
async fn bad_schedules_are_refused_with_their_field_and_nothing_is_saved() {
    let service = TestService::start().await;
    let (datastore, _) = shop(&service).await;
    let daily = json!({"kind": "daily", "every": 1, "at": "05:00", "time_zone": "UTC"});
    for (body, pointer, says) in [
        (json!({}), "/recurrence", "is missing"),
        (json!({"recurrence": "TZ=UTC 0 5 * * *", "frequency": daily}), "/recurrence", "must not be sent together"),
        (json!({"recurrence": "0 5 * * *"}), "/recurrence", "must begin with a time zone"),
        (json!({"recurrence": "TZ=Mars/Olympus 0 5 * * *"}), "/recurrence", "unknown time zone"),
        (json!({"recurrence": "TZ=UTC 0 0 5 * * *"}), "/recurrence", "seconds are not supported"),
        (json!({"recurrence": "TZ=UTC 0 0 30 2 *"}), "/recurrence", "February has no day 30"),
        (json!({"recurrence": "TZ=UTC * * * * *"}), "/recurrence", "1 min apart"),
        (json!({"recurrence": "TZ=UTC 61 * * * *"}), "/recurrence", "minute"),
        (json!({"recurrence": "TZ=UTC 0 5 * * *", "method": "xtrabackup"}), "/method", "does not work"),
        (json!({"recurrence": "TZ=UTC 0 5 * * *", "type": "differential"}), "/type", "differential"),
        (json!({"frequency": {"kind": "minutes", "every": 15}}), "/frequency/kind", "not for full backups"),
        (json!({"frequency": {"kind": "hourly", "every": 0, "minute": 60}}), "/frequency/every", "must be 1 to"),
        (json!({"frequency": {"kind": "daily", "every": 1, "at": "25:00"}}), "/frequency/at", "time of day"),
        (json!({"frequency": {"kind": "cron"}}), "/frequency/kind", "as recurrence instead"),
    ] {
        let answer = service.post(&format!("{datastore}/schedules"), body.clone()).await;
        let problem = answer.problem(422, "validation_failed");
        let errors = problem["errors"].as_array().unwrap();
        let error =
            errors.iter().find(|error| error["pointer"] == pointer).unwrap_or_else(|| panic!("{body}: {problem}"));
        assert!(error["detail"].as_str().unwrap().contains(says), "{body}: {error}");
    }
    for body in [json!({"recurrence": 5}), json!({"frequency": {"kind": "weekly"}}), json!({"colour": "red"})] {
        let answer = service.post(&format!("{datastore}/schedules"), body).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{}", answer.text);
    }
    assert_eq!(service.get(&format!("{datastore}/schedules")).await.json()["total"], 1);
    let unknown = "/api/v1/datastores/018f0000-0000-7000-8000-000000000000/schedules";
    service.post(unknown, json!({"recurrence": "TZ=UTC 0 5 * * *"})).await.problem(404, "not_found");
    service.stop().await;
}

#[actix_web::test]
async fn an_edit_keeps_what_it_leaves_out_and_refuses_an_older_version() {
    let service = TestService::start().await;
    let (_, schedule) = shop(&service).await;
    let hourly = json!({"kind": "hourly", "every": 2, "minute": 15, "time_zone": "Europe/Berlin"});
    let edited = service.patch(&schedule, json!({"frequency": hourly, "version": 1})).await;
    assert_eq!(edited.header("etag"), "\"2\"");
    let edited = edited.json();
    assert_eq!(
        (&edited["recurrence"], &edited["method"]),
        (&json!("TZ=Europe/Berlin 15 */2 * * *"), &json!("pg_basebackup"))
    );
    assert_eq!(edited["frequency"], hourly);

    let late = service.patch(&schedule, json!({"recurrence": "TZ=UTC 0 6 * * *", "version": 1})).await;
    let problem = late.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("version is 2"), "{problem}");
    let tagged = |tag: &str| {
        service.send(
            service
                .http
                .patch(service.url(&schedule))
                .header("If-Match", tag)
                .json(&json!({"recurrence": "TZ=UTC 0 6 * * *"})),
        )
    };
    tagged("\"1\"").await.problem(409, "conflict");
    tagged("nonsense").await.problem(422, "validation_failed");
    assert_eq!(tagged("\"2\"").await.json()["recurrence"], "TZ=UTC 0 6 * * *");
    // Every three days is anchored, since no cron step goes across the end of a month.
    let anchored =
        json!({"frequency": {"kind": "daily", "every": 3, "at": "04:30", "time_zone": "UTC", "from": "2026-11-22"}});
    let anchored = service.patch(&schedule, anchored).await.json();
    assert_eq!(anchored["recurrence"], "TZ=UTC @every 3 days from 2026-11-22T04:30");
    assert_eq!(anchored["frequency"]["from"], "2026-11-22");
    service.stop().await;
}

#[actix_web::test]
async fn pause_run_now_resume_and_delete() {
    let service = TestService::start().await;
    let (datastore, schedule) = shop(&service).await;
    let other = service.post(&format!("{datastore}/schedules"), json!({"recurrence": "CRON_TZ=utc 30 1 1 * *"})).await;
    assert_eq!(other.status, 201);
    let other = other.header("location").to_owned();
    let before = service.get(&other).await.json();
    for _ in 0..2 {
        let paused = service.post(&format!("{schedule}/pause"), json!({})).await.json();
        assert_eq!((&paused["status"], &paused["next_run_at"]), (&json!("paused"), &Value::Null));
    }
    assert_eq!(service.get(&other).await.json(), before);

    let worker = service.worker(success);
    let started = service.post(&format!("{schedule}/run"), json!({})).await;
    assert_eq!(started.status, 202);
    let backup = started.header("location").to_owned();
    eventually(
        "the backup ends",
        || async { service.get(&backup).await.json() },
        |backup| backup["status"] == "completed",
    )
    .await;
    let last = service.get(&schedule).await.json()["last_run"].clone();
    assert_eq!((&last["status"], &last["backup_id"]), (&json!("completed"), &started.json()["id"]));
    let runs = service.get(&format!("{schedule}/runs?limit=5")).await.json();
    assert_eq!((&runs["total"], &runs["items"][0]["attempt"]), (&json!(1), &json!(1)));

    for _ in 0..2 {
        assert_eq!(service.post(&format!("{schedule}/resume"), json!({})).await.json()["status"], "active");
    }
    assert_eq!(service.delete(&schedule).await.status, 204);
    service.get(&schedule).await.problem(404, "not_found");
    service.delete(&schedule).await.problem(404, "not_found");
    assert_eq!(service.get(&backup).await.json()["schedule_id"], last_segment(&schedule));
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_preview_says_what_the_scheduler_will_do() {
    let service = TestService::start().await;
    let ask = |body: Value| service.post("/api/v1/schedules/preview", body);
    // The night of 29 March has no 02:30 in Berlin: it runs at the first instant after the gap. // F-44
    let preview =
        ask(json!({"recurrence": "TZ=Europe/Berlin 30 2 * * *", "count": 3, "after": "2026-03-28T00:00:00Z"}))
            .await
            .json();
    assert_eq!(preview["next_runs"], json!(["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]));
    assert_eq!(preview["description"], "At 02:30 Europe/Berlin, every day");
    let preview = ask(json!({"frequency": {"kind": "hourly", "every": 1, "minute": 0}})).await.json();
    assert_eq!(
        (preview["next_runs"].as_array().unwrap().len(), &preview["recurrence"]),
        (5, &json!("TZ=UTC 0 * * * *"))
    );
    ask(json!({"recurrence": "TZ=UTC 0 5 * * *", "count": 501})).await.field("/count");
    ask(json!({"recurrence": "TZ=UTC 0 5 * * *", "after": "+9999-01-01T00:00:00Z"})).await;
    ask(json!({})).await.problem(422, "validation_failed");
    service.stop().await;
}

#[actix_web::test]
async fn the_metrics_count_runs_that_made_no_backup() {
    let service = TestService::start().await;
    let text = service.get("/metrics").await.text;
    for status in ["failed", "missed", "skipped"] {
        assert!(text.contains(&format!("holdfast_schedule_run_failures{{status=\"{status}\"}} 0")), "{text}");
    }
    service.stop().await;
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}
