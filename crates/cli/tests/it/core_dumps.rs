//! The memory of what holds secrets is not written to a core file, and no other process of its user reads it. // F-81

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::plane::{Plane, Process};

/// Somebody who is not root, where the test is.
const NOBODY: u32 = 65534;

#[tokio::test(flavor = "multi_thread")]
async fn f81_neither_the_service_nor_a_worker_dumps_core() {
    let (plane, worker) = Plane::with_worker();
    for pid in [plane.pid(), worker.0.id()] {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("the limits");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the line");
        let words: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{core}");
    }
}

#[test]
fn f81_the_memory_is_not_the_users() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "a-token").expect("written");
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).expect("ours");
    let binary = directory.path().join("holdfast");
    std::fs::copy(env!("CARGO_BIN_EXE_holdfast"), &binary).expect("copied to where anybody may run it");
    let mut command = Command::new(&binary);
    command.args(["worker", "--server", "http://127.0.0.1:9", "--name", "it", "--token-file"]).arg(&token);
    command.arg("--data-dir").arg(directory.path()).stderr(Stdio::null());
    if nix::unistd::geteuid().is_root() {
        for path in [directory.path(), &token] {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let process = Process::spawn(command);
    // What can't be dumped belongs to root in /proc, whoever runs it (proc_pid(5)).
    let memory = format!("/proc/{}/environ", process.0.id());
    testkit::wait_until("its memory is root's", Duration::from_secs(30), || {
        std::fs::metadata(&memory).expect("it runs").uid() == 0
    });
    let user = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).expect("its status");
    let uid = user.lines().find_map(|line| line.strip_prefix("Uid:")).expect("the line");
    assert_ne!(uid.split_whitespace().next(), Some("0"), "it would be root's anyway");
}
