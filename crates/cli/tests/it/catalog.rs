//! The control database is lost, and comes back from the manifests alone. // F-24

use std::fs;
use std::process::{Command, Output};

use client::ListQuery;
use domain::{Backup, BackupType, DatastorePatch, DatastoreStatus, ErrorCode};
use uuid::Uuid;

use crate::plane::Plane;
use crate::servers::{self, TestServer};

pub fn rebuild(plane: &Plane, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["catalog", "rebuild", "--data-dir"])
        .arg(plane.directory.path())
        .args(more)
        .output()
        .expect("it runs")
}

/// The control database and the keys are lost; the artifacts are not.
pub fn lose(plane: &Plane) {
    for entry in fs::read_dir(plane.directory.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::remove_file(path).expect("lost");
        }
    }
}

/// A person enters the address and the account of a rebuilt datastore.
pub async fn reconnect(plane: &Plane, datastore: Uuid, server: &dyn TestServer) {
    let registration = server.registration();
    let patch = DatastorePatch {
        host: Some(registration.host),
        port: registration.port,
        username: registration.username,
        password: registration.password,
        service: registration.service,
        ..DatastorePatch::default()
    };
    plane.client.datastore_patch(datastore, &patch).await.expect("it is saved");
    let inspection = plane.client.datastore_test(datastore).await.expect("it is tested");
    assert_eq!(inspection.status, DatastoreStatus::Online, "{:?}", inspection.findings);
}

/// Everything of a backup that a manifest tells.
fn essence(backup: &Backup) -> Backup {
    let mut essence = backup.clone();
    essence.job_id = uuid::Uuid::nil();
    essence.storage_id = uuid::Uuid::nil();
    essence.verification.status = domain::VerificationStatus::Never;
    essence.verification.at = None;
    for time in [&mut essence.started_at, &mut essence.ended_at] {
        *time = time.map(|at| chrono::DateTime::from_timestamp(at.timestamp() / 60, 0).expect("a time"));
    }
    essence.duration_seconds = None;
    essence
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_lost_control_database_is_rebuilt_from_the_storage() {
    let server = servers::mariadb();
    let (mut plane, mut worker) = Plane::with_worker_for(&server);
    server.write(1, 300);
    let datastore = plane.register(&server).await;
    plane.back_up(datastore.id).await;
    server.write(1000, 50);
    let then = server.fingerprint();
    let increment = plane.back_up_incrementally(datastore.id).await;
    assert_eq!(increment.backup_type, BackupType::Incremental);
    let list = async |plane: &Plane| {
        let page = plane.client.backup_list(datastore.id, &ListQuery::default()).await.expect("a list");
        page.items.iter().map(essence).collect::<Vec<_>>()
    };
    let before = list(&plane).await;
    assert_eq!(before.len(), 2);

    worker.kill();
    plane.stop();
    lose(&plane);
    let done = rebuild(&plane, &[]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("2 backups were taken in, 0 were known already."), "{done:?}");
    assert!(said.contains(&datastore.name), "{said}");
    let again = rebuild(&plane, &[]);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("0 backups were taken in, 2 were known already."),
        "{again:?}"
    );

    plane.start_again(&[]);
    let worker = plane.worker();
    assert_eq!(list(&plane).await, before);
    let rebuilt = plane.client.datastore_get(datastore.id).await.expect("it is there");
    assert_eq!((rebuilt.name.as_str(), rebuilt.engine), (datastore.name.as_str(), datastore.engine));
    assert!(rebuilt.findings.iter().any(|finding| finding.code == "catalog_rebuilt"), "{:?}", rebuilt.findings);

    // With its address and account it is as before.
    reconnect(&plane, datastore.id, &server).await;
    server.write(2000, 50);
    assert_ne!(server.fingerprint(), then);
    plane.restore(increment.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
    let next = plane.back_up(datastore.id).await;
    assert_eq!(next.number, increment.number + 1, "numbers go on");
    drop(worker);
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_cannot_be_taken_in_is_named() {
    let server = servers::mariadb();
    let (mut plane, mut worker) = Plane::with_worker_for(&server);
    server.write(1, 10);
    let datastore = plane.register(&server).await;
    let full = plane.back_up(datastore.id).await;
    let increment = plane.back_up_incrementally(datastore.id).await;
    let other = plane.back_up(datastore.id).await;
    worker.kill();
    plane.stop();
    fs::remove_file(plane.directory.path().join("holdfast.db")).expect("lost");
    fs::write(plane.folder(&full).join("manifest.json"), "{").expect("damaged");
    let done = rebuild(&plane, &[]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let complaints = String::from_utf8_lossy(&done.stderr).into_owned();
    for id in [full.id, increment.id] {
        assert!(complaints.contains(&id.to_string()), "{complaints}");
    }
    plane.start_again(&[]);
    let page = plane.client.backup_list(datastore.id, &ListQuery::default()).await.expect("a list");
    assert_eq!(page.items.iter().map(|backup| backup.id).collect::<Vec<_>>(), [other.id]);

    let done = rebuild(&plane, &["--storage", "elsewhere"]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stderr).contains("no storage named \"elsewhere\""), "{done:?}");
    let refused = plane.client.backup_get(full.id).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::NotFound));
}
