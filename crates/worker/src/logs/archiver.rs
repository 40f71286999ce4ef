//! One datastore's log: received, stored, reported. Whatever goes wrong is reported and tried again, with longer and longer
//! pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use client::{Client, ClientError};
use domain::log_archive::{
    ArchiverAssignment, ArchiverReport, LogArchivingStatus, LogSegmentName, branch_of, incarnation, log_folder,
};
use domain::{ErrorCode, JobError, LogLevel, LogSegment};
use engines::{LogFile, LogReceiver, LogRequest};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use vault::{Vault, log_manifest_key};

use super::growth::store_growth;
use crate::context::{JobFailure, driver_of};

/// How often it is looked whether all that was archived is still in the storage. What is missing twice is missing: a listing may
/// be stale. // F-34
const LOOK_INTERVAL: Duration = Duration::from_secs(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A session that lasted so long was a good one: the next pause is short again.
const GOOD_SESSION: Duration = Duration::from_secs(60);

type Known = BTreeMap<(String, String), LogSegment>;

/// Archives until `stop` is cancelled or another worker has taken over.
pub async fn run(client: Client, spool: PathBuf, assignment: ArchiverAssignment, stop: CancellationToken) {
    let archiver = Archiver { client, spool, assignment, stop };
    let pauses = || ExponentialBuilder::new().with_max_delay(LONGEST_PAUSE).without_max_times().with_jitter().build();
    let mut pause = pauses();
    while !archiver.stop.is_cancelled() {
        let began = Instant::now();
        let error = match archiver.session().await {
            Err(JobFailure::Failed(error)) if error.code == ErrorCode::LeaseLost => return,
            Err(JobFailure::Failed(error)) => error,
            Err(JobFailure::Stopped) | Ok(()) => return,
        };
        tracing::warn!(datastore = %archiver.assignment.datastore.id, code = %error.code, detail = error.detail, "log archiving failed");
        let _ = archiver.report(archiver.failure(&error)).await;
        if began.elapsed() >= GOOD_SESSION {
            pause = pauses();
        }
        tokio::select! {
            () = tokio::time::sleep(pause.next().unwrap_or(LONGEST_PAUSE)) => {}
            () = archiver.stop.cancelled() => {}
        }
    }
}

struct Archiver {
    client: Client,
    spool: PathBuf,
    assignment: ArchiverAssignment,
    stop: CancellationToken,
}

impl Archiver {
    /// One run of the receiver.
    async fn session(&self) -> Result<(), JobFailure> {
        let vault = Vault::open(&self.assignment.storage)?;
        vault.check().await?;
        let id = self.assignment.datastore.id;
        let segments = self.client.worker_log_segments(id).await.map_err(failure_of)?;
        let mut known: Known = segments.into_iter().map(|of| ((of.incarnation.clone(), of.name.clone()), of)).collect();
        let mut receiver = self.receive(&known).await?;
        self.clear_orphans(&vault, &known).await?;
        let mut looked_at: Option<Instant> = None;
        let mut suspects = BTreeSet::new();
        let mut rounds = tokio::time::interval(Duration::from_secs(self.assignment.interval_seconds.max(1)));
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = rounds.tick() => {}
                () = self.stop.cancelled() => return Err(JobFailure::Stopped),
            }
            let missing = if looked_at.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL) {
                looked_at = Some(Instant::now());
                self.look_for_missing(&vault, &mut known, &mut suspects).await?
            } else {
                Vec::new()
            };
            self.round(&vault, receiver.as_mut(), &mut known, missing).await?;
        }
    }

    async fn receive(&self, known: &Known) -> Result<Box<dyn LogReceiver>, JobFailure> {
        let ArchiverAssignment { branch, datastore, .. } = &self.assignment;
        // What another branch's receiver has left is of no more use: it went into the archive or is at the server still.
        if let Ok(entries) = std::fs::read_dir(&self.spool) {
            for entry in entries.flatten().filter(|entry| entry.file_name().to_str() != Some(branch.as_str())) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let spool = self.spool.join(branch);
        create_private(&spool)
            .map_err(|error| JobError::new(ErrorCode::Internal, format!("No directory for received logs: {error}")))?;
        let mut newest: BTreeMap<&str, &LogSegment> = BTreeMap::new();
        for segment in known.values().filter(|segment| branch_of(&segment.incarnation) == branch) {
            let of = newest.entry(&segment.incarnation).or_insert(segment);
            if segment.start > of.start {
                *of = segment;
            }
        }
        let mut archived: Vec<LogSegment> = newest.into_values().cloned().collect();
        archived.sort_by_key(|segment| segment.last_commit_at);
        let name = datastore.name.clone();
        let request = LogRequest {
            datastore: datastore.clone(),
            spool,
            archived,
            log: Arc::new(
                move |level: LogLevel, text: &str| tracing::debug!(datastore = name, %level, text, "receiver"),
            ),
            cancel: self.stop.clone(),
        };
        Ok(driver_of(datastore.engine)?.receive_logs(request).await?)
    }

    /// Stores what has arrived since the last round and reports it.
    async fn round(
        &self,
        vault: &Vault,
        receiver: &mut dyn LogReceiver,
        known: &mut Known,
        missing: Vec<LogSegmentName>,
    ) -> Result<(), JobFailure> {
        let look = receiver.look().await?;
        let mut report = ArchiverReport {
            incarnation: look.files.last().map(|file| self.incarnation_of(file)).or_else(|| self.newest(known)),
            missing,
            complete_until: look.complete_until,
            lag_bytes: look.lag_bytes,
            warnings: look.warnings,
            ..self.empty_report(LogArchivingStatus::Archiving)
        };
        let mut replaced = Vec::new();
        for file in &look.files {
            let incarnation = self.incarnation_of(file);
            let folder = log_folder(self.assignment.datastore.id, &incarnation);
            let before = known.get(&(incarnation.clone(), file.name.clone()));
            let Some(grown) =
                store_growth(vault, &folder, before, file, &incarnation, self.assignment.compression_level).await?
            else {
                continue;
            };
            report.segments.push(grown.segment);
            replaced.push((folder, grown.replaced));
        }
        self.report(report.clone()).await?;
        for (folder, keys) in replaced {
            vault.delete_log_keys(&folder, keys).await?;
        }
        for segment in report.segments {
            if segment.closed {
                receiver.forget(&segment.name).await?;
            }
            known.insert((segment.incarnation.clone(), segment.name.clone()), segment);
        }
        Ok(())
    }

    fn incarnation_of(&self, file: &LogFile) -> String {
        incarnation(&file.stream, &self.assignment.branch)
    }

    /// The incarnation of the branch that was archived last.
    fn newest(&self, known: &Known) -> Option<String> {
        let of_branch = known.values().filter(|segment| branch_of(&segment.incarnation) == self.assignment.branch);
        of_branch.max_by_key(|segment| segment.last_commit_at).map(|segment| segment.incarnation.clone())
    }

    /// Segments whose pieces are not in the storage any more; each is told once. `suspects` are those that were missing at the
    /// last look. // F-60
    async fn look_for_missing(
        &self,
        vault: &Vault,
        known: &mut Known,
        suspects: &mut BTreeSet<(String, String)>,
    ) -> Result<Vec<LogSegmentName>, JobFailure> {
        let incarnations: BTreeSet<String> = known.keys().map(|(incarnation, _)| incarnation.clone()).collect();
        let mut lost = BTreeSet::new();
        for incarnation in incarnations {
            let keys = vault.log_keys(&log_folder(self.assignment.datastore.id, &incarnation)).await?;
            let of_incarnation = known.iter().filter(|(_, of)| of.incarnation == incarnation);
            let is_lost = |of: &LogSegment| of.objects.iter().any(|object| !keys.contains(&object.key));
            lost.extend(of_incarnation.filter(|(_, of)| is_lost(of)).map(|(name, _)| name.clone()));
        }
        let (missing, new): (Vec<_>, Vec<_>) = lost.into_iter().partition(|name| suspects.contains(name));
        *suspects = new.into_iter().collect();
        known.retain(|name, _| !missing.contains(name));
        Ok(missing.into_iter().map(|(incarnation, name)| LogSegmentName { incarnation, name }).collect())
    }

    /// Deletes pieces of this branch that an earlier worker stored and could not report: reports of its epoch are refused by
    /// now. // I5
    async fn clear_orphans(&self, vault: &Vault, known: &Known) -> Result<(), JobFailure> {
        let Some(incarnation) = self.newest(known) else { return Ok(()) };
        let folder = log_folder(self.assignment.datastore.id, &incarnation);
        let mut keys = vault.log_keys(&folder).await?;
        for segment in known.values().filter(|segment| segment.incarnation == incarnation) {
            keys.remove(&log_manifest_key(segment));
            for object in &segment.objects {
                keys.remove(&object.key);
            }
        }
        Ok(vault.delete_log_keys(&folder, keys.into_iter().collect()).await?)
    }

    fn empty_report(&self, status: LogArchivingStatus) -> ArchiverReport {
        ArchiverReport {
            epoch: self.assignment.epoch,
            incarnation: None,
            status,
            code: None,
            detail: None,
            segments: Vec::new(),
            missing: Vec::new(),
            complete_until: None,
            lag_bytes: None,
            warnings: Vec::new(),
        }
    }

    fn failure(&self, error: &JobError) -> ArchiverReport {
        let passes_by_itself = matches!(error.code.retry_class(), domain::error_code::RetryClass::WithBackoff)
            || error.code == ErrorCode::EngineToolFailed;
        let status = if passes_by_itself { LogArchivingStatus::Retrying } else { LogArchivingStatus::Stopped };
        ArchiverReport { code: Some(error.code), detail: Some(error.detail.clone()), ..self.empty_report(status) }
    }

    async fn report(&self, report: ArchiverReport) -> Result<(), JobFailure> {
        self.client.worker_log_report(self.assignment.datastore.id, &report).await.map_err(failure_of)
    }
}

fn failure_of(error: ClientError) -> JobFailure {
    let code = error.code().unwrap_or(ErrorCode::DatabaseUnavailable);
    JobError::new(code, crate::context::describe(&error)).into()
}

fn create_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
