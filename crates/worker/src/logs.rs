//! Archiving of logs: for each datastore that this worker is given, the engine's receiver runs and what it receives is stored,
//! closed segments and the growth of the open one alike.
//!
//! What a worker archives it holds by a lease that it renews by asking; what the answer no longer names it stops before it
//! asks again, and what it could not ask about for a whole lease it stops too. // F-11, F-68

mod archiver;
mod ending;
mod fetch;
mod growth;
mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use client::Client;
use domain::log_archive::{ARCHIVER_LEASE_SECONDS, ArchiverAssignment, ArchiverClaim};
use domain::worker::WorkerIdentity;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use ending::end_archiving;
pub use fetch::{check_logs, fetch_logs};
pub use scan::scan_logs;

/// How often the worker asks what to archive.
const CLAIM_INTERVAL: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(ARCHIVER_LEASE_SECONDS.unsigned_abs());

/// Where the receiver of a datastore's log keeps its files.
pub fn spool_of(state_directory: &Path, datastore: Uuid) -> PathBuf {
    state_directory.join("logs").join(datastore.to_string())
}

/// One datastore whose logs are archived.
struct Running {
    assignment: ArchiverAssignment,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(client: &Client, state_directory: &Path, assignment: ArchiverAssignment) -> Self {
        let stop = CancellationToken::new();
        let spool = spool_of(state_directory, assignment.datastore.id);
        let task = tokio::spawn(archiver::run(client.clone(), spool, assignment.clone(), stop.clone()));
        Self { assignment, stop, task }
    }

    /// Stops it and waits until its receiver is dead and nothing is being stored.
    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the archiving of a log broke");
        }
    }
}

/// Archives what the control plane gives, until `shutdown` is cancelled.
pub async fn run_archivers(
    client: Client,
    worker: WorkerIdentity,
    state_directory: PathBuf,
    shutdown: CancellationToken,
) {
    let mut running: BTreeMap<Uuid, Running> = BTreeMap::new();
    let mut renewed_at = Instant::now();
    while !shutdown.is_cancelled() {
        let claim = ArchiverClaim { worker: worker.clone(), holds: running.keys().copied().collect() };
        match client.worker_log_archivers(&claim).await {
            Ok(claims) => {
                renewed_at = Instant::now();
                let mut wanted: BTreeMap<Uuid, ArchiverAssignment> =
                    claims.assignments.into_iter().map(|assignment| (assignment.datastore.id, assignment)).collect();
                let given_up: Vec<Uuid> = running
                    .iter()
                    .filter(|(id, of)| wanted.get(id) != Some(&of.assignment) || of.task.is_finished())
                    .map(|(id, _)| *id)
                    .collect();
                for of in given_up.iter().filter_map(|id| running.remove(id)) {
                    of.end().await;
                }
                wanted.retain(|id, _| !running.contains_key(id));
                for (id, assignment) in wanted {
                    running.insert(id, Running::start(&client, &state_directory, assignment));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "could not ask which logs to archive");
                if renewed_at.elapsed() >= LEASE {
                    for (_, of) in std::mem::take(&mut running) {
                        of.end().await;
                    }
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(CLAIM_INTERVAL) => {}
            () = shutdown.cancelled() => {}
        }
    }
    for (_, of) in running {
        of.end().await;
    }
}
