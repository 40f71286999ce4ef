//! Claiming, attempts and leases.

use std::collections::HashMap;

use domain::assignment::{Heartbeat, Outcome, Task, TaskResult};
use domain::job::{LEASE_SECONDS, MAX_ATTEMPTS};
use domain::{DatastoreStatus, ErrorCode, JobStatus};
use store::StoreError;

use crate::fixture::{after, completed, inspection, now, report, summary, worker};
use crate::on_both;

on_both! {
    fn f10_each_of_many_jobs_is_claimed_by_exactly_one_of_32_threads(fixture) {
        let jobs: Vec<_> = (0..60)
            .map(|_| fixture.store.job_create_inspect_draft(&fixture.draft("draft"), now()).unwrap().id)
            .collect();
        let claimed: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|number| {
                    scope.spawn(move || {
                        let worker = worker(&format!("w{number}"));
                        let mut mine = Vec::new();
                        while let Some(assignment) = fixture.store.job_claim(&worker, LEASE_SECONDS, now()).unwrap() {
                            mine.push((assignment.job_id, assignment.attempt));
                        }
                        mine
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let times: HashMap<_, _> = claimed.iter().copied().collect();
        assert_eq!(claimed.len(), jobs.len(), "every job once");
        assert_eq!(times.len(), jobs.len(), "no job twice");
        assert!(claimed.iter().all(|(_, attempt)| *attempt == 1));
    }

    fn f10_one_job_goes_to_one_of_32_threads(fixture) {
        for _ in 0..10 {
            fixture.store.job_create_inspect_draft(&fixture.draft("draft"), now()).unwrap();
            let winners: usize = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..32)
                    .map(|number| {
                        scope.spawn(move || {
                            let worker = worker(&format!("w{number}"));
                            fixture.store.job_claim(&worker, LEASE_SECONDS, now()).unwrap().is_some()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
            });
            assert_eq!(winners, 1);
        }
    }

    fn f11_a_stale_worker_is_refused(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let stale = fixture.claim(after(1));
        assert!(fixture.store.job_expire_leases(after(LEASE_SECONDS)).unwrap().is_empty(), "the lease still lives");
        assert_eq!(fixture.store.job_expire_leases(after(LEASE_SECONDS + 2)).unwrap(), [backup.job_id]);
        assert_eq!(fixture.store.backup_get(backup.id).unwrap().status, JobStatus::Pending);
        let beat = Heartbeat { attempt: stale.attempt, ..Heartbeat::default() };
        let lost = fixture.store.job_heartbeat(stale.job_id, &beat, LEASE_SECONDS, after(40));
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");

        let second = fixture.claim(after(50));
        assert_eq!((second.job_id, second.attempt), (stale.job_id, 2));
        for outcome in [
            Outcome::Completed { result: TaskResult::Backup { summary: summary(1) } },
            Outcome::Cancelled,
            Outcome::Released,
        ] {
            let lost = fixture.store.job_finish(stale.job_id, &report(stale.attempt, outcome), after(51));
            assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
        }
        let lost = fixture.store.job_heartbeat(stale.job_id, &beat, LEASE_SECONDS, after(51));
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
        fixture.finish(&second, TaskResult::Backup { summary: summary(7) }, after(60));
        let backup = fixture.store.backup_get(backup.id).unwrap();
        assert_eq!((backup.status, backup.size_bytes), (JobStatus::Completed, Some(7)));
    }

    fn f01_a_lost_worker_is_tried_again_and_then_given_up(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        for attempt in 1..=MAX_ATTEMPTS {
            let at = i64::from(attempt) * 100;
            assert_eq!(fixture.claim(after(at)).attempt, attempt);
            assert_eq!(fixture.store.job_expire_leases(after(at + 99)).unwrap(), [backup.job_id]);
            assert!(fixture.store.job_expire_leases(after(at + 99)).unwrap().is_empty(), "once");
        }
        let backup = fixture.store.backup_get(backup.id).unwrap();
        assert_eq!(backup.status, JobStatus::Failed);
        assert_eq!(backup.error.unwrap().code, ErrorCode::WorkerLost);
        let job = fixture.store.job_get(backup.job_id).unwrap();
        assert_eq!(job.error.unwrap().code, ErrorCode::WorkerLost);
        let log = fixture.store.job_log(backup.job_id, 0, 100).unwrap();
        assert_eq!(log.total, i64::from(MAX_ATTEMPTS) - 1, "the log tells of each new try");
        assert!(fixture.store.job_claim(&worker("w1"), LEASE_SECONDS, after(999)).unwrap().is_none());
    }

    fn f07_a_released_job_is_claimed_again(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let first = fixture.claim(after(1));
        let release = report(first.attempt, Outcome::Released);
        fixture.store.job_finish(first.job_id, &release, after(2)).unwrap();
        fixture.store.job_finish(first.job_id, &release, after(2)).unwrap();
        let waiting = fixture.store.backup_get(backup.id).unwrap();
        assert_eq!((waiting.status, waiting.started_at), (JobStatus::Pending, None));
        assert_eq!(fixture.claim(after(3)).attempt, 2);
        let stale = fixture.store.job_finish(first.job_id, &release, after(4));
        assert!(matches!(stale, Err(StoreError::LeaseLost)), "{stale:?}");
    }

    fn f15_heartbeats_keep_a_lease_alive(fixture) {
        let datastore = fixture.datastore("shop");
        fixture.backup(datastore.id);
        let assignment = fixture.claim(now());
        for beat in 1..10 {
            let at = after(beat * (LEASE_SECONDS - 1));
            assert!(fixture.store.job_expire_leases(at).unwrap().is_empty());
            assert!(!fixture.beat(&assignment, at).cancel_requested);
        }
    }

    fn f23_the_same_report_again_is_accepted(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        let assignment = fixture.claim(after(1));
        let done = completed(assignment.attempt, TaskResult::Backup { summary: summary(5) });
        fixture.store.job_finish(assignment.job_id, &done, after(2)).unwrap();
        let first = fixture.store.backup_get(backup.id).unwrap();
        let events = fixture.store.event_latest_id().unwrap();
        fixture.store.job_finish(assignment.job_id, &done, after(9)).unwrap();
        assert_eq!(fixture.store.backup_get(backup.id).unwrap(), first);
        assert_eq!(fixture.store.event_latest_id().unwrap(), events, "nothing changed, nothing to tell");
        let other = report(assignment.attempt, Outcome::Cancelled);
        let refused = fixture.store.job_finish(assignment.job_id, &other, after(9));
        assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    }

    fn jobs_go_out_oldest_first_and_only_to_the_worker_they_are_pinned_to(fixture) {
        let mut draft = fixture.draft("pinned");
        draft.worker = Some("w2".into());
        let storage = fixture.storage().id;
        let online = inspection(DatastoreStatus::Online);
        let pinned = fixture.store.datastore_create(&draft, storage, Some(&online), None, now()).unwrap();
        let free = fixture.datastore("free");
        let first = fixture.backup(pinned.id);
        let second = fixture.backup(free.id);
        assert_eq!(fixture.claim(after(1)).job_id, second.job_id, "w1 may not take the first");
        assert!(fixture.store.job_claim(&worker("w1"), LEASE_SECONDS, after(1)).unwrap().is_none());
        let moved = domain::DatastorePatch { worker: Some("w3".into()), ..Default::default() };
        fixture.store.datastore_update(pinned.id, &moved, after(2)).unwrap();
        assert!(fixture.store.job_claim(&worker("w2"), LEASE_SECONDS, after(2)).unwrap().is_none());
        let taken = fixture.store.job_claim(&worker("w3"), LEASE_SECONDS, after(2)).unwrap().unwrap();
        assert_eq!(taken.job_id, first.job_id);
        let Task::Backup { backup, datastore, storage } = taken.task else { panic!("{:?}", taken.task) };
        assert_eq!((backup.id, backup.number), (first.id, first.number));
        assert_eq!(datastore.password.unwrap().expose(), "canary-password");
        assert_eq!(datastore.server_identity.as_deref(), Some("7300000000000000001"));
        assert_eq!(storage.id, first.storage_id);
    }

    fn a_worker_that_has_just_started_runs_nothing(fixture) {
        let [shop, other] = ["shop", "other"].map(|name| fixture.datastore(name).id);
        let backup = fixture.backup(shop);
        fixture.claim(after(1));
        fixture.backup(other);
        let elsewhere = fixture.store.job_claim(&worker("w2"), LEASE_SECONDS, after(1)).unwrap().unwrap();
        assert_eq!(fixture.store.job_abandon_all_of("w1", after(2)).unwrap(), [backup.job_id]);
        assert!(fixture.store.job_abandon_all_of("w1", after(2)).unwrap().is_empty());
        assert_eq!(fixture.store.backup_get(backup.id).unwrap().status, JobStatus::Pending);
        assert_eq!(fixture.store.job_get(elsewhere.job_id).unwrap().status, JobStatus::Running);
        assert_eq!(fixture.claim(after(3)).attempt, 2);
    }

    fn workers_are_listed_with_what_they_run(fixture) {
        let datastore = fixture.datastore("shop");
        let backup = fixture.backup(datastore.id);
        fixture.claim(now());
        assert!(fixture.store.job_claim(&worker("idle"), LEASE_SECONDS, now()).unwrap().is_none());
        let workers = fixture.store.worker_list(after(59)).unwrap();
        assert_eq!(workers.total, 2);
        let [idle, busy] = workers.items.as_slice() else { panic!() };
        assert_eq!((idle.name.as_str(), idle.online, idle.running.len()), ("idle", true, 0));
        assert_eq!((busy.name.as_str(), busy.running[0].id), ("w1", backup.job_id));
        assert!(!fixture.store.worker_list(after(60)).unwrap().items[0].online);
    }
}
