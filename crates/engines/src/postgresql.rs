//! PostgreSQL: physical backups by `pg_basebackup`, full and since version 17 incremental, restored as a whole data directory.
//!
//! All talk with a server goes through `psql` and `pg_basebackup`, so that its own client library decides on encryption
//! and authentication. SQL is constant text: names that people chose come in as environment variables or go out as JSON,
//! never into a statement. // F-82

mod archive_end;
mod backup;
mod binaries;
mod configuration;
mod connection;
mod control_file;
mod dump;
mod findings;
mod increment;
mod inspection;
mod join;
mod lsn;
mod member_copy;
mod receiver;
mod records;
mod replay;
mod scan;
mod server;
mod slot;
mod staged;
mod tree;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::log_archive::LogScan;
use domain::{Engine, ErrorCode, Inspection, Method};
use process::Signal;
use tokio_util::sync::CancellationToken;

use crate::data_directory::check_replaceable;
use crate::served::ServedRestore;
use crate::unpack_tar::TarUnpack;
use crate::{
    BackupRequest, ConfigurationSource, Driver, EngineError, LogReceiver, LogReplay, LogRequest, LogScanRequest, Probe,
    Reached, RunningBackup, Staging, Unpack,
};

/// What the one stream of a backup is.
const STREAM_EXTENSION: &str = "tar";
/// How long the tool may be silent: the server's checkpoint comes before the first byte. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(900);
/// What every data directory has (manual, "Database File Layout").
const VERSION_FILE: &str = "PG_VERSION";
const CONTROL_FILE: &str = "global/pg_control";

/// PostgreSQL.
pub(crate) struct Postgresql;

#[async_trait]
impl Driver for Postgresql {
    fn engine(&self) -> Engine {
        Engine::Postgresql
    }

    /// Fast shutdown (manual, "Shutting Down the Server"): ends the sessions and writes a checkpoint.
    fn stop_signal(&self) -> Signal {
        Signal::SIGINT
    }

    async fn inspect(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
        inspection::inspect(datastore, cancel).await
    }

    async fn backup(&self, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
        match request.method {
            dump::METHOD => dump::start(request).await,
            _ => Ok(Box::new(backup::BaseBackup::start(request).await?)),
        }
    }

    fn check_data_directory(&self, directory: &Path) -> Result<(), EngineError> {
        check_replaceable(directory, Engine::Postgresql.title(), &[VERSION_FILE, CONTROL_FILE])
    }

    async fn unpack(&self, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
        if stream != crate::driver::BASE_STREAM {
            let detail = format!("The backup has a stream {stream:?}, which PostgreSQL's backups do not have.");
            return Err(EngineError::known(ErrorCode::ManifestInvalid, detail));
        }
        Ok(Box::new(TarUnpack::start(staging)?))
    }

    async fn join(&self, staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
        join::join(staging, links).await
    }

    async fn prepare(&self, staging: &Staging) -> Result<(), EngineError> {
        tree::prepare(staging)
    }

    async fn probe_staged(&self, staging: &Staging) -> Result<Probe, EngineError> {
        staged::probe(staging).await
    }

    async fn receive_logs(&self, request: LogRequest) -> Result<Box<dyn LogReceiver>, EngineError> {
        Ok(Box::new(receiver::Receiver::start(request).await?))
    }

    async fn end_receiving(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<(), EngineError> {
        let server = server::ask_for_job(datastore, cancel).await?;
        slot::drop_slot(datastore, server.major(), cancel).await
    }

    async fn replay(&self, staging: &Staging, replay: &LogReplay) -> Result<Reached, EngineError> {
        replay::replay(staging, replay).await
    }

    async fn scan_logs(&self, request: &LogScanRequest) -> Result<LogScan, EngineError> {
        scan::scan(request).await
    }

    async fn place_configuration(&self, staging: &Staging, source: ConfigurationSource) -> Result<(), EngineError> {
        match source {
            ConfigurationSource::Live => configuration::take_live(&staging.live_directory, &staging.directory),
            ConfigurationSource::Backup => Ok(()),
        }
    }

    fn served(&self, method: Method) -> Option<&'static dyn ServedRestore> {
        (method == dump::METHOD).then_some(&dump::PgDump as _)
    }

    async fn ping(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Probe, EngineError> {
        let server = server::ask_for_job(datastore, cancel).await?;
        Ok(Probe {
            summary: server.summary(),
            server_identity: Some(server.system_identifier),
            engine_version: server.version,
        })
    }
}
