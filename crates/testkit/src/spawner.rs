//! Starts servers so that they die with this process.
//!
//! `PR_SET_PDEATHSIG` is about the *thread* that forked, and a test's thread ends long before its process; so all servers
//! are started by one thread that never ends. The setting is lost when credentials change, which is why it is made last.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender};
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};

type Order = (Command, Sender<io::Result<Child>>);

static SPAWNER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
    let (orders, incoming) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in incoming {
            // Who asked may have gone: then there is nobody to tell.
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(orders)
});

/// Starts `command` in a process group of its own; `signal` ends it when this process ends, however that happens.
///
/// The child is reaped by a thread of ours as soon as it ends: `start-stop-daemon` would take a zombie for a server that
/// refuses to stop.
pub(crate) fn spawn(mut command: Command, signal: libc::c_int) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.process_group(0);
    // SAFETY: prctl is async-signal-safe and touches nothing of the parent's.
    unsafe {
        command.pre_exec(move || match libc::prctl(libc::PR_SET_PDEATHSIG, signal) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let (answer, result) = mpsc::channel();
    SPAWNER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .context("the spawner thread has ended")?;
    let mut child = result.recv().context("the spawner thread has ended")?.with_context(|| format!("start {name}"))?;
    std::thread::spawn(move || child.wait());
    Ok(())
}
