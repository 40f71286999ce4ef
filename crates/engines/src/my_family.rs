//! What MariaDB and MySQL have in common: their tools' option files, the client, privileges, and the way in which a server is run
//! for a moment on restored data. Where they differ, their own modules say so.

pub(crate) mod account;
pub(crate) mod binary_log;
pub(crate) mod client;
pub(crate) mod configuration;
pub(crate) mod dump;
pub(crate) mod greeting;
pub(crate) mod hot_copy;
pub(crate) mod log_scan;
pub(crate) mod option_file;
pub(crate) mod private_server;
pub(crate) mod receiving;
pub(crate) mod replay_account;
pub(crate) mod replay_pipe;
pub(crate) mod told;
pub(crate) mod uptime;

use domain::ErrorCode;

use crate::EngineError;

/// Runs work on files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(EngineError::known(ErrorCode::Internal, error.to_string())))
}
