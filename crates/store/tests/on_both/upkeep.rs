//! Backup settings, holds, and what retention is planned from.

use domain::assignment::{Task, TaskResult};
use domain::retention::RetentionPolicy;
use domain::{BackupSettings, JobStatus, StorageConfig, StorageCreate, VerificationStatus};
use store::StoreError;
use uuid::Uuid;

use crate::fixture::{after, now};
use crate::on_both;

on_both! {
    fn settings_are_the_defaults_until_they_are_saved(fixture) {
        let datastore = fixture.datastore("shop");
        let read = || fixture.store.backup_settings_get(datastore.id).unwrap();
        assert_eq!(read(), BackupSettings::new(datastore.storage_id));
        let retention = RetentionPolicy { keep_last: Some(7), ..RetentionPolicy::default() };
        let new = BackupSettings { compression_level: 9, retention, ..read() };
        fixture.store.backup_settings_put(datastore.id, &new, after(5)).unwrap();
        assert_eq!(read(), new);
        assert_eq!(fixture.store.upkeep_list().unwrap(), [], "nothing is stored of it");
        fixture.backup(datastore.id);
        let upkeep = fixture.store.upkeep_list().unwrap().remove(0);
        assert_eq!((upkeep.settings_at, upkeep.retained_at, upkeep.swept_at), (Some(after(5)), Some(after(5)), None));
        let Task::Backup { backup, .. } = fixture.claim(after(6)).task else { panic!("no backup") };
        assert_eq!(backup.compression_level, 9);
    }

    fn another_storage_is_for_new_backups_only(fixture) {
        let datastore = fixture.datastore("shop");
        let old = fixture.completed_backup(datastore.id, 5);
        let second = StorageCreate {
            name: "second".into(),
            config: StorageConfig::Local { path: "/srv/second".into() },
            secret_access_key: None,
        };
        let second = fixture.store.storage_create(&second, now()).unwrap();
        let settings = BackupSettings { storage_id: second.id, ..BackupSettings::new(datastore.storage_id) };
        fixture.store.backup_settings_put(datastore.id, &settings, after(20)).unwrap();
        assert_eq!(fixture.completed_backup(datastore.id, 5).storage_id, second.id);
        assert_eq!(fixture.store.backup_get(old.id).unwrap().storage_id, old.storage_id);
        let nowhere = BackupSettings { storage_id: Uuid::nil(), ..settings };
        let refused = fixture.store.backup_settings_put(datastore.id, &nowhere, after(30));
        assert!(matches!(refused, Err(StoreError::NotFound { what: "storage" })));
    }

    fn a_held_backup_is_not_deleted_until_it_is_released(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let held = fixture.store.backup_hold(backup.id, Some("for the auditors"), after(20)).unwrap();
        assert_eq!(held.held.as_deref(), Some("for the auditors"));
        let refused = fixture.store.backup_delete_start(backup.id, after(21));
        assert!(matches!(refused, Err(StoreError::BackupHeld { reason }) if reason == "for the auditors"));
        let (facts, _) = fixture.store.retention_facts(datastore.id).unwrap();
        assert_eq!(facts[0].held.as_deref(), Some("for the auditors"));
        assert_eq!(fixture.store.backup_hold(backup.id, None, after(22)).unwrap().held, None);
        fixture.store.backup_delete_start(backup.id, after(23)).unwrap();
        let late = fixture.store.backup_hold(backup.id, Some("too late"), after(24));
        assert!(matches!(late, Err(StoreError::BackupInUse)));
    }

    fn the_facts_tell_what_is_used_and_damaged(fixture) {
        let datastore = fixture.datastore("shop");
        let first = fixture.completed_backup(datastore.id, 11);
        fixture.store.backup_verify_start(first.id, after(20)).unwrap();
        let facts = || fixture.store.retention_facts(datastore.id).unwrap().0;
        assert!(facts()[0].in_use && !facts()[0].verification_failed);
        let assignment = fixture.claim(after(21));
        fixture.finish(&assignment, TaskResult::Verify { problems: vec!["base.000 is missing".into()] }, after(22));
        assert!(!facts()[0].in_use && facts()[0].verification_failed);
        assert_eq!((facts()[0].size_bytes, facts()[0].status), (11, JobStatus::Completed));
    }

    fn a_sweep_marks_backups_that_are_missing(fixture) {
        let datastore = fixture.datastore("shop");
        let (gone, there) = (fixture.completed_backup(datastore.id, 5), fixture.completed_backup(datastore.id, 5));
        let job = fixture.store.sweep_start(datastore.id, after(30)).unwrap();
        assert!(matches!(fixture.store.sweep_start(datastore.id, after(30)), Err(StoreError::Busy { .. })));
        let assignment = fixture.claim(after(31));
        let Task::Sweep { datastore: of, backups, .. } = &assignment.task else { panic!("{assignment:?}") };
        assert_eq!((of.id, backups.len()), (datastore.id, 2));
        let result = TaskResult::Sweep { deleted: 3, failed: Vec::new(), missing: vec![gone.id], deleted_logs: Vec::new() };
        fixture.finish(&assignment, result, after(32));
        assert_eq!(fixture.store.job_get(job.id).unwrap().status, JobStatus::Completed);
        let verification = |id| fixture.store.backup_get(id).unwrap().verification.status;
        assert_eq!(verification(gone.id), VerificationStatus::Failed);
        assert_eq!(verification(there.id), VerificationStatus::Never);
        assert_eq!(fixture.store.upkeep_list().unwrap()[0].swept_at, Some(after(30)));
    }
}
