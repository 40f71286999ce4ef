//! Point-in-time recovery with the real binary on real servers: a mistake is found and taken back, branches come and go, the
//! whole machine is lost, logs are lost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use client::PlanQuery;
use domain::log_archive::{LogArchivingStatus, LogEntryKind, LogScanCreate};
use domain::{ErrorCode, JobStatus, RestoreCreate, RestoreStatus, StopPosition};

use crate::archived::{
    Logged, PATIENCE, archive, archived, archived_until, empty, eventually, order, quiet_instant, restored, window,
};
use crate::catalog::{lose, rebuild, reconnect};
use crate::damage::leftovers;
use crate::plane::{Plane, files_below};
use crate::servers::{self, TestServer};

async fn a_mistake_is_found_and_taken_back(server: &dyn Logged) {
    let (plane, _worker) = Plane::with_worker_for(server);
    let (datastore, backup) = archived(&plane, server).await;
    server.write(1000, 300);
    let before_drop = server.fingerprint();
    let quiet = quiet_instant().await;
    server.write(2000, 50);
    let at_drop = server.fingerprint();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let from = Utc::now();
    server.run("drop table items");
    server.run("create table after_it (id int primary key)");
    archived_until(&plane, datastore.id, Utc::now()).await;

    // Find the mistake, and go to just before it.
    let scan = LogScanCreate {
        from: from - TimeDelta::seconds(2),
        to: Utc::now() + TimeDelta::seconds(1),
        all_transactions: false,
    };
    let found = plane.client.log_scan(datastore.id, &scan).await.expect("a scan");
    let drop = found
        .entries
        .iter()
        .find(|entry| entry.kind == LogEntryKind::SchemaChange && !entry.summary.to_lowercase().contains("create"));
    let drop = drop.unwrap_or_else(|| panic!("the drop is found: {found:#?}"));
    let query = PlanQuery {
        pitr_stop_position: Some(serde_json::to_string(&drop.stop_before).expect("JSON")),
        ..PlanQuery::default()
    };
    let plan = plane.client.backup_restore_plan(backup.id, &query).await.expect("a plan");
    assert!(plan.obstacles.is_empty() && plan.log_segments > 0 && plan.log_bytes > 0, "{plan:?}");
    let first = restored(&plane, backup.id, &order(server, None, Some(&drop.stop_before))).await;
    assert_eq!(server.fingerprint(), at_drop);
    assert!(server.takes_writes());
    assert!(first.reached_position.is_some() && first.undo_until.is_some(), "{first:?}");
    assert_eq!(leftovers(server).iter().filter(|path| path.to_string_lossy().ends_with("-logs")).count(), 0);

    // The restored server's log is another branch, archived at once, and the old one's archive is whole.
    let branches = eventually(&plane, datastore.id, "the new branch", |window| {
        window.branches.len() == 2 && window.log_archiving.status == LogArchivingStatus::Archiving
    })
    .await;
    assert!(branches.branches[1].is_current && branches.branches[1].restore_id == Some(first.id), "{branches:#?}");
    server.write(3000, 20);
    let on_branch = server.fingerprint();

    // A second restore, to a time before the first, on the branch that was left.
    let second = restored(&plane, backup.id, &order(server, Some(&quiet.to_rfc3339()), None)).await;
    assert_eq!(server.fingerprint(), before_drop, "{second:?}");
    let undo = plane.client.restore_undo(second.id).await.expect("an undo");
    assert_eq!(plane.job_end(undo.id).await.status, JobStatus::Completed, "{}", plane.log_of(undo.id).await);
    assert_eq!(server.fingerprint(), on_branch);
    let window = eventually(&plane, datastore.id, "the branch before", |window| {
        window.log_archiving.status == LogArchivingStatus::Archiving
    })
    .await;
    let current: Vec<_> = window.branches.iter().filter(|branch| branch.is_current).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0].restore_id, Some(first.id), "{window:#?}");

    // Latest on the branch that was left: the table is gone there. A restore without a stop is exactly the backup.
    restored(&plane, backup.id, &order(server, None, None)).await;
    let rows = server.run("select count(*) from items");
    assert!(rows.contains("500"), "{rows}");

    archive(&plane, datastore.id, false).await;
    testkit::wait_until("the slot is dropped", PATIENCE, || server.kept_receivers() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_comes_back_on_postgresql() {
    a_mistake_is_found_and_taken_back(&servers::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_comes_back_on_mariadb() {
    a_mistake_is_found_and_taken_back(&servers::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_comes_back_on_mysql() {
    a_mistake_is_found_and_taken_back(&servers::mysql()).await;
}

/// The machine fails: server and worker are killed, the data is lost. What was acknowledged more than ten seconds before is
/// in a restore to the latest.
async fn little_is_lost_with_the_machine(server: &dyn Logged) {
    let (plane, mut worker) = Plane::with_worker_for(server);
    let (datastore, backup) = archived(&plane, server).await;
    server.run("create table acknowledged (n int primary key)");
    let began = Instant::now();
    let mut acknowledged: Vec<(u32, Instant)> = Vec::new();
    let mut number = 0;
    while began.elapsed() < Duration::from_secs(16) {
        let batch: String =
            (0..20).map(|more| format!("insert into acknowledged values ({}); ", number + more)).collect();
        server.run(&batch);
        acknowledged.extend((0..20).map(|more| (number + more, Instant::now())));
        number += 20;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    server.kill_hard();
    worker.kill();
    let killed = Instant::now();
    empty(&server.data_directory());

    let _worker = plane.worker();
    let restore = restored(&plane, backup.id, &order(server, Some("latest"), None)).await;
    let kept: u32 = last_number(&server.run("select max(n) + 1 from acknowledged"));
    let all: u32 = last_number(&server.run("select count(*) from acknowledged"));
    assert_eq!(kept, all, "without a hole");
    let lost = acknowledged.iter().find(|(n, _)| *n >= kept).map_or(Duration::ZERO, |(_, at)| killed - *at);
    println!(
        "{}: {} of {} commits came back; {:.1} s were lost",
        server.engine(),
        all,
        acknowledged.len(),
        lost.as_secs_f64()
    );
    assert!(lost <= Duration::from_secs(10), "{lost:?} lost: {restore:?}");
    assert_eq!(datastore.id, restore.datastore_id);
}

fn last_number(text: &str) -> u32 {
    text.split_whitespace()
        .next_back()
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number: {text:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn rpo_a_lost_postgresql_loses_little() {
    let server = servers::postgres();
    little_is_lost_with_the_machine(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rpo_a_lost_mysql_loses_little() {
    let server = servers::mysql();
    little_is_lost_with_the_machine(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rpo_a_lost_mariadb_loses_little() {
    let server = servers::mariadb();
    little_is_lost_with_the_machine(&server).await;
}

/// Inode and time of every file of a server that must not be touched.
fn state_of(directory: &Path) -> Vec<(std::path::PathBuf, u64)> {
    files_below(directory)
        .into_iter()
        .filter_map(|path| Some((path.clone(), path.symlink_metadata().ok()?.ino())))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f60_each_missing_segment_is_named_before_anything_is_touched() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker_for(&server);
    let (datastore, backup) = archived(&plane, &server).await;
    for round in 0..10 {
        server.write(10_000 + round * 10, 10);
        server.rotate();
    }
    server.write(20_000, 1);
    archived_until(&plane, datastore.id, Utc::now()).await;
    let folder = plane.storage().join(datastore.id.to_string()).join("logs");
    let is_segment = |path: &&std::path::PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.len() == 28 && name.ends_with(".zst"))
    };
    let segments: Vec<_> = files_below(&folder).iter().filter(is_segment).cloned().collect();
    assert!(segments.len() >= 10, "{segments:?}");
    let latest = PlanQuery { pitr_stop_time: Some("latest".into()), ..PlanQuery::default() };
    let before = state_of(&server.data_directory());
    for segment in segments.iter().rev().take(10) {
        let aside = segment.with_extension("aside");
        fs::rename(segment, &aside).expect("it is moved");
        let name = segment.file_stem().expect("a name").to_string_lossy().into_owned();
        let plan = plane.client.backup_restore_plan(backup.id, &latest).await.expect("a plan");
        let first = plan.obstacles.first().unwrap_or_else(|| panic!("{name} is missed: {plan:?}"));
        assert!(first.code == ErrorCode::PitrTimeNotCovered && first.detail.contains(&name), "{first:?}");
        let restore =
            plane.client.backup_restore(backup.id, &order(&server, Some("latest"), None)).await.expect("it begins");
        let restore = plane.restore_end(restore.id).await;
        assert_eq!(restore.status, RestoreStatus::Failed);
        fs::rename(&aside, segment).expect("it is back");
    }
    let kept = |state: Vec<(std::path::PathBuf, u64)>| {
        state.into_iter().filter(|(path, _)| path.ends_with("PG_VERSION")).collect::<Vec<_>>()
    };
    assert_eq!(kept(state_of(&server.data_directory())), kept(before));

    // One that stays away is found within a minute, shown, and cuts the window.
    let lost = &segments[segments.len() / 2];
    fs::remove_file(lost).expect("it is lost");
    let cut = eventually(&plane, datastore.id, "the gap", |window| !window.gaps.is_empty()).await;
    let name = lost.file_stem().expect("a name").to_string_lossy().into_owned();
    assert!(cut.gaps[0].reason.contains(&name), "{cut:#?}");
    let refused = plane.client.backup_restore(backup.id, &order(&server, Some("latest"), None)).await;
    assert!(refused.is_ok(), "the latest is the end of what goes on from the backup: {refused:?}");
    let ended = plane.restore_end(refused.expect("it began").id).await;
    assert_eq!(ended.status, RestoreStatus::Completed, "{}", plane.log_of(ended.job_id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f61_stops_that_cannot_be_reached_are_refused_with_those_that_can() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker_for(&server);
    let (datastore, backup) = archived(&plane, &server).await;
    archived_until(&plane, datastore.id, Utc::now()).await;
    let ended = backup.ended_at.expect("it ended");
    let early = (ended - TimeDelta::seconds(1)).to_rfc3339();
    let late = (Utc::now() + TimeDelta::hours(1)).to_rfc3339();
    for (time, code) in [(early, ErrorCode::PitrTimeBeforeBackup), (late, ErrorCode::PitrTimeInFuture)] {
        let refused = plane.client.backup_restore(backup.id, &order(&server, Some(&time), None)).await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{refused}");
    }
    let nowhere = StopPosition::Gtid { gtid: "0-1-1".into(), before: false };
    let restore =
        plane.client.backup_restore(backup.id, &order(&server, None, Some(&nowhere))).await.expect("it begins");
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.error.map(|error| error.code), Some(ErrorCode::PitrPositionNotCovered));
    assert!(server.takes_writes());
}

/// The machine with the control database is lost, and the server's data with it.
async fn archived_log_comes_back(server: &dyn Logged) {
    let (mut plane, mut worker) = Plane::with_worker_for(server);
    let (datastore, backup) = archived(&plane, server).await;
    // MariaDB's log knows whole seconds: what was committed in the one of the backup's end makes no window.
    quiet_instant().await;
    server.write(1000, 300);
    server.rotate();
    server.write(2000, 300);
    let then = server.fingerprint();
    archived_until(&plane, datastore.id, Utc::now()).await;

    worker.kill();
    plane.stop();
    lose(&plane);
    let done = rebuild(&plane, &[]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("segments of archived log were taken in"), "{done:?}");
    plane.start_again(&[]);
    let _worker = plane.worker();
    reconnect(&plane, datastore.id, server).await;
    server.write(5000, 50);
    let window = window(&plane, datastore.id).await;
    assert!(!window.windows.is_empty(), "{window:#?}");
    let latest = RestoreCreate { confirm: Some(datastore.name.clone()), ..order(server, Some("latest"), None) };
    restored(&plane, backup.id, &latest).await;
    assert_eq!(server.fingerprint(), then, "all of the archived log was replayed, that of the open segment too");
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_archived_log_of_postgresql_comes_back_from_the_storage() {
    archived_log_comes_back(&servers::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_archived_log_of_mariadb_comes_back_from_the_storage() {
    archived_log_comes_back(&servers::mariadb()).await;
}
