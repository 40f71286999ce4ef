//! What the tests see from outside: `/proc`, and waiting for a state.

use std::{
    fs,
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use process::{Command, Credentials, Stream};

/// Far beyond what any state here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a state; `what` says which one never came.
pub async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fails instead of hanging.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// Whether a process exists and is not a zombie that waits for somebody else to reap it.
pub fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X')))
        .unwrap_or(false)
}

/// Whether nothing is left of a process, not even a zombie.
pub fn is_reaped(pid: u32) -> bool {
    !fs::exists(format!("/proc/{pid}")).unwrap()
}

pub fn signal(pid: u32, signal: process::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).unwrap();
}

pub fn shell(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

/// Another user than the test's where the test may switch, which is what a root worker does.
pub fn somebody() -> Credentials {
    let current = Credentials::current();
    if current.uid == 0 { Credentials::of_user("nobody").unwrap().unwrap() } else { current }
}

/// Lines seen so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<(Stream, String)>>>);

impl Lines {
    pub fn listen(&self, command: Command) -> Command {
        let lines = self.clone();
        command.on_line(move |stream, line| lines.0.lock().unwrap().push((stream, line.to_owned())))
    }

    pub fn all(&self) -> Vec<(Stream, String)> {
        self.0.lock().unwrap().clone()
    }

    pub fn text(&self) -> Vec<String> {
        self.all().into_iter().map(|(_, line)| line).collect()
    }

    /// The process id that a script printed as its `index`-th line.
    pub async fn pid(&self, index: usize) -> u32 {
        until("a printed process id", || self.all().len() > index).await;
        self.text()[index].parse().unwrap()
    }
}
