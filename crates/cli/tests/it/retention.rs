//! Retention on real files: what a policy lets go is deleted, what is held stays, a deletion that is killed is finished, and
//! the sweep clears what belongs to no backup.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use domain::retention::RetentionPolicy;
use domain::{Backup, BackupHold, BackupSettings, JobStatus, VerificationStatus};

use crate::plane::{Plane, files_below};
use crate::servers::TestServer;

const PATIENCE: Duration = Duration::from_secs(60);

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn numbers(plane: &Plane, datastore: uuid::Uuid) -> Vec<i64> {
    let page = plane.client.backup_list(datastore, &Default::default()).await.expect("a list");
    page.items.iter().map(|backup| backup.number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_deletes_files_and_rows_but_nothing_that_is_held_or_needed() {
    let server = testkit::Redis::start().expect("Redis starts");
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 50);
    let datastore = plane.register(&server).await;
    let mut backups: Vec<Backup> = Vec::new();
    for _ in 0..4 {
        backups.push(plane.back_up(datastore.id).await);
    }
    let hold = BackupHold { reason: "for the auditors".to_owned() };
    plane.client.backup_hold(backups[1].id, &hold).await.expect("it is held");
    let retention = RetentionPolicy { keep_last: Some(1), minimum_good_backups: 1, ..RetentionPolicy::default() };
    let tried = plane.client.retention_preview(datastore.id, &retention).await.expect("a plan");
    assert_eq!(tried.deletions, [backups[0].id, backups[2].id]);
    let settings = plane.client.backup_settings_get(datastore.id).await.expect("settings");
    let settings = BackupSettings { retention, ..settings };
    plane.client.backup_settings_put(datastore.id, &settings).await.expect("they are saved");
    eventually("two backups stay", async || numbers(&plane, datastore.id).await == [4, 2]).await;
    for (index, backup) in backups.iter().enumerate() {
        assert_eq!(files_below(&plane.folder(backup)).is_empty(), matches!(index, 0 | 2), "backup {}", backup.number);
    }
    let now = server.fingerprint();
    server.write(51, 50);
    plane.restore(backups[1].id, &datastore.name).await;
    assert_eq!(server.fingerprint(), now);
}

/// Kills the worker at its N-th removal of a file or directory, for every N until a deletion needs no kill. // F-73
#[tokio::test(flavor = "multi_thread")]
async fn f73_a_deletion_that_is_killed_anywhere_is_finished_and_leaves_nothing() {
    let server = testkit::Redis::start().expect("Redis starts");
    let plane = Plane::start();
    let datastore = {
        let _worker = plane.worker();
        plane.register(&server).await
    };
    let mut kills = 0;
    for nth in 1..50 {
        let backup = {
            let _worker = plane.worker();
            plane.back_up(datastore.id).await
        };
        let inject = format!("inject=unlink,unlinkat,rmdir:signal=SIGKILL:when={nth}");
        let mut worker = plane.worker_wrapped(&[
            "env",
            "TOKIO_WORKER_THREADS=1",
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &inject,
        ]);
        let job = plane.client.backup_delete(backup.id).await.expect("the deletion starts");
        let killed = loop {
            if worker.0.try_wait().expect("its state").is_some() {
                break true;
            }
            if plane.client.job_get(job.id).await.expect("the job").status.is_final() {
                break false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        worker.kill_child();
        drop(worker);
        let _next = plane.worker();
        assert_eq!(plane.job_end(job.id).await.status, JobStatus::Completed, "kill {nth}");
        assert!(plane.client.backup_get(backup.id).await.is_err(), "kill {nth}: the row is gone");
        assert_eq!(files_below(&plane.folder(&backup)), Vec::<PathBuf>::new(), "kill {nth}");
        kills += u32::from(killed);
        if !killed {
            assert!(kills >= 2, "only {kills} kills: the sweep missed the deletion");
            return;
        }
    }
    panic!("the sweep did not come to an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_clears_old_orphans_and_tells_of_backups_that_are_gone() {
    let server = testkit::Redis::start().expect("Redis starts");
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let (gone, there) = (plane.back_up(datastore.id).await, plane.back_up(datastore.id).await);
    let orphan = plane.folder(&there).join("attempt-2/base.000.rdb.zst");
    std::fs::create_dir_all(orphan.parent().expect("a parent")).expect("made");
    let file = std::fs::File::create(&orphan).expect("made");
    file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).expect("aged");
    let young = plane.folder(&there).join("base.001.rdb.zst");
    std::fs::write(&young, "young").expect("made");
    std::fs::remove_file(plane.folder(&gone).join("manifest.json")).expect("removed");

    let job = plane.client.datastore_sweep(datastore.id).await.expect("it starts");
    assert_eq!(plane.job_end(job.id).await.status, JobStatus::Completed, "{}", plane.log_of(job.id).await);
    assert!(!orphan.exists() && young.exists());
    let log = plane.log_of(job.id).await;
    assert!(log.contains("1 objects that belong to no backup were cleared") && log.contains("is missing"), "{log}");
    let verification = async |id| plane.client.backup_get(id).await.expect("it is there").verification.status;
    assert_eq!(verification(gone.id).await, VerificationStatus::Failed);
    assert_eq!(verification(there.id).await, VerificationStatus::Never);

    // A storage that is not mounted proves nothing.
    std::fs::rename(plane.storage(), plane.storage().with_extension("away")).expect("moved away");
    std::fs::create_dir(plane.storage()).expect("an empty one");
    let job = plane.client.datastore_sweep(datastore.id).await.expect("it starts");
    let job = plane.job_end(job.id).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert!(job.error.expect("why").detail.contains("does not bear our mark"));
    assert_eq!(verification(there.id).await, VerificationStatus::Never);
}
