//! Random work by several workers, some of them stale, and what must hold after every step.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use domain::assignment::{Assignment, Heartbeat, Outcome, Task, TaskResult};
use domain::job::{LEASE_SECONDS, MAX_ATTEMPTS};
use domain::{
    BackupType, DatastoreStatus, ErrorCode, Inspection, Job, JobError, JobKind, JobStatus, Method, Progress,
    RestoreStatus,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{BackupFilter, DatastoreFilter, JobFilter, PageRequest, RestoreFilter, RestoreRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, inspection, now, report, summary, worker};

#[derive(Debug, Clone)]
enum Step {
    Backup(usize),
    Restore(usize),
    Verify(usize),
    Delete(usize),
    Inspect(usize),
    Undo(usize),
    Cancel(usize),
    Claim(u8),
    Beat(usize),
    End(usize, u8),
    Wait(i64),
    ExpireLeases,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<usize>().prop_map(Step::Backup),
        3 => any::<usize>().prop_map(Step::Restore),
        1 => any::<usize>().prop_map(Step::Verify),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => any::<usize>().prop_map(Step::Inspect),
        2 => any::<usize>().prop_map(Step::Undo),
        1 => any::<usize>().prop_map(Step::Cancel),
        8 => (0u8..3).prop_map(Step::Claim),
        3 => any::<usize>().prop_map(Step::Beat),
        8 => (any::<usize>(), 0u8..8).prop_map(|(which, how)| Step::End(which, how)),
        3 => (0i64..40).prop_map(Step::Wait),
        2 => Just(Step::ExpireLeases),
    ]
}

struct Run<'f> {
    fixture: &'f Fixture,
    datastores: Vec<Uuid>,
    /// Every assignment ever given out, so that old ones come back as stale workers.
    given: Vec<Assignment>,
    attempts: HashMap<Uuid, i32>,
    successes: HashMap<Uuid, u32>,
    finals: HashMap<Uuid, JobStatus>,
    now: DateTime<Utc>,
}

fn pick<T>(items: &[T], which: usize) -> Option<&T> {
    items.get(which.checked_rem(items.len())?)
}

/// The refusals that the rules allow; anything else is a bug.
fn allowed<T>(outcome: Result<T, StoreError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(
            StoreError::Busy { .. }
            | StoreError::LeaseLost
            | StoreError::Illegal(_)
            | StoreError::BackupInUse
            | StoreError::BackupNotRestorable { .. }
            | StoreError::UndoNotPossible
            | StoreError::NotFound { .. },
        ) => None,
        Err(error) => panic!("{error:?}"),
    }
}

impl Run<'_> {
    fn jobs(&self) -> Vec<Job> {
        let page = PageRequest { limit: 200, cursor: None };
        let mut jobs = self.fixture.store.job_list(&JobFilter::default(), &page).unwrap().items;
        let inspections = JobFilter { kind: Some(JobKind::Inspect), ..JobFilter::default() };
        jobs.extend(self.fixture.store.job_list(&inspections, &page).unwrap().items);
        jobs
    }

    fn backups(&self, datastore: Uuid) -> Vec<domain::Backup> {
        let page = PageRequest { limit: 200, cursor: None };
        self.fixture.store.backup_list(datastore, &BackupFilter::default(), &page).unwrap().items
    }

    fn all_backups(&self) -> Vec<domain::Backup> {
        self.datastores.iter().flat_map(|datastore| self.backups(*datastore)).collect()
    }

    fn restores(&self) -> Vec<domain::Restore> {
        let page = PageRequest { limit: 200, cursor: None };
        let of = |id: &Uuid| self.fixture.store.restore_list(*id, &RestoreFilter::default(), &page).unwrap().items;
        self.datastores.iter().flat_map(of).collect()
    }

    fn take(&mut self, step: &Step) {
        let store = &self.fixture.store;
        match step {
            Step::Backup(which) => {
                let datastore = *pick(&self.datastores, *which).unwrap();
                allowed(store.backup_create(datastore, Method::PgBasebackup, BackupType::Full, self.now));
            }
            Step::Restore(which) => {
                let request = RestoreRequest {
                    target: domain::RestoreTarget::InPlace,
                    stop: None,
                    restore_configuration: false,
                    requested_by: crate::fixture::requester(),
                };
                if let Some(backup) = pick(&self.all_backups(), *which) {
                    allowed(store.restore_create(backup.id, &request, self.now));
                }
            }
            Step::Verify(which) => {
                if let Some(backup) = pick(&self.all_backups(), *which) {
                    allowed(store.backup_verify_start(backup.id, self.now));
                }
            }
            Step::Delete(which) => {
                if let Some(backup) = pick(&self.all_backups(), *which) {
                    allowed(store.backup_delete_start(backup.id, self.now));
                }
            }
            Step::Inspect(which) => {
                allowed(store.job_create_inspect(*pick(&self.datastores, *which).unwrap(), self.now));
            }
            Step::Undo(which) => {
                if let Some(restore) = pick(&self.restores(), *which) {
                    allowed(store.restore_undo_start(restore.id, self.now));
                }
            }
            Step::Cancel(which) => {
                if let Some(job) = pick(&self.jobs(), *which) {
                    allowed(store.job_cancel(job.id, self.now));
                }
            }
            Step::Claim(number) => {
                let claimed = store.job_claim(&worker(&format!("w{number}")), LEASE_SECONDS, self.now).unwrap();
                if let Some(assignment) = claimed {
                    let before = self.attempts.insert(assignment.job_id, assignment.attempt).unwrap_or(0);
                    assert_eq!(assignment.attempt, before + 1, "I4: attempts only grow, one by one");
                    assert!(assignment.attempt <= MAX_ATTEMPTS);
                    self.given.push(assignment);
                }
            }
            Step::Beat(which) => {
                if let Some(assignment) = pick(&self.given, *which) {
                    let progress = Some(Progress { phase: "fetching".into(), ..Progress::default() });
                    let beat = Heartbeat { attempt: assignment.attempt, progress, log_lines: Vec::new() };
                    let newest = self.attempts[&assignment.job_id] == assignment.attempt;
                    let heard = allowed(store.job_heartbeat(assignment.job_id, &beat, LEASE_SECONDS, self.now));
                    assert!(heard.is_none() || newest, "F-11: an old attempt is never heard");
                }
            }
            Step::End(which, how) => self.end(*which, *how),
            Step::Wait(seconds) => self.now += Duration::seconds(*seconds),
            Step::ExpireLeases => {
                store.job_expire_leases(self.now).unwrap();
            }
        }
    }

    fn end(&mut self, which: usize, how: u8) {
        let Some(assignment) = pick(&self.given, which) else { return };
        let outcome = match how {
            0 => Outcome::Failed { error: JobError::new(ErrorCode::EngineToolFailed, "it did") },
            1 => Outcome::Cancelled,
            2 => Outcome::Released,
            _ => Outcome::Completed { result: result(&assignment.task, self.now) },
        };
        let completes = matches!(outcome, Outcome::Completed { .. });
        let newest = self.attempts[&assignment.job_id] == assignment.attempt;
        let before = self.fixture.store.job_get(assignment.job_id).unwrap().status;
        let report = report(assignment.attempt, outcome);
        let accepted = allowed(self.fixture.store.job_finish(assignment.job_id, &report, self.now)).is_some();
        assert!(!accepted || newest, "F-11: an old attempt ends nothing");
        if accepted && completes && before == JobStatus::Running {
            *self.successes.entry(assignment.job_id).or_default() += 1;
        }
    }

    fn check(&mut self) {
        let jobs = self.jobs();
        let page = PageRequest::default();
        for job in &jobs {
            if let Some(ended) = self.finals.get(&job.id) {
                assert_eq!(job.status, *ended, "a final state stays");
            } else if job.status.is_final() {
                self.finals.insert(job.id, job.status);
            }
            assert_eq!(job.status.is_final(), job.ended_at.is_some());
            assert!(job.status != JobStatus::Running || job.started_at.is_some());
            assert_eq!(job.status == JobStatus::Failed, job.error.is_some());
        }
        assert!(self.successes.values().all(|successes| *successes == 1), "I4: at most one success");
        for datastore in self.fixture.store.datastore_list(&DatastoreFilter::default(), &page, self.now).unwrap().items
        {
            let changing: Vec<_> = jobs
                .iter()
                .filter(|job| {
                    job.datastore_id == Some(datastore.id) && job.kind.is_exclusive() && !job.status.is_final()
                })
                .collect();
            assert!(changing.len() <= 1, "F-16: {changing:?}");
            assert_eq!(datastore.overview.active_job.as_ref().map(|job| job.id), changing.first().map(|job| job.id));
            let switching = changing
                .iter()
                .any(|job| job.status == JobStatus::Running && matches!(job.kind, JobKind::Restore | JobKind::Undo));
            assert_eq!(datastore.status == DatastoreStatus::Restoring, switching);
            let backups = self.backups(datastore.id);
            let good: Vec<_> = backups.iter().filter(|backup| backup.status == JobStatus::Completed).collect();
            assert_eq!(datastore.overview.backup_count, i64::try_from(good.len()).unwrap(), "the totals are right");
            assert_eq!(
                datastore.overview.stored_bytes,
                good.iter().filter_map(|backup| backup.size_bytes).sum::<i64>()
            );
            for backup in backups {
                let job = jobs.iter().find(|job| job.id == backup.job_id).expect("a backup's job stays");
                assert_eq!(backup.status, job.status, "a backup's status is that of its job");
                assert_eq!(
                    (&backup.error, backup.started_at, backup.ended_at),
                    (&job.error, job.started_at, job.ended_at)
                );
                assert_eq!(backup.status == JobStatus::Completed, backup.size_bytes.is_some());
            }
        }
        for restore in self.restores() {
            let job = jobs.iter().find(|job| job.id == restore.job_id).expect("a restore's job stays");
            match restore.status {
                RestoreStatus::Undone => assert_eq!(job.status, JobStatus::Completed),
                status => assert_eq!(status.as_str(), job.status.as_str()),
            }
            assert!(restore.undo_until.is_none() || restore.status == RestoreStatus::Completed);
        }
        let now = self.now;
        self.fixture.store.job_expire_leases(now).unwrap();
        let dead = self.fixture.store.job_expire_leases(now).unwrap();
        assert!(dead.is_empty(), "I3: after a sweep no job runs without a live lease");
    }
}

fn result(task: &Task, now: DateTime<Utc>) -> TaskResult {
    match task {
        Task::Inspect { .. } => TaskResult::Inspect {
            inspection: Inspection { findings: Vec::new(), ..inspection(DatastoreStatus::Online) },
        },
        Task::Backup { .. } => TaskResult::Backup { summary: summary(9) },
        Task::Verify { .. } => TaskResult::Verify { problems: Vec::new() },
        Task::Delete { .. } => TaskResult::Delete,
        Task::Restore { .. } => TaskResult::Restore {
            undo_until: now + Duration::hours(1),
            downtime_seconds: 1.0,
            server_identity: None,
            reached: None,
        },
        Task::Undo { .. } => TaskResult::Undo { downtime_seconds: 1.0, server_identity: None },
        Task::PlanRestore { .. } | Task::Sweep { .. } | Task::EndLogArchiving { .. } | Task::ScanLogs { .. } => {
            unreachable!("no step asks for one")
        }
    }
}

fn run(open: fn() -> Fixture, cases: u32) {
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let outcome = runner.run(&prop::collection::vec(step(), 10..70), |steps| {
        let fixture = open();
        let datastores = vec![fixture.datastore("one").id, fixture.datastore("two").id];
        let mut run = Run {
            fixture: &fixture,
            datastores,
            given: Vec::new(),
            attempts: HashMap::new(),
            successes: HashMap::new(),
            finals: HashMap::new(),
            now: now(),
        };
        for step in &steps {
            run.take(step);
            run.check();
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn i3_i4_f16_hold_after_any_steps_on_sqlite() {
    run(Fixture::sqlite, 24);
}

#[test]
fn i3_i4_f16_hold_after_any_steps_on_postgresql() {
    run(Fixture::postgresql, 12);
}
