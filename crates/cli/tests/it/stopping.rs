//! Stopping a job: it ends cancelled, leaves nothing behind, and the database is free again. // F-04, F-07

use std::time::Duration;

use domain::{JobStatus, RestoreStatus};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::damage::leftovers;
use crate::plane::{Plane, files_below};
use crate::servers::{self, TestServer};

/// Enough rows for a backup that can be met in the middle.
pub fn busy_postgres() -> testkit::Postgres {
    let server = servers::postgres();
    server.sql("create table ballast as select n, md5(n::text) || repeat(md5(n::text), 8) as text from generate_series(1, 600000) n").expect("rows");
    server
}

/// A server process that stands still in the middle of a backup, so that the backup can't end meanwhile. Dropping it lets
/// the process go on.
pub struct Held(Pid);

impl Held {
    pub fn sender_of(server: &testkit::Postgres) -> Self {
        let mut held = None;
        testkit::wait_until("the server streams its files", Duration::from_secs(60), || {
            let sender = "select pid from pg_stat_progress_basebackup where phase = 'streaming database files'";
            held = server.sql(sender).ok().and_then(|pid| pid.trim().parse().ok()).map(Pid::from_raw);
            held.is_some_and(|pid| kill(pid, Signal::SIGSTOP).is_ok())
        });
        Self(held.expect("it was found"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_cancelled_backup_leaves_nothing_and_frees_the_database() {
    let server = busy_postgres();
    let (plane, _worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let backup = plane.start_backup(datastore.id).await;
    let held = Held::sender_of(&server);
    plane.phase(backup.job_id, "streaming").await;
    plane.client.backup_cancel(backup.id).await.expect("accepted");
    plane.client.backup_cancel(backup.id).await.expect("once more is no error");
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Cancelled);
    assert_eq!(files_below(&plane.folder(&backup)), Vec::<std::path::PathBuf>::new());
    drop(held);
    testkit::wait_until("the backup's connections have ended", Duration::from_secs(20), || {
        server.sql("select count(*) from pg_stat_activity where backend_type = 'walsender'").is_ok_and(|n| n == "0")
    });
    server.write(1, 10);
    plane.back_up(datastore.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_cancelled_restore_leaves_the_live_data_and_nothing_beside_it() {
    let server = busy_postgres();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 10);
    let datastore = plane.register(&server).await;
    let backup = plane.back_up(datastore.id).await;
    server.write(11, 10);
    let now = server.fingerprint();
    let restore = plane.start_restore(backup.id, &datastore.name).await;
    plane.phase(restore.job_id, "fetching").await;
    plane.client.restore_cancel(restore.id).await.expect("accepted");
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Cancelled, "{}", plane.log_of(restore.job_id).await);
    assert_eq!(server.fingerprint(), now);
    assert_eq!(leftovers(&server), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_worker_that_shuts_down_gives_its_job_back() {
    let server = busy_postgres();
    let (plane, mut worker) = Plane::with_worker();
    let datastore = plane.register(&server).await;
    let backup = plane.start_backup(datastore.id).await;
    let held = Held::sender_of(&server);
    plane.phase(backup.job_id, "streaming").await;
    worker.terminate();
    assert!(worker.0.wait().expect("it ends").success());
    drop(held);
    let job = plane.client.job_get(backup.job_id).await.expect("the job");
    assert_eq!((job.status, job.attempt), (JobStatus::Pending, 1));
    let _next = plane.worker();
    let backup = plane.backup_end(backup.id).await;
    assert_eq!(backup.status, JobStatus::Completed, "{}", plane.log_of(backup.job_id).await);
    assert_eq!(plane.client.job_get(backup.job_id).await.expect("the job").attempt, 2);
    plane.restore(backup.id, &datastore.name).await;
}
