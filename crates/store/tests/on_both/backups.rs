//! Making, verifying and deleting backups.

use domain::assignment::{Outcome, Task, TaskResult};
use domain::{ErrorCode, JobError, JobKind, JobStatus, VerificationStatus};
use store::{BackupFilter, PageRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, now, raw, report};
use crate::on_both;

on_both! {
    fn a_backup_is_filled_from_its_summary(fixture) {
        let datastore = fixture.datastore("shop");
        let asked = fixture.backup(datastore.id);
        assert_eq!((asked.status, asked.number, asked.created_at), (JobStatus::Pending, 1, now()));
        let assignment = fixture.claim(after(1));
        let running = fixture.store.backup_get(asked.id).unwrap();
        assert_eq!((running.status, running.started_at), (JobStatus::Running, Some(after(1))));
        fixture.finish(&assignment, TaskResult::Backup { summary: crate::fixture::summary(100) }, after(11));
        let done = fixture.store.backup_get(asked.id).unwrap();
        assert_eq!(done.status, JobStatus::Completed);
        assert_eq!((done.size_bytes, done.original_size_bytes), (Some(100), Some(400)));
        assert_eq!(done.log_position.as_deref(), Some("0/2000028"));
        assert_eq!((done.ended_at, done.duration_seconds), (Some(after(11)), Some(10.0)));
        assert_eq!(done.verification.status, VerificationStatus::Never);
        assert_eq!(fixture.store.backup_by_number(done.number).unwrap(), done);
    }

    fn f25_numbers_are_never_given_twice(fixture) {
        let datastore = fixture.datastore("shop");
        let first = fixture.completed_backup(datastore.id, 5);
        delete(fixture, first.id);
        let other = fixture.datastore("other");
        assert_eq!(fixture.backup(other.id).number, 2);
        assert_eq!(fixture.backup(datastore.id).number, 3);
    }

    fn a_verification_is_noted_with_the_backup(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let verify = |outcome: fn() -> Outcome, at: i64| {
            let job = fixture.store.backup_verify_start(backup.id, after(at)).unwrap();
            assert_eq!((job.kind, job.backup_number), (JobKind::Verify, Some(backup.number)));
            let assignment = fixture.claim(after(at));
            fixture.store.job_finish(assignment.job_id, &report(assignment.attempt, outcome()), after(at + 1)).unwrap();
            let backup = fixture.store.backup_get(backup.id).unwrap();
            assert_eq!(backup.status, JobStatus::Completed, "a verification never changes what the backup is");
            (backup.verification.status, backup.verification.at)
        };
        let unreachable = || Outcome::Failed { error: JobError::new(ErrorCode::StorageUnavailable, "no route") };
        assert_eq!(verify(unreachable, 100).0, VerificationStatus::Never, "that proves nothing");
        let passed = || Outcome::Completed { result: TaskResult::Verify { problems: Vec::new() } };
        assert_eq!(verify(passed, 200), (VerificationStatus::Passed, Some(after(201))));
        let broken = || Outcome::Completed { result: TaskResult::Verify { problems: vec!["base.000.tar.zst: flipped".into()] } };
        assert_eq!(verify(broken, 300), (VerificationStatus::Failed, Some(after(301))));
        assert_eq!(verify(passed, 400).0, VerificationStatus::Passed);
        let missing = || Outcome::Failed { error: JobError::new(ErrorCode::ManifestMissing, "gone") };
        assert_eq!(verify(missing, 500).0, VerificationStatus::Failed);
    }

    fn f73_a_deletion_is_marked_first_and_the_row_goes_last(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let job = fixture.store.backup_delete_start(backup.id, after(20)).unwrap();
        assert_eq!(job.kind, JobKind::Delete);
        assert!(fixture.store.backup_get(backup.id).unwrap().deleting);
        assert_eq!(fixture.store.backup_delete_start(backup.id, after(21)).unwrap().id, job.id, "the same again");
        let assignment = fixture.claim(after(22));
        assert!(matches!(&assignment.task, Task::Delete { backup: of, .. } if of.id == backup.id));
        let error = JobError::new(ErrorCode::StorageUnavailable, "no route");
        fixture.store.job_finish(assignment.job_id, &report(1, Outcome::Failed { error }), after(23)).unwrap();
        let half = fixture.store.backup_get(backup.id).unwrap();
        assert!(half.deleting, "some of its objects may be gone");
        let request = store::RestoreRequest {
            target: domain::RestoreTarget::InPlace,
            stop: None,
            restore_configuration: false, requested_by: crate::fixture::requester()
        };
        let refused = fixture.store.restore_create(backup.id, &request, after(24)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::BackupNotRestorable);

        let again = fixture.store.backup_delete_start(backup.id, after(30)).unwrap();
        assert_ne!(again.id, job.id);
        let assignment = fixture.claim(after(31));
        fixture.finish(&assignment, TaskResult::Delete, after(32));
        assert!(matches!(fixture.store.backup_get(backup.id), Err(StoreError::NotFound { .. })));
        let job = fixture.store.job_get(again.id).unwrap();
        assert_eq!((job.status, job.backup_id, job.backup_number), (JobStatus::Completed, None, Some(1)));
        assert_eq!(fixture.store.job_get(backup.job_id).unwrap().backup_number, Some(1), "its making is history too");
        fixture.finish(&assignment, TaskResult::Delete, after(33));
        assert_eq!(fixture.store.datastore_get(datastore.id, after(40)).unwrap().overview.backup_count, 0);
    }

    fn a_deletion_cancelled_before_it_began_leaves_the_backup_whole(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let job = fixture.store.backup_delete_start(backup.id, after(20)).unwrap();
        fixture.store.job_cancel(job.id, after(21)).unwrap();
        assert_eq!(fixture.store.backup_get(backup.id).unwrap(), backup);
    }

    fn a_backup_in_use_is_not_deleted(fixture) {
        let datastore = fixture.datastore("shop");
        let made = fixture.backup(datastore.id);
        let refused = |id| {
            let refused = fixture.store.backup_delete_start(id, after(50)).unwrap_err();
            assert!(matches!(refused, StoreError::BackupInUse), "{refused:?}");
        };
        refused(made.id);
        let assignment = fixture.claim(after(1));
        refused(made.id);
        fixture.finish(&assignment, TaskResult::Backup { summary: crate::fixture::summary(5) }, after(2));
        let restore = fixture.restore(made.id, after(3));
        refused(made.id);
        fixture.store.job_cancel(restore.job_id, after(4)).unwrap();
        fixture.store.backup_verify_start(made.id, after(5)).unwrap();
        refused(made.id);
    }

    fn f70_a_backup_that_others_need_stays(fixture) {
        let datastore = fixture.datastore("shop");
        let full = fixture.completed_backup(datastore.id, 50);
        let child = fixture.completed_backup(datastore.id, 5);
        adopt(fixture, child.id, full.id);
        let refused = fixture.store.backup_delete_start(full.id, after(20)).unwrap_err();
        assert!(matches!(&refused, StoreError::HasDependents { numbers } if *numbers == [child.number]), "{refused:?}");
        assert_eq!(refused.code(), ErrorCode::BackupHasDependents);
        let behind = try_execute(fixture, &format!("delete from backups where id = '{}'", full.id));
        assert!(behind.is_err(), "the second wall: the database refuses too");
        delete(fixture, child.id);
        delete(fixture, full.id);
        let all = fixture.store.backup_list(datastore.id, &BackupFilter::default(), &PageRequest::default()).unwrap();
        assert_eq!(all.total, 0);
    }

    fn a_storage_that_backups_are_in_stays(fixture) {
        let datastore = fixture.datastore("shop");
        let storage = fixture.storage();
        let refused = fixture.store.storage_delete(storage.id, now()).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::StorageInUse);
        fixture.store.datastore_delete(datastore.id, false, now()).unwrap();
        fixture.store.storage_delete(storage.id, now()).unwrap();
        assert!(matches!(fixture.store.storage_get(storage.id), Err(StoreError::NotFound { .. })));
    }
}

fn execute(fixture: &Fixture, statement: &str) {
    try_execute(fixture, statement).unwrap();
}

fn try_execute(fixture: &Fixture, statement: &str) -> diesel::QueryResult<()> {
    use diesel::connection::SimpleConnection;
    let guarded = format!("pragma foreign_keys = on; {statement}");
    raw(&fixture.url, |sqlite| sqlite.batch_execute(&guarded), |postgres| postgres.batch_execute(statement))
}

fn adopt(fixture: &Fixture, child: Uuid, parent: Uuid) {
    execute(fixture, &format!("update backups set parent_id = '{parent}' where id = '{child}'"));
}

fn delete(fixture: &Fixture, backup: Uuid) {
    fixture.store.backup_delete_start(backup, after(60)).unwrap();
    let assignment = fixture.claim(after(61));
    fixture.finish(&assignment, TaskResult::Delete, after(62));
}
