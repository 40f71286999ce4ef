//! Logs that are in backups, through the binary: windows and refusals, what others back up, and what follows a restore. On the
//! double of SQL Server, so what passes was not seen on a real one.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use client::{ClientError, PlanQuery};
use domain::{
    Backup, BackupType, Datastore, DatastoreCreate, ErrorCode, Job, JobStatus, Method, Restore, RestoreCreate,
    RestoreStatus,
};
use testkit::Mssql;
use uuid::Uuid;

use crate::plane::{Plane, files_below};
use crate::servers;

/// The double, and the directory that it shares with the worker.
struct Server {
    double: Mssql,
    shared: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let double = Mssql::builder().encrypting().start().expect("the double starts");
        double.create_database("shop");
        double.create_database("wiki");
        let shared = tempfile::Builder::new().prefix("holdfast-shared-").tempdir().expect("a directory");
        std::fs::set_permissions(shared.path(), std::fs::Permissions::from_mode(0o700)).expect("its mode");
        Self { double, shared }
    }

    fn registration(&self, name: &str) -> DatastoreCreate {
        servers::sql_server(&self.double, self.shared.path(), name)
    }

    fn insert(&self, note: &str) {
        self.double.insert("shop", note, None);
        self.double.insert("wiki", note, None);
    }

    fn entries(&self) -> Vec<String> {
        let shop = self.double.entries("shop").expect("shop is online");
        assert_eq!(self.double.entries("wiki").as_ref(), Some(&shop), "both databases are of one moment");
        shop
    }
}

async fn register(plane: &Plane, server: &Server, name: &str) -> Datastore {
    plane.client.datastore_create(&server.registration(name)).await.expect("the datastore is registered")
}

async fn back_up(plane: &Plane, datastore: Uuid, backup_type: BackupType) -> Backup {
    plane.back_up_as(datastore, None, Some(backup_type)).await
}

async fn restore(plane: &Plane, backup: &Backup, name: &str, stop: &str) -> Restore {
    restore_to(plane, backup, name, Some(stop)).await
}

async fn restore_to(plane: &Plane, backup: &Backup, name: &str, stop: Option<&str>) -> Restore {
    let request = RestoreCreate { pitr_stop_time: stop.map(str::to_owned), ..Plane::restore_request(name) };
    let restore = plane.client.backup_restore(backup.id, &request).await.expect("the restore starts");
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{}", plane.log_of(restore.job_id).await);
    restore
}

/// The code of a refusal.
fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ErrorCode {
    match answer {
        Err(ClientError::Problem(problem)) => problem.code,
        other => panic!("no refusal: {other:?}"),
    }
}

/// A moment with nothing of the same second on either side: headers of backups tell whole seconds.
pub async fn a_moment() -> DateTime<Utc> {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let at = Utc::now();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    at
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_differential_and_log_backups_are_restored_to_a_moment_and_that_is_undone() {
    let server = Server::start();
    let (plane, _worker) = Plane::with_worker();
    let datastore = register(&plane, &server, "shop").await;
    assert_eq!(datastore.shared_directory, server.registration("shop").shared_directory);
    let types = datastore.capabilities.methods.iter().find(|known| known.method == Method::MssqlBackup);
    let types = types.map(|known| known.types.clone()).unwrap_or_default();
    assert_eq!(types, [BackupType::Full, BackupType::Differential, BackupType::Log], "{:?}", datastore.findings);

    server.insert("one");
    let first = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!((first.backup_type, first.parent_id), (BackupType::Full, None), "there was nothing to build on");
    let window = plane.client.recovery_window(datastore.id).await.expect("a window");
    assert!(!window.supported && window.reason.is_some_and(|reason| reason.contains("log backup")));
    a_moment().await;
    server.insert("two");
    let two = a_moment().await;
    let log = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!((log.backup_type, log.parent_id), (BackupType::Log, Some(first.id)));
    server.insert("three");
    let differential = back_up(&plane, datastore.id, BackupType::Differential).await;
    assert_eq!((differential.backup_type, differential.parent_id), (BackupType::Differential, Some(first.id)));
    a_moment().await;
    server.insert("four");
    let four = a_moment().await;
    server.double.delete_all("shop", None);
    server.double.delete_all("wiki", None);
    a_moment().await;
    let newest = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!(newest.parent_id, Some(log.id));
    assert!(files_below(server.shared.path()).is_empty(), "nothing stays in the shared directory");

    let window = plane.client.recovery_window(datastore.id).await.expect("a window");
    assert_eq!((window.windows.len(), window.gaps.len()), (1, 0), "{window:?}");
    assert!(window.windows[0].from < two && four < window.windows[0].to && window.latest_restorable_time.is_some());
    let refused = RestoreCreate { pitr_stop_time: Some(text(Utc::now())), ..Plane::restore_request("shop") };
    assert_eq!(code(plane.client.backup_restore(first.id, &refused).await), ErrorCode::PitrTimeNotCovered);
    let early = RestoreCreate { pitr_stop_time: Some(text(first.created_at)), ..Plane::restore_request("shop") };
    assert_eq!(code(plane.client.backup_restore(first.id, &early).await), ErrorCode::PitrTimeBeforeBackup);
    assert_eq!(code(plane.client.backup_delete(newest.id).await), ErrorCode::BackupHasDependents);

    let back = restore(&plane, &first, "shop", &text(four)).await;
    assert_eq!(server.entries(), ["one", "two", "three", "four"]);
    let job: Job = plane.client.restore_undo(back.id).await.expect("the undo starts");
    assert_eq!(plane.job_end(job.id).await.status, JobStatus::Completed, "{}", plane.log_of(job.id).await);
    assert!(server.entries().is_empty(), "what was there before the restore");
    restore(&plane, &first, "shop", &text(two)).await;
    assert_eq!(server.entries(), ["one", "two"]);

    let next = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!((next.backup_type, next.parent_id), (BackupType::Full, None), "the old log does not go on");
    restore(&plane, &first, "shop", "latest").await;
    assert!(server.entries().is_empty(), "the log before the restore has not changed");

    // Without a stop it is what the log backup holds, by the same way as to a stop.
    restore_to(&plane, &log, "shop", None).await;
    assert_eq!(server.entries(), ["one", "two"]);
    let plan = plane.client.backup_restore_plan(newest.id, &PlanQuery::default()).await.expect("a plan");
    assert!(plan.obstacles.is_empty(), "{plan:?}");
    assert_eq!(plan.chain, [first.number, differential.number, newest.number]);
    restore_to(&plane, &newest, "shop", None).await;
    assert!(server.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f33_a_log_backup_looks_at_both_ends_of_its_chain_and_at_nothing_between() {
    let server = Server::start();
    let (plane, _worker) = Plane::with_worker();
    let datastore = register(&plane, &server, "shop").await;
    let elsewhere = plane.directory.path().join("elsewhere");
    let lose = |backup: &Backup| std::fs::rename(plane.folder(backup), &elsewhere).expect("it is moved away");
    let bring_back = |backup: &Backup| std::fs::rename(&elsewhere, plane.folder(backup)).expect("it is moved back");
    back_up(&plane, datastore.id, BackupType::Full).await;
    let mut logs = Vec::new();
    for note in ["one", "two", "three"] {
        server.insert(note);
        logs.push(back_up(&plane, datastore.id, BackupType::Log).await);
    }

    // Those between are not read, however many they are; a restore that needs one says so before it touches anything.
    lose(&logs[1]);
    server.insert("four");
    let next = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!((next.backup_type, next.parent_id), (BackupType::Log, Some(logs[2].id)));
    let plan = plane.client.backup_restore_plan(next.id, &PlanQuery::default()).await.expect("a plan");
    let codes: Vec<_> = plan.obstacles.iter().map(|obstacle| obstacle.code).collect();
    assert_eq!(codes, [ErrorCode::ManifestMissing], "{plan:?}");
    bring_back(&logs[1]);
    restore_to(&plane, &next, "shop", None).await;
    assert_eq!(server.entries(), ["one", "two", "three", "four"]);

    for lost in ["the first", "the last", "the last's manifest is another"] {
        let full = back_up(&plane, datastore.id, BackupType::Full).await;
        server.insert(lost);
        let before = back_up(&plane, datastore.id, BackupType::Log).await;
        server.insert(lost);
        let last = back_up(&plane, datastore.id, BackupType::Log).await;
        assert_eq!((before.parent_id, last.parent_id), (Some(full.id), Some(before.id)));
        let manifest = plane.folder(&last).join("manifest.json");
        match lost {
            "the first" => lose(&full),
            "the last" => lose(&last),
            // F-90
            _ => {
                std::fs::write(&manifest, std::fs::read_to_string(&manifest).expect("a text") + "\n").expect("written")
            }
        }
        let next = back_up(&plane, datastore.id, BackupType::Log).await;
        assert_eq!((next.backup_type, next.parent_id), (BackupType::Full, None), "{lost}");
        let _ = std::fs::remove_dir_all(&elsewhere);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f60_what_somebody_else_backs_up_is_noticed_and_a_full_backup_is_made() {
    let server = Server::start();
    let (plane, _worker) = Plane::with_worker();
    let datastore = register(&plane, &server, "shop").await;
    server.insert("one");
    let first = back_up(&plane, datastore.id, BackupType::Full).await;
    a_moment().await;
    back_up(&plane, datastore.id, BackupType::Log).await;
    // The same server by another name is somebody else.
    let other = register(&plane, &server, "other").await;
    back_up(&plane, other.id, BackupType::Full).await;
    let second = back_up(&plane, datastore.id, BackupType::Differential).await;
    assert_eq!((second.backup_type, second.parent_id), (BackupType::Full, None), "the base is another full backup");
    let log = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!((log.backup_type, log.parent_id), (BackupType::Log, Some(second.id)), "the log has no gap");
    let window = plane.client.recovery_window(datastore.id).await.expect("a window");
    assert_eq!((window.windows.len(), window.gaps.len()), (1, 0), "{window:?}");
    assert_eq!(window.windows[0].backup_id, first.id);

    a_moment().await;
    server.insert("two");
    back_up(&plane, other.id, BackupType::Full).await;
    let foreign = back_up(&plane, other.id, BackupType::Log).await;
    assert_eq!(foreign.backup_type, BackupType::Log);
    server.insert("three");
    a_moment().await;
    let third = back_up(&plane, datastore.id, BackupType::Log).await;
    assert_eq!((third.backup_type, third.parent_id), (BackupType::Full, None), "the log has a gap");
    a_moment().await;
    back_up(&plane, datastore.id, BackupType::Log).await;
    let window = plane.client.recovery_window(datastore.id).await.expect("a window");
    assert_eq!((window.windows.len(), window.gaps.len()), (2, 1), "{window:?}");
    assert!(window.gaps[0].reason.contains("log of database"), "{:?}", window.gaps);
    let middle = window.gaps[0].from + (window.gaps[0].to - window.gaps[0].from) / 2;
    let request = RestoreCreate { pitr_stop_time: Some(text(middle)), ..Plane::restore_request("shop") };
    assert_eq!(code(plane.client.backup_restore(first.id, &request).await), ErrorCode::PitrTimeNotCovered);
    restore(&plane, &third, "shop", "latest").await;
    assert_eq!(server.entries(), ["one", "two", "three"]);
}
