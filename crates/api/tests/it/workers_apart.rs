//! Workers with tokens of their own: each speaks of its own jobs, and of nothing else. // F-89

use domain::assignment::{Heartbeat, Outcome, ResultReport};
use domain::{JobStatus, Secret};
use serde_json::{Value, json};

use crate::people::{with_cookie, with_token};
use crate::support::{PASSWORD, TOKEN, TestService, claim, identity, success};

#[actix_web::test]
async fn f89_a_worker_reports_only_on_jobs_that_it_holds() {
    let service = TestService::start().await;
    let datastore = service.datastore("shop").await.id;
    let backup = service.client().backup_create(datastore, &Default::default()).await.unwrap();
    let administrator = with_cookie(&service.claim().await);
    let (id, one) = service.token(&administrator, json!({"name": "one", "kind": "worker"})).await;
    let (_, other) = service.token(&administrator, json!({"name": "other", "kind": "worker"})).await;
    let speak = |secret: &str| service.client().with_token(Secret::new(secret));
    let assignment = speak(&one).worker_claim(&claim("one", 0)).await.unwrap().assignment.unwrap();
    assert_eq!(assignment.job_id, backup.job_id);

    let report = ResultReport { attempt: 1, outcome: success(&assignment.task), log_lines: Vec::new() };
    let lie = ResultReport { attempt: 1, outcome: Outcome::Released, log_lines: Vec::new() };
    let job = format!("/api/v1/worker/jobs/{}", assignment.job_id);
    for secret in [other.as_str(), TOKEN] {
        let thief = with_token(secret);
        let tried = [
            ("result", json!(lie)),
            ("heartbeat", json!(Heartbeat { attempt: 1, ..Heartbeat::default() })),
            ("suspend-archiving", json!({"attempt": 1})),
        ];
        for (what, body) in tried {
            service.ask(&thief, "POST", &format!("{job}/{what}"), body).await.problem(409, "lease_lost");
        }
        // Nor does it get in under the other's name: that would bring the jobs pinned to it, with their secrets.
        let mut posing = json!(claim("one", 0));
        posing["has_just_started"] = json!(true);
        let refused = service.ask(&thief, "POST", "/api/v1/worker/jobs/claim", posing).await;
        refused.problem(403, "forbidden");
        assert!(!refused.text.contains(PASSWORD));
        let logs = json!({"worker": identity("one"), "holds": []});
        service.ask(&thief, "POST", "/api/v1/worker/log-archivers/claim", logs).await.problem(403, "forbidden");
        let segments = format!("/api/v1/worker/log-archivers/{datastore}/segments");
        service.ask(&thief, "GET", &segments, Value::Null).await.problem(409, "lease_lost");
        let again = service.ask(&thief, "POST", "/api/v1/worker/jobs/claim", json!(claim("thief", 0))).await;
        assert!(matches!(again.status.as_u16(), 200 | 403) && !again.text.contains(PASSWORD), "{}", again.text);
    }
    speak(&one).worker_result(assignment.job_id, &report).await.unwrap();
    let made = service.ask(&administrator, "GET", &format!("/api/v1/backups/{}", backup.id), Value::Null).await.json();
    assert_eq!(made["status"], json!(JobStatus::Completed));

    // Once the token is revoked, its worker's name is free for its next token.
    let revoke = format!("/api/v1/tokens/{id}");
    assert_eq!(service.ask(&administrator, "DELETE", &revoke, Value::Null).await.status, 204);
    let gone = service.ask(&with_token(&one), "POST", "/api/v1/worker/jobs/claim", json!(claim("one", 0))).await;
    gone.problem(401, "unauthenticated");
    let (_, next) = service.token(&administrator, json!({"name": "one", "kind": "worker"})).await;
    assert_eq!(speak(&next).worker_claim(&claim("one", 0)).await.unwrap().assignment, None);
    service.stop().await;
}
