//! Registering, changing and forgetting datastores and storages.

use domain::assignment::{Task, TaskResult};
use domain::{
    Capabilities, DatastoreCreate, DatastorePatch, DatastoreStatus, ErrorCode, Inspection, JobStatus, Secret, Service,
    SharedDirectory, Storage, StorageConfig, StorageCreate, StoragePatch,
};
use store::{DatastoreFilter, PageRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, inspection, now};
use crate::on_both;

on_both! {
    fn hostile_names_are_kept_as_they_are_and_taken_names_refused(fixture) {
        for name in ["O'Reilly \"quoted\"", "$(touch /tmp/x)", "Zürich 数据", "a;drop table jobs;--", "%_\\"] {
            assert_eq!(fixture.datastore(name).name, name);
            let taken = fixture.store.datastore_create(&fixture.draft(name), fixture.storage().id, None, None, now());
            assert!(matches!(&taken, Err(StoreError::NameTaken { name: by }) if by == name), "{taken:?}");
        }
        let first = fixture.datastore("first");
        let rename = DatastorePatch { name: Some("Zürich 数据".into()), ..DatastorePatch::default() };
        let taken = fixture.store.datastore_update(first.id, &rename, now()).unwrap_err();
        assert_eq!(taken.code(), ErrorCode::NameTaken);
    }

    fn a_patch_changes_only_what_it_holds(fixture) {
        let datastore = fixture.datastore("shop");
        let service = Service::Systemd { unit: "postgresql@15-main.service".into() };
        let patch = DatastorePatch {
            port: Some(5433),
            password: Some(Secret::new("another")),
            service: Some(service.clone()),
            ..DatastorePatch::default()
        };
        let changed = fixture.store.datastore_update(datastore.id, &patch, after(5)).unwrap();
        assert_eq!((changed.port, &changed.service, changed.updated_at), (5433, &service, after(5)));
        assert_eq!((&changed.name, &changed.host, &changed.username), (&datastore.name, &datastore.host, &datastore.username));
        assert_eq!(changed.capabilities, datastore.capabilities);
        let access = fixture.store.datastore_access(datastore.id).unwrap();
        assert_eq!(access.password.unwrap().expose(), "another");
        let nowhere = DatastorePatch { storage_id: Some(Uuid::nil()), ..DatastorePatch::default() };
        assert!(matches!(fixture.store.datastore_update(datastore.id, &nowhere, now()), Err(StoreError::NotFound { what: "storage" })));
    }

    fn a_shared_storage_is_a_bucket_that_takes_the_directory_s_place(fixture) {
        let datastore = fixture.datastore("shop");
        let directory = SharedDirectory { server_path: "/srv".into(), worker_path: "/srv".into() };
        let bucket = bucket(fixture, "exchange");
        let patch = |directory, storage| DatastorePatch {
            shared_directory: directory,
            shared_storage_id: storage,
            ..DatastorePatch::default()
        };
        let change = |change: &DatastorePatch| {
            let changed = fixture.store.datastore_update(datastore.id, change, after(1))?;
            Ok::<_, StoreError>((changed.shared_directory, changed.shared_storage_id))
        };
        let named = Some(Some(directory.clone()));
        assert_eq!(change(&patch(named.clone(), None)).unwrap(), (Some(directory.clone()), None));
        assert_eq!(change(&patch(None, Some(Some(bucket.id)))).unwrap(), (None, Some(bucket.id)));
        assert_eq!(change(&DatastorePatch::default()).unwrap(), (None, Some(bucket.id)));
        let access = fixture.store.datastore_access(datastore.id).unwrap().shared_storage.unwrap();
        assert_eq!((access.id, access.secret_access_key.unwrap().expose()), (bucket.id, "bucket-secret"));

        // No directory, and no storage that is not there.
        for other in [fixture.storage().id, Uuid::nil()] {
            assert!(matches!(change(&patch(None, Some(Some(other)))), Err(StoreError::NotShareable)));
            let draft = DatastoreCreate { shared_storage_id: Some(other), ..fixture.draft("other") };
            assert!(matches!(fixture.store.job_create_inspect_draft(&draft, now()), Err(StoreError::NotShareable)));
            let made = fixture.store.datastore_create(&draft, fixture.storage().id, None, None, now());
            assert!(matches!(made, Err(StoreError::NotShareable)), "{made:?}");
        }
        assert_eq!(change(&patch(named, None)).unwrap(), (Some(directory), None));
        assert_eq!(change(&patch(Some(None), None)).unwrap(), (None, None));
    }

    fn a_storage_through_which_backups_pass_stays_and_its_user_is_named(fixture) {
        let bucket = bucket(fixture, "exchange");
        let draft = DatastoreCreate { shared_storage_id: Some(bucket.id), ..fixture.draft("shop") };
        let datastore = fixture.store.datastore_create(&draft, fixture.storage().id, None, None, now()).unwrap();
        let refused = fixture.store.storage_delete(bucket.id, now()).unwrap_err();
        assert!(matches!(&refused, StoreError::StorageInUse { by } if by.contains("\"shop\"")), "{refused:?}");
        assert_eq!(refused.code(), ErrorCode::StorageInUse);
        fixture.store.datastore_delete(datastore.id, false, now()).unwrap();
        fixture.store.storage_delete(bucket.id, now()).unwrap();
    }

    // Its secret travels sealed in the job, and to the worker with the datastore.
    fn f80_the_test_of_a_server_that_is_not_registered_brings_its_shared_storage(fixture) {
        let bucket = bucket(fixture, "exchange");
        let draft = DatastoreCreate { shared_storage_id: Some(bucket.id), ..fixture.draft("shop") };
        fixture.store.job_create_inspect_draft(&draft, now()).unwrap();
        let assignment = fixture.claim(now());
        let Task::Inspect { datastore } = assignment.task else { panic!("{:?}", assignment.task) };
        let access = datastore.shared_storage.unwrap();
        assert_eq!((access.id, access.secret_access_key.unwrap().expose()), (bucket.id, "bucket-secret"));
    }

    fn f54_the_first_identity_stays_and_silence_forgets_nothing(fixture) {
        let datastore = fixture.datastore("shop");
        let offline = Inspection::failed(ErrorCode::HostUnreachable, "no answer", None);
        let seen = fixture.store.datastore_record_inspection(datastore.id, &offline, after(5)).unwrap();
        assert_eq!(seen.status, DatastoreStatus::Offline);
        assert_eq!(seen.findings.len(), 1);
        assert_eq!(seen.engine_version, datastore.engine_version);
        assert_eq!(seen.capabilities, datastore.capabilities);
        let other = Inspection {
            server_identity: Some("another".into()),
            engine_version: Some("15.19".into()),
            capabilities: Capabilities::default(),
            ..inspection(DatastoreStatus::Online)
        };
        let seen = fixture.store.datastore_record_inspection(datastore.id, &other, after(6)).unwrap();
        assert_eq!(seen.server_identity, datastore.server_identity);
        assert_eq!(seen.engine_version.as_deref(), Some("15.19"));
        assert!(!seen.capabilities.restore_in_place);
    }

    fn a_datastore_with_backups_is_only_forgotten_when_asked(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        fixture.completed_restore(backup.id, after(100));
        let looking = fixture.store.job_create_inspect(datastore.id, after(200)).unwrap();
        let refused = fixture.store.datastore_delete(datastore.id, false, after(201)).unwrap_err();
        assert!(matches!(refused, StoreError::HasBackups { count: 1 }), "{refused:?}");
        fixture.store.datastore_delete(datastore.id, true, after(202)).unwrap();
        assert!(matches!(fixture.store.datastore_get(datastore.id, now()), Err(StoreError::NotFound { what: "datastore" })));
        assert!(matches!(fixture.store.backup_get(backup.id), Err(StoreError::NotFound { .. })));
        assert_eq!(fixture.store.job_get(looking.id).unwrap().status, JobStatus::Cancelled);
        let made = fixture.store.job_get(backup.job_id).unwrap();
        assert_eq!((made.datastore_id, made.datastore_name.as_deref()), (None, Some("shop")));
        assert_eq!((made.backup_id, made.backup_number), (None, Some(backup.number)));
        fixture.datastore("shop");
    }

    fn a_datastore_with_failed_backups_only_can_go(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        fixture.store.job_cancel(backup.job_id, after(1)).unwrap();
        fixture.store.datastore_delete(datastore.id, false, after(2)).unwrap();
    }

    fn a_running_inspection_may_end_after_its_datastore_is_gone(fixture) {
        let datastore = fixture.datastore("shop");
        let job = fixture.store.job_create_inspect(datastore.id, now()).unwrap();
        let assignment = fixture.claim(after(1));
        fixture.store.datastore_delete(datastore.id, false, after(2)).unwrap();
        assert!(fixture.beat(&assignment, after(3)).cancel_requested);
        let found = inspection(DatastoreStatus::Online);
        fixture.finish(&assignment, TaskResult::Inspect { inspection: found }, after(4));
        assert_eq!(fixture.store.job_get(job.id).unwrap().status, JobStatus::Completed);
    }

    fn the_overview_is_gathered_for_a_whole_page(fixture) {
        let shop = fixture.datastore("shop");
        let empty = fixture.datastore("empty");
        for size in 1..=32 {
            fixture.completed_backup(shop.id, size);
        }
        let active = fixture.backup(shop.id);
        let page = fixture.store.datastore_list(&DatastoreFilter::default(), &PageRequest::default(), after(100)).unwrap();
        assert_eq!(page.total, 2);
        let of = |id| &page.items.iter().find(|datastore| datastore.id == id).unwrap().overview;
        let overview = of(shop.id);
        assert_eq!((overview.backup_count, overview.stored_bytes), (32, 32 * 33 / 2));
        assert_eq!(overview.recent_sizes_bytes, (3..=32).collect::<Vec<i64>>());
        assert_eq!((overview.last_good_backup_number, overview.last_good_backup_at), (Some(32), Some(after(11))));
        assert_eq!(overview.active_job.as_ref().unwrap().id, active.job_id);
        assert_eq!(overview.active_job.as_ref().unwrap().datastore_name.as_deref(), Some("shop"));
        assert_eq!(*of(empty.id), Default::default());
        let restoring = DatastoreFilter { status: Some(DatastoreStatus::Restoring), ..DatastoreFilter::default() };
        assert_eq!(fixture.store.datastore_list(&restoring, &PageRequest::default(), now()).unwrap().total, 0);
    }

    fn a_storage_keeps_its_place_and_changes_its_credentials(fixture) {
        let config = StorageConfig::S3 {
            bucket: "backups".into(),
            region: None,
            endpoint: Some("http://127.0.0.1:9000".into()),
            prefix: None,
            access_key_id: "first".into(),
        };
        let create = StorageCreate { name: "s3".into(), config, secret_access_key: Some(Secret::new("canary-s3")) };
        let storage = fixture.store.storage_create(&create, now()).unwrap();
        assert!(matches!(fixture.store.storage_create(&create, now()), Err(StoreError::NameTaken { .. })));
        let patch = StoragePatch { access_key_id: Some("second".into()), ..StoragePatch::default() };
        fixture.store.storage_update(storage.id, &patch, after(1)).unwrap();
        let access = fixture.store.storage_access(storage.id).unwrap();
        assert!(matches!(&access.config, StorageConfig::S3 { access_key_id, bucket, .. } if access_key_id == "second" && bucket == "backups"));
        assert_eq!(access.secret_access_key.unwrap().expose(), "canary-s3");
        let default = fixture.storage();
        assert_eq!(fixture.storage(), default, "made once");
        assert_eq!(fixture.store.storage_default().unwrap(), default);
        assert_eq!(fixture.store.storage_list(&PageRequest::default()).unwrap().total, 2);
    }
}

fn bucket(fixture: &Fixture, name: &str) -> Storage {
    let config = StorageConfig::S3 {
        bucket: "exchange".into(),
        region: None,
        endpoint: Some("https://minio.example:9000".into()),
        prefix: None,
        access_key_id: "AK".into(),
    };
    let create = StorageCreate { name: name.into(), config, secret_access_key: Some(Secret::new("bucket-secret")) };
    fixture.store.storage_create(&create, now()).unwrap()
}
