//! Long-lived servers. Their death with the owner is in `lifetime`.

use std::{fs, path::Path, time::Duration};

use process::{Command, Daemon, DaemonOptions, ProcessError, Signal};
use tokio_util::sync::CancellationToken;

use crate::observe::{is_reaped, shell, soon, until};

const PATIENCE: Duration = Duration::from_secs(30);

fn options(directory: &Path) -> DaemonOptions {
    DaemonOptions { log_file: directory.join("server.log"), death_signal: Some(Signal::SIGINT) }
}

fn server(directory: &Path) -> Daemon {
    let script = "trap '' TERM; trap 'echo bye >&2; exit 4' INT; echo up; while :; do sleep 0.02; done";
    Daemon::start(shell(script), options(directory)).unwrap()
}

async fn logged(directory: &Path, text: &str) {
    let log = directory.join("server.log");
    until(text, || fs::read_to_string(&log).unwrap().contains(text)).await;
}

#[tokio::test]
async fn a_server_stops_on_its_signal_and_stays_on_others() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    logged(directory.path(), "up\n").await;
    let early = server.stop(Signal::SIGTERM, Duration::from_millis(300)).await;
    assert!(matches!(early, Err(ProcessError::TimedOut { .. })));
    assert!(server.is_running());
    let status = server.stop(Signal::SIGINT, PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(4));
    assert!(!server.is_running() && is_reaped(server.pid()));
    assert_eq!(server.stop(Signal::SIGINT, PATIENCE).await.unwrap().code(), Some(4), "stopping twice is no error");
    assert_eq!(fs::read_to_string(directory.path().join("server.log")).unwrap(), "up\nbye\n");
}

#[tokio::test]
async fn dropping_a_server_sends_its_death_signal() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    logged(directory.path(), "up\n").await;
    let pid = server.pid();
    drop(server);
    logged(directory.path(), "bye\n").await;
    until("it is reaped", || is_reaped(pid)).await;
}

#[tokio::test]
async fn kill_ends_the_group_and_a_new_start_appends_to_the_log() {
    let directory = tempfile::tempdir().unwrap();
    for times in 1..=2 {
        let server = server(directory.path());
        logged(directory.path(), &"up\n".repeat(times)).await;
        assert!(!server.kill().await.success());
        assert!(is_reaped(server.pid()));
    }
}

#[tokio::test]
async fn an_early_end_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let server = Daemon::start(shell("echo cannot bind >&2; exit 1"), options(directory.path())).unwrap();
    assert_eq!(soon("it ends", server.wait()).await.code(), Some(1));
    logged(directory.path(), "cannot bind").await;
}

#[tokio::test]
async fn a_log_file_that_is_a_link_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, directory.path().join("server.log")).unwrap();
    let refused = Daemon::start(Command::new("true"), options(directory.path()));
    assert!(matches!(refused, Err(ProcessError::Io { operation: "open the log file", .. })));
}

#[tokio::test]
async fn a_real_server_starts_answers_and_stops_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let command = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(directory.path());
    let server = Daemon::start(command, options(directory.path())).unwrap();
    until("the socket exists", || socket.exists()).await;
    let ping = || Command::new("redis-cli").arg("-s").arg(&socket).arg("ping");
    assert_eq!(ping().output(&CancellationToken::new()).await.unwrap().stdout, "PONG\n");
    assert!(server.stop(Signal::SIGTERM, PATIENCE).await.unwrap().success());
    assert!(matches!(ping().output(&CancellationToken::new()).await, Err(ProcessError::Exit { .. })));
}
