//! MariaDB: physical backups, full and incremental, by `mariadb-backup`, restored as a whole data directory.
//!
//! The tool copies the server's files, so a worker must run on the server's machine, as root or as the files' owner; it
//! logs in over TCP for locks and positions. Passwords travel in option files in memory; users and hosts in arguments.
//!
//! What a restore does to the binary log: one inside the data directory stays with the data that was set aside, and the
//! restored server begins a new one after the backup's GTID; one elsewhere is continued by the server as it is.
//! What follows a backup is archived from the binary log, as a replica receives it, and replayed on a private server before
//! the data is switched in.
//!
//! Replication settings (`master.info`, `relay-log.info`) are the server's own and are not restored.

mod backup;
mod binary_log;
mod client;
mod dump;
mod facts;
mod inspection;
mod layout;
mod log_scan;
mod preflight;
mod private_server;
mod privileges;
mod receiving;
mod redo_log;
mod replay;

use std::path::Path;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::log_archive::LogScan;
use domain::{Engine, Inspection, Method};
use tokio_util::sync::CancellationToken;

use crate::logs::{LogReceiver, LogReplay, LogRequest, LogScanRequest, Reached};
use crate::my_family::hot_copy::{Tool, preparation, unpack};
use crate::my_family::{self, configuration};
use crate::served::ServedRestore;
use crate::{BackupRequest, ConfigurationSource, Driver, EngineError, Probe, RunningBackup, Staging, Unpack};

/// The tool that copies its files.
pub(crate) const TOOL: Tool = Tool {
    program: "mariadb-backup",
    unpacker: "mbstream",
    format: "mbstream",
    engine: "MariaDB",
    // It never rolls back.
    while_joining: None,
    temporary: None,
};

/// MariaDB.
pub(crate) struct Mariadb;

#[async_trait]
impl Driver for Mariadb {
    fn engine(&self) -> Engine {
        Engine::Mariadb
    }

    async fn inspect(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
        inspection::inspect(datastore, cancel).await
    }

    async fn backup(&self, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
        match request.method {
            Method::MariadbDump => my_family::dump::start(&dump::MariadbDialect, request).await,
            _ => backup::start(request).await,
        }
    }

    fn check_data_directory(&self, directory: &Path) -> Result<(), EngineError> {
        layout::check_data_directory(directory)
    }

    async fn unpack(&self, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
        unpack::start(&TOOL, staging, stream)
    }

    async fn join(&self, staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
        preparation::join(&TOOL, staging, links).await
    }

    fn joins_in_place(&self) -> bool {
        true
    }

    async fn prepare(&self, staging: &Staging) -> Result<(), EngineError> {
        preparation::prepare(&TOOL, staging).await
    }

    async fn probe_staged(&self, staging: &Staging) -> Result<Probe, EngineError> {
        private_server::probe(staging).await
    }

    async fn place_configuration(&self, staging: &Staging, source: ConfigurationSource) -> Result<(), EngineError> {
        configuration::place(staging, source).await
    }

    async fn receive_logs(&self, request: LogRequest) -> Result<Box<dyn LogReceiver>, EngineError> {
        receiving::start(request).await
    }

    async fn replay(&self, staging: &Staging, replay: &LogReplay) -> Result<Reached, EngineError> {
        replay::replay(staging, replay).await
    }

    async fn scan_logs(&self, request: &LogScanRequest) -> Result<LogScan, EngineError> {
        log_scan::scan(request).await
    }

    fn served(&self, method: Method) -> Option<&'static dyn ServedRestore> {
        (method == Method::MariadbDump).then_some(&dump::RESTORE as _)
    }

    async fn ping(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Probe, EngineError> {
        let facts = facts::ServerFacts::ask(datastore, cancel).await?;
        Ok(Probe {
            engine_version: facts.version().to_owned(),
            server_identity: facts.identity(),
            summary: format!("MariaDB {} answers and lets {} in", facts.version(), facts.account),
        })
    }
}
