//! Which backup an increment is built on, and what makes it a full backup instead.

use chrono::{DateTime, Utc};
use domain::assignment::{BackupSummary, Heartbeat, Outcome, Task, TaskResult};
use domain::job::LEASE_SECONDS;
use domain::{Backup, BackupSettings, BackupType, ErrorCode, JobError, JobStatus, Method, Progress};
use store::{BackupFilter, PageRequest, RestoreRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, now, report, summary};
use crate::on_both;

/// Asks for an increment.
fn ask(fixture: &Fixture, datastore: Uuid, at: DateTime<Utc>) -> Backup {
    fixture.store.backup_create(datastore, Method::PgBasebackup, BackupType::Incremental, at).unwrap()
}

/// Makes what was asked for, as it was asked for.
fn make(fixture: &Fixture, datastore: Uuid, at: i64) -> Backup {
    let asked = ask(fixture, datastore, after(at));
    let assignment = fixture.claim(after(at + 1));
    let Task::Backup { backup, .. } = &assignment.task else { panic!("{:?}", assignment.task) };
    assert_eq!((backup.backup_type, backup.parent_id), (asked.backup_type, asked.parent_id));
    let (backup_type, parent_id) = (backup.backup_type, backup.parent_id);
    let summary = BackupSummary { backup_type, parent_id, ..summary(10) };
    fixture.finish(&assignment, TaskResult::Backup { summary }, after(at + 2));
    fixture.store.backup_get(asked.id).unwrap()
}

#[track_caller]
fn assert_full(fixture: &Fixture, backup: &Backup, reason: &str) {
    assert_eq!((backup.backup_type, backup.parent_id), (BackupType::Full, None), "{reason}");
    let log = fixture.store.job_log(backup.job_id, 0, 10).unwrap();
    let line = &log.items.first().expect("a line").text;
    assert!(line.starts_with("A full backup is made instead of an increment: ") && line.contains(reason), "{line}");
}

fn fail(fixture: &Fixture, at: i64) {
    let assignment = fixture.claim(after(at));
    let error = JobError::new(ErrorCode::EngineToolFailed, "no");
    fixture
        .store
        .job_finish(assignment.job_id, &report(assignment.attempt, Outcome::Failed { error }), after(at))
        .unwrap();
}

/// Starts a restore that fails in a phase, after so many attempts that were given back.
fn failed_restore(fixture: &Fixture, backup: Uuid, phase: &str, given_back: i32, at: i64) {
    let request = RestoreRequest {
        target: domain::RestoreTarget::InPlace,
        stop: None,
        restore_configuration: false,
        requested_by: crate::fixture::requester(),
    };
    fixture.store.restore_create(backup, &request, after(at)).unwrap();
    for _ in 0..given_back {
        let assignment = fixture.claim(after(at));
        let released = report(assignment.attempt, Outcome::Released);
        fixture.store.job_finish(assignment.job_id, &released, after(at)).unwrap();
    }
    let assignment = fixture.claim(after(at));
    let attempt = assignment.attempt;
    let progress = Some(Progress { phase: phase.into(), ..Progress::default() });
    let beat = Heartbeat { attempt, progress, log_lines: Vec::new() };
    fixture.store.job_heartbeat(assignment.job_id, &beat, LEASE_SECONDS, after(at)).unwrap();
    let error = JobError::new(ErrorCode::EngineToolFailed, "no");
    fixture.store.job_finish(assignment.job_id, &report(attempt, Outcome::Failed { error }), after(at)).unwrap();
}

on_both! {
    fn f70_increments_are_built_on_the_newest_completed_backup(fixture) {
        let datastore = fixture.datastore("shop").id;
        let full = make(fixture, datastore, 0);
        assert_full(fixture, &full, "there is no completed backup");
        let first = make(fixture, datastore, 10);
        assert_eq!((first.backup_type, first.parent_id), (BackupType::Incremental, Some(full.id)));
        let failed = ask(fixture, datastore, after(20));
        assert_eq!(failed.parent_id, Some(first.id));
        fail(fixture, 21);
        let failed = fixture.store.backup_get(failed.id).unwrap();
        assert_eq!((failed.status, failed.parent_id), (JobStatus::Failed, None), "it keeps nobody from being deleted");
        let second = make(fixture, datastore, 30);
        assert_eq!(second.parent_id, Some(first.id));
        let other = fixture.datastore("other").id;
        assert_full(fixture, &make(fixture, other, 40), "there is no completed backup");
        let refused = fixture.store.backup_delete_start(first.id, after(50)).unwrap_err();
        assert!(matches!(&refused, StoreError::HasDependents { numbers } if *numbers == [second.number]), "{refused:?}");
    }

    fn what_the_worker_made_is_what_counts(fixture) {
        let datastore = fixture.datastore("shop").id;
        make(fixture, datastore, 0);
        let asked = ask(fixture, datastore, after(10));
        assert_eq!(asked.backup_type, BackupType::Incremental);
        let assignment = fixture.claim(after(11));
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(10) }, after(12));
        let made = fixture.store.backup_get(asked.id).unwrap();
        assert_eq!((made.backup_type, made.parent_id), (BackupType::Full, None));
        for (backup_type, total) in [(BackupType::Full, 2), (BackupType::Incremental, 0)] {
            let filter = BackupFilter { backup_type: Some(backup_type), ..BackupFilter::default() };
            let page = fixture.store.backup_list(datastore, &filter, &PageRequest::default()).unwrap();
            assert_eq!((page.total, page.items.len()), (total, usize::try_from(total).unwrap()), "{backup_type}");
        }
        assert_eq!(make(fixture, datastore, 20).parent_id, Some(made.id));
    }

    fn f33_nothing_is_built_on_a_link_that_was_found_damaged(fixture) {
        let datastore = fixture.datastore("shop").id;
        let full = make(fixture, datastore, 0);
        make(fixture, datastore, 10);
        fixture.store.backup_verify_start(full.id, after(20)).unwrap();
        let assignment = fixture.claim(after(21));
        fixture.finish(&assignment, TaskResult::Verify { problems: vec!["base.000.tar.zst: flipped".into()] }, after(22));
        let instead = make(fixture, datastore, 30);
        assert_full(fixture, &instead, &format!("backup {} was found damaged", full.number));
        assert_eq!(make(fixture, datastore, 40).parent_id, Some(instead.id));
    }

    fn a_deletion_that_has_begun_ends_a_chain(fixture) {
        let datastore = fixture.datastore("shop").id;
        let full = make(fixture, datastore, 0);
        fixture.store.backup_delete_start(full.id, after(10)).unwrap();
        fail(fixture, 11);
        assert_full(fixture, &make(fixture, datastore, 20), "is being deleted");
    }

    fn restores_and_undos_begin_a_new_chain(fixture) {
        let datastore = fixture.datastore("shop").id;
        let full = make(fixture, datastore, 0);
        failed_restore(fixture, full.id, "checking", 0, 10);
        assert_eq!(make(fixture, datastore, 20).parent_id, Some(full.id), "it was refused while it only looked");
        failed_restore(fixture, full.id, "switching", 0, 30);
        assert_full(fixture, &make(fixture, datastore, 40), "the data was replaced by a restore");
        failed_restore(fixture, full.id, "checking", 1, 45);
        assert_full(fixture, &make(fixture, datastore, 46), "the data was replaced by a restore");
        let restore = fixture.completed_restore(full.id, after(50));
        let branch = make(fixture, datastore, 80);
        assert_full(fixture, &branch, "the data was replaced by a restore");
        assert_eq!(make(fixture, datastore, 90).parent_id, Some(branch.id));
        fixture.store.restore_undo_start(restore.id, after(100)).unwrap();
        let assignment = fixture.claim(after(101));
        fixture.finish(&assignment, TaskResult::Undo { downtime_seconds: 1.0, server_identity: None }, after(102));
        assert_full(fixture, &make(fixture, datastore, 110), "a restore or an undo");
    }

    fn a_chain_does_not_grow_for_ever(fixture) {
        let datastore = fixture.datastore("shop").id;
        let settings = fixture.store.backup_settings_get(datastore).unwrap();
        let short = BackupSettings { maximum_chain_length: 3, ..settings };
        fixture.store.backup_settings_put(datastore, &short, now()).unwrap();
        for link in 0..3 {
            assert_eq!(make(fixture, datastore, link * 10).parent_id.is_none(), link == 0);
        }
        assert_full(fixture, &make(fixture, datastore, 1000), "3 links");
    }
}
