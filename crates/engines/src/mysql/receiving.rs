//! Receives the binary log as it grows, by `mysqlbinlog`.

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::version::version_numbers;
use tokio_util::sync::CancellationToken;

use super::binary_log::Reader;
use super::client::{logging_in, query};
use super::facts::ServerFacts;
use super::preflight::{self, check_identity};
use crate::EngineError;
use crate::logs::{LogReceiver, LogRequest};
use crate::my_family::binary_log::stream_of;
use crate::my_family::receiving::server_log::{End, ServerLog};
use crate::my_family::receiving::{self, LogServer, Receiving};

struct Server {
    datastore: DatastoreAccess,
    status: &'static str,
}

#[async_trait]
impl LogServer for Server {
    async fn end(&self, cancel: &CancellationToken) -> Result<End, EngineError> {
        End::of(query(&self.datastore, &End::question(self.status), cancel).await?)
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
    // It was renamed in 8.2 and the old name removed in 8.4.
    let is_renamed = version_numbers(facts.version()).as_slice() >= [8, 2].as_slice();
    let status = if is_renamed { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let receiving = Receiving {
        stream: stream_of(&facts.identity().unwrap_or_default()),
        command: logging_in("mysqlbinlog", &datastore).await?,
        replica_option: "--connection-server-id",
        log,
        server_id: facts.variable("server_id").to_owned(),
        server: Server { datastore, status },
    };
    receiving::start::<Reader, _>(receiving, request)
}
