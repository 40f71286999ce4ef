//! A schedule makes its backup on a real server by itself, and the backup restores.

use std::time::{Duration, Instant};

use domain::{BackupCreate, JobStatus, RunStatus, ScheduleCreate, SchedulePatch, Trigger};

use crate::plane::Plane;
use crate::servers::TestServer;

/// A schedule of every minute is met within one.
const A_MINUTE_AND_A_BACKUP: Duration = Duration::from_secs(120);

async fn last_run(plane: &Plane, schedule: uuid::Uuid, status: RunStatus) -> domain::LastRun {
    let deadline = Instant::now() + A_MINUTE_AND_A_BACKUP;
    loop {
        let schedule = plane.client.schedule_get(schedule).await.expect("the schedule is there");
        if let Some(last) = schedule.last_run.clone().filter(|last| last.status == status) {
            return last;
        }
        assert!(Instant::now() < deadline, "no run became {status}: {schedule:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_makes_a_backup_that_restores() {
    let server = testkit::Redis::start().expect("Redis starts");
    let plane = Plane::start_with(&["--minimum-full-interval-minutes", "1"]);
    let _worker = plane.worker();
    server.write(1, 100);
    let before = server.fingerprint();
    let datastore = plane.register(&server).await;
    let first = &plane.client.schedule_list(datastore.id, &Default::default()).await.expect("a list").items[0];
    assert_eq!(first.description, "At 05:00 UTC, every day");

    let every_minute = ScheduleCreate { recurrence: Some("TZ=UTC * * * * *".to_owned()), ..Default::default() };
    let schedule = plane.client.schedule_create(datastore.id, &every_minute).await.expect("it is made");
    let last = last_run(&plane, schedule.id, RunStatus::Completed).await;
    plane.client.schedule_pause(schedule.id).await.expect("it is paused");
    let backup = plane.client.backup_get(last.backup_id.expect("a backup")).await.expect("it is there");
    assert_eq!((backup.trigger, backup.schedule_id), (Trigger::Schedule, Some(schedule.id)));
    assert!(backup.created_at >= last.at && (backup.created_at - last.at).num_seconds() < 10, "{backup:?}");

    server.write(101, 50);
    plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_a_control_plane_that_was_down_runs_the_newest_and_tells_of_the_others() {
    let server = testkit::Redis::start().expect("Redis starts");
    let mut plane = Plane::start_with(&["--minimum-full-interval-minutes", "1"]);
    let worker = plane.worker();
    let datastore = plane.register(&server).await;
    let every_minute = ScheduleCreate { recurrence: Some("TZ=UTC * * * * *".to_owned()), ..Default::default() };
    let schedule = plane.client.schedule_create(datastore.id, &every_minute).await.expect("it is made");
    drop(worker);
    plane.stop();
    // As if it had been down since three hours ago.
    let three_hours_ago = chrono::Utc::now() - chrono::TimeDelta::hours(3);
    plane.edit_database(&format!(
        "update schedules set handled_until = {}, wake_at = {0}",
        three_hours_ago.timestamp_micros()
    ));
    plane.start_again(&["--minimum-full-interval-minutes", "1"]);
    let _worker = plane.worker();
    last_run(&plane, schedule.id, RunStatus::Completed).await;
    let runs = plane.client.schedule_run_list(schedule.id, &Default::default()).await.expect("a list");
    assert_eq!(runs.items[0].attempt, 1);
    let missed: Vec<_> = runs.items.iter().filter(|run| run.status == RunStatus::Missed).collect();
    assert!(missed.len() > 40, "{runs:?}");
    let datastore = plane.client.datastore_get(datastore.id).await.expect("it is there");
    assert!(datastore.overview.failures_24h >= 100, "a missed run is a failure: {:?}", datastore.overview);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_and_a_pause_leave_the_running_backup_alone() {
    let server = crate::stopping::busy_postgres();
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let schedule = plane.client.schedule_list(datastore.id, &Default::default()).await.expect("a list").items.remove(0);
    let backup = plane.client.schedule_run(schedule.id).await.expect("it starts");
    let held = crate::stopping::Held::sender_of(&server);
    let busy = plane.client.backup_create(datastore.id, &BackupCreate::default()).await.expect_err("it is busy");
    assert_eq!(busy.code(), Some(domain::ErrorCode::DatastoreBusy));
    let six = SchedulePatch { recurrence: Some("TZ=UTC 0 6 * * *".to_owned()), version: Some(1), ..Default::default() };
    plane.client.schedule_patch(schedule.id, &six).await.expect("it is edited");
    plane.client.schedule_pause(schedule.id).await.expect("it is paused");
    drop(held);
    assert_eq!(plane.backup_end(backup.id).await.status, JobStatus::Completed);
    assert_eq!(last_run(&plane, schedule.id, RunStatus::Completed).await.backup_id, Some(backup.id));
}
