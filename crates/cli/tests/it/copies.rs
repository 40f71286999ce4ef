//! Restores into a new datastore: a copy beside a server that knows nothing of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::{DatastoreStatus, ErrorCode, NewDatastore, RestoreCreate, RestoreTargetDraft};
use testkit::Mysql;

use crate::archived::{Logged, PATIENCE, archived, archived_until, empty, order, quiet_instant, restored};
use crate::plane::Plane;
use crate::servers;

/// A copy beside the server, as it was at a moment: the server goes on, the copy is a datastore of its own.
async fn a_copy_leaves_the_server_alone(server: &dyn Logged, other: &dyn Logged) {
    let (plane, _worker) = Plane::with_worker_for(server);
    let (datastore, backup) = archived(&plane, server).await;
    server.write(1000, 100);
    let then = server.fingerprint();
    let stop = quiet_instant().await.to_rfc3339();
    server.write(1500, 100);
    let all = server.fingerprint();
    let place_of = |directory: &Path| fs::metadata(directory).expect("a directory").ino();
    let place = place_of(&server.data_directory());
    archived_until(&plane, datastore.id, Utc::now()).await;
    let into = |name: &str, directory: &Path, port, service| RestoreCreate {
        target: RestoreTargetDraft::NewDatastore(Box::new(NewDatastore {
            name: name.to_owned(),
            data_directory: Some(directory.to_string_lossy().into_owned()),
            shared_directory: None,
            shared_storage_id: None,
            service,
            host: None,
            port: Some(port),
            username: None,
            password: None,
            worker: None,
        })),
        confirm: None,
        ..order(server, Some(&stop), None)
    };
    let beside = |name| into(name, &other.data_directory(), other.port(), Some(other.service()));
    let copy = restored(&plane, backup.id, &beside("copy")).await;
    assert_eq!(other.fingerprint(), then);
    assert!(other.takes_writes() && server.takes_writes());
    assert_eq!((server.fingerprint(), place_of(&server.data_directory())), (all, place));
    let copied = plane.client.datastore_get(copy.datastore_id).await.expect("the copy");
    assert!(copied.name == "copy" && copied.id != datastore.id && copied.has_password, "{copied:?}");
    let deadline = Instant::now() + PATIENCE;
    while !plane.client.datastore_get(copied.id).await.expect("the copy").capabilities.restore_in_place {
        assert!(Instant::now() < deadline, "nobody looked at it");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    plane.back_up(copied.id).await;

    // A directory that is not empty stays as it is; one without a service is filled and nothing is started.
    let refused = plane.client.backup_restore(backup.id, &beside("another")).await.expect("it begins");
    let refused = plane.restore_end(refused.id).await;
    assert_eq!(refused.error.map(|error| error.code), Some(ErrorCode::DataDirectoryMismatch));
    assert!(other.takes_writes());
    let place = tempfile::Builder::new().prefix("files-").tempdir_in(server.data_directory().parent().expect("one"));
    let place = place.expect("a directory");
    let directory = place.path().join("data");
    fs::create_dir(&directory).expect("made");
    let owner = fs::metadata(server.data_directory()).expect("a directory");
    std::os::unix::fs::chown(&directory, Some(owner.uid()), Some(owner.gid())).expect("given");
    // What was registered for nothing is taken over by the next one of the name.
    let files = RestoreCreate { pitr_stop_time: None, ..into("another", &directory, 1, None) };
    let files = restored(&plane, backup.id, &files).await;
    assert_eq!(files.datastore_id, refused.datastore_id);
    assert!(fs::read_dir(&directory).expect("a directory").count() > 5);
    let filled = plane.client.datastore_get(files.datastore_id).await.expect("it is there");
    assert_eq!(filled.status, DatastoreStatus::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_mariadb_leaves_it_alone() {
    let other = servers::mariadb();
    other.stop().expect("it stops");
    empty(&other.data_directory);
    a_copy_leaves_the_server_alone(&servers::mariadb(), &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_mysql_leaves_it_alone_and_has_an_identity_of_its_own() {
    let other = servers::mysql();
    other.stop().expect("it stops");
    empty(&other.data_directory);
    let server = servers::mysql();
    let identity = |server: &Mysql| server.sql("select @@server_uuid").expect("it answers");
    let before = identity(&server);
    a_copy_leaves_the_server_alone(&server, &other).await;
    assert_eq!(identity(&server), before);
    assert_ne!(identity(&other), before);
}
