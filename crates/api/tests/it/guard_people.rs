//! The restore guard among people: the second one has to be another administrator.

use domain::access::{Grant, Role};
use serde_json::{Value, json};

use crate::people::with_cookie;
use crate::support::{TestService, eventually, success};

#[actix_web::test]
async fn another_administrator_approves_and_nobody_else() {
    let service = TestService::start().await;
    let worker = service.worker(success);
    let datastore = format!("/api/v1/datastores/{}", service.datastore("shop").await.id);
    let backup = service.post(&format!("{datastore}/backups"), json!({})).await.header("location").to_owned();
    let made = || async { service.get(&backup).await.json() };
    eventually("it ends", made, |backup| backup["status"] == "completed").await;
    let first = with_cookie(&service.claim().await);
    let (_, second) = service.user(&first, "second", &[Grant::everywhere(Role::Administrator)]).await;
    let (_, operator) = service.user(&first, "operator", &[Grant::everywhere(Role::Operator)]).await;
    let guard = json!({"restore_guard": true});
    assert_eq!(service.ask(&first, "PATCH", &datastore, guard).await.json()["restore_guard"], true);
    let order = json!({"target": {"kind": "in_place"}, "confirm": "shop"});
    let asked = service.ask(&first, "POST", &format!("{backup}/restore"), order).await;
    assert_eq!(asked.json()["approval"]["requested_by"], "admin", "{}", asked.text);
    let restore = asked.header("location").to_owned();
    let approve = format!("{restore}/approve");
    service.ask(&first, "POST", &approve, json!({})).await.problem(409, "own_request");
    // One's own token is oneself.
    let (_, token) = service.token(&first, json!({"name": "mine", "role": "administrator"})).await;
    let program = crate::people::with_token(&token);
    service.ask(&program, "POST", &approve, json!({})).await.problem(409, "own_request");
    service.ask(&operator, "POST", &approve, json!({})).await.problem(403, "forbidden");
    let approved = service.ask(&second, "POST", &approve, json!({"note": "go"})).await.json();
    assert_eq!(
        (&approved["approval"]["status"], &approved["approval"]["decided_by"]),
        (&json!("approved"), &json!("second"))
    );
    let look = || async { service.ask(&first, "GET", &restore, Value::Null).await.json() };
    eventually("it is restored", look, |restore| restore["status"] == "completed").await;
    let rows = service.ask(&first, "GET", "/api/v1/audit-events?action=restore_approve", Value::Null).await.json();
    let actors: Vec<&str> =
        rows["items"].as_array().unwrap().iter().map(|row| row["actor"]["name"].as_str().unwrap()).collect();
    assert!(actors.contains(&"second") && actors.contains(&"operator"), "{rows}");
    drop(worker);
    service.stop().await;
}
