//! Schedules: kept, edited, paused, and fired once for each due time.

use chrono::{DateTime, Duration, Utc};
use domain::assignment::{Outcome, TaskResult};
use domain::{
    BackupType, DatastoreStatus, ErrorCode, JobError, JobStatus, Method, RunStatus, Schedule, ScheduleDraft,
    ScheduleRun, ScheduleSettings, ScheduleStatus, Trigger,
};
use store::{BackupFilter, PageRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, inspection, now, raw, report, summary};
use crate::on_both;

/// Full backups by the fixture's method.
fn draft(recurrence: &str) -> ScheduleDraft {
    let recurrence = recurrence.parse().unwrap();
    ScheduleDraft { method: Method::PgBasebackup, backup_type: BackupType::Full, recurrence }
}

fn settings() -> ScheduleSettings {
    ScheduleSettings::default()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl Fixture {
    fn schedule(&self, datastore: Uuid, recurrence: &str) -> Schedule {
        self.store.schedule_create(datastore, &draft(recurrence), &settings(), now()).unwrap()
    }

    /// Fires until nothing is due, and says how many backups were started.
    fn fire(&self, at: DateTime<Utc>) -> usize {
        let mut started = 0;
        loop {
            let firing = self.store.schedule_fire_due(&settings(), at).unwrap();
            if firing.decided == 0 {
                return started;
            }
            started += firing.started;
        }
    }

    fn runs(&self, schedule: Uuid) -> Vec<ScheduleRun> {
        self.store.schedule_run_list(schedule, &PageRequest::default()).unwrap().items
    }

    fn statuses(&self, schedule: Uuid) -> Vec<RunStatus> {
        self.runs(schedule).into_iter().map(|run| run.status).collect()
    }

    fn backups(&self, datastore: Uuid) -> i64 {
        self.store.backup_list(datastore, &BackupFilter::default(), &PageRequest::default()).unwrap().total
    }

    /// Claims the waiting backup and lets it fail.
    fn fail_backup(&self, code: ErrorCode, at: DateTime<Utc>) {
        let assignment = self.claim(at);
        let error = JobError::new(code, "it did not work");
        self.store.job_finish(assignment.job_id, &report(assignment.attempt, Outcome::Failed { error }), at).unwrap();
    }

    fn complete_backup(&self, at: DateTime<Utc>) {
        let assignment = self.claim(at);
        self.finish(&assignment, TaskResult::Backup { summary: summary(5) }, at);
    }
}

const HOURLY: &str = "TZ=UTC 0 * * * *";
const DAILY: &str = "TZ=UTC 0 5 * * *";

on_both! {
    fn a_run_starts_a_backup_and_follows_it(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        let due = time("2026-03-01T13:00:00Z");
        assert_eq!((schedule.next_run_at, schedule.last_run), (Some(due), None));
        assert_eq!(fixture.store.datastore_get(datastore.id, now()).unwrap().overview.next_run_at, Some(due));
        assert_eq!(fixture.fire(due - Duration::seconds(1)), 0);
        assert_eq!(fixture.fire(due), 1);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!((run.due_at, run.status, run.attempt), (due, RunStatus::Pending, 1));
        let backup = fixture.store.backup_get(run.backup_id.unwrap()).unwrap();
        assert_eq!((backup.trigger, backup.schedule_id), (Trigger::Schedule, Some(schedule.id)));
        let assignment = fixture.claim(due);
        assert_eq!(fixture.statuses(schedule.id), [RunStatus::Running]);
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, due + Duration::seconds(9));
        let schedule = fixture.store.schedule_get(schedule.id).unwrap();
        let last = schedule.last_run.unwrap();
        assert_eq!((last.at, last.status, last.backup_id), (due, RunStatus::Completed, Some(backup.id)));
        assert_eq!(schedule.next_run_at, Some(time("2026-03-01T14:00:00Z")));
        assert_eq!(fixture.fire(due + Duration::minutes(30)), 0);
    }

    fn f13_schedulers_at_once_fire_each_due_time_once(fixture) {
        let schedules: Vec<_> = (0..20)
            .map(|n| {
                let datastore = fixture.datastore(&format!("shop-{n}"));
                (datastore.id, fixture.schedule(datastore.id, HOURLY).id)
            })
            .collect();
        let due = time("2026-03-01T13:00:00Z");
        let started: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| fixture.fire(due))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(started, 20);
        for (datastore, schedule) in schedules {
            assert_eq!((fixture.backups(datastore), fixture.runs(schedule).len()), (1, 1));
        }
    }

    fn f14_the_newest_of_missed_times_is_run_and_the_others_are_told(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        let late = time("2026-03-05T09:30:00Z");
        assert_eq!(fixture.fire(late), 1);
        use RunStatus::{Missed, Pending};
        assert_eq!(fixture.statuses(schedule.id), [Pending, Missed, Missed, Missed]);
        let missed = &fixture.runs(schedule.id)[1];
        assert_eq!(missed.due_at, time("2026-03-04T05:00:00Z"));
        assert_eq!(missed.reason.as_deref(), Some("No scheduler ran when it was due"));
        // The one of the last 24 hours counts as a failure.
        assert_eq!(fixture.store.datastore_get(datastore.id, late).unwrap().overview.failures_24h, 0);
        let soon = time("2026-03-05T04:30:00Z");
        assert_eq!(fixture.store.datastore_get(datastore.id, soon).unwrap().overview.failures_24h, 1);
        let failures = fixture.store.schedule_run_failures(time("2026-03-01T00:00:00Z")).unwrap();
        assert!(failures.contains(&(Missed, 3)), "{failures:?}");
    }

    fn f43_a_clock_that_goes_back_starts_nothing_twice(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        let due = time("2026-03-01T15:00:00Z");
        assert_eq!(fixture.fire(due), 1);
        fixture.complete_backup(due);
        let back = time("2026-03-01T12:30:00Z");
        fixture.fire(back);
        assert_eq!(fixture.store.schedule_get(schedule.id).unwrap().next_run_at, Some(time("2026-03-01T13:00:00Z")));
        // 13:00 and 14:00 had been missed; now they come again, and 13:00 is made up for.
        assert_eq!(fixture.fire(time("2026-03-01T13:00:00Z")), 1);
        fixture.complete_backup(time("2026-03-01T13:00:01Z"));
        assert_eq!(fixture.fire(time("2026-03-01T15:00:10Z")), 0, "15:00 was served");
        assert_eq!(fixture.backups(datastore.id), 2);
    }

    fn f16_a_run_waits_for_a_busy_datastore_and_starts_when_it_is_free(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        let due = time("2026-03-01T13:00:00Z");
        fixture.backup(datastore.id);
        let assignment = fixture.claim(due - Duration::seconds(20));
        assert_eq!(fixture.fire(due), 0);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!(run.status, RunStatus::Waiting);
        assert_eq!(run.reason.as_deref(), Some("Waits for the datastore: backup of backup 1 is running"));
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, due + Duration::seconds(3));
        assert_eq!(fixture.fire(due + Duration::seconds(3)), 1);
        assert_eq!(fixture.statuses(schedule.id), [RunStatus::Pending]);
    }

    fn f16_a_run_that_waited_too_long_is_skipped_with_the_reason(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        fixture.backup(datastore.id);
        let due = time("2026-03-02T05:00:00Z");
        assert_eq!(fixture.fire(due), 0);
        assert_eq!(fixture.fire(due + Duration::minutes(61)), 0);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!((run.status, run.attempt), (RunStatus::Skipped, 0));
        assert!(run.reason.as_deref().unwrap().contains("busy for 1 h 01 min: backup of backup 1"), "{run:?}");
        assert_eq!(fixture.store.schedule_get(schedule.id).unwrap().next_run_at, Some(time("2026-03-03T05:00:00Z")));
    }

    fn a_failed_run_is_tried_again_with_pauses_and_then_given_up(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        let due = time("2026-03-02T05:00:00Z");
        assert_eq!(fixture.fire(due), 1);
        fixture.fail_backup(ErrorCode::HostUnreachable, due);
        assert_eq!(fixture.fire(due), 0);
        let retry_at = due + Duration::minutes(5);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!((run.status, run.retry_at, run.reason.as_deref()), (RunStatus::Failed, Some(retry_at), Some("it did not work")));
        assert_eq!(fixture.fire(retry_at - Duration::seconds(1)), 0);
        assert_eq!(fixture.fire(retry_at), 1);
        fixture.fail_backup(ErrorCode::HostUnreachable, retry_at);
        assert_eq!(fixture.fire(retry_at), 0);
        let retry_at = retry_at + Duration::minutes(10);
        assert_eq!(fixture.fire(retry_at), 1);
        fixture.fail_backup(ErrorCode::HostUnreachable, retry_at);
        assert_eq!(fixture.fire(retry_at + Duration::hours(20)), 0);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!((run.status, run.attempt, run.retry_at), (RunStatus::Failed, 3, None));
        assert_eq!(fixture.backups(datastore.id), 3);
    }

    fn a_failure_that_no_retry_mends_is_not_tried_again(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        let due = time("2026-03-02T05:00:00Z");
        fixture.fire(due);
        fixture.fail_backup(ErrorCode::UnsupportedEngine, due);
        assert_eq!(fixture.fire(due + Duration::hours(12)), 0);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!((run.status, run.attempt), (RunStatus::Failed, 1));
    }

    fn a_paused_schedule_rests_and_touches_no_other(fixture) {
        let datastore = fixture.datastore("shop");
        let (one, other) = (fixture.schedule(datastore.id, DAILY), fixture.schedule(datastore.id, HOURLY));
        let paused = fixture.store.schedule_pause(one.id, after(60)).unwrap();
        assert_eq!((paused.status, paused.next_run_at, paused.version), (ScheduleStatus::Paused, None, 2));
        assert_eq!(fixture.store.schedule_pause(one.id, after(90)).unwrap(), paused, "once more changes nothing");
        assert_eq!(fixture.store.schedule_get(other.id).unwrap(), other);
        fixture.store.schedule_pause(other.id, after(60)).unwrap();
        assert_eq!(fixture.fire(time("2026-03-03T09:00:00Z")), 0);
        let resumed = fixture.store.schedule_resume(one.id, &settings(), time("2026-03-03T09:00:00Z")).unwrap();
        assert_eq!(resumed.next_run_at, Some(time("2026-03-04T05:00:00Z")));
        assert_eq!((fixture.fire(time("2026-03-03T09:00:01Z")), fixture.runs(one.id)), (0, Vec::new()));
        assert_eq!(fixture.fire(time("2026-03-04T05:00:00Z")), 1);
    }

    fn an_edit_or_a_pause_leaves_the_running_backup_alone(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        let due = time("2026-03-01T13:00:00Z");
        fixture.fire(due);
        let assignment = fixture.claim(due);
        let edited = fixture.store.schedule_update(schedule.id, &draft(DAILY), Some(1), &settings(), due).unwrap();
        assert_eq!((edited.recurrence.as_str(), edited.version), (DAILY, 2));
        fixture.store.schedule_pause(schedule.id, due).unwrap();
        assert!(!fixture.beat(&assignment, due).cancel_requested);
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, due + Duration::seconds(5));
        assert_eq!(fixture.statuses(schedule.id), [RunStatus::Completed]);
    }

    fn an_edit_of_an_older_version_is_refused(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        let edit = |version| fixture.store.schedule_update(schedule.id, &draft(DAILY), version, &settings(), now());
        edit(Some(1)).unwrap();
        assert!(matches!(edit(Some(1)), Err(StoreError::ScheduleChanged { version: 2 })));
        // An edit that changes nothing is none.
        assert_eq!(edit(Some(2)).unwrap().version, 2);
        assert_eq!(edit(None).unwrap().version, 2);
    }

    fn run_now_is_a_run_of_the_schedule_that_is_not_tried_again(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        fixture.store.schedule_pause(schedule.id, now()).unwrap();
        let backup = fixture.store.schedule_run(schedule.id, after(5)).unwrap();
        assert_eq!((backup.trigger, backup.schedule_id), (Trigger::Manual, Some(schedule.id)));
        assert!(matches!(fixture.store.schedule_run(schedule.id, after(6)), Err(StoreError::Busy { .. })));
        fixture.fail_backup(ErrorCode::HostUnreachable, after(7));
        fixture.store.schedule_resume(schedule.id, &settings(), after(8)).unwrap();
        assert_eq!(fixture.fire(after(3600)), 0);
        let schedule = fixture.store.schedule_get(schedule.id).unwrap();
        let last = schedule.last_run.unwrap();
        assert_eq!((last.at, last.status, last.backup_id), (after(5), RunStatus::Failed, Some(backup.id)));
    }

    fn a_datastore_that_lost_the_method_skips_its_runs_and_says_why(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        let mut found = inspection(DatastoreStatus::Online);
        found.capabilities.methods = vec![domain::MethodCapability {
            method: Method::PgDump, types: vec![BackupType::Full], kind: domain::BackupKind::Logical, incremental_reason: None,
        }];
        fixture.store.datastore_record_inspection(datastore.id, &found, now()).unwrap();
        assert_eq!(fixture.fire(time("2026-03-02T05:00:00Z")), 0);
        let run = &fixture.runs(schedule.id)[0];
        assert_eq!(run.status, RunStatus::Skipped);
        assert!(run.reason.as_deref().unwrap().contains("pg_basebackup makes no full backups"), "{run:?}");
    }

    fn deleting_a_schedule_leaves_its_backups_and_the_one_that_runs(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        fixture.fire(time("2026-03-01T13:00:00Z"));
        let assignment = fixture.claim(time("2026-03-01T13:00:00Z"));
        fixture.store.schedule_delete(schedule.id, time("2026-03-01T13:00:05Z")).unwrap();
        assert!(matches!(fixture.store.schedule_get(schedule.id), Err(StoreError::NotFound { what: "schedule" })));
        fixture.finish(&assignment, TaskResult::Backup { summary: summary(5) }, time("2026-03-01T13:00:09Z"));
        let backups = fixture.store.backup_list(datastore.id, &BackupFilter::default(), &PageRequest::default()).unwrap();
        assert_eq!(backups.items[0].status, JobStatus::Completed);
        assert_eq!(fixture.fire(time("2026-03-02T13:00:00Z")), 0);
    }

    fn schedules_go_with_their_datastore(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, HOURLY);
        fixture.fire(time("2026-03-01T13:00:00Z"));
        fixture.complete_backup(time("2026-03-01T13:00:00Z"));
        fixture.store.datastore_delete(datastore.id, true, time("2026-03-01T13:01:00Z")).unwrap();
        assert!(matches!(fixture.store.schedule_get(schedule.id), Err(StoreError::NotFound { .. })));
        let made = fixture.store.schedule_create(datastore.id, &draft(DAILY), &settings(), now());
        assert!(matches!(made, Err(StoreError::NotFound { what: "datastore" })));
    }

    fn a_new_datastore_gets_its_first_schedule_with_itself(fixture) {
        let first = ScheduleDraft::of_new_datastore(domain::Engine::Postgresql, &domain::Capabilities::default()).unwrap();
        let found = inspection(DatastoreStatus::Online);
        let datastore = fixture
            .store
            .datastore_create(&fixture.draft("shop"), fixture.storage().id, Some(&found), Some((&first, &settings())), now())
            .unwrap();
        let schedules = fixture.store.schedule_list(datastore.id, &PageRequest::default()).unwrap();
        assert_eq!((schedules.total, schedules.items[0].recurrence.as_str()), (1, DAILY));
        assert_eq!(datastore.overview.next_run_at, Some(time("2026-03-02T05:00:00Z")));
    }

    fn a_schedule_that_cannot_be_read_keeps_no_other_waiting(fixture) {
        use diesel::RunQueryDsl;
        let (broken, whole) = (fixture.datastore("broken"), fixture.datastore("whole"));
        let schedule = fixture.schedule(broken.id, HOURLY);
        fixture.schedule(whole.id, HOURLY);
        let spoil = format!("update schedules set recurrence = 'nonsense' where id = '{}'", schedule.id);
        raw(
            &fixture.url,
            |sqlite| diesel::sql_query(&spoil).execute(sqlite),
            |postgres| diesel::sql_query(&spoil).execute(postgres),
        )
        .unwrap();
        assert_eq!(fixture.fire(time("2026-03-01T13:00:00Z")), 1);
        assert_eq!((fixture.backups(whole.id), fixture.backups(broken.id)), (1, 0));
        assert!(matches!(fixture.store.schedule_get(schedule.id), Err(StoreError::UnreadableColumn { .. })));
        fixture.store.schedule_delete(schedule.id, after(9000)).unwrap();
    }

    fn old_records_go_but_never_the_newest_of_a_schedule(fixture) {
        let datastore = fixture.datastore("shop");
        let schedule = fixture.schedule(datastore.id, DAILY);
        fixture.fire(time("2026-03-05T09:30:00Z"));
        fixture.complete_backup(time("2026-03-05T09:31:00Z"));
        assert_eq!(fixture.store.schedule_runs_prune(time("2026-03-05T00:00:00Z")).unwrap(), 0);
        assert_eq!(fixture.store.schedule_runs_prune(time("2026-06-05T00:00:00Z")).unwrap(), 3);
        assert_eq!(fixture.statuses(schedule.id), [RunStatus::Completed]);
    }

    fn runs_and_schedules_are_listed_by_pages(fixture) {
        let datastore = fixture.datastore("shop");
        let made: Vec<_> = (0..5).map(|_| fixture.schedule(datastore.id, DAILY).id).collect();
        fixture.fire(time("2026-03-08T05:00:00Z"));
        let mut listed = Vec::new();
        let mut page = PageRequest { limit: 2, cursor: None };
        loop {
            let answer = fixture.store.schedule_list(datastore.id, &page).unwrap();
            assert_eq!(answer.total, 5);
            listed.extend(answer.items.into_iter().map(|schedule| schedule.id));
            page.cursor = answer.next_cursor;
            if page.cursor.is_none() { break }
        }
        listed.sort_unstable();
        let mut sorted = made.clone();
        sorted.sort_unstable();
        assert_eq!(listed, sorted);
        let mut times = Vec::new();
        let mut page = PageRequest { limit: 3, cursor: None };
        loop {
            let answer = fixture.store.schedule_run_list(made[0], &page).unwrap();
            assert_eq!(answer.total, 7);
            times.extend(answer.items.into_iter().map(|run| run.due_at));
            page.cursor = answer.next_cursor;
            if page.cursor.is_none() { break }
        }
        assert!(times.len() == 7 && times.windows(2).all(|pair| pair[0] > pair[1]), "{times:?}");
        let nonsense = PageRequest { limit: 3, cursor: Some("6e6f".to_owned()) };
        assert!(matches!(fixture.store.schedule_run_list(made[0], &nonsense), Err(StoreError::InvalidCursor)));
    }
}
