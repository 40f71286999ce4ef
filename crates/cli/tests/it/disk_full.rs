//! Full disks: the backup or the restore fails with a clear code, nothing of it is left, the database is unharmed. // F-40

use domain::{DatastoreCreate, ErrorCode, JobStatus, RestoreStatus, StorageConfig, StorageCreate};

use crate::damage::leftovers;
use crate::plane::{Plane, files_below};
use crate::servers::{self, TestServer};

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_full_storage_fails_the_backup_and_keeps_nothing_of_it() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 50_000);
    let small = testkit::Tmpfs::mount(2 << 20).expect("root can mount");
    let storage = plane
        .client
        .storage_create(&StorageCreate {
            name: "small".to_owned(),
            config: StorageConfig::Local { path: small.path().join("backups").to_string_lossy().into_owned() },
            secret_access_key: None,
        })
        .await
        .expect("a storage");
    let registration = DatastoreCreate { storage_id: Some(storage.id), ..server.registration() };
    let datastore = plane.client.datastore_create(&registration).await.expect("registered");
    let backup = plane.start_backup(datastore.id).await;
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Failed);
    assert_eq!(backup.error.map(|error| error.code), Some(ErrorCode::StorageFull));
    let left: Vec<_> = files_below(small.path()).into_iter().filter(|path| !path.ends_with("holdfast.json")).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    assert!(server.takes_writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_too_little_space_for_a_restore_is_told_before_anything_is_touched() {
    let place = testkit::Tmpfs::mount(400 << 20).expect("root can mount");
    let server =
        testkit::Postgres::builder().within(place.path()).own_system_identifier().start().expect("PostgreSQL starts");
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 1000);
    let now = server.fingerprint();
    let datastore = plane.register(&server).await;
    let backup = plane.back_up(datastore.id).await;
    let free = nix::sys::statvfs::statvfs(place.path()).expect("statvfs");
    let free = free.blocks_available() * free.fragment_size();
    let filler = place.path().join("filler");
    std::fs::write(&filler, vec![7; usize::try_from(free - (12 << 20)).expect("fits")]).expect("filled");

    let plan = plane.client.backup_restore_plan(backup.id, &client::PlanQuery::default()).await.expect("a plan");
    assert!(plan.obstacles.iter().any(|obstacle| obstacle.code == ErrorCode::InsufficientDiskSpace), "{plan:?}");
    let restore = plane.start_restore(backup.id, &datastore.name).await;
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Failed);
    assert_eq!(restore.error.map(|error| error.code), Some(ErrorCode::InsufficientDiskSpace));
    assert_eq!(server.fingerprint(), now);
    assert_eq!(leftovers(&server), Vec::<std::path::PathBuf>::new());
}
