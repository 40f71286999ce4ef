//! The restore guard over HTTP: before anybody signed in there is no second person, and afterwards there is.

use domain::access::{Grant, Role};
use serde_json::json;
use uuid::Uuid;

use crate::people::{with_cookie, with_token};
use crate::support::{TestService, eventually, success};

#[actix_web::test]
async fn a_guarded_restore_waits_and_its_requester_can_only_cancel_it() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await;
    let address = format!("/api/v1/datastores/{}", datastore.id);
    let backup = service.post(&format!("{address}/backups"), json!({})).await.header("location").to_owned();
    eventually("it ends", || async { service.get(&backup).await.json() }, |backup| backup["status"] == "completed")
        .await;
    assert_eq!(service.patch(&address, json!({"restore_guard": true})).await.json()["restore_guard"], true);
    let order = json!({"target": {"kind": "in_place"}, "confirm": "shop"});
    let created = service.post(&format!("{backup}/restore"), order.clone()).await;
    assert_eq!(created.status, 202);
    let restore = created.json();
    assert_eq!((&restore["status"], &restore["approval"]["status"]), (&json!("pending"), &json!("requested")));
    assert_eq!(restore["approval"]["requested_by"], "this machine");
    let path = created.header("location").to_owned();
    // The worker is idle and would take it: another job goes past it.
    let verified = service.post(&format!("{backup}/verify"), json!({})).await.header("location").to_owned();
    eventually("it ends", || async { service.get(&verified).await.json() }, |job| job["status"] == "completed").await;
    assert_eq!(service.get(&path).await.json()["status"], "pending");
    service.post(&format!("{path}/approve"), json!({})).await.problem(409, "own_request");
    service.post(&format!("{path}/refuse"), json!({"note": "no"})).await.problem(409, "own_request");
    service.post(&format!("{path}/approve"), json!({"note": "x".repeat(501)})).await.field("/note");
    service.post(&format!("{backup}/restore"), order).await.problem(409, "datastore_busy");
    service.patch(&address, json!({"restore_guard": false})).await.problem(409, "conflict");
    let cancelled = service.post(&format!("{path}/cancel"), json!({})).await.json();
    assert_eq!((&cancelled["status"], &cancelled["approval"]["status"]), (&json!("cancelled"), &json!("withdrawn")));
    service.post(&format!("{path}/approve"), json!({})).await.problem(409, "conflict");
    let nothing = Uuid::nil();
    service.post(&format!("/api/v1/restores/{nothing}/approve"), json!({})).await.problem(404, "not_found");
    worker.stop().await;
    service.stop().await;
}

#[actix_web::test]
async fn a_second_administrator_approves_and_nobody_else_not_even_by_the_first_ones_token() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = service.datastore("shop").await;
    let address = format!("/api/v1/datastores/{}", datastore.id);
    let backup = service.post(&format!("{address}/backups"), json!({})).await.header("location").to_owned();
    eventually("it ends", || async { service.get(&backup).await.json() }, |backup| backup["status"] == "completed")
        .await;
    let first = with_cookie(&service.claim().await);
    let guarded = service.ask(&first, "PATCH", &address, json!({"restore_guard": true})).await;
    assert_eq!(guarded.status, 200);
    assert_eq!(guarded.json()["restore_guard"], true);
    let (_, second) = service.user(&first, "second", &[Grant::everywhere(Role::Administrator)]).await;
    let (_, operator) = service.user(&first, "operator", &[Grant::everywhere(Role::Operator)]).await;
    let (_, viewer) = service.user(&first, "viewer", &[Grant::everywhere(Role::Viewer)]).await;
    let (_, secret) = service.token(&first, json!({"name": "mine", "role": "administrator"})).await;
    let own_token = with_token(&secret);
    let order = json!({"target": {"kind": "in_place"}, "confirm": "shop"});
    let request = async || {
        let created = service.ask(&first, "POST", &format!("{backup}/restore"), order.clone()).await;
        assert_eq!(created.status, 202, "{}", created.text);
        assert_eq!(created.json()["approval"]["requested_by"], "admin", "{}", created.text);
        created.header("location").to_owned()
    };
    let refused = request().await;
    for decision in ["approve", "refuse"] {
        let path = format!("{refused}/{decision}");
        service.ask(&first, "POST", &path, json!({})).await.problem(409, "own_request");
        service.ask(&own_token, "POST", &path, json!({})).await.problem(409, "own_request");
        for other in [&viewer, &operator] {
            service.ask(other, "POST", &path, json!({})).await.problem(403, "forbidden");
        }
    }
    let answer = service.ask(&second, "POST", &format!("{refused}/refuse"), json!({"note": "not today"})).await.json();
    assert_eq!((&answer["status"], &answer["approval"]["status"]), (&json!("cancelled"), &json!("refused")));
    let approved = request().await;
    let answer = service.ask(&second, "POST", &format!("{approved}/approve"), json!({"note": "go"})).await.json();
    assert_eq!(
        (&answer["approval"]["status"], &answer["approval"]["decided_by"]),
        (&json!("approved"), &json!("second"))
    );
    let read = || async { service.ask(&second, "GET", &approved, serde_json::Value::Null).await.json() };
    eventually("it is restored", read, |restore| restore["status"] == "completed").await;
    for action in ["restore_approve", "restore_refuse"] {
        let path = format!("/api/v1/audit-events?action={action}");
        let rows = service.ask(&second, "GET", &path, serde_json::Value::Null).await.json();
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let told: Vec<_> = rows["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| [word(&row["action"]), word(&row["actor"]["name"]), word(&row["outcome"])])
            .collect();
        let row = |name: &str, outcome: &str| [action, name, outcome].map(str::to_owned);
        assert_eq!(told, [row("second", "succeeded"), row("operator", "refused"), row("viewer", "refused")]);
    }
    // Its end is not looked for: that would need a sign-in.
    drop(worker);
    service.stop().await;
}
