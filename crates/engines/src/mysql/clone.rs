//! A copy of a server's data as the server's clone plugin makes it, in a directory that goes away with the value.
//!
//! There are two ways to it: beside the data directory ([`local`]), or over the network into a server of the worker's own
//! ([`network`]). What comes of both is the same.

mod helper;
pub(super) mod local;
pub(super) mod network;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::{ErrorCode, LogLevel, format};
use process::ProcessError;
use tokio::time::sleep;

use super::client::Row;
use crate::my_family::blocking;
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, LogSink};

pub(super) use helper::{parent as helper_parent, user as helper_user};

/// How long the files of a clone may stay as they are while it is made: it waits for statements that change tables. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the job's log is told.
const TELL_INTERVAL: Duration = Duration::from_secs(30);
/// The server's words for a directory that it can't make: it is not there, or closed to the server.
const CANT_CREATE: u32 = 1006;
/// Those of a full disk; the last is the estimate that the plugin makes first (`ER_CLONE_DISK_SPACE`).
const DISK_FULL: [u32; 4] = [3, 1021, 1114, 3873];

/// A clone that is complete. Dropping it removes it.
pub(super) struct Clone {
    directory: PrivateDirectory,
    /// The size of its files.
    pub bytes: u64,
    /// How the server itself says that it is complete.
    pub mark: String,
    /// The statement that made it, without secrets, as an argument of a client.
    pub statement: String,
}

impl Clone {
    /// The directory with the files.
    pub(super) fn path(&self) -> PathBuf {
        data_of(&self.directory)
    }

    /// A directory of the same life for small files, which belongs to the data's owner.
    pub(super) fn beside(&self) -> &Path {
        self.directory.path()
    }
}

/// Where the server puts it: the statement wants a name that is not there yet.
fn data_of(directory: &PrivateDirectory) -> PathBuf {
    directory.path().join("data")
}

/// Waits for the statement that clones into `target`, and no longer than files grow there.
async fn watch<T>(
    statement: impl Future<Output = Result<T, ProcessError>>,
    target: &Path,
    log: &LogSink,
) -> Result<Result<T, ProcessError>, EngineError> {
    tokio::pin!(statement);
    let (mut bytes, mut grown_at, mut told_at) = (0, Instant::now(), Instant::now());
    loop {
        tokio::select! {
            answer = &mut statement => return Ok(answer),
            () = sleep(LOOK_INTERVAL) => {
                let now = size_of(target).await;
                if now != bytes {
                    (bytes, grown_at) = (now, Instant::now());
                }
                if grown_at.elapsed() > STALL_LIMIT {
                    let detail = format!("The clone did not grow for {}.", format::duration(STALL_LIMIT.as_secs_f64()));
                    return Err(EngineError::known(ErrorCode::EngineStalled, detail));
                }
                if told_at.elapsed() > TELL_INTERVAL {
                    told_at = Instant::now();
                    log(LogLevel::Info, &format!("The server has cloned {} so far", format::bytes(bytes)));
                }
            }
        }
    }
}

/// What a refusal says of the place where the clone shall lie.
fn about_the_place(number: u32, text: &str, target: &Path) -> Option<EngineError> {
    if number == CANT_CREATE {
        let detail = format!("MySQL can't make its clone: {text}. Its user needs to reach {}.", target.display());
        return Some(EngineError::known(ErrorCode::DataDirectoryInaccessible, detail));
    }
    let is_full = DISK_FULL.contains(&number) || text.contains("errno: 28");
    is_full
        .then(|| EngineError::known(ErrorCode::InsufficientDiskSpace, format!("MySQL can't make its clone: {text}.")))
}

/// Asks the server that makes a clone about its newest one (manual, "The clone_status Table").
const STATUS: &str = "SELECT STATE, ERROR_NO, SOURCE, DESTINATION FROM performance_schema.clone_status";

/// That the newest clone is the one into `target`, and complete. // F-02
fn completion_mark(rows: &[Row], target: &Path) -> Result<String, EngineError> {
    let told = rows.first().map(Vec::as_slice);
    match told {
        Some([state, number, source, destination])
            if state == "Completed" && number == "0" && Path::new(destination) == target =>
        {
            Ok(format!("clone_status: {state}, from {source}"))
        }
        _ => Err(EngineError::known(
            ErrorCode::BackupIncomplete,
            format!("MySQL does not say that the clone into {} is complete, but {told:?}.", target.display()),
        )),
    }
}

/// The size of the files below a directory, 0 where there is none.
async fn size_of(directory: &Path) -> u64 {
    let directory = directory.to_owned();
    let walk = move || {
        let (mut bytes, mut pending) = (0, vec![directory]);
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => pending.push(entry.path()),
                    Ok(metadata) => bytes += metadata.len(),
                    Err(_) => {}
                }
            }
        }
        Ok(bytes)
    };
    blocking(walk).await.unwrap_or(0)
}
