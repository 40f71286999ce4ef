//! A clone of the data that the server makes of itself, in a directory beside its data directory.
//!
//! The statement runs in one session of the client. The server does not notice a client that is gone: the statement is ended by
//! `KILL` whenever it is not waited for to its end, and the directory goes away with the value, whatever happens. What a killed
//! worker leaves is removed by the next look at the server. // F-01, F-04

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, LogLevel, format};
use process::Credentials;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::client::{client_of, failure, query};
use crate::my_family::account::literal;
use crate::my_family::blocking;
use crate::my_family::client::{ask, refusal};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, LogSink};

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

/// Has the server clone itself below `parent`.
///
/// # Errors
/// What the server refuses; `engine_stalled` when nothing comes any more; `backup_incomplete` unless the server says that the
/// clone is complete, and its files are there. // F-02
pub(super) async fn make(
    datastore: &DatastoreAccess,
    parent: &Path,
    owner: Credentials,
    log: &LogSink,
    cancel: &CancellationToken,
) -> Result<Clone, EngineError> {
    let directory = PrivateDirectory::create_in(parent, owner)?;
    let target = data_of(&directory);
    let mut running = Running { datastore: datastore.clone(), directory: Some(directory) };
    let made = clone_into(datastore, &target, log, cancel).await;
    if made.is_err() {
        running.end().await;
    }
    made?;
    let mark = completion_mark(datastore, &target, cancel).await?;
    let bytes = size_of(&target).await;
    let Some(directory) = running.directory.take().filter(|_| bytes > 0) else {
        let detail = format!(
            "MySQL says that the clone is complete, but {} is not there: the worker does not run on the server's machine.",
            target.display()
        );
        return Err(EngineError::known(ErrorCode::BackupIncomplete, detail));
    };
    Ok(Clone { directory, bytes, mark })
}

async fn clone_into(
    datastore: &DatastoreAccess,
    target: &Path,
    log: &LogSink,
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    // The mode says how a backslash in the path is read.
    let sql = format!("SET SESSION sql_mode = ''; CLONE LOCAL DATA DIRECTORY = {}", literal(&target.to_string_lossy()));
    let statement = ask(client_of(datastore).await?, &sql, cancel);
    tokio::pin!(statement);
    let (mut bytes, mut grown_at, mut told_at) = (0, Instant::now(), Instant::now());
    loop {
        tokio::select! {
            answer = &mut statement => {
                return answer.map(drop).map_err(|error| match refusal(&error) {
                    Some((CANT_CREATE, text)) => EngineError::known(
                        ErrorCode::DataDirectoryInaccessible,
                        format!("MySQL can't make its clone: {text}. Its user needs to reach {}.", target.display()),
                    ),
                    Some((number, text)) if DISK_FULL.contains(&number) || text.contains("errno: 28") => {
                        EngineError::known(ErrorCode::InsufficientDiskSpace, format!("MySQL can't make its clone: {text}."))
                    }
                    _ => failure(error, datastore),
                });
            }
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

/// What the server says of its newest clone (manual, "The clone_status Table"). // F-02
async fn completion_mark(
    datastore: &DatastoreAccess,
    target: &Path,
    cancel: &CancellationToken,
) -> Result<String, EngineError> {
    let sql = "SELECT STATE, ERROR_NO, SOURCE, DESTINATION FROM performance_schema.clone_status";
    let rows = query(datastore, sql, cancel).await?;
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

/// A clone that is being made. Dropping it ends the statement at the server and removes the directory.
struct Running {
    datastore: DatastoreAccess,
    /// Taken when the clone is complete, or was ended.
    directory: Option<PrivateDirectory>,
}

impl Running {
    async fn end(&mut self) {
        if let Some(directory) = self.directory.take() {
            end_statement(&self.datastore, &directory).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let datastore = self.datastore.clone();
            runtime.spawn(async move {
                end_statement(&datastore, &directory).await;
                drop(directory);
            });
        }
    }
}

/// Ends the statement that clones into a directory, if it still runs. An account may end its own sessions.
async fn end_statement(datastore: &DatastoreAccess, directory: &PrivateDirectory) {
    let name = directory.path().file_name().unwrap_or_default().to_string_lossy();
    let session = format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%CLONE LOCAL%{name}%' AND ID <> CONNECTION_ID()"
    );
    let never = CancellationToken::new();
    // The server needs a moment for the end of a clone.
    for _ in 0..50_u8 {
        let Ok(rows) = query(datastore, &session, &never).await else { return };
        let Some(id) = rows.first().and_then(|row| row.first()) else { return };
        let _ = query(datastore, &format!("KILL {id}"), &never).await;
        sleep(Duration::from_millis(200)).await;
    }
}
