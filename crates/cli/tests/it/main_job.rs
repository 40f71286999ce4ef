//! The main job on every engine: back up, change, restore, find the data as it was; undo, find the change again.

use std::os::unix::fs::MetadataExt;

use domain::{DatastoreStatus, RestoreStatus, VerificationStatus};

use crate::plane::Plane;
use crate::servers::{self, TestServer};

async fn main_job(server: &dyn TestServer) {
    let (plane, _worker) = Plane::with_worker_for(server);
    server.write(1, 500);
    let then = server.fingerprint();
    let datastore = plane.register(server).await;
    assert_eq!(datastore.status, DatastoreStatus::Online, "{:?}", datastore.findings);
    assert!(datastore.capabilities.restore_in_place, "{:?}", datastore.capabilities);
    assert_eq!(datastore.data_directory.as_deref(), Some(server.data_directory().to_str().expect("UTF-8")));

    let backup = plane.back_up(datastore.id).await;
    assert!(backup.size_bytes.is_some_and(|size| size > 0) && backup.original_size_bytes >= backup.size_bytes);
    let verification = plane.client.backup_verify(backup.id).await.expect("the verification starts");
    plane.job_end(verification.id).await;
    let verified = plane.client.backup_get(backup.id).await.expect("the backup is there");
    assert_eq!(verified.verification.status, VerificationStatus::Passed);

    server.write(501, 250);
    let now = server.fingerprint();
    assert_ne!(then, now);
    let directory_before = std::fs::metadata(server.data_directory()).expect("the data directory");

    let restore = plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then, "the data is as it was at the backup");
    assert!(server.takes_writes());
    let directory = std::fs::metadata(server.data_directory()).expect("the data directory");
    let owner = |metadata: &std::fs::Metadata| (metadata.uid(), metadata.gid(), metadata.mode());
    assert_eq!(owner(&directory), owner(&directory_before), "owner, group and mode are as before");
    assert!(restore.undo_until.is_some() && restore.downtime_seconds.is_some_and(|seconds| seconds > 0.0));

    let undo = plane.client.restore_undo(restore.id).await.expect("the undo starts");
    plane.job_end(undo.id).await;
    let undone = plane.client.restore_get(restore.id).await.expect("the restore is there");
    assert_eq!(undone.status, RestoreStatus::Undone, "{}\n{}", plane.log_of(undo.id).await, server.own_log());
    assert_eq!(server.fingerprint(), now, "the data is as it was before the restore");
    assert!(server.takes_writes());

    // And once more the other way: what an undo leaves behind is no obstacle.
    plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_comes_back_as_it_was() {
    main_job(&servers::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_comes_back_as_it_was() {
    main_job(&servers::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_comes_back_as_it_was() {
    main_job(&servers::mysql()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_back_as_it_was() {
    main_job(&testkit::Redis::start().expect("Redis starts")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_an_append_only_file_comes_back_as_it_was() {
    main_job(&testkit::Redis::with_aof().expect("Redis starts")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_comes_back_as_it_was() {
    main_job(&testkit::Valkey::start().expect("Valkey starts")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_with_an_append_only_file_comes_back_as_it_was() {
    main_job(&testkit::Valkey::with_aof().expect("Valkey starts")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_servers_configuration_stays() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 10);
    let datastore = plane.register(&server).await;
    let backup = plane.back_up(datastore.id).await;
    server.sql("alter system set work_mem = '7MB'").expect("a setting is changed");
    plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.sql("show work_mem").expect("an answer"), "7MB");

    let request = domain::RestoreCreate { restore_configuration: true, ..Plane::restore_request(&datastore.name) };
    let restore = plane.client.backup_restore(backup.id, &request).await.expect("the restore starts");
    plane.restore_end(restore.id).await;
    assert_ne!(server.sql("show work_mem").expect("an answer"), "7MB", "the backup's, when asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_is_a_mount_point_is_switched_by_its_entries() {
    let server = testkit::Redis::builder().mounted(256 << 20).start().expect("Redis starts in a mounted directory");
    server.write(1, 100);
    let then = server.fingerprint();
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let backup = plane.back_up(datastore.id).await;
    server.write(101, 50);
    plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
}
