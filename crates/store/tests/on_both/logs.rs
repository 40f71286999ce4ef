//! Who archives a datastore's logs, what is kept of them, and what restores are given.

use domain::assignment::{BackupSummary, ReachedStop, Task, TaskResult};
use domain::log_archive::{
    ArchiverAssignment, ArchiverClaim, ArchiverReport, LogArchivingStatus, LogSegmentName, RecoveryStop,
};
use domain::manifest::ObjectRecord;
use domain::{Backup, Datastore, EventKind, JobKind, LogPoint, LogSegment, RestoreTarget};
use store::{RestoreRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, now, summary, worker};
use crate::on_both;

const LINE: &str = "7300000000000000001-1.origin";
const SIZE: u64 = 100;

/// Segment `number` holds the commits of ten seconds.
fn segment(number: u64) -> LogSegment {
    let second = i64::try_from(number).unwrap() * 10;
    let key = format!("{number:024}.zst");
    LogSegment {
        incarnation: LINE.into(),
        name: format!("{number:024}"),
        start: number * SIZE,
        end: (number + 1) * SIZE,
        closed: true,
        first_commit_at: Some(after(second)),
        last_commit_at: Some(after(second + 9)),
        gap_before: None,
        objects: vec![ObjectRecord { key, size_bytes: 7, sha256: "00".into(), original_size_bytes: SIZE }],
    }
}

fn report(epoch: i64, segments: Vec<LogSegment>) -> ArchiverReport {
    ArchiverReport {
        epoch,
        incarnation: Some(LINE.into()),
        status: LogArchivingStatus::Archiving,
        code: None,
        detail: None,
        segments,
        missing: Vec::new(),
        complete_until: None,
        lag_bytes: None,
        warnings: Vec::new(),
    }
}

fn archive(fixture: &Fixture, datastore: &Datastore, on: bool, at: i64) {
    let mut settings = fixture.store.backup_settings_get(datastore.id).unwrap();
    settings.log_archiving = on;
    fixture.store.backup_settings_put(datastore.id, &settings, after(at)).unwrap();
}

fn ask(fixture: &Fixture, name: &str, holds: &[Uuid], at: i64) -> Vec<ArchiverAssignment> {
    let claim = ArchiverClaim { worker: worker(name), holds: holds.to_vec() };
    fixture.store.log_archivers_claim(&claim, after(at)).unwrap().assignments
}

/// A backup that ended at second 21 in the middle of segment 1.
fn backup(fixture: &Fixture, datastore: &Datastore) -> Backup {
    let backup = fixture
        .store
        .backup_create(datastore.id, domain::Method::PgBasebackup, domain::BackupType::Full, after(1))
        .unwrap();
    let assignment = fixture.claim(after(2));
    let point = LogPoint { incarnation: LINE.into(), position: SIZE + 50 };
    let summary = BackupSummary { log_point: Some(point), ..summary(10) };
    fixture.finish(&assignment, TaskResult::Backup { summary }, after(21));
    fixture.store.backup_get(backup.id).unwrap()
}

fn order(stop: RecoveryStop) -> RestoreRequest {
    RestoreRequest {
        target: RestoreTarget::InPlace,
        stop: Some(stop),
        restore_configuration: false,
        requested_by: crate::fixture::requester(),
    }
}

on_both! {
    fn one_worker_archives_a_datastore_and_another_takes_over_when_it_is_silent(fixture) {
        let shop = fixture.datastore("shop");
        assert_eq!(ask(fixture, "w1", &[], 0).len(), 0);
        archive(fixture, &shop, true, 0);
        let first = ask(fixture, "w1", &[], 1);
        assert_eq!((first.len(), first[0].branch.as_str(), first[0].datastore.id), (1, "origin", shop.id));
        assert_eq!(ask(fixture, "w2", &[], 2).len(), 0, "w1 holds it");
        assert_eq!(ask(fixture, "w1", &[shop.id], 25), first, "kept as it is");
        assert_eq!(ask(fixture, "w2", &[], 40).len(), 0, "renewed");
        let second = ask(fixture, "w2", &[], 60);
        assert!(second[0].epoch > first[0].epoch);
        let refused = fixture.store.log_archiver_report(shop.id, &report(first[0].epoch, vec![segment(0)]), after(61));
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
        fixture.store.log_archiver_report(shop.id, &report(second[0].epoch, vec![segment(0)]), after(61)).unwrap();
        assert_eq!(fixture.store.log_segments(shop.id).unwrap(), [segment(0)]);
        assert_eq!(ask(fixture, "w2", &[], 62)[0].epoch, second[0].epoch + 1, "a worker that was started again begins anew");
    }

    fn f68_nobody_archives_while_a_job_switches_the_servers_data(fixture) {
        let shop = fixture.datastore("shop");
        archive(fixture, &shop, true, 0);
        let made = backup(fixture, &shop);
        let first = ask(fixture, "w1", &[], 45);
        fixture.store.log_archiver_report(shop.id, &report(first[0].epoch, (0..5).map(segment).collect()), after(50)).unwrap();
        let restore = fixture.store.restore_create(made.id, &order(RecoveryStop::Time { at: after(35) }), after(60)).unwrap();
        let job = fixture.claim(after(60));
        let Task::Restore { replay: Some(replay), .. } = &job.task else { panic!("{:?}", job.task) };
        let names: Vec<_> = replay.logs.iter().flat_map(|logs| logs.segments.clone()).collect();
        assert_eq!(names, [segment(1), segment(2), segment(3)], "up to the first that tells that the stop was passed");

        assert!(!fixture.store.log_archiver_suspend(job.job_id, job.attempt, after(61)).unwrap());
        assert_eq!(ask(fixture, "w1", &[shop.id], 62).len(), 0, "it is told to stop");
        assert!(!fixture.store.log_archiver_suspend(job.job_id, job.attempt, after(63)).unwrap(), "it may not have heard");
        assert_eq!(ask(fixture, "w1", &[], 64).len(), 0);
        assert!(fixture.store.log_archiver_suspend(job.job_id, job.attempt, after(65)).unwrap());
        let refused = fixture.store.log_archiver_report(shop.id, &report(first[0].epoch, vec![segment(5)]), after(65));
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
        let stale = fixture.store.log_archiver_suspend(job.job_id, job.attempt + 1, after(65));
        assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");

        let reached = Some(ReachedStop { position: "LSN 0/1".into(), last_commit_at: Some(after(34)) });
        fixture.finish(&job, TaskResult::Restore { undo_until: after(1000), downtime_seconds: 1.0, server_identity: None, reached }, after(70));
        let done = fixture.store.restore_get(restore.id).unwrap();
        assert_eq!(done.pitr_stop_time.as_deref(), Some("2026-03-01T12:00:35Z"));
        assert_eq!((done.reached_position.as_deref(), done.reached_commit_at), (Some("LSN 0/1"), Some(after(34))));
        let branch = restore.id.simple().to_string();
        assert_eq!(ask(fixture, "w1", &[], 71)[0].branch, branch, "what the restored server writes is another line");
        let facts = fixture.store.recovery_facts(shop.id).unwrap();
        let lines: Vec<_> = facts.branches.iter().map(|of| (of.branch.as_str(), of.is_current, of.to)).collect();
        assert_eq!(lines, [("origin", false, Some(after(70))), (branch.as_str(), true, None)]);
        assert_eq!(facts.branches[1].restored_to, Some(after(35)));

        let undo = fixture.store.restore_undo_start(restore.id, after(80)).unwrap();
        let job = fixture.claim(after(80));
        assert_eq!(job.job_id, undo.id);
        fixture.finish(&job, TaskResult::Undo { downtime_seconds: 1.0, server_identity: None }, after(90));
        assert_eq!(ask(fixture, "w1", &[], 91)[0].branch, "origin", "the old line goes on");
        let facts = fixture.store.recovery_facts(shop.id).unwrap();
        assert_eq!(facts.branches.iter().map(|of| of.to).collect::<Vec<_>>(), [None, Some(after(90))]);
        assert_eq!(facts.segments.len(), 5, "and its archive is whole");
    }

    fn a_server_of_which_nobody_knows_what_it_holds_writes_a_line_of_its_own(fixture) {
        let shop = fixture.datastore("shop");
        archive(fixture, &shop, true, 0);
        let made = backup(fixture, &shop);
        fixture.restore(made.id, after(30));
        let job = fixture.claim(after(30));
        let error = domain::JobError::new(domain::ErrorCode::ServiceControlFailed, "it does not stop");
        let failed = crate::fixture::report(job.attempt, domain::assignment::Outcome::Failed { error });
        fixture.store.job_finish(job.job_id, &failed, after(40)).unwrap();
        assert_ne!(ask(fixture, "w1", &[], 41)[0].branch, "origin");
    }

    fn f52_what_the_server_keeps_for_us_is_taken_back(fixture) {
        let shop = fixture.datastore("shop");
        archive(fixture, &shop, true, 0);
        archive(fixture, &shop, true, 1);
        archive(fixture, &shop, false, 2);
        assert_eq!(ask(fixture, "w1", &[], 3).len(), 0);
        let job = fixture.claim(after(3));
        let Task::EndLogArchiving { datastore } = &job.task else { panic!("{:?}", job.task) };
        assert_eq!(datastore.password.as_ref().map(|password| password.expose().to_owned()), Some("canary-password".into()));
        fixture.finish(&job, TaskResult::EndLogArchiving, after(4));
        archive(fixture, &shop, false, 5);
        assert_eq!(fixture.store.job_claim(&worker("w1"), 30, after(6)).unwrap(), None, "once");

        archive(fixture, &shop, true, 7);
        fixture.store.datastore_delete(shop.id, false, after(8)).unwrap();
        let job = fixture.claim(after(9));
        assert_eq!(job.task.kind(), JobKind::EndLogArchiving);
        fixture.finish(&job, TaskResult::EndLogArchiving, after(10));
    }

    fn f60_a_segment_that_is_gone_is_news_and_cuts_the_window(fixture) {
        let shop = fixture.datastore("shop");
        archive(fixture, &shop, true, 0);
        let made = backup(fixture, &shop);
        let epoch = ask(fixture, "w1", &[], 30)[0].epoch;
        fixture.store.log_archiver_report(shop.id, &report(epoch, (0..6).map(segment).collect()), after(60)).unwrap();
        let before = fixture.store.event_latest_id().unwrap();
        let gone = LogSegmentName { incarnation: LINE.into(), name: segment(3).name };
        for _ in 0..2 {
            let told = ArchiverReport { missing: vec![gone.clone()], ..report(epoch, Vec::new()) };
            fixture.store.log_archiver_report(shop.id, &told, after(61)).unwrap();
        }
        let events = fixture.store.event_list(before, 10).unwrap();
        assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Datastore]);
        let facts = fixture.store.recovery_facts(shop.id).unwrap();
        assert!(facts.logs_for(made.id, &RecoveryStop::Time { at: after(25) }, after(100)).is_ok());
        let refusal = facts.logs_for(made.id, &RecoveryStop::Time { at: after(45) }, after(100)).unwrap_err();
        assert!(refusal.detail.contains(&gone.name), "{refusal:?}");
        assert_eq!(fixture.store.log_segments(shop.id).unwrap().len(), 5);

        // Between request and claim more went: the job fails with the reason, and touches nothing.
        fixture.store.restore_create(made.id, &order(RecoveryStop::Time { at: after(45) }), after(62)).unwrap();
        assert_eq!(fixture.store.job_claim(&worker("w1"), 30, after(63)).unwrap(), None);
        let restores = fixture.store.restore_list(shop.id, &store::RestoreFilter::default(), &store::PageRequest::default()).unwrap();
        let error = restores.items[0].error.as_ref().unwrap();
        assert_eq!(error.code, domain::ErrorCode::PitrTimeNotCovered);
    }

    fn f72_only_logs_that_nothing_needs_expire_from_the_oldest_on(fixture) {
        let shop = fixture.datastore("shop");
        archive(fixture, &shop, true, 0);
        let epoch = ask(fixture, "w1", &[], 30)[0].epoch;
        fixture.store.log_archiver_report(shop.id, &report(epoch, (0..6).map(segment).collect()), after(60)).unwrap();
        let needed = |from: chrono::DateTime<chrono::Utc>, to| from <= after(25) && to >= after(25) || from >= after(50);
        assert_eq!(fixture.store.log_segments_expire(shop.id, &needed, after(61)).unwrap(), 2);
        assert_eq!(fixture.store.log_segments_expire(shop.id, &needed, after(62)).unwrap(), 0);
        assert_eq!(fixture.store.log_segments(shop.id).unwrap().len(), 4);
        fixture.store.sweep_start(shop.id, after(63)).unwrap();
        let job = fixture.claim(after(64));
        let Task::Sweep { expired_logs, .. } = &job.task else { panic!("{:?}", job.task) };
        let names: Vec<_> = expired_logs.iter().flat_map(|logs| &logs.segments).map(|of| of.name.clone()).collect();
        assert_eq!(names, [segment(0).name, segment(1).name]);
        let deleted_logs = vec![LogSegmentName { incarnation: LINE.into(), name: names[0].clone() }];
        let result = TaskResult::Sweep { deleted: 0, failed: Vec::new(), missing: Vec::new(), deleted_logs };
        fixture.finish(&job, result, after(65));
        fixture.store.sweep_start(shop.id, after(66)).unwrap();
        let Task::Sweep { expired_logs, .. } = fixture.claim(after(67)).task else { panic!() };
        assert_eq!(expired_logs[0].segments.len(), 1, "what could not be deleted is tried again");
    }

    fn how_far_the_log_is_complete_is_told(fixture) {
        let shop = fixture.datastore("shop");
        archive(fixture, &shop, true, 0);
        let waiting = fixture.store.datastore_get(shop.id, now()).unwrap().overview;
        assert_eq!((waiting.log_archiving, waiting.recoverable_until), (LogArchivingStatus::Waiting, None));
        let epoch = ask(fixture, "w1", &[], 1)[0].epoch;
        let until = ArchiverReport { complete_until: Some(after(500)), ..report(epoch, vec![segment(0)]) };
        fixture.store.log_archiver_report(shop.id, &until, after(60)).unwrap();
        let overview = || fixture.store.datastore_get(shop.id, now()).unwrap().overview;
        assert_eq!(overview().recoverable_until, None, "no backup leads into it");
        fixture.store.log_archiver_based(shop.id, true, after(60)).unwrap();
        assert_eq!(overview().recoverable_until, Some(after(60)), "never the future");
        let facts = fixture.store.recovery_facts(shop.id).unwrap();
        assert_eq!(facts.archiving.last_commit_at, Some(after(9)));
        let failing = ArchiverReport {
            status: LogArchivingStatus::Retrying,
            code: Some(domain::ErrorCode::HostUnreachable),
            detail: Some("no answer\0".into()),
            ..report(epoch, Vec::new())
        };
        fixture.store.log_archiver_report(shop.id, &failing, after(70)).unwrap();
        let archiving = fixture.store.recovery_facts(shop.id).unwrap().archiving;
        assert_eq!((archiving.status, archiving.complete_until), (LogArchivingStatus::Retrying, Some(after(60))));
    }
}
