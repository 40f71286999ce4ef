//! Restores of SQL Server through the binary: of a chain, over a worker's death, into another server, through a bucket. It is a double of the wire
//! protocol here. Restores to a moment are in [`super::log_backups`].

use std::time::Duration;

use domain::{
    Backup, BackupType, Datastore, DatastoreCreate, NewDatastore, RestoreCreate, RestoreStatus, RestoreTargetDraft,
    Secret, StorageConfig, StorageCreate, VerificationStatus,
};
use testkit::{BUCKET, BUCKET_KEY_ID, BUCKET_SECRET, BucketService, Mssql};

use crate::plane::Plane;
use crate::servers;

/// A double, and the directory that it shares with the worker.
struct Server {
    double: Mssql,
    shared: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let double = Mssql::builder().encrypting().start().expect("the double starts");
        Self { double, shared: tempfile::tempdir().expect("a directory") }
    }

    fn registration(&self) -> DatastoreCreate {
        servers::sql_server(&self.double, self.shared.path(), "it SQL Server")
    }

    fn insert(&self, note: &str) {
        for database in ["shop", "it's [two]"] {
            self.double.insert(database, note, None);
        }
    }

    #[track_caller]
    fn assert_entries(&self, expected: &[&str]) {
        for database in ["shop", "it's [two]"] {
            assert_eq!(self.double.entries(database).expect("it is online"), expected, "{database}");
        }
    }
}

async fn backed_up(plane: &Plane, datastore: &Datastore, backup_type: BackupType) -> Backup {
    let backup = plane.back_up_as(datastore.id, None, Some(backup_type)).await;
    let log = plane.log_of(backup.job_id).await;
    assert_eq!(backup.backup_type, backup_type, "{log}");
    backup
}

#[tokio::test(flavor = "multi_thread")]
async fn a_differential_backup_is_verified_and_restored_with_what_it_is_built_on() {
    let server = Server::start();
    for database in ["shop", "it's [two]"] {
        server.double.create_database(database);
    }
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.client.datastore_create(&server.registration()).await.expect("it is registered");
    assert!(datastore.findings.iter().any(|finding| finding.detail.contains("not against a real server")));
    server.insert("1 full");
    let full = backed_up(&plane, &datastore, BackupType::Full).await;
    server.insert("2 differential");
    let differential = backed_up(&plane, &datastore, BackupType::Differential).await;
    assert_eq!(differential.parent_id, Some(full.id));
    let verification = plane.client.backup_verify(differential.id).await.expect("the verification starts");
    plane.job_end(verification.id).await;
    let verified = plane.client.backup_get(differential.id).await.expect("the backup is there");
    assert_eq!(verified.verification.status, VerificationStatus::Passed);
    server.insert("3 later");
    plane.restore(differential.id, &datastore.name).await;
    server.assert_entries(&["1 full", "2 differential"]);
    assert_eq!(std::fs::read_dir(server.shared.path()).expect("list").count(), 0, "nothing is left in the directory");
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_worker_that_dies_in_the_switch_is_taken_back_by_the_next_one() {
    let server = Server::start();
    for database in ["shop", "it's [two]"] {
        server.double.create_database(database);
    }
    let (plane, mut worker) = Plane::with_worker();
    let datastore = plane.client.datastore_create(&server.registration()).await.expect("it is registered");
    server.insert("backed up");
    let backup = backed_up(&plane, &datastore, BackupType::Full).await;
    server.insert("later");

    // The switch saves the last of the log first, with the database closed to everybody.
    server.double.hold_backups(true);
    let restore = plane.start_restore(backup.id, &datastore.name).await;
    plane.phase(restore.job_id, "switching").await;
    tokio::task::block_in_place(|| {
        testkit::wait_until("the tail is saved", Duration::from_secs(60), || server.double.is_backing_up());
    });
    worker.kill();
    server.double.hold_backups(false);
    let _next = plane.worker();
    let restore = plane.restore_end(restore.id).await;
    let told = plane.log_of(restore.job_id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{told}");
    server.assert_entries(&["backed up"]);
    let undo = plane.client.restore_undo(restore.id).await.expect("the undo starts");
    plane.job_end(undo.id).await;
    server.assert_entries(&["backed up", "later"]);
    let states: Vec<_> = server.double.databases();
    let in_use = states.iter().filter(|(name, ..)| !name.contains("_holdfast_"));
    assert!(
        in_use.clone().count() == 2 && in_use.clone().all(|(_, state, single)| *state == "ONLINE" && !single),
        "{states:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_becomes_a_datastore_of_its_own_on_an_empty_server() {
    let (server, empty) = (Server::start(), Server::start());
    for database in ["shop", "it's [two]"] {
        server.double.create_database(database);
    }
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.client.datastore_create(&server.registration()).await.expect("it is registered");
    server.insert("backed up");
    let backup = backed_up(&plane, &datastore, BackupType::Full).await;
    let target = NewDatastore {
        name: "copy".to_owned(),
        data_directory: None,
        shared_directory: None,
        shared_storage_id: None,
        service: None,
        host: None,
        port: Some(empty.double.port),
        username: None,
        password: None,
        worker: None,
    };
    let request = RestoreCreate {
        target: RestoreTargetDraft::NewDatastore(Box::new(target)),
        confirm: None,
        ..Plane::restore_request(&datastore.name)
    };
    let restore = plane.client.backup_restore(backup.id, &request).await.expect("the restore starts");
    let restore = plane.restore_end(restore.id).await;
    let told = plane.log_of(restore.job_id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{told}");
    empty.assert_entries(&["backed up"]);
    server.assert_entries(&["backed up"]);
}

/// A bucket of a service that the worker was told to trust, in the place of a directory.
#[tokio::test(flavor = "multi_thread")]
async fn backups_pass_through_a_bucket_whose_secret_no_statement_holds() {
    let (server, bucket) = (Server::start(), BucketService::start_encrypted());
    for database in ["shop", "it's [two]"] {
        server.double.create_database(database);
    }
    let mut plane = Plane::start();
    let authority = plane.directory.path().join("authority.pem");
    std::fs::write(&authority, testkit::authority_pem()).expect("written");
    plane.authority = Some(authority);
    let _worker = plane.worker();
    let config = StorageConfig::S3 {
        bucket: BUCKET.to_owned(),
        region: None,
        endpoint: Some(bucket.endpoint()),
        prefix: None,
        access_key_id: BUCKET_KEY_ID.to_owned(),
    };
    let create =
        StorageCreate { name: "exchange".to_owned(), config, secret_access_key: Some(Secret::new(BUCKET_SECRET)) };
    let storage = plane.client.storage_create(&create).await.expect("the storage is there");
    let registration =
        DatastoreCreate { shared_directory: None, shared_storage_id: Some(storage.id), ..server.registration() };
    let datastore = plane.client.datastore_create(&registration).await.expect("it is registered");
    let name = format!("s3://127.0.0.1:{}/{BUCKET}", bucket.port);
    let remedy = datastore.findings.iter().find_map(|finding| finding.remedy.clone()).expect("a remedy");
    assert!(remedy.starts_with(&format!("CREATE CREDENTIAL [{name}] WITH")), "{:#?}", datastore.findings);
    server.double.create_credential(&name, "S3 Access Key", &format!("{BUCKET_KEY_ID}:{BUCKET_SECRET}"));
    let found = plane.client.datastore_test(datastore.id).await.expect("it is tested");
    assert!(found.capabilities.restore_in_place, "{:#?}", found.findings);

    server.insert("1 full");
    backed_up(&plane, &datastore, BackupType::Full).await;
    server.insert("2 differential");
    let differential = backed_up(&plane, &datastore, BackupType::Differential).await;
    server.insert("3 later");
    plane.restore(differential.id, &datastore.name).await;
    server.assert_entries(&["1 full", "2 differential"]);
    let statements = server.double.statements().join("\n");
    assert!(statements.contains(&format!("TO URL = N'{name}/holdfast-{}-", datastore.id)), "{statements}");
    assert!(!statements.contains(BUCKET_SECRET) && !statements.contains("DISK = "), "{statements}");
    assert_eq!(bucket.files(), Vec::<String>::new(), "nothing is left in the bucket");
}
