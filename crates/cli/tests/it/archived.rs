//! Servers whose log is archived, and restores of them: what the tests of point-in-time recovery share.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::log_archive::LogArchivingStatus;
use domain::recovery::RecoveryWindow;
use domain::{Backup, Datastore, ErrorCode, JobStatus, Restore, RestoreCreate, RestoreStatus, StopPosition};
use testkit::{MariaDb, Mysql, Postgres};
use uuid::Uuid;

use crate::plane::Plane;
use crate::servers::TestServer;

/// How long anything that archiving does may take here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a log.
pub trait Logged: TestServer {
    fn run(&self, statement: &str) -> String;
    /// Ends the log's present file.
    fn rotate(&self);
    /// Kills it, as a machine that fails does.
    fn kill_hard(&self);
    /// Receivers that the server keeps log for.
    fn kept_receivers(&self) -> usize;
}

impl Logged for Postgres {
    fn run(&self, statement: &str) -> String {
        self.sql(statement).expect("the server obeys")
    }
    fn rotate(&self) {
        self.sql("select pg_switch_wal()").expect("the log is switched");
    }
    fn kill_hard(&self) {
        self.crash().expect("it is killed");
    }
    fn kept_receivers(&self) -> usize {
        self.sql("select count(*) from pg_replication_slots").expect("an answer").trim().parse().expect("a number")
    }
}

impl Logged for MariaDb {
    fn run(&self, statement: &str) -> String {
        self.sql(&format!("use it; {statement}")).expect("the server obeys")
    }
    fn rotate(&self) {
        self.sql("flush binary logs").expect("the log is switched");
    }
    fn kill_hard(&self) {
        self.crash().expect("it is killed");
    }
    fn kept_receivers(&self) -> usize {
        0
    }
}

impl Logged for Mysql {
    fn run(&self, statement: &str) -> String {
        self.sql(&format!("use it; {statement}")).expect("the server obeys")
    }
    fn rotate(&self) {
        self.sql("flush binary logs").expect("the log is switched");
    }
    fn kill_hard(&self) {
        self.crash().expect("it is killed");
    }
    fn kept_receivers(&self) -> usize {
        0
    }
}

pub async fn window(plane: &Plane, datastore: Uuid) -> RecoveryWindow {
    plane.client.recovery_window(datastore).await.expect("a window")
}

/// Waits until the window is as wanted.
pub async fn eventually(
    plane: &Plane,
    datastore: Uuid,
    what: &str,
    is_so: impl Fn(&RecoveryWindow) -> bool,
) -> RecoveryWindow {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let window = window(plane, datastore).await;
        if is_so(&window) {
            return window;
        }
        assert!(Instant::now() < deadline, "{what} never came: {window:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Switches log archiving on or off.
pub async fn archive(plane: &Plane, datastore: Uuid, on: bool) {
    let mut settings = plane.client.backup_settings_get(datastore).await.expect("settings");
    settings.log_archiving = on;
    plane.client.backup_settings_put(datastore, &settings).await.expect("they are saved");
}

/// A datastore whose logs are archived, with one backup.
pub async fn archived(plane: &Plane, server: &dyn Logged) -> (Datastore, Backup) {
    server.write(1, 500);
    let datastore = plane.register(server).await;
    assert!(datastore.capabilities.point_in_time_recovery, "{:?}", datastore.findings);
    archive(plane, datastore.id, true).await;
    eventually(plane, datastore.id, "archiving", |window| {
        window.log_archiving.status == LogArchivingStatus::Archiving && window.log_archiving.complete_until.is_some()
    })
    .await;
    // Switching it on has a backup made by itself; one of those two is the first.
    let backup = loop {
        match plane.client.backup_create(datastore.id, &domain::BackupCreate::default()).await {
            Ok(backup) => break backup,
            Err(error) if error.code() == Some(ErrorCode::DatastoreBusy) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Completed, "{}", plane.log_of(backup.job_id).await);
    (datastore, backup)
}

pub async fn archived_until(plane: &Plane, datastore: Uuid, at: DateTime<Utc>) -> RecoveryWindow {
    eventually(plane, datastore, "the log up to now", |window| {
        window.log_archiving.complete_until.is_some_and(|until| until >= at)
    })
    .await
}

pub fn order(server: &dyn Logged, time: Option<&str>, position: Option<&StopPosition>) -> RestoreCreate {
    RestoreCreate {
        pitr_stop_time: time.map(str::to_owned),
        pitr_stop_position: position.map(|position| serde_json::to_value(position).expect("JSON")),
        ..Plane::restore_request(&server.name())
    }
}

pub async fn restored(plane: &Plane, backup: Uuid, order: &RestoreCreate) -> Restore {
    let deadline = Instant::now() + PATIENCE;
    let restore = loop {
        match plane.client.backup_restore(backup, order).await {
            Ok(restore) => break restore,
            Err(error) if error.code() == Some(ErrorCode::DatastoreBusy) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{}", plane.log_of(restore.job_id).await);
    restore
}

/// Whole seconds apart from what happened before and after, so that every engine can tell.
pub async fn quiet_instant() -> DateTime<Utc> {
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let at = DateTime::from_timestamp(Utc::now().timestamp(), 0).expect("a time");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    at
}

pub fn empty(directory: &Path) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => fs::remove_dir_all(&path).expect("removed"),
            false => fs::remove_file(&path).expect("removed"),
        }
    }
}
