//! The restore guard over HTTP. Who is a second person is decided by `domain` and tested at the store; here nobody has
//! signed in, so that nobody is one.

use serde_json::json;
use uuid::Uuid;

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
