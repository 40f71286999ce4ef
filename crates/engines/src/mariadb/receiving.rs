//! Receives the binary log as it grows, by `mariadb-binlog`.

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use super::binary_log::{Reader, stream_of};
use super::client::{logging_in, query};
use super::facts::ServerFacts;
use super::preflight::{self, check_identity};
use crate::EngineError;
use crate::logs::{LogReceiver, LogRequest};
use crate::my_family::receiving::server_log::{End, ServerLog};
use crate::my_family::receiving::{self, LogServer, Receiving};

struct Server(DatastoreAccess);

#[async_trait]
impl LogServer for Server {
    async fn end(&self, cancel: &CancellationToken) -> Result<End, EngineError> {
        End::of(query(&self.0, &End::question("SHOW MASTER STATUS"), cancel).await?)
    }
}

/// Starts to receive.
///
/// # Errors
/// `server_identity_changed`, `server_setting_missing`, `missing_privilege`, `log_conflict`, whatever the server refuses.
pub(super) async fn start(request: LogRequest) -> Result<Box<dyn LogReceiver>, EngineError> {
    let datastore = request.datastore.clone();
    let facts = ServerFacts::ask(&datastore, &request.cancel).await?;
    check_identity(&datastore, &facts)?;
    if let Some(problem) = preflight::against_logs(&datastore, &facts, &request.cancel).await.into_iter().next() {
        return Err(problem.into_error());
    }
    let log = ServerLog::of(&query(&datastore, "SHOW BINARY LOGS", &request.cancel).await?);
    let receiving = Receiving {
        stream: stream_of(&facts.identity().unwrap_or_default()),
        command: logging_in("mariadb-binlog", &datastore),
        replica_option: "--stop-never-slave-server-id",
        log,
        server_id: facts.variable("server_id").to_owned(),
        server: Server(datastore),
    };
    receiving::start::<Reader, _>(receiving, request)
}
