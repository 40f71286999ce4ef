//! Bytes in, bytes out, lines, and how a child ended.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use nix::sys::signal::Signal;
use process::{Command, ProcessError, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::observe::{Lines, is_alive, shell, signal, soon, until};

#[tokio::test]
async fn f02_failure_after_all_bytes_is_failure() {
    let mut child = shell("head -c 3000000 /dev/zero; echo no space >&2; exit 1").stdout_piped().spawn().unwrap();
    let mut data = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut data).await.unwrap();
    assert_eq!(data.len(), 3_000_000);
    let exit = child.wait(&CancellationToken::new()).await.unwrap();
    assert_eq!(exit.status.code(), Some(1));
    let Err(ProcessError::Exit { program, stderr_tail, .. }) = exit.success_or_error("sh") else { panic!() };
    assert_eq!((program.as_str(), stderr_tail), ("sh", vec!["no space".to_owned()]));
}

#[tokio::test]
async fn f02_stdout_closed_early_is_not_the_end() {
    let mut child = shell("echo part; exec >&-; read line; exit 3").stdin_piped().stdout_piped().spawn().unwrap();
    let mut data = Vec::new();
    soon("stdout closes", child.stdout.take().unwrap().read_to_end(&mut data)).await.unwrap();
    assert_eq!(data, b"part\n");
    assert!(is_alive(child.id()));
    let exit = soon("it ends with its input", child.wait(&CancellationToken::new())).await.unwrap();
    assert_eq!(exit.status.code(), Some(3));
}

#[tokio::test]
async fn f02_a_killed_child_is_told_from_a_finished_one() {
    let mut child = shell("head -c 100000 /dev/zero; kill -KILL $$").stdout_piped().spawn().unwrap();
    let mut data = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut data).await.unwrap();
    let exit = child.wait(&CancellationToken::new()).await.unwrap();
    assert_eq!((data.len(), exit.status.signal()), (100_000, Some(9)));
}

#[tokio::test]
async fn f02_a_reader_that_goes_away_ends_the_child() {
    let mut child = Command::new("yes").stdout_piped().spawn().unwrap();
    drop(child.stdout.take());
    let exit = soon("a broken pipe", child.wait(&CancellationToken::new())).await.unwrap();
    assert!(!exit.status.success());
}

#[tokio::test]
async fn f02_a_flood_of_messages_neither_blocks_nor_grows() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let mut child =
        shell("head -c 150000000 /dev/zero >&2; echo >&2; yes message | head -n 300000 >&2; head -c 2000000 /dev/zero")
            .stdout_piped()
            .on_line(move |_, line| {
                assert!(line.len() <= 4096);
                counter.fetch_add(1, Ordering::Relaxed);
            })
            .spawn()
            .unwrap();
    let mut data = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut data).await.unwrap();
    let exit = child.wait(&CancellationToken::new()).await.unwrap();
    assert!(exit.status.success());
    assert_eq!(data.len(), 2_000_000);
    assert_eq!(count.load(Ordering::Relaxed), 300_001);
    assert_eq!(exit.stderr_tail, vec!["message"; 200]);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 100_000, "150 MB of messages took {peak_kib} KiB");
}

#[tokio::test]
async fn bytes_pass_both_ways_unchanged() {
    let mut child = Command::new("cat").stdin_piped().stdout_piped().spawn().unwrap();
    let sent: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let write = async {
        stdin.write_all(&sent).await.unwrap();
        stdin.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let ((), read) = tokio::join!(write, stdout.read_to_end(&mut received));
    read.unwrap();
    assert!(sent == received);
    assert!(child.wait(&CancellationToken::new()).await.unwrap().status.success());
}

#[tokio::test]
async fn lines_of_both_streams_are_told_apart() {
    let lines = Lines::default();
    let mut child =
        lines.listen(shell("echo out; printf '10%%\\r20%%\\r\\n\\nlast' >&2; printf '\\377x\\n'")).spawn().unwrap();
    let exit = child.wait(&CancellationToken::new()).await.unwrap();
    let of = |stream| lines.all().into_iter().filter(move |line| line.0 == stream).map(|line| line.1);
    assert_eq!(of(Stream::Stdout).collect::<Vec<_>>(), ["out", "\u{fffd}x"]);
    assert_eq!(of(Stream::Stderr).collect::<Vec<_>>(), ["10%", "20%", "last"]);
    assert_eq!(exit.stderr_tail, ["10%", "20%", "last"]);
}

#[tokio::test]
async fn output_returns_all_of_stdout_or_fails() {
    let cancel = CancellationToken::new();
    let lines = Lines::default();
    let output = lines.listen(shell("seq 1 5000; echo done >&2")).output(&cancel).await.unwrap();
    assert_eq!(output.stdout.lines().count(), 5000);
    assert_eq!(output.stderr_tail, ["done"]);
    assert_eq!(lines.all().len(), 5001);

    let long = shell("head -c 100000 /dev/zero | tr '\\0' x").output(&cancel).await.unwrap();
    assert_eq!(long.stdout.len(), 100_000, "results are not cut as messages are");

    let failed = shell("echo reason; exit 7").output(&cancel).await;
    let Err(ProcessError::Exit { status, stderr_tail, .. }) = failed else { panic!() };
    assert_eq!((status.code(), stderr_tail), (Some(7), vec!["reason".to_owned()]));

    let flood = shell("head -c 17000000 /dev/zero").output(&cancel).await;
    assert!(matches!(flood, Err(ProcessError::Io { operation: "read the output", .. })));
}

#[tokio::test]
async fn a_process_that_left_the_group_cannot_hold_us_up() {
    let lines = Lines::default();
    let mut child = lines.listen(shell("setsid sleep 1000 & echo $!")).spawn().unwrap();
    let exit = soon("the child's own end counts", child.wait(&CancellationToken::new())).await.unwrap();
    assert!(exit.status.success());

    let script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.3";
    let held = Lines::default();
    let output = soon("output ends", held.listen(shell(script)).output(&CancellationToken::new())).await;
    assert!(matches!(output, Err(ProcessError::Io { .. })), "a result that may be short is an error: {output:?}");
    for pid in [lines.pid(0).await, held.pid(0).await] {
        if is_alive(pid) {
            signal(pid, Signal::SIGKILL);
        }
        until("it is gone", || !is_alive(pid)).await;
    }
}

#[tokio::test]
async fn programs_that_cannot_start_are_named() {
    let error = Command::new("no-such-tool").arg("canary").spawn().err().unwrap();
    assert!(matches!(&error, ProcessError::ProgramNotFound { program } if program == "no-such-tool"));
    assert!(error.to_string().contains("install"));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tool");
    fs::write(&file, "#!/no/such/interpreter").unwrap();
    assert!(matches!(Command::new(&file).spawn(), Err(ProcessError::ProgramNotFound { .. })));
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = Command::new("tool").search_dir(directory.path()).arg("canary").spawn().err().unwrap();
    assert!(matches!(error, ProcessError::Spawn { .. }));
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert!(matches!(Command::new("true").arg("a\0b").spawn(), Err(ProcessError::Spawn { .. })));
    assert!(matches!(Command::new("./true").spawn(), Err(ProcessError::ProgramNotFound { .. })));
}

#[tokio::test]
async fn f82_hostile_arguments_arrive_as_they_are() {
    let arguments = ["$(touch /tmp/x)", "a b", "-rf", "quote'\"", "new\nline", "ünïcödé", "", "*"];
    let output = Command::new("printf").arg("%s|").args(arguments).output(&CancellationToken::new()).await.unwrap();
    assert_eq!(output.stdout, arguments.map(|argument| format!("{argument}|")).concat());
}
