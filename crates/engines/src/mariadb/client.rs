//! Questions to a server through the `mariadb` client.

use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::my_family::client;

pub(super) use client::{Row, logging_in};

/// The client.
pub(super) const CLIENT: &str = "mariadb";

/// Asks the datastore's server. Several statements give their rows one after the other.
///
/// # Errors
/// `host_unreachable`, `authentication_failed` and `missing_privilege` with the server's words; whatever else the client
/// failed with.
pub(super) async fn query(
    datastore: &DatastoreAccess,
    sql: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, EngineError> {
    client::query(client::client_of(CLIENT, datastore), datastore, sql, cancel).await
}
