//! Bad input at every door: a clear error, and nothing lost.

use client::ClientError;
use domain::{
    BackupCreate, DatastoreCreate, DatastoreStatus, Engine, ErrorCode, JobStatus, NewDatastore, Problem,
    RestoreTargetDraft, Secret,
};

use crate::plane::Plane;
use crate::servers::{self, TestServer};

fn problem<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Problem {
    match result {
        Err(ClientError::Problem(problem)) => *problem,
        other => panic!("expected a problem: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_server_is_found_and_named() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    let good = server.registration();

    let wrong_password = DatastoreCreate { password: Some(Secret::new("wrong")), ..good.clone() };
    let found = plane.client.datastore_test_draft(&wrong_password).await.expect("an inspection");
    assert!(found.findings.iter().any(|finding| finding.code == "authentication_failed"), "{:?}", found.findings);

    let unreachable = DatastoreCreate { port: Some(testkit::free_port()), ..good.clone() };
    let saved = plane.client.datastore_create(&unreachable).await.expect("saved, with what is wrong");
    assert_eq!(saved.status, DatastoreStatus::Offline);
    assert!(saved.findings.iter().any(|finding| finding.code == "host_unreachable"), "{:?}", saved.findings);
    let backup = plane.start_backup(saved.id).await;
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Failed);
    assert_eq!(backup.error.map(|error| error.code), Some(ErrorCode::HostUnreachable));

    let elsewhere =
        DatastoreCreate { name: "elsewhere".to_owned(), data_directory: Some("/usr/share".to_owned()), ..good.clone() };
    let refused = plane.client.datastore_create(&elsewhere).await;
    match refused {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, ErrorCode::DataDirectoryMismatch),
        Ok(datastore) => {
            let codes: Vec<_> = datastore.findings.iter().map(|finding| finding.code.as_str()).collect();
            assert!(codes.contains(&"data_directory_mismatch"), "{codes:?}");
            assert!(!datastore.capabilities.restore_in_place);
        }
        Err(error) => panic!("{error}"),
    }

    let other_engine = DatastoreCreate { name: "other".to_owned(), engine: Engine::Mariadb, ..good.clone() };
    let refused = problem(plane.client.datastore_create(&other_engine).await);
    assert_eq!(refused.code, ErrorCode::EngineMismatch);

    server.sql("alter role holdfast noreplication").expect("altered");
    let found = plane.client.datastore_test_draft(&DatastoreCreate { name: "x".into(), ..good }).await.expect("found");
    let grant = found.findings.iter().find(|finding| finding.code == "missing_privilege").expect("named");
    assert!(grant.remedy.as_deref().is_some_and(|remedy| remedy.contains("REPLICATION")), "{grant:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_with_more_tablespaces_is_refused_at_registration() {
    let server = servers::postgres();
    let place = server.data_directory().parent().expect("a parent").join("more");
    std::fs::create_dir(&place).expect("made");
    let owner = std::fs::metadata(server.data_directory()).expect("metadata");
    std::os::unix::fs::chown(&place, Some(std::os::unix::fs::MetadataExt::uid(&owner)), None).expect("given away");
    server.sql(&format!("create tablespace more location '{}'", place.display())).expect("created");
    let (plane, _worker) = Plane::with_worker();
    let refused = problem(plane.client.datastore_create(&server.registration()).await);
    assert_eq!(refused.code, ErrorCode::TablespacesUnsupported);
    assert!(refused.detail.contains("more"), "{}", refused.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn f82_hostile_names_travel_unharmed() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 20);
    let then = server.fingerprint();
    for name in ["O'Reilly \"quoted\"", "$(touch /tmp/holdfast-owned) `id`", "Zürich 数据 🗄", "a; rm -rf x | y & z"]
    {
        let registration = DatastoreCreate { name: name.to_owned(), ..server.registration() };
        let datastore = plane.client.datastore_create(&registration).await.expect("registered");
        let backup = plane.back_up(datastore.id).await;
        plane.restore(backup.id, name).await;
        assert_eq!(server.fingerprint(), then, "{name}");
    }
    assert!(!std::path::Path::new("/tmp/holdfast-owned").exists());
    let dash = DatastoreCreate { name: "-rf".to_owned(), ..server.registration() };
    let refused = problem(plane.client.datastore_create(&dash).await);
    assert_eq!(refused.status, 422);
    assert!(refused.errors.iter().any(|error| error.pointer == "/name"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_that_must_not_begin_do_not() {
    let server = servers::postgres();
    let redis = testkit::Redis::start().expect("Redis starts");
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 50);
    let datastore = plane.register(&server).await;
    let carts = plane.register(&redis).await;
    let backup = plane.back_up(datastore.id).await;
    let of_carts = plane.back_up(carts.id).await;
    let now = server.fingerprint();

    let wrong = Plane::restore_request("something else");
    assert_eq!(problem(plane.client.backup_restore(backup.id, &wrong).await).code, ErrorCode::ConfirmationMismatch);
    // Another datastore's backup goes to that datastore alone: its name does not confirm this one.
    let foreign = Plane::restore_request(&datastore.name);
    assert_eq!(problem(plane.client.backup_restore(of_carts.id, &foreign).await).code, ErrorCode::ConfirmationMismatch);
    let elsewhere = |name: &str, data_directory: &str| domain::RestoreCreate {
        target: RestoreTargetDraft::NewDatastore(Box::new(NewDatastore {
            name: name.to_owned(),
            data_directory: Some(data_directory.to_owned()),
            shared_directory: None,
            shared_storage_id: None,
            service: None,
            host: None,
            port: None,
            username: None,
            password: None,
            worker: None,
        })),
        ..Plane::restore_request(&datastore.name)
    };
    for (name, data_directory, code) in [
        (datastore.name.as_str(), "/nowhere", ErrorCode::NameTaken),
        ("copy", "../relative", ErrorCode::ValidationFailed),
        ("", "/nowhere", ErrorCode::ValidationFailed),
    ] {
        let refused = plane.client.backup_restore(backup.id, &elsewhere(name, data_directory)).await;
        assert_eq!(problem(refused).code, code, "{name:?} {data_directory}");
    }
    let to_a_time = domain::RestoreCreate {
        pitr_stop_time: Some("2020-01-01T00:00:00Z".to_owned()),
        ..Plane::restore_request(&carts.name)
    };
    assert_eq!(problem(plane.client.backup_restore(of_carts.id, &to_a_time).await).code, ErrorCode::PitrNotSupported);

    let first = plane.start_restore(backup.id, &datastore.name).await;
    let second = plane.client.backup_restore(backup.id, &Plane::restore_request(&datastore.name)).await;
    assert_eq!(problem(second).code, ErrorCode::DatastoreBusy);
    let another = plane.client.backup_create(datastore.id, &BackupCreate::default()).await;
    assert_eq!(problem(another).code, ErrorCode::DatastoreBusy);
    let deletion = problem(plane.client.backup_delete(backup.id).await);
    assert!(matches!(deletion.code, ErrorCode::BackupInUse | ErrorCode::DatastoreBusy), "{deletion:?}");
    let forgotten = problem(plane.client.datastore_delete(datastore.id, true).await);
    assert_eq!(forgotten.code, ErrorCode::DatastoreBusy);
    plane.restore_end(first.id).await;
    assert_eq!(server.fingerprint(), now);

    let running = plane.start_backup(datastore.id).await;
    let too_early = plane.client.backup_restore(running.id, &Plane::restore_request(&datastore.name)).await;
    assert_eq!(problem(too_early).code, ErrorCode::BackupNotRestorable);
    plane.backup_end(running.id).await;
    server.stop().expect("stopped");
    let failing = plane.start_backup(datastore.id).await;
    let failed = plane.backup_end(failing.id).await;
    assert_eq!(failed.status, JobStatus::Failed);
    let of_failed = plane.client.backup_restore(failed.id, &Plane::restore_request(&datastore.name)).await;
    assert_eq!(problem(of_failed).code, ErrorCode::BackupNotRestorable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_restored_all_the_same() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 50);
    let then = server.fingerprint();
    let datastore = plane.register(&server).await;
    let backup = plane.back_up(datastore.id).await;
    server.stop().expect("stopped");
    plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
}
