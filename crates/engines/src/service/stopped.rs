//! Whether a server has really stopped.

use std::time::Duration;

use domain::ErrorCode;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{INTERVAL, ServiceContext};
use crate::EngineError;
use crate::data_directory::server_processes;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Waits until there is no sign of life any more.
///
/// # Errors
/// `service_control_failed`, naming the sign that was still there after `limit`.
pub(super) async fn wait(context: &ServiceContext, limit: Duration) -> Result<(), EngineError> {
    let deadline = Instant::now() + limit;
    while let Some(sign) = signs_of_life(context).await {
        if Instant::now() >= deadline {
            return Err(EngineError::known(
                ErrorCode::ServiceControlFailed,
                format!("The service's stop command ended, but {sign} after {} s.", limit.as_secs()),
            ));
        }
        sleep(INTERVAL).await;
    }
    Ok(())
}

/// What shows that the server still runs, to be read after "but"; `None` when nothing does.
pub(super) async fn signs_of_life(context: &ServiceContext) -> Option<String> {
    if let Some(directory) = context.data_directory.clone() {
        let shown = directory.display().to_string();
        let pids = tokio::task::spawn_blocking(move || server_processes(&directory)).await.unwrap_or_default();
        if let Some(pid) = pids.first() {
            return Some(format!("process {pid} still works in {shown}"));
        }
    }
    let address = (context.host.as_str(), context.port);
    let answer = timeout(CONNECT_LIMIT, TcpStream::connect(address)).await;
    matches!(answer, Ok(Ok(_))).then(|| format!("port {} of {} still answers", context.port, context.host))
}
