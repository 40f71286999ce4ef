//! The worker is killed at the N-th rename or fsync of a restore, for every N until a run needs no kill. After each, the
//! data is the old or the new, and the server takes writes once the worker was started again. // F-62, I7

use domain::RestoreStatus;

use crate::damage::leftovers;
use crate::plane::Plane;
use crate::servers::{self, TestServer};

/// Kills at each call of `syscalls` in turn; gives how many kills there were.
async fn sweep(server: &dyn TestServer, syscalls: &str) -> u32 {
    let plane = Plane::start();
    server.write(1, 40);
    let old = server.fingerprint();
    let (datastore, backup) = {
        let _worker = plane.worker();
        let datastore = plane.register(server).await;
        (datastore.clone(), plane.back_up(datastore.id).await)
    };
    let mut kills = 0;
    for nth in 1..200 {
        server.write(1000 * nth, 3);
        let new = server.fingerprint();
        let inject = format!("inject={syscalls}:signal=SIGKILL:when={nth}");
        // strace counts by the thread, so there is one for all of the worker's own steps; the tools and servers that it
        // starts are let go (-b).
        let mut worker = plane.worker_wrapped(&[
            "env",
            "TOKIO_WORKER_THREADS=1",
            "strace",
            "-f",
            "-b",
            "execve",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &inject,
        ]);
        let restore = plane.start_restore(backup.id, &datastore.name).await;
        let killed = loop {
            if worker.0.try_wait().expect("its state").is_some() {
                break true;
            }
            let now = plane.client.restore_get(restore.id).await.expect("the restore");
            if !matches!(now.status, RestoreStatus::Pending | RestoreStatus::Running) {
                break false;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        kills += u32::from(killed);
        worker.kill_child();
        drop(worker);
        let _next = plane.worker();
        let restore = plane.restore_end(restore.id).await;
        assert_eq!(restore.status, RestoreStatus::Completed, "kill {nth}: {}", plane.log_of(restore.job_id).await);
        assert_eq!(server.fingerprint(), old, "kill {nth}: the next worker finished the restore");
        assert!(server.takes_writes(), "kill {nth}");
        // Each run leaves the data that it replaced, and nothing else.
        let undo = plane.client.restore_undo(restore.id).await.expect("the undo starts");
        plane.job_end(undo.id).await;
        assert_eq!(server.fingerprint(), new, "kill {nth}: the replaced data was kept");
        let staged: Vec<_> =
            leftovers(server).into_iter().filter(|path| path.to_string_lossy().contains("-staged")).collect();
        assert_eq!(staged, Vec::<std::path::PathBuf>::new(), "kill {nth}");
        if !killed {
            return kills;
        }
    }
    panic!("the sweep did not come to an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn f62_killed_at_any_rename_the_data_is_old_or_new() {
    let kills = sweep(&servers::postgres(), "rename").await;
    assert!(kills >= 6, "only {kills} kills: the sweep missed the switch");
}

#[tokio::test(flavor = "multi_thread")]
async fn f62_killed_at_any_fsync_the_data_is_old_or_new() {
    let kills = sweep(&testkit::Redis::start().expect("Redis starts"), "fsync").await;
    assert!(kills >= 6, "only {kills} kills: the sweep missed the switch");
}
