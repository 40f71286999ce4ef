//! What the tests of logs share: a receiver whose files are kept as a worker archives them, and staged copies to replay on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::assignment::DatastoreAccess;
use domain::{LogSegment, RecoveryStop};
use engines::{EngineError, LogFile, LogLook, LogReceiver, LogReplay, LogRequest, Reached, Staging};
use testkit::Postgres;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::setup::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// An archive in a directory: what was reported of each segment, and its bytes.
pub struct Archive {
    pub directory: tempfile::TempDir,
    pub spool: PathBuf,
    pub segments: BTreeMap<String, LogSegment>,
    pub complete_until: Option<DateTime<Utc>>,
}

impl Archive {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let spool = directory.path().join("spool");
        fs::create_dir(&spool).unwrap();
        fs::create_dir(directory.path().join("segments")).unwrap();
        Self { directory, spool, segments: BTreeMap::new(), complete_until: None }
    }

    pub async fn receiver(&self, datastore: &DatastoreAccess) -> Result<Box<dyn LogReceiver>, EngineError> {
        driver()
            .receive_logs(LogRequest {
                datastore: datastore.clone(),
                spool: self.spool.clone(),
                archived: self.segments.values().next_back().cloned().into_iter().collect(),
                log: Log::default().sink(),
                cancel: CancellationToken::new(),
            })
            .await
    }

    /// Keeps what a look has told, as a worker does: bytes that were kept never change.
    pub fn keep(&mut self, look: &LogLook) {
        for file in &look.files {
            let LogFile { name, stream, start, end, closed, first_commit_at, last_commit_at, gap_before, .. } =
                file.clone();
            let bytes = fs::read(&file.path).unwrap();
            let bytes = &bytes[..usize::try_from(file.bytes).unwrap()];
            let path = self.path_of(&name);
            let before = fs::read(&path).unwrap_or_default();
            assert!(bytes.starts_with(&before), "{name} has changed or lost what was archived");
            fs::write(&path, bytes).unwrap();
            let before = self.segments.get(&name).cloned();
            let segment = LogSegment {
                incarnation: format!("{stream}.origin"),
                start,
                end,
                closed,
                first_commit_at: before.as_ref().and_then(|of| of.first_commit_at).or(first_commit_at),
                last_commit_at: last_commit_at.or(before.as_ref().and_then(|of| of.last_commit_at)),
                gap_before: before.map_or(gap_before, |of| of.gap_before),
                objects: Vec::new(),
                name: name.clone(),
            };
            self.segments.insert(name, segment);
        }
        self.complete_until = self.complete_until.max(look.complete_until);
    }

    /// Looks until everything that the server has now is archived.
    pub async fn catch_up(&mut self, receiver: &mut dyn LogReceiver) {
        let (now, deadline) = (Utc::now(), Instant::now() + PATIENCE);
        loop {
            let look = receiver.look().await.unwrap();
            self.keep(&look);
            for file in look.files.iter().filter(|file| file.closed) {
                receiver.forget(&file.name).await.unwrap();
            }
            if self.complete_until.is_some_and(|until| until >= now) {
                return;
            }
            assert!(Instant::now() < deadline, "never complete: {look:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.directory.path().join("segments").join(name)
    }

    /// The segments from the one with a position on.
    pub fn from(&self, position: u64) -> Vec<LogSegment> {
        self.segments.values().filter(|segment| segment.end > position || !segment.closed).cloned().collect()
    }
}

/// Prepared copies of one backup beside a server.
pub struct Copies {
    template: Staging,
    position: u64,
}

impl Copies {
    pub async fn of(server: &Postgres, stored: &Stored) -> Self {
        let template = staging(server, &stored.facts, &Log::default());
        unpack_and_prepare(&template, &stored.tar).await.unwrap();
        Self { template, position: stored.facts.log_start.as_ref().unwrap().position }
    }

    /// A copy, and beside it the log as it is in the archive.
    pub fn make(&self, server: &Postgres, stored: &Stored, archive: &Archive) -> (Staging, LogReplay) {
        let staging = staging(server, &stored.facts, &Log::default());
        copy_tree(&self.template.directory, &staging.directory);
        let replay = beside(&staging, archive, self.position);
        (staging, replay)
    }

    /// Replays up to a stop on a fresh copy.
    pub async fn replay(
        &self,
        server: &Postgres,
        stored: &Stored,
        archive: &Archive,
        stop: RecoveryStop,
    ) -> Result<(Staging, Reached), EngineError> {
        let (staging, replay) = self.make(server, stored, archive);
        let reached = driver().replay(&staging, &LogReplay { stop, ..replay }).await?;
        Ok((staging, reached))
    }
}

/// The archived log from a position on, in a directory beside a staging directory.
pub fn beside(staging: &Staging, archive: &Archive, position: u64) -> LogReplay {
    let directory = staging.directory.with_file_name(format!(".holdfast-{}-logs", Uuid::now_v7()));
    fs::create_dir(&directory).unwrap();
    let segments = archive.from(position);
    for segment in &segments {
        fs::copy(archive.path_of(&segment.name), directory.join(&segment.name)).unwrap();
    }
    own_all(&directory, staging.owner.uid, staging.owner.gid);
    LogReplay { directory, segments, stop: RecoveryStop::Latest, progress: Arc::new(|_| {}) }
}

fn own_all(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own_all(&entry.unwrap().path(), uid, gid);
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-aT").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}
