//! Logs that are in backups: what differential and log backups are built on, what restores are given, and what may go.

use domain::assignment::{BackupReference, BackupSummary, Outcome, Task, TaskResult};
use domain::transaction_log::{LogRange, Lsn};
use domain::{
    Backup, BackupType, DatastorePatch, ErrorCode, JobError, JobStatus, Method, RecoveryStop, RestoreTarget,
    ScheduleDraft, ScheduleSettings, SharedDirectory,
};
use store::{BackupFilter, PageRequest, RestoreRequest, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, now, report, summary};
use crate::on_both;

const FORK: Uuid = Uuid::from_u128(7);

fn lsn(number: u128) -> Lsn {
    Lsn::new(number).unwrap()
}

/// The log of database `shop` from one number to another, at a second.
fn range(first: u128, last: u128, full: u128, at: i64) -> LogRange {
    LogRange {
        database: "shop".into(),
        recovery_fork: FORK,
        first_recovery_fork: None,
        fork_point_lsn: None,
        first_lsn: lsn(first),
        last_lsn: lsn(last),
        checkpoint_lsn: lsn(last - 1),
        database_backup_lsn: lsn(full),
        differential_base_lsn: None,
        covered_until: after(at),
        keeps_log: true,
        is_copy_only: false,
    }
}

fn ask(fixture: &Fixture, datastore: Uuid, backup_type: BackupType, at: i64) -> Backup {
    fixture.store.backup_create(datastore, Method::MssqlBackup, backup_type, after(at)).unwrap()
}

/// Makes what was asked for, as the control plane hands it out, over that stretch of log.
fn make(fixture: &Fixture, datastore: Uuid, asked: BackupType, at: i64, (first, last): (u128, u128)) -> Backup {
    let backup = ask(fixture, datastore, asked, at);
    let assignment = fixture.claim(after(at + 1));
    let Task::Backup { backup: task, .. } = &assignment.task else { panic!("{:?}", assignment.task) };
    let (backup_type, parent_id) = (task.backup_type, task.parent_id);
    let mut range = range(first, last, 109, at + 2);
    range.differential_base_lsn = (backup_type == BackupType::Differential).then(|| lsn(109));
    let manifest_sha256 = format!("{at:064}");
    let summary = BackupSummary { backup_type, parent_id, log_ranges: vec![range], manifest_sha256, ..summary(10) };
    fixture.finish(&assignment, TaskResult::Backup { summary }, after(at + 2));
    fixture.store.backup_get(backup.id).unwrap()
}

/// A full backup to number 110 at second 2, logs to 120 and 130 at 12 and 22, a differential at 32, a log to 150 at 42.
fn line(fixture: &Fixture, datastore: Uuid) -> Vec<Backup> {
    use BackupType::{Differential, Full, Log};
    let of = [(Full, (100, 110)), (Log, (100, 120)), (Log, (120, 130)), (Differential, (138, 140)), (Log, (130, 150))];
    (0..).zip(of).map(|(turn, (of_type, span))| make(fixture, datastore, of_type, turn * 10, span)).collect()
}

fn order(stop: RecoveryStop) -> RestoreRequest {
    RestoreRequest {
        target: RestoreTarget::InPlace,
        stop: Some(stop),
        restore_configuration: false,
        requested_by: crate::fixture::requester(),
    }
}

#[track_caller]
fn assert_full(fixture: &Fixture, backup: &Backup, instead_of: &str, reason: &str) {
    assert_eq!((backup.backup_type, backup.parent_id), (BackupType::Full, None), "{reason}");
    let log = fixture.store.job_log(backup.job_id, 0, 10).unwrap();
    let line = &log.items.first().expect("a line").text;
    assert!(line.starts_with(&format!("A full backup is made instead of {instead_of}: ")), "{line}");
    assert!(line.contains(reason), "{line}");
}

on_both! {
    fn f70_a_differential_is_built_on_the_full_backup_and_a_log_on_what_is_before_it(fixture) {
        let shop = fixture.datastore("shop").id;
        let first = make(fixture, shop, BackupType::Log, 0, (100, 110));
        assert_full(fixture, &first, "a log backup", "there is no completed backup");
        let log = make(fixture, shop, BackupType::Log, 10, (100, 120));
        let differential = make(fixture, shop, BackupType::Differential, 20, (128, 130));
        let second = make(fixture, shop, BackupType::Log, 30, (120, 140));
        let other = make(fixture, shop, BackupType::Differential, 40, (148, 150));
        let parents = [&log, &differential, &second, &other].map(|backup| backup.parent_id);
        assert_eq!(parents, [Some(first.id), Some(first.id), Some(log.id), Some(first.id)]);
        let refused = fixture.store.backup_delete_start(log.id, after(60)).unwrap_err();
        assert!(matches!(&refused, StoreError::HasDependents { numbers } if *numbers == [second.number]), "{refused:?}");
        let full = make(fixture, shop, BackupType::Full, 60, (158, 160));
        assert_eq!(make(fixture, shop, BackupType::Log, 70, (140, 170)).parent_id, Some(full.id));
    }

    fn the_worker_is_told_both_ends_of_a_chain_of_log_backups(fixture) {
        let shop = fixture.datastore("shop").id;
        make(fixture, shop, BackupType::Full, 0, (90, 100));
        let full = make(fixture, shop, BackupType::Full, 10, (100, 110));
        let log = make(fixture, shop, BackupType::Log, 20, (90, 120));
        let full = BackupReference { id: full.id, manifest_sha256: full.manifest_sha256 };
        for (asked, parent, start) in [
            (BackupType::Log, log.id, Some(full.clone())),
            (BackupType::Differential, full.id, None),
            (BackupType::Full, Uuid::nil(), None),
        ] {
            ask(fixture, shop, asked, 30);
            let assignment = fixture.claim(after(31));
            let Task::Backup { backup: task, .. } = &assignment.task else { panic!("{:?}", assignment.task) };
            assert_eq!((task.parent_id.unwrap_or_default(), &task.chain_start), (parent, &start), "{asked}");
            let error = JobError::new(ErrorCode::EngineToolFailed, "It is not made.");
            let failed = report(assignment.attempt, Outcome::Failed { error });
            fixture.store.job_finish(assignment.job_id, &failed, after(32)).unwrap();
        }
    }

    fn f60_a_gap_and_a_full_backup_of_somebody_else_ask_for_a_full_one(fixture) {
        let shop = fixture.datastore("shop").id;
        make(fixture, shop, BackupType::Full, 0, (100, 110));
        make(fixture, shop, BackupType::Log, 10, (115, 120));
        let full = make(fixture, shop, BackupType::Log, 20, (128, 110));
        assert_full(fixture, &full, "a log backup", "The log of database shop from LSN 110 to 115");
        let asked = ask(fixture, shop, BackupType::Log, 30);
        let assignment = fixture.claim(after(31));
        let mut told = range(110, 140, 109, 32);
        told.database_backup_lsn = lsn(135);
        let (backup_type, parent_id) = (asked.backup_type, asked.parent_id);
        let summary = BackupSummary { backup_type, parent_id, log_ranges: vec![told], ..summary(10) };
        fixture.finish(&assignment, TaskResult::Backup { summary }, after(32));
        let why = format!("somebody else has made a full backup of database shop since backup {}", full.number);
        assert_full(fixture, &make(fixture, shop, BackupType::Differential, 40, (150, 160)), "a differential one", &why);
    }

    fn f53_after_a_restore_nothing_is_built_on_the_old_line(fixture) {
        let shop = fixture.datastore("shop").id;
        let made = line(fixture, shop);
        fixture.completed_restore(made[0].id, after(60));
        let next = make(fixture, shop, BackupType::Log, 100, (200, 210));
        assert_full(fixture, &next, "a log backup", "replaced by a restore");
        let facts = fixture.store.recovery_facts(shop).unwrap();
        let (windows, _) = facts.windows();
        assert_eq!((windows.len(), windows[0].to, windows[0].branch.as_str()), (1, after(42), "origin"));
    }

    fn f61_a_restore_is_given_its_backups_in_order(fixture) {
        let shop = fixture.datastore("shop").id;
        let made = line(fixture, shop);
        let facts = fixture.store.recovery_facts(shop).unwrap();
        let (windows, gaps) = facts.windows();
        assert_eq!((windows.len(), gaps.len(), windows[0].from, windows[0].to), (1, 0, after(2), after(42)));
        assert_eq!(fixture.store.datastore_get(shop, after(60)).unwrap().overview.recoverable_until, Some(after(42)));
        for (chosen, stop, numbers) in [
            (0, Some(RecoveryStop::Time { at: after(15) }), vec![0, 1, 2]),
            (0, Some(RecoveryStop::Time { at: after(37) }), vec![0, 3, 4]),
            (0, Some(RecoveryStop::Latest), vec![0, 3, 4]),
            (0, None, vec![0]),
            (2, None, vec![0, 1, 2]),
            (4, None, vec![0, 3, 4]),
        ] {
            let job =
                fixture.store.job_create_plan(made[chosen].id, &RestoreTarget::InPlace, stop.as_ref(), after(60)).unwrap();
            let assignment = fixture.claim(after(61));
            assert_eq!(assignment.job_id, job.id);
            let Task::PlanRestore { applied, replay, .. } = &assignment.task else { panic!("{:?}", assignment.task) };
            let reference = |turn: &usize| BackupReference {
                id: made[*turn].id,
                manifest_sha256: made[*turn].manifest_sha256.clone(),
            };
            assert_eq!(applied, &numbers.iter().map(reference).collect::<Vec<_>>(), "{chosen} {stop:?}");
            assert!(applied.iter().all(|backup| backup.manifest_sha256.is_some()));
            assert_eq!(replay.as_ref().map(|replay| replay.stop.clone()), stop);
            assert!(replay.as_ref().is_none_or(|replay| replay.logs.is_empty()));
        }
        let late = fixture.store.restore_create(made[0].id, &order(RecoveryStop::Time { at: after(50) }), after(70)).unwrap();
        fixture.store.job_claim(&crate::fixture::worker("w1"), 30, after(71)).unwrap();
        let failed = fixture.store.restore_get(late.id).unwrap();
        assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::PitrTimeNotCovered));
    }

    fn the_last_log_backup_carries_the_window_and_an_earlier_one_what_follows(fixture) {
        let shop = fixture.datastore("shop").id;
        let made = line(fixture, shop);
        let facts = fixture.store.recovery_facts(shop).unwrap();
        let ends: Vec<bool> = made.iter().map(|backup| facts.ends_with(backup.id)).collect();
        assert_eq!(ends, [false, false, false, false, true]);
        make(fixture, shop, BackupType::Full, 60, (158, 160));
        assert!(!fixture.store.recovery_facts(shop).unwrap().ends_with(made[4].id), "a newer full backup is there");
    }

    fn a_shared_directory_is_kept_changed_and_taken_away(fixture) {
        let shop = fixture.datastore("shop").id;
        assert_eq!(fixture.store.datastore_get(shop, now()).unwrap().shared_directory, None);
        let directory = SharedDirectory { server_path: r"D:\backup".into(), worker_path: "/srv/backup".into() };
        for wanted in [Some(directory), None] {
            let patch = DatastorePatch { shared_directory: Some(wanted.clone()), ..DatastorePatch::default() };
            fixture.store.datastore_update(shop, &patch, after(1)).unwrap();
            fixture.store.datastore_update(shop, &DatastorePatch::default(), after(2)).unwrap();
            assert_eq!(fixture.store.datastore_get(shop, now()).unwrap().shared_directory, wanted);
            assert_eq!(fixture.store.datastore_access(shop).unwrap().shared_directory, wanted);
        }
    }

    fn a_full_backup_gets_its_turn_among_log_backups_that_are_always_due(fixture) {
        let shop = fixture.datastore("shop").id;
        let settings = ScheduleSettings { jitter_seconds: 0, ..ScheduleSettings::default() };
        let schedule = |backup_type, recurrence: &str| {
            let recurrence = recurrence.parse().unwrap();
            let draft = ScheduleDraft { method: Method::MssqlBackup, backup_type, recurrence };
            fixture.store.schedule_create(shop, &draft, &settings, now()).unwrap()
        };
        schedule(BackupType::Log, "TZ=UTC * * * * *");
        schedule(BackupType::Differential, "TZ=UTC */2 * * * *");
        schedule(BackupType::Full, "TZ=UTC */5 * * * *");
        // Each backup takes longer than the log backups are apart.
        let mut second = 60;
        for _ in 0..12 {
            fixture.store.schedule_fire_due(&settings, after(second)).unwrap();
            let Some(assignment) = fixture.store.job_claim(&crate::fixture::worker("w1"), 3_600, after(second)).unwrap() else {
                second += 30;
                continue;
            };
            for due in (second + 10..second + 90).step_by(10) {
                fixture.store.schedule_fire_due(&settings, after(due)).unwrap();
            }
            second += 90;
            let Task::Backup { backup, .. } = &assignment.task else { panic!("{:?}", assignment.task) };
            let (backup_type, parent_id) = (backup.backup_type, backup.parent_id);
            let end = u128::try_from(second).unwrap() + 100;
            let newest = fixture.store.backup_list(shop, &BackupFilter::default(), &PageRequest::default()).unwrap();
            let full = newest.items.iter().find(|backup| backup.backup_type == BackupType::Full).map_or(1, |full| full.number);
            let mut told = range(0, end, u128::try_from(full).unwrap(), second);
            told.checkpoint_lsn = lsn(u128::try_from(full).unwrap());
            told.differential_base_lsn = (backup_type == BackupType::Differential).then_some(told.checkpoint_lsn);
            let summary = BackupSummary { backup_type, parent_id, log_ranges: vec![told], ..summary(10) };
            fixture.finish(&assignment, TaskResult::Backup { summary }, after(second));
        }
        let made = fixture.store.backup_list(shop, &BackupFilter::default(), &PageRequest::default()).unwrap().items;
        let count = |of_type| {
            let is_made = |backup: &&Backup| backup.status == JobStatus::Completed && backup.backup_type == of_type;
            made.iter().filter(is_made).count()
        };
        let counts = [BackupType::Full, BackupType::Differential, BackupType::Log].map(count);
        assert!(counts.iter().all(|count| *count >= 2), "{counts:?}");
    }
}
