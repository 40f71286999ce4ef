//! Questions to a server through the `mysql` client.

use domain::assignment::DatastoreAccess;
use process::Command;
use tokio_util::sync::CancellationToken;

use super::programs;
use crate::EngineError;
use crate::my_family::client;

pub(super) use client::{Row, failure};

/// The client's name.
pub(super) const CLIENT: &str = "mysql";

/// Over TLS `caching_sha2_password` sends the password as it is; where the server has no TLS, encrypted with the server's key.
const ASK_FOR_KEY: &str = "--get-server-public-key";

/// A tool that logs in to the datastore's server.
///
/// # Errors
/// `missing_tool`.
pub(super) async fn logging_in(program: &str, datastore: &DatastoreAccess) -> Result<Command, EngineError> {
    Ok(client::logging_in(programs::find_for_job(program).await?, datastore).arg(ASK_FOR_KEY))
}

/// A client that logs in to the datastore's server.
///
/// # Errors
/// `missing_tool`.
pub(super) async fn client_of(datastore: &DatastoreAccess) -> Result<Command, EngineError> {
    let program = programs::find_for_job(CLIENT).await?;
    Ok(client::client_of(program, datastore).arg(ASK_FOR_KEY))
}

/// Asks the datastore's server. Several statements give their rows one after the other.
///
/// # Errors
/// As [`failure`]; `missing_tool`.
pub(super) async fn query(
    datastore: &DatastoreAccess,
    sql: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, EngineError> {
    client::query(client_of(datastore).await?, datastore, sql, cancel).await
}
