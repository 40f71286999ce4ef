//! A running process group: signals for all of it, and the thread that reaps its leader.
//!
//! Invariant: a signal is sent only while the leader is not reaped, under the same lock that reaps it. Until then its
//! process id, which is the group's id as well, cannot be given to anybody else. When the leader ends, what is left of
//! its group is killed first, unless it was started to leave something behind, and the leader reaped last.

use std::{
    io,
    process::{self, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::{sync::watch, time::timeout};

/// Stack of a reaping thread: little, but logging goes through it.
const REAPER_STACK_BYTES: usize = 256 * 1024;

/// A child that leads its own session and process group.
pub(crate) struct Group {
    leader: Pid,
    /// True once the leader is reaped and its id may belong to somebody else.
    reaped: Mutex<bool>,
    status: watch::Sender<Option<ExitStatus>>,
    /// Whether what is left of the group lives on when the leader has ended.
    leaves_processes: bool,
}

impl Group {
    /// Takes over a child that leads its own process group.
    pub(crate) fn adopt(mut child: process::Child, leaves_processes: bool) -> io::Result<Arc<Self>> {
        let leader = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let group =
            Arc::new(Self { leader, reaped: Mutex::new(false), status: watch::Sender::new(None), leaves_processes });
        let reaper = Arc::clone(&group);
        let thread = thread::Builder::new().name("reaper".to_owned()).stack_size(REAPER_STACK_BYTES);
        // One child, one thread: independent of any async runtime, so a child is reaped even when its owner's runtime
        // is gone.
        let started = thread.spawn(move || reaper.reap(&mut child));
        if let Err(error) = started {
            group.signal_all(Signal::SIGKILL);
            return Err(error);
        }
        Ok(group)
    }

    /// The leader's process id.
    pub(crate) fn id(&self) -> u32 {
        self.leader.as_raw().unsigned_abs()
    }

    /// The leader's end, once it was reaped.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        *self.status.borrow()
    }

    /// Waits for the leader's end. Dropping the future changes nothing.
    pub(crate) async fn exited(&self) -> ExitStatus {
        let mut status = self.status.subscribe();
        loop {
            if let Some(status) = *status.borrow_and_update() {
                return status;
            }
            // Cannot fail: the sender lives as long as `self`.
            let _ = status.changed().await;
        }
    }

    /// Sends a signal to every process of the group. Does nothing when the leader is gone.
    pub(crate) fn signal_all(&self, signal: Signal) {
        self.signal(Pid::from_raw(-self.leader.as_raw()), signal);
    }

    /// Sends a signal to the leader alone.
    pub(crate) fn signal_leader(&self, signal: Signal) {
        self.signal(self.leader, signal);
    }

    fn signal(&self, target: Pid, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if *reaped {
            return;
        }
        if let Err(error) = kill(target, signal) {
            tracing::warn!(pid = self.id(), %signal, %error, "could not signal a child process");
        }
    }

    /// Asks the group to end, then after `grace` kills it; returns when the leader is reaped.
    pub(crate) async fn terminate(&self, grace: Duration) -> ExitStatus {
        self.signal_all(Signal::SIGTERM);
        // A stopped process does not see the signal before it is continued.
        self.signal_all(Signal::SIGCONT);
        if let Ok(status) = timeout(grace, self.exited()).await {
            return status;
        }
        self.signal_all(Signal::SIGKILL);
        self.exited().await
    }

    fn reap(&self, child: &mut process::Child) {
        while let Err(Errno::EINTR) = waitid(Id::Pid(self.leader), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
        if !self.leaves_processes {
            self.signal_all(Signal::SIGKILL);
        }
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.wait();
        *reaped = true;
        drop(reaped);
        match status {
            Ok(status) => {
                self.status.send_replace(Some(status));
            }
            Err(error) => {
                // Somebody else reaped it: its true end is unknown, and unknown is failure.
                tracing::error!(pid = self.id(), %error, "lost a child process");
                self.status.send_replace(Some(unknown_status()));
            }
        }
    }
}

/// Exit code 255.
fn unknown_status() -> ExitStatus {
    std::os::unix::process::ExitStatusExt::from_raw(255 << 8)
}
