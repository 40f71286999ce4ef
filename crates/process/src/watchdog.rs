//! Stops a child that makes no progress or takes too long (F-03).

use std::{
    future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    net::unix::pipe,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    group::Group,
    streams::{Activity, Gauge},
};

/// How long a child may take to end after it was asked to, before it is killed.
pub(crate) const TERMINATION_GRACE: Duration = Duration::from_secs(5);

/// Why we stopped a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Stalled(Duration),
    TimedOut(Duration),
    Cancelled,
}

/// What a child's handle, its streams and its watchdog share.
pub(crate) struct Watched {
    pub group: Arc<Group>,
    pub activity: Arc<Activity>,
    /// Cancelled when we stop the child, so that its streams fail rather than end.
    pub stopped: CancellationToken,
    reason: OnceLock<StopReason>,
}

impl Watched {
    pub(crate) fn new(group: Arc<Group>, activity: Arc<Activity>, stopped: CancellationToken) -> Self {
        Self { group, activity, stopped, reason: OnceLock::new() }
    }

    /// The first reason, if we stopped it.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// Stops the child: asks, then kills. The first reason stays.
    pub(crate) async fn stop(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.stopped.cancel();
        self.group.terminate(TERMINATION_GRACE).await;
    }
}

/// The limits of one child, and what tells whether it or we are late.
pub(crate) struct Watchdog {
    pub stall_limit: Option<Duration>,
    pub time_limit: Option<Duration>,
    pub stdin: Option<Gauge<pipe::Sender>>,
    pub stdout: Option<Gauge<pipe::Receiver>>,
}

impl Watchdog {
    /// Ends when the child ended and its output was read, or when it was stopped.
    pub(crate) async fn run(self, watched: Arc<Watched>) {
        let time_out_at = self.time_limit.map(|limit| (limit, watched.activity.start() + limit));
        let mut exited = false;
        loop {
            let stall_at = self.stall_limit.map(|limit| (limit, watched.activity.last() + limit));
            let running_until = time_out_at.filter(|_| !exited);
            let wake_at = [stall_at, running_until].into_iter().flatten().map(|(_, at)| at).min();
            tokio::select! {
                biased;
                _ = watched.group.exited(), if !exited => exited = true,
                () = sleep_until_some(wake_at) => {}
            }
            // An exited child counts as running while another process may hold its output open.
            if exited && !self.stdout.as_ref().is_some_and(Gauge::is_open) {
                return;
            }
            let now = Instant::now();
            if let Some((limit, _)) = running_until.filter(|(_, at)| !exited && *at <= now) {
                return watched.stop(StopReason::TimedOut(limit)).await;
            }
            let stalled = self.stall_limit.filter(|limit| watched.activity.last() + *limit <= now);
            if let Some(limit) = stalled {
                if !self.child_waits_for_us() {
                    return watched.stop(StopReason::Stalled(limit)).await;
                }
                watched.activity.note();
            }
        }
    }

    /// A child that wrote what we have not read, or has read all that we wrote, can do nothing: slow storage must not be
    /// reported as a hanging engine.
    fn child_waits_for_us(&self) -> bool {
        let unread_output = self.stdout.as_ref().and_then(Gauge::unread_bytes);
        let unread_input = self.stdin.as_ref().and_then(Gauge::unread_bytes);
        unread_output.is_some_and(|bytes| bytes > 0) || unread_input == Some(0)
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => future::pending().await,
    }
}
