//! Tells whoever waits that something changed: the event stream, workers that ask for a job, requests that wait for a
//! worker's answer. The truth is the events table; this only says when to look. A change made by this process is told at
//! once, one by another process (they share a database) within a second.

use std::time::Duration;

use store::Store;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::problem::Chain;

/// How often the table is looked at when this process changed nothing.
const POLL: Duration = Duration::from_secs(1);

/// The newest event's id, as far as this process knows.
pub(crate) struct Changes {
    look: Notify,
    latest: watch::Sender<i64>,
}

impl Changes {
    /// Starts from the newest event that there is.
    pub(crate) fn new(latest: i64) -> Self {
        Self { look: Notify::new(), latest: watch::Sender::new(latest) }
    }

    /// This process just changed something.
    pub(crate) fn note(&self) {
        self.look.notify_one();
    }

    /// A receiver that is woken by every new event.
    pub(crate) fn subscribe(&self) -> watch::Receiver<i64> {
        self.latest.subscribe()
    }

    /// Watches the events table until the service stops.
    pub(crate) async fn watch(&self, store: Store, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
            let store = store.clone();
            match tokio::task::spawn_blocking(move || store.event_latest_id()).await {
                Ok(Ok(id)) => {
                    self.latest.send_if_modified(|latest| std::mem::replace(latest, id) != id);
                }
                Ok(Err(error)) => tracing::warn!(error = %Chain(&error), "the events can't be read"),
                Err(error) => tracing::error!(%error, "reading the events broke"),
            }
        }
    }
}
