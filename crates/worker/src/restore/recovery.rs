//! What a killed worker left behind: found on the next start, or by whoever restores the same data directory next, and
//! finished or undone. One lock per data directory keeps two processes from doing so at once. // F-12, F-62

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::assignment::{DatastoreAccess, ReachedStop};
use domain::{ErrorCode, JobError, Service};
use engines::service::{self, ServiceContext, ServiceState};
use nix::fcntl::{Flock, FlockArg};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::is_open;
use super::journal::{Journal, Operation, Step, journal_error, path_of};
use super::layout::{PREFIX, side_folder};

/// How long a server may take to answer after its start: it may have to recover first.
const START_LIMIT: Duration = Duration::from_secs(300);
const PORT_INTERVAL: Duration = Duration::from_millis(100);

/// Held while a data directory is restored or undone; the kernel releases it when the process dies.
pub struct DirectoryLock {
    path: PathBuf,
    _file: Flock<fs::File>,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Removed while still locked, so that nobody else's file is meant.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "could not remove a lock's file");
        }
    }
}

/// A restore or undo that was committed before.
pub struct Finished {
    pub keep_until: DateTime<Utc>,
    pub downtime_seconds: f64,
    pub server_identity: Option<String>,
    pub reached: Option<ReachedStop>,
    pub journal: Journal,
}

/// Settles every open switch that this worker's state directory points to. What can't be settled is logged and tried
/// again on the next start.
pub async fn recover_all(state_directory: &Path) {
    for pointer in pointers(state_directory) {
        let journal = match Journal::read_by_pointer(&pointer) {
            Ok(Some(journal)) => journal,
            Ok(None) => {
                // The pointer is written first: the journal never came to be.
                if let Err(error) = fs::remove_file(&pointer) {
                    tracing::warn!(%error, pointer = %pointer.display(), "could not remove a pointer to no journal");
                }
                continue;
            }
            Err(error) => {
                tracing::error!(%error, pointer = %pointer.display(), "could not read the journal of a restore");
                continue;
            }
        };
        if !is_open(journal.record.step) {
            continue;
        }
        let directory = journal.record.layout.data_directory.clone();
        match lock(&directory) {
            Ok(_lock) => {
                if let Err(error) = settle(journal).await {
                    tracing::error!(directory = %directory.display(), detail = %error.detail, "a restore could not be settled");
                }
            }
            Err(error) => tracing::warn!(directory = %directory.display(), detail = %error.detail, "not settled now"),
        }
    }
}

/// Takes the lock of a data directory and settles whatever an earlier process left open there.
///
/// # Errors
/// `datastore_busy` when another process holds the lock; otherwise why an open switch could not be settled.
pub async fn lock_and_settle(data_directory: &Path, restore_id: Uuid) -> Result<DirectoryLock, JobError> {
    let lock = lock(data_directory)?;
    let side = side_folder(data_directory).map_err(|error| journal_error("read", data_directory, &error))?;
    for path in journals(&side).map_err(|error| journal_error("read", &side, &error))? {
        let journal = Journal::read(&path).map_err(|error| journal_error("read", &path, &error))?;
        if let Some(journal) = journal
            && journal.record.layout.data_directory == data_directory
            && is_open(journal.record.step)
        {
            tracing::warn!(restore = %restore_id, left_by = %journal.record.restore_id, "settling an interrupted restore");
            settle(journal).await?;
        }
    }
    Ok(lock)
}

/// The committed journal of a restore or undo, where there is one.
pub fn finished(data_directory: &Path, restore_id: Uuid, operation: Operation) -> Result<Option<Finished>, JobError> {
    let failed = |error: io::Error| journal_error("read", data_directory, &error);
    let side = side_folder(data_directory).map_err(failed)?;
    let journal = Journal::read(&path_of(&side, restore_id, operation)).map_err(failed)?;
    Ok(journal.filter(|journal| journal.record.step == Step::Committed).map(|journal| Finished {
        keep_until: journal.record.keep_until,
        downtime_seconds: journal.record.downtime_seconds,
        server_identity: journal.record.server_identity.clone(),
        reached: journal.record.reached.clone(),
        journal,
    }))
}

/// Finishes or undoes one open switch.
///
/// Up to the renames everything is taken back. Once the server was being started on the new data, somebody may already
/// have written to it: if it runs or can be started it is kept, otherwise the old data comes back.
async fn settle(mut journal: Journal) -> Result<(), JobError> {
    let datastore = access_of(&journal);
    let server = ServiceContext::of(&datastore, Arc::new(|_, line: &str| tracing::info!("{line}")));
    match journal.record.step {
        Step::Committed => return Ok(()),
        Step::Staging => return journal.discard(),
        Step::Starting => {
            if start_and_wait_for_port(&datastore, &server).await.is_ok() {
                tracing::info!(restore = %journal.record.restore_id, "an interrupted restore was finished");
                return journal.advance(Step::Committed);
            }
        }
        Step::Stopping | Step::Switching => {}
    }
    service::stop(&datastore.service, &server).await.map_err(|error| error.to_job_error())?;
    let directory = journal.record.layout.data_directory.clone();
    journal.record.layout.switch_back().map_err(|error| journal_error("switch back", &directory, &error))?;
    if journal.record.server_was_running {
        start_and_wait_for_port(&datastore, &server).await?;
    }
    tracing::info!(restore = %journal.record.restore_id, "an interrupted restore was taken back; the old data is in place");
    journal.discard()
}

/// Starts the server unless it runs, and waits until its port takes connections: without a password that is all there
/// is to ask.
async fn start_and_wait_for_port(datastore: &DatastoreAccess, server: &ServiceContext) -> Result<(), JobError> {
    let state = service::status(&datastore.service, server).await.map_err(|error| error.to_job_error())?;
    if state == ServiceState::Stopped {
        service::start(&datastore.service, server).await.map_err(|error| error.to_job_error())?;
    }
    if datastore.service == Service::None {
        return Ok(());
    }
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if TcpStream::connect((datastore.host.as_str(), datastore.port)).await.is_ok() {
            return Ok(());
        }
        let state = service::status(&datastore.service, server).await.unwrap_or(ServiceState::Running);
        if state == ServiceState::Stopped || Instant::now() >= deadline {
            return Err(JobError::new(ErrorCode::ServiceControlFailed, "The server was started and does not answer."));
        }
        tokio::time::sleep(PORT_INTERVAL).await;
    }
}

/// Removes what restores set aside and nobody can undo any more. // I5
pub async fn sweep(state_directory: &Path) {
    for pointer in pointers(state_directory) {
        let Ok(Some(journal)) = Journal::read_by_pointer(&pointer) else { continue };
        if journal.record.step != Step::Committed || journal.record.keep_until > Utc::now() {
            continue;
        }
        let Ok(_lock) = lock(&journal.record.layout.data_directory) else { continue };
        let expired = tokio::task::spawn_blocking(move || journal.expire()).await;
        if let Ok(Err(error)) = expired {
            tracing::warn!(%error, pointer = %pointer.display(), "could not remove what a restore had replaced");
        }
    }
}

/// The journal holds no password: what is needed here is only how to stop, start and reach the server.
fn access_of(journal: &Journal) -> DatastoreAccess {
    let record = &journal.record;
    DatastoreAccess {
        id: record.datastore_id,
        name: String::new(),
        engine: record.engine,
        host: record.host.clone(),
        port: record.port,
        username: None,
        password: None,
        data_directory: Some(record.layout.data_directory.to_string_lossy().into_owned()),
        shared_directory: None,
        shared_storage: None,
        service: record.service.clone(),
        server_identity: None,
        log_branch: domain::log_archive::FIRST_BRANCH.to_owned(),
    }
}

fn lock(data_directory: &Path) -> Result<DirectoryLock, JobError> {
    let side = side_folder(data_directory).map_err(|error| journal_error("lock", data_directory, &error))?;
    let name = data_directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = side.join(format!("{PREFIX}{name}.lock"));
    let failed = |error: io::Error| journal_error("lock", &path, &error);
    loop {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let Ok(file) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            return Err(JobError::new(
                ErrorCode::DatastoreBusy,
                format!("Another process is restoring {}.", data_directory.display()),
            ));
        };
        // Whoever held it before removed its file on the way out; a lock on a removed file protects nothing.
        let locked = file.metadata().map_err(failed)?;
        if fs::symlink_metadata(&path).is_ok_and(|current| current.ino() == locked.ino()) {
            return Ok(DirectoryLock { path, _file: file });
        }
    }
}

fn pointers(state_directory: &Path) -> Vec<PathBuf> {
    listed(state_directory, |name| name.starts_with("switch-") && !name.ends_with(".new")).unwrap_or_default()
}

fn journals(side: &Path) -> io::Result<Vec<PathBuf>> {
    listed(side, |name| name.starts_with(PREFIX) && name.ends_with(".journal"))
}

fn listed(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if wanted(&entry.file_name().to_string_lossy()) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
