//! A worker that dies in the middle of a backup, and a tool that does.

use std::process::Command;

use domain::{ErrorCode, JobStatus};

use crate::plane::{Plane, files_below};
use crate::servers::{self, TestServer};

fn pids_of(name: &str, argument: &str) -> Vec<String> {
    let found = Command::new("pgrep").args(["-f", "--", &format!("{name}.*{argument}")]).output().expect("pgrep runs");
    String::from_utf8_lossy(&found.stdout).split_whitespace().map(str::to_owned).collect()
}

fn busy_mariadb() -> testkit::MariaDb {
    let server = servers::mariadb();
    server.write(1, 1000);
    server
        .sql("use it; create table ballast as select seq, repeat(md5(seq), 20) as text from seq_1_to_300000")
        .expect("rows are written");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_killed_worker_takes_its_tools_along_and_the_next_one_finishes() {
    let server = busy_mariadb();
    let (plane, mut worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let backup = plane.start_backup(datastore.id).await;
    plane.phase(backup.job_id, "streaming").await;
    worker.kill();
    let port = format!("port={}", server.port);
    testkit::wait_until("the tool died with its worker", std::time::Duration::from_secs(20), || {
        pids_of("mariadb-backup", &port).is_empty()
    });
    let manifests = files_below(&plane.folder(&backup)).into_iter().filter(|path| path.ends_with("manifest.json"));
    assert_eq!(manifests.count(), 0, "what is half done is no backup");
    let _next = plane.worker();
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Completed, "{}", plane.log_of(backup.job_id).await);
    assert_eq!(plane.client.job_get(backup.job_id).await.expect("the job").attempt, 2);
    let then = server.fingerprint();
    server.write(2001, 5);
    plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_tool_that_is_killed_midway_fails_the_backup() {
    let server = busy_mariadb();
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let backup = plane.start_backup(datastore.id).await;
    let port = format!("port={}", server.port);
    testkit::wait_until("the tool runs", std::time::Duration::from_secs(20), || {
        !pids_of("mariadb-backup", &port).is_empty()
    });
    for pid in pids_of("mariadb-backup", &port) {
        assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
    }
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Failed);
    let error = backup.error.clone().expect("a failed backup has an error");
    assert!(matches!(error.code, ErrorCode::EngineToolFailed | ErrorCode::BackupIncomplete), "{error}");
    assert_eq!(files_below(&plane.folder(&backup)), Vec::<std::path::PathBuf>::new());
    plane.back_up(datastore.id).await;
}
