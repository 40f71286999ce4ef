//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once. // F-07

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// A token that the first SIGINT or SIGTERM cancels. The second exits with status 1.
pub fn shutdown_token() -> Result<CancellationToken, Failure> {
    let failed = |error| Failure::other("listening for signals", anyhow::Error::from(error));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let token = CancellationToken::new();
    tokio::spawn({
        let token = token.clone();
        async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if token.is_cancelled() {
                    std::process::exit(1);
                }
                tracing::info!("stopping; once more to stop at once");
                token.cancel();
            }
        }
    });
    Ok(token)
}
