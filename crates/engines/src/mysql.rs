//! MySQL: physical full backups by the server's own clone plugin, restored as a whole data directory.
//!
//! The server copies its own files into a directory beside its data directory (`CLONE LOCAL DATA DIRECTORY`), which is streamed as
//! tar and removed. Where the worker can't read the server's files, a MySQL that it starts for that fetches the clone over the
//! network instead (`CLONE INSTANCE FROM`); such a server is not restored in place. The plugin copies InnoDB's tables alone, and
//! tables of other engines come out of it empty: a server that has such is not backed up.
//!
//! A restored server gets a new identity, as a new replica would: the GTIDs of what it writes are none of those that the replaced
//! data gave out after the backup. Its binary log begins anew inside the data directory. What follows a backup is archived from the
//! binary log, as a replica receives it, and replayed on a private server before the data is switched in.
//!
//! Programs of MySQL's own are needed: MariaDB's have the same names on some machines.

mod backup;
mod binary_log;
mod client;
mod clone;
mod dump;
mod facts;
mod inspection;
mod layout;
mod log_scan;
mod over_network;
mod preflight;
mod private_server;
mod programs;
mod receiving;
mod replay;
mod way;
mod xtrabackup;

use std::path::Path;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::log_archive::LogScan;
use domain::{Engine, ErrorCode, Inspection, Method};
use tokio_util::sync::CancellationToken;

use crate::logs::{LogReceiver, LogReplay, LogRequest, LogScanRequest, Reached};
use crate::my_family::hot_copy::{preparation, unpack};
use crate::my_family::{self, configuration};
use crate::served::ServedRestore;
use crate::unpack_tar::TarUnpack;
use crate::{BackupRequest, ConfigurationSource, Driver, EngineError, Probe, RunningBackup, Staging, Unpack};

pub(crate) use xtrabackup::TOOL as XTRABACKUP;

/// What the one stream of a clone is.
const STREAM_EXTENSION: &str = "tar";

/// The path of a program of MySQL's, where there is one. MariaDB's of the same name are none.
pub async fn find_program(name: &str) -> Option<std::path::PathBuf> {
    programs::find(name).await.ok()
}

/// MySQL.
pub(crate) struct Mysql;

#[async_trait]
impl Driver for Mysql {
    fn engine(&self) -> Engine {
        Engine::Mysql
    }

    async fn inspect(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
        inspection::inspect(datastore, cancel).await
    }

    async fn backup(&self, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
        match request.method {
            Method::Mysqldump => my_family::dump::start(&dump::MysqlDialect, request).await,
            Method::Xtrabackup => xtrabackup::start(request).await,
            _ => backup::start(request).await,
        }
    }

    fn check_data_directory(&self, directory: &Path) -> Result<(), EngineError> {
        layout::check_data_directory(directory)
    }

    async fn unpack(&self, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
        if staging.manifest.method == Method::Xtrabackup {
            return unpack::start(&XTRABACKUP, staging, stream);
        }
        if stream != crate::driver::BASE_STREAM {
            let detail = format!("A backup of MySQL has no stream {stream:?}.");
            return Err(EngineError::known(ErrorCode::ManifestInvalid, detail));
        }
        Ok(Box::new(TarUnpack::start(staging)?))
    }

    async fn join(&self, staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
        preparation::join(&XTRABACKUP, staging, links).await
    }

    fn joins_in_place(&self) -> bool {
        true
    }

    async fn prepare(&self, staging: &Staging) -> Result<(), EngineError> {
        if staging.manifest.method == Method::Xtrabackup {
            preparation::prepare(&XTRABACKUP, staging).await?;
            let directory = staging.directory.clone();
            my_family::blocking(move || preparation::remove_tool_files(&directory)).await?;
        }
        layout::prepare(staging).await
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
        (method == Method::Mysqldump).then_some(&dump::RESTORE as _)
    }

    async fn ping(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Probe, EngineError> {
        let facts = facts::ServerFacts::ask(datastore, cancel).await?;
        Ok(Probe {
            engine_version: facts.version().to_owned(),
            server_identity: facts.identity(),
            summary: format!("MySQL {} answers and lets {} in", facts.version(), facts.account),
        })
    }
}
