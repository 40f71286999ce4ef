//! Exclusion, cancelling, progress, logs and results of jobs.

use domain::assignment::{Heartbeat, Outcome, Task, TaskResult};
use domain::job::LEASE_SECONDS;
use domain::{
    BackupType, DatastoreStatus, ErrorCode, EventKind, JobError, JobKind, JobStatus, LogLevel, LogLineDraft, Method,
    Progress, RestorePlan, RestoreTarget,
};
use store::{JobFilter, PageRequest, StoreError};

use crate::fixture::{after, completed, inspection, now, report, summary, worker};
use crate::on_both;

fn progress(phase: &str) -> Progress {
    Progress { phase: phase.into(), bytes_done: 10, ..Progress::default() }
}

fn line(text: &str) -> LogLineDraft {
    LogLineDraft { at: now(), level: LogLevel::Tool, text: text.into() }
}

on_both! {
    fn f16_only_one_job_changes_a_datastore(fixture) {
        let datastore = fixture.datastore("shop");
        let other = fixture.datastore("other");
        let good = fixture.completed_backup(datastore.id, 5);
        let running = fixture.backup(datastore.id);
        let busy = |outcome: Result<_, StoreError>| match outcome {
            Err(StoreError::Busy { job }) => assert_eq!(job.id, running.job_id),
            outcome => panic!("{outcome:?}"),
        };
        busy(fixture.store.backup_create(datastore.id, Method::PgBasebackup, BackupType::Full, now()).map(|_| ()));
        let request = store::RestoreRequest {
            target: domain::RestoreTarget::InPlace,
            stop: None,
            restore_configuration: false, requested_by: crate::fixture::requester()
        };
        busy(fixture.store.restore_create(good.id, &request, now()).map(|_| ()));
        busy(fixture.store.backup_verify_start(good.id, now()).map(|_| ()));
        busy(fixture.store.backup_delete_start(good.id, now()).map(|_| ()));
        busy(fixture.store.datastore_delete(datastore.id, true, now()));
        assert!(!fixture.store.backup_get(good.id).unwrap().deleting, "a refused deletion leaves no mark");

        fixture.store.job_create_inspect(datastore.id, now()).unwrap();
        fixture.store.job_create_plan(good.id, &RestoreTarget::InPlace, None, now()).unwrap();
        fixture.backup(other.id);
    }

    fn f16_of_many_that_come_at_once_one_gets_the_datastore(fixture) {
        let datastore = fixture.datastore("shop");
        for _ in 0..5 {
            let made: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..16)
                    .map(|_| {
                        scope.spawn(|| {
                            let made = fixture.store.backup_create(
                                datastore.id, Method::PgBasebackup, BackupType::Full, now(),
                            );
                            match made {
                                Ok(backup) => Some(backup),
                                Err(StoreError::Busy { .. }) => None,
                                Err(error) => panic!("{error:?}"),
                            }
                        })
                    })
                    .collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(made.len(), 1);
            fixture.store.job_cancel(made[0].job_id, now()).unwrap();
        }
    }

    fn f16_the_database_itself_refuses_a_second_change(fixture) {
        use diesel::connection::SimpleConnection;
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let second = format!(
            "insert into jobs (id, kind, exclusive, visible, status, attempt, cancel_requested, datastore_id, steps, last_line, created_at) \
             select 'second', kind, exclusive, visible, 'pending', attempt, cancel_requested, datastore_id, steps, last_line, created_at \
             from jobs where id = '{}'",
            backup.job_id
        );
        let again = || crate::fixture::raw(&fixture.url, |sqlite| sqlite.batch_execute(&second), |postgres| postgres.batch_execute(&second));
        let refused = again();
        assert!(
            matches!(&refused, Err(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _))),
            "{refused:?}"
        );
        fixture.store.job_cancel(backup.job_id, after(1)).unwrap();
        again().unwrap();
    }

    fn f04_a_waiting_job_is_cancelled_at_once_and_again_is_fine(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        assert_eq!(fixture.store.job_cancel(backup.job_id, after(1)).unwrap().status, JobStatus::Cancelled);
        assert_eq!(fixture.store.job_cancel(backup.job_id, after(2)).unwrap().status, JobStatus::Cancelled);
        let backup = fixture.store.backup_get(backup.id).unwrap();
        assert_eq!((backup.status, backup.ended_at), (JobStatus::Cancelled, Some(after(1))));
        assert!(fixture.store.job_claim(&worker("w1"), LEASE_SECONDS, after(3)).unwrap().is_none());
        fixture.backup(datastore.id);
    }

    fn f04_a_running_job_is_asked_to_stop_and_says_when_it_has(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let assignment = fixture.claim(after(1));
        let asked = fixture.store.job_cancel(backup.job_id, after(2)).unwrap();
        assert_eq!((asked.status, asked.cancel_requested), (JobStatus::Running, true));
        assert!(fixture.beat(&assignment, after(3)).cancel_requested);
        fixture.store.job_finish(assignment.job_id, &report(1, Outcome::Cancelled), after(4)).unwrap();
        assert_eq!(fixture.store.backup_get(backup.id).unwrap().status, JobStatus::Cancelled);
    }

    fn a_completed_job_can_not_be_cancelled(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let refused = fixture.store.job_cancel(backup.job_id, after(20)).unwrap_err();
        assert!(matches!(refused, StoreError::Illegal(_)), "{refused:?}");
        assert_eq!(refused.code(), ErrorCode::NotCancellable);
        assert_eq!(fixture.store.backup_get(backup.id).unwrap(), backup);
    }

    fn progress_makes_steps_and_shows_with_the_backup(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let assignment = fixture.claim(after(1));
        for (at, phase) in [(2, "starting"), (3, "streaming"), (6, "streaming"), (9, "confirming")] {
            let beat = Heartbeat { attempt: 1, progress: Some(progress(phase)), log_lines: Vec::new() };
            fixture.store.job_heartbeat(assignment.job_id, &beat, LEASE_SECONDS, after(at)).unwrap();
        }
        let shown = fixture.store.backup_get(backup.id).unwrap();
        assert_eq!(shown.progress.unwrap().phase, "confirming");
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, after(12));
        let job = fixture.store.job_get(backup.job_id).unwrap();
        let steps: Vec<_> =
            job.steps.iter().map(|step| (step.phase.as_str(), step.started_at, step.ended_at)).collect();
        assert_eq!(steps, [
            ("starting", after(2), Some(after(3))),
            ("streaming", after(3), Some(after(9))),
            ("confirming", after(9), Some(after(12))),
        ]);
        assert_eq!(job.duration_seconds, Some(11.0));
        assert_eq!(fixture.store.backup_get(backup.id).unwrap().progress, None);
    }

    fn log_lines_are_numbered_cut_and_cleaned(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let assignment = fixture.claim(after(1));
        let long = "ü".repeat(4000);
        let beat = Heartbeat { attempt: 1, progress: None, log_lines: vec![line("one"), line("nul\0inside"), line(&long)] };
        fixture.store.job_heartbeat(assignment.job_id, &beat, LEASE_SECONDS, after(2)).unwrap();
        fixture.store.job_log_append(assignment.job_id, &[line("four")], after(3)).unwrap();
        let mut done = completed(1, TaskResult::Backup { summary: summary(5) });
        done.log_lines = vec![line("five")];
        fixture.store.job_finish(assignment.job_id, &done, after(4)).unwrap();

        let first = fixture.store.job_log(backup.job_id, 0, 2).unwrap();
        assert_eq!((first.total, first.next_cursor.as_deref()), (5, Some("2")));
        assert_eq!(first.items[1].text, "nul\u{fffd}inside");
        let rest = fixture.store.job_log(backup.job_id, 2, 100).unwrap();
        assert_eq!(rest.next_cursor, None);
        assert_eq!(rest.items.iter().map(|line| line.sequence).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(rest.items[0].text.len(), 4096);
        assert_eq!(rest.items[2].text, "five");
    }

    fn a_failure_is_told_by_job_and_backup(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let assignment = fixture.claim(after(1));
        let error = JobError::new(ErrorCode::EngineToolFailed, "pg_basebackup ended with 1\0");
        fixture.store.job_finish(assignment.job_id, &report(1, Outcome::Failed { error }), after(2)).unwrap();
        let backup = fixture.store.backup_get(backup.id).unwrap();
        assert_eq!(backup.status, JobStatus::Failed);
        assert_eq!(backup.error.as_ref().unwrap().code, ErrorCode::EngineToolFailed);
        assert_eq!(fixture.store.job_get(backup.job_id).unwrap().error, backup.error);
        let overview = fixture.store.datastore_get(datastore.id, after(3)).unwrap().overview;
        assert_eq!((overview.failures_24h, overview.backup_count), (1, 0));
        let later = fixture.store.datastore_get(datastore.id, after(25 * 3600)).unwrap().overview;
        assert_eq!(later.failures_24h, 0);
    }

    fn a_result_of_another_kind_is_refused(fixture) {
        let datastore = fixture.datastore("shop");
        fixture.backup(datastore.id);
        let assignment = fixture.claim(after(1));
        let refused = fixture.store.job_finish(assignment.job_id, &completed(1, TaskResult::Delete), after(2));
        assert!(matches!(refused, Err(StoreError::UnexpectedResult { .. })), "{refused:?}");
        assert_eq!(fixture.store.job_get(assignment.job_id).unwrap().status, JobStatus::Running);
    }

    fn an_inspection_is_recorded_with_its_datastore_and_job(fixture) {
        let datastore = fixture
            .store
            .datastore_create(&fixture.draft("shop"), fixture.storage().id, None, None, now())
            .unwrap();
        assert_eq!(datastore.status, DatastoreStatus::Unknown);
        let job = fixture.store.job_create_inspect(datastore.id, now()).unwrap();
        let assignment = fixture.claim(after(1));
        assert_eq!(fixture.store.job_result_value(job.id).unwrap(), None);
        let found = inspection(DatastoreStatus::Online);
        fixture.finish(&assignment, TaskResult::Inspect { inspection: found.clone() }, after(2));
        let kept = fixture.store.job_result_value(job.id).unwrap().unwrap();
        assert_eq!(serde_json::from_value::<domain::Inspection>(kept).unwrap(), found);
        let seen = fixture.store.datastore_get(datastore.id, after(3)).unwrap();
        assert_eq!((seen.status, seen.inspected_at), (DatastoreStatus::Online, Some(after(2))));
        assert_eq!(seen.data_directory.as_deref(), Some("/var/lib/postgresql/15/main"));
        assert_eq!(fixture.store.job_list(&JobFilter::default(), &PageRequest::default()).unwrap().total, 0);
        let inspections = JobFilter { kind: Some(JobKind::Inspect), ..JobFilter::default() };
        assert_eq!(fixture.store.job_list(&inspections, &PageRequest::default()).unwrap().total, 1);
    }

    fn a_plan_is_kept_with_its_job_and_learns_from_earlier_restores(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        fixture.completed_restore(backup.id, after(100));
        let job = fixture.store.job_create_plan(backup.id, &RestoreTarget::InPlace, None, after(200)).unwrap();
        let assignment = fixture.claim(after(201));
        assert!(matches!(assignment.task, Task::PlanRestore { .. }));
        let plan = RestorePlan {
            chain: vec![1],
            links_bytes: 0,
            log_segments: 0,
            log_bytes: 0,
            fetch_bytes: 1,
            unpacked_bytes: 2,
            needed_bytes: 3,
            free_bytes: 4,
            databases: None,
            estimated_seconds: None,
            estimated_downtime_seconds: None,
            obstacles: Vec::new(),
        };
        fixture.finish(&assignment, TaskResult::PlanRestore { plan }, after(202));
        let kept = fixture.store.job_result_value(job.id).unwrap().unwrap();
        let kept: RestorePlan = serde_json::from_value(kept).unwrap();
        assert_eq!((kept.estimated_seconds, kept.estimated_downtime_seconds), (Some(20), Some(2)));
    }

    fn a_job_that_can_not_be_prepared_fails_instead_of_blocking_the_queue(fixture) {
        let job = fixture.store.job_create_inspect_draft(&fixture.draft("draft"), now()).unwrap();
        damage_input(fixture, job.id);
        let next = fixture.store.job_create_inspect_draft(&fixture.draft("draft"), after(1)).unwrap();
        assert_eq!(fixture.claim(after(2)).job_id, next.id);
        assert_eq!(fixture.store.job_get(job.id).unwrap().status, JobStatus::Failed);
    }

    fn i10_every_change_has_its_event(fixture) {
        let start = fixture.store.event_latest_id().unwrap();
        let datastore = fixture.datastore("shop");
        let backup = fixture.completed_backup(datastore.id, 5);
        let events = fixture.store.event_list(start, 100).unwrap();
        assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id));
        let of = |kind: EventKind, id| events.iter().filter(|event| event.kind == kind && event.resource_id == id).count();
        assert_eq!(of(EventKind::Datastore, datastore.id), 1);
        assert_eq!(of(EventKind::Backup, backup.id), 3, "asked for, claimed, ended");
        assert_eq!(of(EventKind::Job, backup.job_id), 3);
        assert_eq!(events.iter().filter(|event| event.kind == EventKind::Worker).count(), 1);
        assert!(events.iter().filter(|event| event.kind == EventKind::Backup).all(|event| event.datastore_id == Some(datastore.id)));

        let last = fixture.store.event_latest_id().unwrap();
        assert_eq!(fixture.store.event_list(last, 100).unwrap(), []);
        assert!(fixture.store.events_prune(after(9999)).unwrap() > 0);
        assert_eq!(fixture.store.event_latest_id().unwrap(), last, "ids go on from here");
    }
}

fn damage_input(fixture: &crate::fixture::Fixture, job: uuid::Uuid) {
    use diesel::connection::SimpleConnection;
    let statement = format!("update jobs set input_sealed = '00' where id = '{job}'");
    crate::fixture::raw(
        &fixture.url,
        |sqlite| sqlite.batch_execute(&statement),
        |postgres| postgres.batch_execute(&statement),
    )
    .unwrap();
}
