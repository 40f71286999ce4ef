//! Redis and Valkey: snapshots over the wire by `redis-cli --rdb`, restored as a whole data directory.
//!
//! One module for both: they speak one protocol and differ in names. A backup needs no access to files, so a worker may run
//! anywhere; a restore in place needs the server's machine.
//!
//! Nothing here keeps a server from writing a last snapshot when it is stopped for a restore: that lands in the directory
//! that is set aside.

mod acl;
mod backup;
mod client;
mod configuration;
mod facts;
mod inspection;
mod layout;
mod preparation;
mod private_server;
mod programs;
mod rdb_stream;
mod unpack;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode, Inspection};
use tokio_util::sync::CancellationToken;

use crate::{BackupRequest, ConfigurationSource, Driver, EngineError, Probe, RunningBackup, Staging, Unpack};

/// What the one stream of a backup is.
const STREAM_EXTENSION: &str = "rdb";
/// How long a tool may stay silent: before the first byte, a server that snapshots to disk writes all of it. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Redis or Valkey.
pub(crate) struct KeyValue {
    engine: Engine,
}

pub(crate) static REDIS: KeyValue = KeyValue { engine: Engine::Redis };
pub(crate) static VALKEY: KeyValue = KeyValue { engine: Engine::Valkey };

#[async_trait]
impl Driver for KeyValue {
    fn engine(&self) -> Engine {
        self.engine
    }

    async fn inspect(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Inspection {
        inspection::inspect(self.engine, datastore, cancel).await
    }

    async fn backup(&self, request: BackupRequest) -> Result<Box<dyn RunningBackup>, EngineError> {
        backup::start(self.engine, request).await
    }

    fn check_data_directory(&self, directory: &Path) -> Result<(), EngineError> {
        layout::check_data_directory(self.engine, directory)
    }

    async fn unpack(&self, staging: &Staging, stream: &str) -> Result<Box<dyn Unpack>, EngineError> {
        unpack::start(self.engine, staging, stream).await
    }

    async fn prepare(&self, staging: &Staging) -> Result<(), EngineError> {
        preparation::prepare(self.engine, staging).await
    }

    async fn probe_staged(&self, staging: &Staging) -> Result<Probe, EngineError> {
        private_server::probe(self.engine, staging).await
    }

    async fn place_configuration(&self, staging: &Staging, source: ConfigurationSource) -> Result<(), EngineError> {
        configuration::place(staging, source).await
    }

    async fn ping(&self, datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Probe, EngineError> {
        let facts = facts::ServerFacts::ask(self.engine, datastore, cancel).await?;
        if facts.value("loading") == "1" {
            return Err(EngineError::known(ErrorCode::HostUnreachable, "The server still loads its data."));
        }
        Ok(Probe { engine_version: facts.version().to_owned(), server_identity: None, summary: facts.summary() })
    }
}
