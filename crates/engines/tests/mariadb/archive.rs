//! Archives what a receiver tells, as a worker does, into a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::assignment::DatastoreAccess;
use domain::{LogSegment, Method, RecoveryStop};
use engines::{EngineError, LogFile, LogReceiver, LogReplay, LogRequest, Reached, Staging};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::harness::*;

/// Archived segments, their bytes in files of their names.
pub struct Archive {
    pub directory: tempfile::TempDir,
    pub spool: PathBuf,
    pub segments: Vec<LogSegment>,
}

impl Archive {
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let spool = directory.path().join("spool");
        std::fs::create_dir(&spool).expect("make the spool");
        Self { directory, spool, segments: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub async fn receive(&self, access: &DatastoreAccess) -> Result<Box<dyn LogReceiver>, EngineError> {
        let request = LogRequest {
            datastore: access.clone(),
            spool: self.spool.clone(),
            archived: self.segments.last().cloned().into_iter().collect(),
            log: Log::default().sink(),
            cancel: CancellationToken::new(),
        };
        driver(access.engine).receive_logs(request).await
    }

    /// Archives a file as far as it is told. Archived bytes never change.
    pub fn take(&mut self, file: &LogFile) {
        let arrived = std::fs::read(&file.path).expect("read");
        let arrived = &arrived[..usize::try_from(file.bytes).expect("small")];
        let path = self.path(&file.name);
        let archived = std::fs::read(&path).unwrap_or_default();
        assert!(arrived.starts_with(&archived), "{} has changed", file.name);
        std::fs::write(&path, arrived).expect("archive");
        let segment = LogSegment {
            incarnation: format!("{}.origin", file.stream),
            name: file.name.clone(),
            start: file.start,
            end: file.end,
            closed: file.closed,
            first_commit_at: file.first_commit_at,
            last_commit_at: file.last_commit_at,
            gap_before: file.gap_before.clone(),
            objects: Vec::new(),
        };
        self.segments.retain(|other| other.name != segment.name);
        self.segments.push(segment);
    }

    /// Looks until everything that the server has is archived.
    pub async fn catch_up(&mut self, receiver: &mut dyn LogReceiver) -> Result<(), EngineError> {
        let begun = chrono::Utc::now();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let look = receiver.look().await?;
            look.files.iter().for_each(|file| self.take(file));
            if look.complete_until.is_some_and(|until| until >= begun) {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "not complete: {look:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The segments from a backup's on.
    pub fn from(&self, staging: &Staging) -> Vec<LogSegment> {
        let first = &staging.manifest.engine_facts["binary_log_file"];
        self.segments.iter().skip_while(|segment| segment.name != *first).cloned().collect()
    }

    /// What a worker lays beside the staging directory for a replay.
    pub fn lay_out(&self, staging: &Staging, stop: RecoveryStop) -> LogReplay {
        let directory = staging.directory.with_extension("logs");
        std::fs::create_dir_all(&directory).expect("make");
        let segments = self.from(staging);
        for segment in &segments {
            std::fs::copy(self.path(&segment.name), directory.join(&segment.name)).expect("copy");
        }
        own(&directory, staging);
        LogReplay { directory, segments, stop, progress: Arc::new(|_| ()) }
    }
}

fn own(directory: &Path, staging: &Staging) {
    use std::os::unix::fs::chown;
    let paths = std::fs::read_dir(directory).expect("list").map(|entry| entry.expect("entry").path());
    for path in paths.chain([directory.to_owned()]) {
        chown(&path, Some(staging.owner.uid), Some(staging.owner.gid)).expect("own");
    }
}

/// A backup that was prepared once, of which every replay gets a copy.
pub struct Prepared {
    pub access: DatastoreAccess,
    pub staging: Staging,
}

impl Prepared {
    /// Of a server whose data lies in `live`.
    pub async fn of(access: DatastoreAccess, method: Method, live: &Path) -> Self {
        let made = told(back_up(&access, method).await);
        let log = Log::default();
        let staging = stage(&access, live, manifest(&access, method, &made.facts), &log);
        told(unpack(&staging, &made.stream).await);
        told(driver(access.engine).prepare(&staging).await);
        Self { access, staging }
    }

    pub fn copy(&self, log: &Log) -> Staging {
        let staging = stage(&self.access, &self.staging.live_directory, self.staging.manifest.clone(), log);
        std::fs::remove_dir(&staging.directory).expect("remove");
        let mut copy = std::process::Command::new("cp");
        copy.args(["-a", "--"]).arg(&self.staging.directory).arg(&staging.directory);
        assert!(copy.status().expect("copy").success());
        staging
    }

    /// Replays on a copy of its own, and probes it as a worker does.
    pub async fn replay(&self, archive: &Archive, stop: RecoveryStop) -> Result<(Staging, Reached), EngineError> {
        let log = Log::default();
        let mut staging = self.copy(&log);
        let replay = archive.lay_out(&staging, stop);
        let reached = driver(self.access.engine).replay(&staging, &replay).await;
        std::fs::remove_dir_all(&replay.directory).expect("remove");
        let reached = reached?;
        staging.manifest.engine_facts.extend(reached.engine_facts.clone());
        driver(self.access.engine).probe_staged(&staging).await?;
        Ok((staging, reached))
    }
}

pub fn told<T>(result: Result<T, EngineError>) -> T {
    result.unwrap_or_else(|error| panic!("{:?}: {}", error.code(), error.to_job_error().detail))
}
