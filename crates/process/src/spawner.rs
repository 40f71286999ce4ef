//! The one thread that forks.
//!
//! The kernel's death signal (`PR_SET_PDEATHSIG`, prctl(2)) fires when the *thread* that forked ends, not the process.
//! Threads of an async runtime come and go, so every fork happens on this thread, which ends with the process only.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{OnceLock, mpsc},
    thread,
};

type Task = Box<dyn FnOnce() + Send>;

static TASKS: OnceLock<mpsc::Sender<Task>> = OnceLock::new();

/// Runs `task` on the spawner thread and waits for its result: for as long as a fork takes, a few milliseconds.
pub(crate) fn run<T: Send + 'static>(task: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (reply, result) = mpsc::sync_channel(1);
    let task = Box::new(move || {
        // A caller that is gone drops the result, and with it the child.
        let _ = reply.send(task());
    });
    tasks()?.send(task).map_err(|_| ended())?;
    result.recv().map_err(|_| ended())?
}

fn tasks() -> io::Result<&'static mpsc::Sender<Task>> {
    if let Some(tasks) = TASKS.get() {
        return Ok(tasks);
    }
    let (sender, receiver) = mpsc::channel::<Task>();
    thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for task in receiver {
            // The caller sees the dropped reply; the thread must go on, or every child would die with it.
            let _ = catch_unwind(AssertUnwindSafe(task));
        }
    })?;
    // When two callers were first at once, the loser's sender is dropped here and its thread ends before any fork.
    Ok(TASKS.get_or_init(|| sender))
}

fn ended() -> io::Error {
    io::Error::other("the thread that starts processes failed")
}
