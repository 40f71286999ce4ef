//! A clone of the data that the server makes of itself, in a directory beside its data directory.
//!
//! The statement runs in one session of the client. The server does not notice a client that is gone: the statement is ended by
//! `KILL` whenever it is not waited for to its end, and the directory goes away with the value, whatever happens. What a killed
//! worker leaves is removed by the next look at the server. // F-01, F-04

use std::path::Path;
use std::time::Duration;

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use process::Credentials;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Clone, STATUS, about_the_place, completion_mark, data_of, size_of, watch};
use crate::my_family::account::literal;
use crate::my_family::client::{ask, refusal};
use crate::mysql::client::{client_of, failure, query};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, LogSink};

/// Has the server clone itself below `parent`.
///
/// # Errors
/// What the server refuses; `engine_stalled` when nothing comes any more; `backup_incomplete` unless the server says that the
/// clone is complete, and its files are there. // F-02
pub(in crate::mysql) async fn make(
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
    let mark = completion_mark(&query(datastore, STATUS, cancel).await?, &target)?;
    let bytes = size_of(&target).await;
    let Some(directory) = running.directory.take().filter(|_| bytes > 0) else {
        let detail = format!(
            "MySQL says that the clone is complete, but {} is not there: the worker does not run on the server's machine.",
            target.display()
        );
        return Err(EngineError::known(ErrorCode::BackupIncomplete, detail));
    };
    let statement = format!("CLONE LOCAL DATA DIRECTORY = '{}'", target.display());
    Ok(Clone { directory, bytes, mark, statement })
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
    watch(statement, target, log).await?.map(drop).map_err(|error| {
        let about_the_place = refusal(&error).and_then(|(number, text)| about_the_place(number, &text, target));
        about_the_place.unwrap_or_else(|| failure(error, datastore))
    })
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
