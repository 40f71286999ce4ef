//! SQL Server 2019 and 2022: full, differential and log backups by the server's own `BACKUP`, restored by its `RESTORE`.
//!
//! The server writes each database's backup to a place that it shares with the worker, a directory or a bucket ([`shared`]); the worker
//! may be on another machine. No file of the server's own is touched, and nothing is stopped. Databases are restored under other names beside those in use, and
//! change places with them by their names.
//!
//! Backups fit together by log sequence numbers and recovery forks alone. Others back up the same databases: what that broke is found
//! by asking the server before each differential and log backup.
//!
//! There is no SQL Server to test against here: all of this is tested against a double of its wire protocol (`testkit::Mssql`).

mod backup;
mod by_hand;
mod client;
mod encryption;
mod facts;
mod header;
mod increment;
mod inspection;
mod names;
mod preflight;
mod progress;
mod refusal;
mod restore;
mod row;
mod shared;

use std::path::Path;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode, Inspection, Method};
use tokio_util::sync::CancellationToken;

use self::facts::ServerFacts;
use self::restore::Restore;
use crate::served::ServedRestore;
use crate::{BackupRequest, ConfigurationSource, Driver, EngineError, Probe, RunningBackup, Staging, Unpack};

/// The end of the names of backups, with which people know them.
const EXTENSION: &str = "bak";

/// SQL Server.
pub(crate) struct Mssql;

/// Nothing of this engine is about data directories: its restores go through the server.
fn no_directory<T>() -> Result<T, EngineError> {
    Err(EngineError::known(ErrorCode::UnsupportedMethod, "SQL Server's backups are restored through the server."))
}

fn probe_of(facts: &ServerFacts) -> Probe {
    let count = facts.user_databases().count();
    Probe {
        engine_version: facts.version.clone(),
        server_identity: facts.identity(),
        summary: format!("{count} databases online, {}", domain::format::bytes(facts.data_bytes())),
    }
}

#[async_trait]
impl Driver for Mssql {
    fn engine(&self) -> Engine {
        Engine::Mssql
    }

    async fn inspect(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
        inspection::inspect(datastore, cancel).await
    }

    async fn backup(&self, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
        backup::start(request).await
    }

    fn check_data_directory(&self, _: &Path) -> Result<(), EngineError> {
        no_directory()
    }

    async fn unpack(&self, _: &Staging, _: &str) -> Result<Box<dyn Unpack>, EngineError> {
        no_directory()
    }

    async fn prepare(&self, _: &Staging) -> Result<(), EngineError> {
        no_directory()
    }

    async fn probe_staged(&self, _: &Staging) -> Result<Probe, EngineError> {
        no_directory()
    }

    async fn place_configuration(&self, _: &Staging, _: ConfigurationSource) -> Result<(), EngineError> {
        no_directory()
    }

    fn served(&self, method: Method) -> Option<&'static dyn ServedRestore> {
        (method == Method::MssqlBackup).then_some(&Restore)
    }

    async fn ping(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Probe, EngineError> {
        Ok(probe_of(&ServerFacts::ask(datastore, cancel).await?))
    }
}
