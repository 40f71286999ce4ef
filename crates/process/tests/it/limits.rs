//! Children that hang or take too long.

use std::time::{Duration, Instant};

use process::{Command, ProcessError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::observe::{is_reaped, shell, soon};

const LIMIT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn f03_a_stopped_child_stalls() {
    let mut child = shell("echo begun >&2; kill -STOP $$; echo never >&2").stall_limit(LIMIT).spawn().unwrap();
    let started = Instant::now();
    let result = soon("the stall is seen", child.wait(&CancellationToken::new())).await;
    let Err(ProcessError::Stalled { program, limit, stderr_tail }) = result else { panic!("{result:?}") };
    assert_eq!((program.as_str(), limit), ("sh", LIMIT));
    assert_eq!(stderr_tail, ["begun"]);
    assert!(started.elapsed() >= LIMIT);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "it was continued to hear the signal, not killed after its grace"
    );
    assert!(is_reaped(child.id()));
}

#[tokio::test]
async fn f03_a_stall_ends_the_stream_with_an_error() {
    let mut child = shell("echo data; kill -STOP $$").stdout_piped().stall_limit(LIMIT).spawn().unwrap();
    let mut data = Vec::new();
    // Nobody waits: the watchdog does not depend on it.
    let read = soon("the stall is seen", child.stdout.take().unwrap().read_to_end(&mut data)).await;
    assert!(read.is_err());
    assert_eq!(data, b"data\n");
    let result = child.wait(&CancellationToken::new()).await;
    assert!(matches!(result, Err(ProcessError::Stalled { .. })));
}

#[tokio::test]
async fn f03_each_stream_counts_as_progress() {
    let limit = Duration::from_millis(1500);
    for script in [
        "for n in 1 2 3 4 5 6 7 8 9; do echo $n; sleep 0.25; done",
        "for n in 1 2 3 4 5 6 7 8 9; do printf . >&2; sleep 0.25; done",
    ] {
        let mut child = shell(script).stdout_piped().stall_limit(limit).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (mut data, cancel) = (Vec::new(), CancellationToken::new());
        let (read, exit) = tokio::join!(stdout.read_to_end(&mut data), child.wait(&cancel));
        read.unwrap();
        assert!(exit.unwrap().status.success());
    }
}

#[tokio::test]
async fn f03_a_slow_reader_is_not_the_childs_stall() {
    let mut child = shell("head -c 3000000 /dev/zero").stdout_piped().stall_limit(LIMIT).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    // Slow storage: far over the limit.
    tokio::time::sleep(LIMIT * 4).await;
    let (mut data, cancel) = (Vec::new(), CancellationToken::new());
    let (read, exit) = tokio::join!(stdout.read_to_end(&mut data), child.wait(&cancel));
    assert_eq!(read.unwrap(), 3_000_000);
    assert!(exit.unwrap().status.success());
}

#[tokio::test]
async fn f03_a_slow_writer_is_not_the_childs_stall_but_a_child_that_does_not_read_is() {
    let mut child = Command::new("cat").stdin_piped().stall_limit(LIMIT).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::time::sleep(LIMIT * 4).await;
    stdin.write_all(b"late\n").await.unwrap();
    drop(stdin);
    let exit = child.wait(&CancellationToken::new()).await.unwrap();
    assert!(exit.status.success());
    assert_eq!(exit.stderr_tail, ["late"]);

    let mut child = shell("exec sleep 1000").stdin_piped().stall_limit(LIMIT).spawn().unwrap();
    let written = soon("the stall is seen", child.stdin.take().unwrap().write_all(&vec![0; 4 << 20])).await;
    assert!(written.is_err());
    let result = child.wait(&CancellationToken::new()).await;
    assert!(matches!(result, Err(ProcessError::Stalled { .. })));
}

#[tokio::test]
async fn a_busy_child_has_a_time_limit() {
    let result = soon(
        "the limit is kept",
        shell("while :; do echo busy; sleep 0.02; done").time_limit(LIMIT).output(&CancellationToken::new()),
    )
    .await;
    let Err(ProcessError::TimedOut { limit, stderr_tail, .. }) = result else { panic!("{result:?}") };
    assert_eq!(limit, LIMIT);
    assert_eq!(stderr_tail.last().unwrap(), "busy");
}

#[tokio::test]
async fn a_child_within_its_limits_is_left_alone() {
    let long = Duration::from_secs(60);
    let output = shell("echo fine").stall_limit(long).time_limit(long).output(&CancellationToken::new()).await.unwrap();
    assert_eq!(output.stdout, "fine\n");
}
