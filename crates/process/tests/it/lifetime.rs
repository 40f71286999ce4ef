//! Who outlives whom: nobody outlives the owner, and a handle's end is the group's end.

use std::{
    env,
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use process::{Command, Daemon, DaemonOptions, ProcessError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};
use tokio_util::sync::CancellationToken;

use crate::observe::{Lines, is_alive, is_reaped, shell, signal, somebody, soon, until};

const OWNER_DIRECTORY: &str = "PROCESS_TEST_OWNER_DIRECTORY";

/// The part of an owner that gets killed: prints its children's ids and never ends.
fn be_an_owner(directory: &str) -> ! {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let own_user = shell("exec sleep 1000").spawn().unwrap();
    // One that ignores what can be ignored.
    let other_user =
        shell("trap '' TERM HUP INT; while :; do sleep 0.05; done").run_as(somebody()).stdin_piped().spawn().unwrap();
    let server = |name: &str, death_signal| {
        let script = format!("trap 'echo {name} stops; exit 0' INT; echo $$; while :; do sleep 0.05; done");
        let log_file = format!("{directory}/{name}.log").into();
        Daemon::start(shell(&script), DaemonOptions { log_file, death_signal }).unwrap()
    };
    let staging = server("staging", Some(Signal::SIGINT));
    let live = server("live", None);
    // On a line of its own, whatever the test harness printed before.
    println!("\npids {} {} {} {}", own_user.id(), other_user.id(), staging.pid(), live.pid());
    loop {
        thread::park();
    }
}

#[tokio::test]
async fn f01_children_die_with_their_owner() {
    if let Ok(directory) = env::var(OWNER_DIRECTORY) {
        be_an_owner(&directory);
    }
    let directory = tempfile::tempdir().unwrap();
    let mut owner = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "lifetime::f01_children_die_with_their_owner", "--nocapture"])
        .env(OWNER_DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pids: Vec<u32> = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("pids ").map(str::to_owned))
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    let log = |name: &str| std::fs::read_to_string(directory.path().join(format!("{name}.log"))).unwrap();
    // The servers' traps are set.
    until("servers are up", || !log("staging").is_empty() && !log("live").is_empty()).await;
    assert!(pids.iter().all(|&pid| is_alive(pid)));

    owner.kill().unwrap();
    owner.wait().unwrap();

    until("the tools die", || !is_alive(pids[0]) && !is_alive(pids[1])).await;
    until("the staging server stops", || !is_alive(pids[2])).await;
    assert!(log("staging").contains("staging stops"));
    assert!(is_alive(pids[3]), "a server without death signal lives on");
    signal(pids[3], Signal::SIGKILL);
    until("the live server is gone", || !is_alive(pids[3])).await;
}

/// A worker that is started with `nohup`, or in the background of a script, ignores signals. What it starts does not.
#[test]
fn f01_what_the_owner_ignores_reaches_its_children() {
    const INSIDE: &str = "HOLDFAST_TEST_IGNORING";
    if env::var_os(INSIDE).is_some() {
        let script = "for signal in INT HUP; do trap \"echo $signal\" $signal; kill -$signal $$; done";
        let never = CancellationToken::new();
        let heard = Runtime::new().unwrap().block_on(shell(script).output(&never));
        assert_eq!(heard.unwrap().stdout, "INT\nHUP\n");
        return;
    }
    let ignoring = std::process::Command::new("sh")
        .args(["-c", "trap '' INT HUP; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "lifetime::f01_what_the_owner_ignores_reaches_its_children"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(ignoring.status.success(), "{}", String::from_utf8_lossy(&ignoring.stdout));
}

#[test]
fn f01_a_child_outlives_the_thread_that_asked_for_it() {
    let runtime = Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let asked = thread::spawn(move || {
        let _entered = handle.enter();
        Command::new("cat").stdin_piped().stdout_piped().spawn().unwrap()
    });
    let mut child = asked.join().unwrap();
    runtime.block_on(async {
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"still here").await.unwrap();
        stdin.shutdown().await.unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "still here");
        assert!(child.wait(&CancellationToken::new()).await.unwrap().status.success());
    });
}

#[tokio::test]
async fn f04_cancel_ends_the_whole_group() {
    let lines = Lines::default();
    let mut child = lines.listen(shell("sleep 1000 & echo $!; wait")).spawn().unwrap();
    let (leader, grandchild) = (child.id(), lines.pid(0).await);
    assert!(is_alive(grandchild));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let result = soon("a cancelled child ends", child.wait(&cancel)).await;
    assert!(matches!(result, Err(ProcessError::Cancelled { program }) if program == "sh"));
    until("the grandchild dies", || !is_alive(grandchild)).await;
    assert!(is_reaped(leader));
}

#[tokio::test]
async fn f04_cancel_kills_what_does_not_listen() {
    let lines = Lines::default();
    let mut child = lines.listen(shell("trap '' TERM; echo $$; while :; do sleep 0.05; done")).spawn().unwrap();
    lines.pid(0).await;
    let cancel = CancellationToken::new();
    let started = std::time::Instant::now();
    let (result, ()) = tokio::join!(child.wait(&cancel), async { cancel.cancel() });
    assert!(matches!(result, Err(ProcessError::Cancelled { .. })));
    assert!(started.elapsed() >= Duration::from_secs(5), "it had its grace");
    assert!(is_reaped(child.id()));
}

#[tokio::test]
async fn f04_a_cancelled_stream_fails_instead_of_ending() {
    let mut child = shell("echo half; sleep 1000").stdout_piped().spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut half = [0; 5];
    stdout.read_exact(&mut half).await.unwrap();
    let cancel = CancellationToken::new();
    let mut rest = Vec::new();
    let (read, waited, ()) =
        tokio::join!(stdout.read_to_end(&mut rest), child.wait(&cancel), async { cancel.cancel() });
    assert!(read.is_err(), "half a stream must not look whole");
    assert!(matches!(waited, Err(ProcessError::Cancelled { .. })));
}

#[tokio::test]
async fn f01_dropping_the_handle_kills_the_group_and_reaps() {
    let lines = Lines::default();
    let child = lines.listen(shell("trap '' TERM; sleep 1000 & echo $!; wait")).spawn().unwrap();
    let (leader, grandchild) = (child.id(), lines.pid(0).await);
    drop(child);
    until("the group is gone", || is_reaped(leader) && !is_alive(grandchild)).await;
}

#[tokio::test]
async fn f01_what_a_child_leaves_behind_is_killed() {
    let lines = Lines::default();
    let mut child = lines.listen(shell("sleep 1000 & echo $!")).spawn().unwrap();
    let exit = soon("it ends", child.wait(&CancellationToken::new())).await.unwrap();
    assert!(exit.status.success());
    let left = lines.pid(0).await;
    until("the grandchild dies", || !is_alive(left)).await;
}

#[tokio::test]
async fn a_command_that_starts_a_server_leaves_it_alive() {
    let lines = Lines::default();
    let mut child = lines.listen(shell("sleep 1000 >/dev/null 2>&1 & echo $!")).leaves_processes().spawn().unwrap();
    let exit = soon("it ends", child.wait(&CancellationToken::new())).await.unwrap();
    assert!(exit.status.success());
    let left = lines.pid(0).await;
    drop(child);
    assert!(is_alive(left));
    signal(left, Signal::SIGKILL);
    until("it is gone", || !is_alive(left)).await;
}

#[tokio::test]
async fn kill_is_told_by_a_later_wait() {
    use std::os::unix::process::ExitStatusExt;
    let mut child = shell("sleep 1000").spawn().unwrap();
    child.kill().await;
    assert!(is_reaped(child.id()));
    let exit = child.wait(&CancellationToken::new()).await.unwrap();
    assert_eq!(exit.status.signal(), Some(9));
    assert!(matches!(exit.success_or_error("sh"), Err(ProcessError::Exit { .. })));
}

#[tokio::test]
async fn waiting_can_be_given_up_and_taken_up_again() {
    let mut child = shell("read line; echo got $line").stdin_piped().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let cancel = CancellationToken::new();
    tokio::select! {
        biased;
        _ = child.wait(&cancel) => panic!("it waits for its input"),
        () = tokio::task::yield_now() => {}
    }
    stdin.write_all(b"on\n").await.unwrap();
    let exit = soon("it ends", child.wait(&cancel)).await.unwrap();
    assert_eq!(exit.stderr_tail, ["got on"]);
}

#[test]
fn handles_and_their_futures_move_between_threads() {
    fn moves<T: Send>(value: T) -> T {
        value
    }
    let cancel = CancellationToken::new();
    drop(moves(Command::new("true").output(&cancel)));
    let _ = |mut child: process::Child| drop(moves(child.wait(&CancellationToken::new())));
    let _ = |mut child: process::Child| drop(moves(child.kill()));
    let _ = |server: Daemon| drop(moves(server.stop(Signal::SIGTERM, Duration::ZERO)));
}
