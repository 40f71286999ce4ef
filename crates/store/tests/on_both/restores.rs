//! Restores and their undos.

use domain::assignment::{Heartbeat, Outcome, Task, TaskResult};
use domain::job::LEASE_SECONDS;
use domain::{
    BackupType, DatabaseCopy, DatastoreCreate, DatastorePatch, DatastoreStatus, ErrorCode, JobError, JobKind, Method,
    Progress, Restore, RestorePhase, RestoreStatus, RestoreTarget,
};
use store::{PageRequest, RestoreFilter, RestoreRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, inspection, report, requester, summary, worker};
use crate::on_both;

const DAY: i64 = 24 * 3600;

fn status(fixture: &Fixture, datastore: Uuid) -> DatastoreStatus {
    fixture.store.datastore_get(datastore, after(0)).unwrap().status
}

fn undo(fixture: &Fixture, restore: Uuid, at: i64) {
    fixture.store.restore_undo_start(restore, after(at)).unwrap();
    let assignment = fixture.claim(after(at));
    assert!(matches!(&assignment.task, Task::Undo { restore: of, .. } if of.id == restore));
    fixture.finish(&assignment, TaskResult::Undo { downtime_seconds: 1.0, server_identity: None }, after(at + 1));
}

/// Begins a restore into a new datastore of a name, with a port to tell it by.
fn into_new(fixture: &Fixture, backup: Uuid, name: &str, port: u16, at: i64) -> Result<Restore, StoreError> {
    let request = RestoreRequest {
        target: RestoreTarget::NewDatastore { name: name.to_owned() },
        stop: None,
        restore_configuration: false,
        requested_by: requester(),
    };
    let registration = DatastoreCreate { port: Some(port), ..fixture.draft(name) };
    fixture.store.restore_create_into(backup, &request, &registration, after(at))
}

/// A datastore that a restore was to make and that ended so.
fn left_by(fixture: &Fixture, backup: Uuid, name: &str, code: ErrorCode, at: i64) -> Restore {
    let restore = into_new(fixture, backup, name, 1, at).unwrap();
    let assignment = fixture.claim(after(at + 1));
    let error = JobError::new(code, "It did not work.");
    fixture.store.job_finish(assignment.job_id, &report(1, Outcome::Failed { error }), after(at + 2)).unwrap();
    fixture.store.restore_get(restore.id).unwrap()
}

on_both! {
    fn a_restore_into_a_new_datastore_that_failed_can_be_read_and_asked_for_again_by_the_same_name(fixture) {
        let backup = fixture.completed_backup(fixture.datastore("shop").id, 5).id;
        let failed = left_by(fixture, backup, "copy", ErrorCode::DataDirectoryMismatch, 100);
        assert_eq!(failed.error.as_ref().map(|error| error.code), Some(ErrorCode::DataDirectoryMismatch));
        assert_eq!(status(fixture, failed.datastore_id), DatastoreStatus::Unknown);

        let cancelled = into_new(fixture, backup, "copy", 3308, 200).unwrap();
        let copy = fixture.store.datastore_get(failed.datastore_id, after(200)).unwrap();
        assert_eq!((cancelled.datastore_id, copy.port, copy.name.as_str()), (copy.id, 3308, "copy"));
        fixture.store.job_cancel(cancelled.job_id, after(201)).unwrap();

        let again = into_new(fixture, backup, "copy", 3309, 300).unwrap();
        assert_eq!(again.datastore_id, copy.id);
        let taken = into_new(fixture, backup, "copy", 3310, 301).unwrap_err();
        assert!(matches!(taken, StoreError::NameTaken { .. }), "one is on its way: {taken:?}");
        let assignment = fixture.claim(after(302));
        let Task::Restore { datastore, .. } = &assignment.task else { panic!("{:?}", assignment.task) };
        assert_eq!((datastore.port, datastore.password.is_some()), (3309, true));
        let result = TaskResult::Restore { undo_until: after(DAY), downtime_seconds: 1.0, server_identity: None, reached: None };
        fixture.finish(&assignment, result, after(303));
        let taken = into_new(fixture, backup, "copy", 3311, 304).unwrap_err();
        assert!(matches!(taken, StoreError::NameTaken { .. }), "there is something in it: {taken:?}");

        let page = PageRequest { limit: 10, cursor: None };
        let listed = fixture.store.restore_list(copy.id, &RestoreFilter::default(), &page).unwrap().items;
        let told: Vec<_> = listed.iter().map(|restore| restore.status).collect();
        assert_eq!(told, [RestoreStatus::Completed, RestoreStatus::Cancelled, RestoreStatus::Failed]);
        assert_eq!(listed[2].error, failed.error);
    }

    fn a_datastore_that_may_hold_something_is_not_taken_over_by_a_restore(fixture) {
        let shop = fixture.datastore("shop");
        let backup = fixture.completed_backup(shop.id, 5).id;
        let mismatch = ErrorCode::DataDirectoryMismatch;
        left_by(fixture, backup, "in doubt", ErrorCode::ServiceControlFailed, 100);
        let guarded = left_by(fixture, backup, "guarded", mismatch, 200).datastore_id;
        let patch = DatastorePatch { restore_guard: Some(true), ..DatastorePatch::default() };
        fixture.store.datastore_update(guarded, &patch, after(210)).unwrap();
        let used = left_by(fixture, backup, "used", mismatch, 300).datastore_id;
        fixture.completed_backup(used, 5);
        fixture.datastore("registered by hand");
        for name in ["shop", "in doubt", "guarded", "used", "registered by hand"] {
            let taken = into_new(fixture, backup, name, 3310, 400).map(|restore| restore.id);
            assert!(matches!(taken, Err(StoreError::NameTaken { .. })), "{name}: {taken:?}");
        }
    }

    fn f12_a_restore_through_the_server_stays_with_its_worker(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.store.backup_create(datastore.id, Method::PgDump, BackupType::Full, after(0)).unwrap();
        let assignment = fixture.claim(after(1));
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, after(2));
        let branch = || fixture.store.recovery_facts(datastore.id).unwrap().branches.len();
        let branches = branch();
        let restore = fixture.restore(backup.id, after(3));
        let first = fixture.claim(after(4));
        fixture.store.job_expire_leases(after(4 + 2 * LEASE_SECONDS)).unwrap();
        let claimed = |name: &str, at| fixture.store.job_claim(&worker(name), LEASE_SECONDS, after(at)).unwrap();
        assert!(claimed("w2", 100).is_none(), "what leads back lies with the other");
        let again = claimed("w1", 101).expect("its next attempt");
        assert_eq!((again.job_id, again.attempt), (first.job_id, 2));
        let result = TaskResult::Restore { undo_until: after(DAY), downtime_seconds: 1.0, server_identity: None, reached: None };
        fixture.finish(&again, result, after(102));
        assert_eq!(branch(), branches, "its log goes on");
        let undo = fixture.store.restore_undo_start(restore.id, after(103)).unwrap();
        assert!(claimed("w2", 104).is_none());
        assert_eq!(claimed("w1", 105).map(|assignment| assignment.job_id), Some(undo.id));
    }

    fn a_restore_goes_through_its_phases(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let asked = fixture.restore(backup.id, after(100));
        assert_eq!((asked.status, asked.backup_number), (RestoreStatus::Pending, backup.number));
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Online, "nothing happens to it yet");
        let assignment = fixture.claim(after(101));
        assert!(matches!(&assignment.task, Task::Restore { restore, backup: of, .. } if restore.id == asked.id && of.id == backup.id));
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Restoring);
        for phase in [RestorePhase::Fetching, RestorePhase::Switching] {
            let progress = Some(Progress { phase: phase.as_str().into(), ..Progress::default() });
            let beat = Heartbeat { attempt: 1, progress, log_lines: Vec::new() };
            fixture.store.job_heartbeat(assignment.job_id, &beat, LEASE_SECONDS, after(102)).unwrap();
            let shown = fixture.store.restore_get(asked.id).unwrap();
            assert_eq!((shown.status, shown.phase), (RestoreStatus::Running, phase));
            assert_eq!(shown.progress.unwrap().phase, phase.as_str());
        }
        fixture.store.datastore_record_inspection(datastore.id, &inspection(DatastoreStatus::Offline), after(103)).unwrap();
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Restoring, "it is stopped for a reason");
        fixture.finish(&assignment, TaskResult::Restore { undo_until: after(DAY), downtime_seconds: 2.5, server_identity: None, reached: None }, after(120));
        let done = fixture.store.restore_get(asked.id).unwrap();
        assert_eq!((done.status, done.phase), (RestoreStatus::Completed, RestorePhase::Done));
        assert_eq!((done.undo_until, done.downtime_seconds), (Some(after(DAY)), Some(2.5)));
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Online);
    }

    fn f54_a_restored_server_is_known_by_its_new_identity(fixture) {
        let datastore = fixture.datastore("shop");
        let identity = || fixture.store.datastore_get(datastore.id, after(0)).unwrap().server_identity;
        let first = identity();
        assert!(first.is_some());
        let backup = fixture.completed_backup(datastore.id, 5);
        let restored = |server_identity: Option<&str>| TaskResult::Restore {
            undo_until: after(DAY),
            downtime_seconds: 2.5,
            server_identity: server_identity.map(str::to_owned),
            reached: None,
        };
        fixture.restore(backup.id, after(100));
        fixture.finish(&fixture.claim(after(101)), restored(None), after(120));
        assert_eq!(identity(), first, "nobody knows better");
        let asked = fixture.restore(backup.id, after(130));
        fixture.finish(&fixture.claim(after(131)), restored(Some("renewed")), after(140));
        assert_eq!(identity().as_deref(), Some("renewed"));
        fixture.store.restore_undo_start(asked.id, after(150)).unwrap();
        let undone = TaskResult::Undo { downtime_seconds: 1.0, server_identity: first.clone() };
        fixture.finish(&fixture.claim(after(151)), undone, after(160));
        assert_eq!(identity(), first);
    }

    fn copies_of_databases_come_beside_what_is_used_and_end_no_undo(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let earlier = fixture.completed_restore(backup.id, after(50));
        let copies = vec![DatabaseCopy { name: "shop".into(), new_name: "copy".into() }];
        let copy = |at: i64| {
            let target = RestoreTarget::NewDatabases { databases: copies.clone() };
            let asked = fixture.restore_to(target, backup.id, after(at));
            let assignment = fixture.claim(after(at + 1));
            assert_eq!(status(fixture, datastore.id), DatastoreStatus::Online, "people go on using it");
            let result = TaskResult::Restore { undo_until: after(DAY), downtime_seconds: 0.1, server_identity: None, reached: None };
            fixture.finish(&assignment, result, after(at + 2));
            assert_eq!(status(fixture, datastore.id), DatastoreStatus::Online);
            asked.id
        };
        let (first, second) = (copy(100), copy(110));
        undo(fixture, first, 120);
        undo(fixture, earlier.id, 130);
        // A restore over all databases ends what could have been undone.
        fixture.completed_restore(backup.id, after(140));
        let late = fixture.store.restore_undo_start(second, after(200)).unwrap_err();
        assert!(matches!(late, StoreError::UndoNotPossible), "{late:?}");
    }

    fn a_failed_restore_leaves_the_old_data_and_says_so(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        for (code, then) in [
            (ErrorCode::RestoredServerUnhealthy, DatastoreStatus::Online),
            (ErrorCode::ServiceControlFailed, DatastoreStatus::Unknown),
        ] {
            let restore = fixture.restore(backup.id, after(100));
            let assignment = fixture.claim(after(101));
            let error = JobError::new(code, "as it is");
            fixture.store.job_finish(assignment.job_id, &report(1, Outcome::Failed { error }), after(102)).unwrap();
            let failed = fixture.store.restore_get(restore.id).unwrap();
            assert_eq!((failed.status, failed.error.unwrap().code), (RestoreStatus::Failed, code));
            assert_eq!(status(fixture, datastore.id), then);
        }
    }

    fn f62_a_restore_whose_worker_was_lost_is_tried_again(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let restore = fixture.restore(backup.id, after(100));
        fixture.claim(after(101));
        fixture.store.job_expire_leases(after(200)).unwrap();
        assert_eq!(fixture.store.restore_get(restore.id).unwrap().status, RestoreStatus::Pending);
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Unknown, "it may have been stopped");
        let assignment = fixture.claim(after(201));
        assert_eq!(assignment.attempt, 2);
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Restoring);
        fixture.store.job_finish(assignment.job_id, &report(2, Outcome::Cancelled), after(202)).unwrap();
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Online);
    }

    fn an_undo_puts_the_earlier_data_back_once(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let restore = fixture.completed_restore(backup.id, after(100));
        let job = fixture.store.restore_undo_start(restore.id, after(200)).unwrap();
        assert_eq!((job.kind, job.restore_id), (JobKind::Undo, Some(restore.id)));
        let twice = fixture.store.restore_undo_start(restore.id, after(200)).unwrap_err();
        assert!(matches!(&twice, StoreError::Busy { job: by } if by.id == job.id), "{twice:?}");
        let assignment = fixture.claim(after(201));
        assert_eq!(status(fixture, datastore.id), DatastoreStatus::Restoring);
        let error = JobError::new(ErrorCode::ServiceControlFailed, "it did not stop");
        fixture.store.job_finish(assignment.job_id, &report(1, Outcome::Failed { error }), after(202)).unwrap();
        assert_eq!(fixture.store.restore_get(restore.id).unwrap().status, RestoreStatus::Completed);
        undo(fixture, restore.id, 300);
        let undone = fixture.store.restore_get(restore.id).unwrap();
        assert_eq!((undone.status, undone.undo_until), (RestoreStatus::Undone, None));
        let again = fixture.store.restore_undo_start(restore.id, after(400)).unwrap_err();
        assert!(matches!(again, StoreError::UndoNotPossible), "{again:?}");
    }

    fn only_the_newest_restore_can_be_undone_and_only_in_time(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let refused = |restore, at| {
            let refused = fixture.store.restore_undo_start(restore, after(at)).unwrap_err();
            assert!(matches!(refused, StoreError::UndoNotPossible), "{refused:?}");
        };
        let first = fixture.completed_restore(backup.id, after(100));
        let second = fixture.completed_restore(backup.id, after(1000));
        assert_eq!(fixture.store.restore_get(first.id).unwrap().undo_until, None);
        refused(first.id, 2000);
        refused(second.id, 1000 + DAY);
        undo(fixture, second.id, 1000 + DAY - 1);
        refused(first.id, 1000 + DAY);
    }

    fn a_restore_outlives_its_backup(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let restore = fixture.completed_restore(backup.id, after(100));
        fixture.store.backup_delete_start(backup.id, after(200)).unwrap();
        let assignment = fixture.claim(after(201));
        fixture.finish(&assignment, TaskResult::Delete, after(202));
        assert_eq!(fixture.store.restore_get(restore.id).unwrap().backup_number, backup.number);
        undo(fixture, restore.id, 300);
    }

    fn restores_are_listed_newest_first(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let made: Vec<_> = (1..=5).map(|number| fixture.completed_restore(backup.id, after(number * 100)).id).collect();
        let mut seen = Vec::new();
        let mut page = PageRequest { limit: 2, cursor: None };
        loop {
            let answer = fixture.store.restore_list(datastore.id, &RestoreFilter::default(), &page).unwrap();
            assert_eq!(answer.total, 5);
            seen.extend(answer.items.iter().map(|restore| restore.id));
            page.cursor = answer.next_cursor;
            if page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, made.iter().rev().copied().collect::<Vec<_>>());
        let undone = RestoreFilter { status: Some(RestoreStatus::Undone) };
        assert_eq!(fixture.store.restore_list(datastore.id, &undone, &PageRequest::default()).unwrap().total, 0);
    }
}
