//! Somebody who can write to the storage, and knows how Holdfast writes, puts another backup in the place of one: the catalog
//! knows the digest of each manifest, and each increment that of its parent. // F-90

use std::fs;
use std::path::Path;
use std::process::Command;

use domain::{Backup, BackupType, ErrorCode, JobStatus, VerificationStatus};

use crate::damage::leftovers;
use crate::plane::Plane;
use crate::servers::{self, TestServer};

/// Makes the folder of `victim` a backup that is right in itself: files and checksums of `source`, under the victim's name.
fn forge(plane: &Plane, victim: &Backup, source: &Backup) {
    let (folder, other) = (plane.folder(victim), plane.folder(source));
    let read = |folder: &Path| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).expect("a manifest")).expect("JSON")
    };
    let mut forged = read(&other);
    let kept = read(&folder);
    for name in ["backup_id", "number", "type", "parent_id", "parent_sha256", "created_at", "started_at", "ended_at"] {
        forged[name] = kept[name].clone();
    }
    if kept["parent_sha256"].is_null() {
        forged.as_object_mut().expect("an object").remove("parent_sha256");
    }
    for stream in forged["streams"].as_array().expect("streams") {
        for object in stream["objects"].as_array().expect("objects") {
            let key = object["key"].as_str().expect("a key");
            fs::copy(other.join(key), folder.join(key)).expect("the file is put in the place of the other");
        }
    }
    fs::write(folder.join("manifest.json"), serde_json::to_vec_pretty(&forged).expect("JSON")).expect("written");
}

async fn assert_refused(plane: &Plane, server: &dyn TestServer, name: &str, asked: &Backup, changed: &Backup) {
    let now = server.fingerprint();
    let plan = plane.client.backup_restore_plan(asked.id, &client::PlanQuery::default()).await.expect("a plan");
    let obstacle = plan.obstacles.iter().find(|obstacle| obstacle.code == ErrorCode::ManifestChanged);
    assert!(obstacle.is_some_and(|obstacle| obstacle.detail.contains(&changed.id.to_string())), "{:?}", plan.obstacles);
    let restore = plane.start_restore(asked.id, name).await;
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.error.map(|error| error.code), Some(ErrorCode::ManifestChanged));
    assert_eq!((server.fingerprint(), leftovers(server)), (now, Vec::new()), "nothing was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn f90_a_backup_that_was_replaced_and_hashed_again_is_refused() {
    let server = servers::mariadb();
    let (mut plane, mut worker) = Plane::with_worker_for(&server);
    server.write(1, 100);
    let datastore = plane.register(&server).await;
    let full = plane.back_up(datastore.id).await;
    server.write(101, 100);
    let increment = plane.back_up_incrementally(datastore.id).await;
    assert_eq!(increment.parent_id, Some(full.id));
    let last = plane.back_up_incrementally(datastore.id).await;
    server.write(201, 100);
    let other = plane.back_up(datastore.id).await;

    // The full backup below a chain: the catalog's own digest is the last increment's.
    forge(&plane, &full, &other);
    assert_refused(&plane, &server, &datastore.name, &full, &full).await;
    assert_refused(&plane, &server, &datastore.name, &last, &full).await;
    let job = plane.client.backup_verify(full.id).await.expect("the verification starts");
    let log = plane.log_of(plane.job_end(job.id).await.id).await;
    assert!(log.contains("is not the one that was written"), "{log}");
    let verified = plane.client.backup_get(full.id).await.expect("the backup");
    assert_eq!(verified.verification.status, VerificationStatus::Failed);

    // Back to an earlier state: an increment that brings nothing in the place of the one that brought rows.
    forge(&plane, &increment, &last);
    assert_refused(&plane, &server, &datastore.name, &increment, &increment).await;

    // Nothing is built on a forgery.
    forge(&plane, &other, &full);
    let next = plane.back_up_incrementally(datastore.id).await;
    assert_eq!((next.backup_type, next.parent_id), (BackupType::Full, None));
    let log = plane.log_of(next.job_id).await;
    assert!(log.contains("is not the one that was written"), "{log}");
    plane.restore(next.id, &datastore.name).await;

    // Whoever looks through the storage is told.
    worker.kill();
    plane.stop();
    let done = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["catalog", "rebuild", "--data-dir"])
        .arg(plane.directory.path())
        .output()
        .expect("it runs");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let complaints = String::from_utf8_lossy(&done.stderr).into_owned();
    for changed in [&full, &increment, &other] {
        assert!(complaints.contains(&format!("{} can't be used", changed.id)), "{complaints}");
    }
    assert!(!complaints.contains(&last.id.to_string()), "{complaints}");
    assert_eq!(last.status, JobStatus::Completed);
}
