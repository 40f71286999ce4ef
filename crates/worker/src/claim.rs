//! The claim loop: asks for jobs, runs each in a task of its own, reports how it ended. // F-05, F-07

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, ClientError};
use domain::assignment::{Assignment, ClaimRequest, Outcome, ResultReport, Task, TaskResult};
use domain::worker::WorkerIdentity;
use domain::{ErrorCode, JobError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{JobContext, JobFailure};
use crate::job_log::JobLog;
use crate::lease::{Lease, StopCause};
use crate::progress::ProgressTracker;
use crate::restore::Source;
use crate::{backup, deletion, inspection, logs, restore, sweep, verification};

/// How many jobs run at once: of different datastores, since each has one at a time.
const MAX_CONCURRENT_JOBS: usize = 8;
/// How long a claim waits for a job, in seconds: also the longest that an orderly end waits for the claim on its way.
const CLAIM_WAIT_SECONDS: u64 = 5;
/// How long the worker waits after the control plane could not be reached.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often what restores set aside is looked through for what may go.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What a worker is started with.
pub struct WorkerConfig {
    pub client: Client,
    /// Unique among workers.
    pub name: String,
    pub version: String,
    pub labels: BTreeMap<String, String>,
    /// The worker's own directory, made 0700 when missing; it must outlive the process.
    pub state_directory: PathBuf,
}

/// Works until `shutdown` is cancelled. Unfinished switches of an earlier run are finished or undone first.
/// On shutdown no more jobs are claimed, running ones are stopped and given back, except a restore that is switching
/// directories, which is finished.
///
/// # Errors
/// When the state directory can't be used.
pub async fn run_worker(config: WorkerConfig, shutdown: CancellationToken) -> anyhow::Result<()> {
    prepare_state_directory(&config.state_directory)?;
    restore::recover_all(&config.state_directory).await;
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_JOBS));
    let mut request = ClaimRequest {
        worker: WorkerIdentity {
            name: config.name.clone(),
            version: config.version.clone(),
            labels: config.labels.clone(),
        },
        wait_seconds: CLAIM_WAIT_SECONDS,
        has_just_started: true,
    };
    let archiving = tokio::spawn(logs::run_archivers(
        config.client.clone(),
        request.worker.clone(),
        config.state_directory.clone(),
        shutdown.clone(),
    ));
    let mut jobs = JoinSet::new();
    // Jobs are stopped only once the last claim was answered: given back before, they would come back with it.
    let stop_jobs = CancellationToken::new();
    let mut swept_at: Option<tokio::time::Instant> = None;
    while !shutdown.is_cancelled() {
        while jobs.try_join_next().is_some() {}
        if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_INTERVAL) {
            restore::sweep(&config.state_directory).await;
            swept_at = Some(tokio::time::Instant::now());
        }
        let permit = tokio::select! {
            permit = permits.clone().acquire_owned() => permit?,
            () = shutdown.cancelled() => break,
        };
        // A claim is never abandoned half way: its answer may hold a job, which then is given back at once. // F-23
        match config.client.worker_claim(&request).await {
            Ok(response) => {
                request.has_just_started = false;
                if let Some(assignment) = response.assignment {
                    let client = config.client.clone();
                    let state_directory = config.state_directory.clone();
                    let stop = stop_jobs.clone();
                    jobs.spawn(async move {
                        run_job(client, state_directory, assignment, stop).await;
                        drop(permit);
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "could not ask for a job");
                tokio::select! {
                    () = tokio::time::sleep(RETRY_INTERVAL) => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
    }
    stop_jobs.cancel();
    while jobs.join_next().await.is_some() {}
    archiving.await?;
    Ok(())
}

fn prepare_state_directory(directory: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // Left-overs of backups that a killed worker was making. // I5
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("backup-") {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

async fn run_job(client: Client, state_directory: PathBuf, assignment: Assignment, stop: CancellationToken) {
    let (job_id, attempt) = (assignment.job_id, assignment.attempt);
    let kind = assignment.task.kind();
    tracing::info!(job = %job_id, %kind, attempt, "job claimed");
    let log = JobLog::default();
    let progress = ProgressTracker::default();
    let lease_duration = Duration::from_secs(assignment.lease_seconds.max(1).unsigned_abs());
    let lease = Lease::new(client.clone(), job_id, attempt, lease_duration, log.clone(), progress.clone());
    let done = CancellationToken::new();
    let heart = tokio::spawn({
        let (lease, done) = (lease.clone(), done.clone());
        async move { lease.keep_alive(done).await }
    });
    let on_shutdown = tokio::spawn({
        let (lease, done) = (lease.clone(), done.clone());
        async move {
            tokio::select! {
                () = stop.cancelled() => lease.stop(StopCause::Shutdown),
                () = done.cancelled() => {}
            }
        }
    });
    let context = JobContext {
        attempt,
        stop: lease.stop_token(),
        lease: lease.clone(),
        log: log.clone(),
        progress,
        state_directory,
    };
    // A task of its own, so that a panic is an outcome and not the end of the worker. // F-05
    let work = tokio::spawn(async move { run_task(&context, assignment.task).await });
    let result = work.await;
    done.cancel();
    let _ = heart.await;
    let _ = on_shutdown.await;
    let outcome = match result {
        Ok(Ok(result)) => Outcome::Completed { result },
        Ok(Err(JobFailure::Failed(error))) if error.code == ErrorCode::LeaseLost => return,
        Ok(Err(JobFailure::Failed(error))) => Outcome::Failed { error },
        Ok(Err(JobFailure::Stopped)) => match lease.stop_cause() {
            Some(StopCause::CancelRequested) => Outcome::Cancelled,
            Some(StopCause::Shutdown) => Outcome::Released,
            Some(StopCause::LeaseLost) | None => {
                tracing::warn!(job = %job_id, "the lease was lost; the work was stopped");
                return;
            }
        },
        Err(panic) => {
            tracing::error!(job = %job_id, %panic, "the job panicked");
            Outcome::Failed {
                error: JobError::new(ErrorCode::Internal, "The worker met a defect of its own; see its log."),
            }
        }
    };
    if let Outcome::Failed { error } = &outcome {
        tracing::warn!(job = %job_id, code = %error.code, detail = %error.detail, "job failed");
        log.error(&error.detail);
    }
    report(&client, job_id, attempt, outcome, &log, lease_duration).await;
}

async fn run_task(context: &JobContext, task: Task) -> Result<TaskResult, JobFailure> {
    match task {
        Task::Inspect { datastore } => inspection::inspect(context, &datastore).await,
        Task::Backup { backup, datastore, storage } => {
            backup::make_backup(context, &backup, &datastore, &storage).await
        }
        Task::Verify { backup, storage } => verification::verify(context, &backup, &storage).await,
        Task::Delete { backup, storage } => deletion::delete(context, &backup, &storage).await,
        Task::PlanRestore { target, backup, datastore, storage, applied, replay } => {
            restore::plan(context, &Source { target, backup, storage, applied, replay }, &datastore).await
        }
        Task::Restore { restore, restore_configuration, backup, datastore, storage, applied, replay } => {
            let source = Source { target: restore.target.clone(), backup, storage, applied, replay };
            restore::restore(context, &restore, restore_configuration, &source, &datastore).await
        }
        Task::Sweep { datastore, storage, backups, expired_logs } => {
            sweep::sweep(context, &datastore, &storage, &backups, &expired_logs).await
        }
        Task::EndLogArchiving { datastore } => logs::end_archiving(context, &datastore).await,
        Task::ScanLogs { datastore_id, engine, engine_version, scan, logs } => {
            logs::scan_logs(context, datastore_id, (engine, engine_version), &scan, &logs).await
        }
        Task::Undo { restore, datastore } => restore::undo(context, &restore, &datastore).await,
    }
}

/// Reports the end until somebody hears it, or the lease has long run out. Repeating is safe. // F-23
async fn report(client: &Client, job_id: uuid::Uuid, attempt: i32, outcome: Outcome, log: &JobLog, patience: Duration) {
    let began = tokio::time::Instant::now();
    // The newest lines tell why it ended; one message's worth of them is sure to be accepted.
    let mut log_lines = log.take();
    while !log.is_empty() {
        log_lines = log.take();
    }
    let message = ResultReport { attempt, outcome, log_lines };
    loop {
        match client.worker_result(job_id, &message).await {
            Ok(()) => return,
            Err(ClientError::Problem(problem)) if problem.status < 500 => {
                tracing::warn!(job = %job_id, code = %problem.code, "the result was refused");
                return;
            }
            Err(error) if began.elapsed() > patience => {
                tracing::error!(job = %job_id, %error, "nobody took the result");
                return;
            }
            Err(error) => {
                tracing::warn!(job = %job_id, %error, "could not report the result");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}
