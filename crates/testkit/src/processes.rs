//! Finds and ends the processes that belong to a directory.
//!
//! A server that a test's worker started is not our child, so ancestry does not tell what is ours. The directory does:
//! each engine works in its data directory, and each instance has a directory of its own with a name found nowhere else.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::wait::holds_within;

/// The ids of the processes, other than this one, that work in `directory` or below it or name such a path in an argument.
pub fn processes_below(directory: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own && belongs_to(*pid, directory))
        .collect()
}

/// Whether some process works in `directory` or below it.
pub(crate) fn is_worked_in(directory: &Path) -> bool {
    processes_below(directory).into_iter().any(|pid| works_below(pid, directory))
}

/// Ends all processes that belong to `directory` and waits for their end; returns those that would not go.
///
/// `signal` comes first, and a while later the one that cannot be refused.
pub(crate) fn end_processes_below(directory: &Path, signal: libc::c_int) -> Vec<u32> {
    for (signal, patience) in [(signal, Duration::from_secs(5)), (libc::SIGKILL, Duration::from_secs(10))] {
        signal_processes_below(directory, signal);
        if holds_within(patience, || {
            let left = processes_below(directory);
            if signal == libc::SIGKILL && !left.is_empty() {
                signal_processes_below(directory, signal);
            }
            left.is_empty()
        }) {
            return Vec::new();
        }
    }
    processes_below(directory)
}

/// Sends `signal` to each process that belongs to `directory`.
pub(crate) fn signal_processes_below(directory: &Path, signal: libc::c_int) {
    for pid in processes_below(directory) {
        // A process id may come to mean another process between the look and the signal; a pidfd cannot.
        let Some(handle) = open_pidfd(pid) else {
            continue;
        };
        if belongs_to(pid, directory) {
            // SAFETY: a plain system call on a descriptor that we hold. That the process is gone already is no failure.
            unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    handle.as_raw_fd(),
                    signal,
                    std::ptr::null::<libc::siginfo_t>(),
                    0,
                );
            }
        }
    }
}

fn open_pidfd(pid: u32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes no pointers; a non-negative answer is a new descriptor that nobody else owns.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, libc::pid_t::try_from(pid).ok()?, 0);
        let descriptor = i32::try_from(descriptor).ok()?;
        (descriptor >= 0).then(|| OwnedFd::from_raw_fd(descriptor))
    }
}

fn belongs_to(pid: u32, directory: &Path) -> bool {
    works_below(pid, directory) || names_path_below(pid, directory)
}

fn works_below(pid: u32, directory: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
}

fn names_path_below(pid: u32, directory: &Path) -> bool {
    let Ok(command_line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    command_line.split(|byte| *byte == 0).any(|argument| {
        // `--datadir=/path` names a path as `/path` does.
        argument
            .iter()
            .position(|byte| *byte == b'/')
            .and_then(|start| argument.get(start..))
            .is_some_and(|path| Path::new(OsStr::from_bytes(path)).starts_with(directory))
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn processes_are_found_by_directory_and_by_argument_and_ended() {
        let directory = crate::scratch_directory("processes").expect("a directory");
        let mut in_it = Command::new("sleep").arg("600").current_dir(&directory).spawn().expect("sleep");
        let mut names_it =
            Command::new("tail").args(["-f", "/dev/null"]).arg(directory.join("no such file")).spawn().expect("tail");
        let mut other = Command::new("sleep").arg("600").spawn().expect("sleep");

        crate::wait_until("both are seen", Duration::from_secs(5), || {
            let mut found = processes_below(&directory);
            found.sort();
            let mut expected = vec![in_it.id(), names_it.id()];
            expected.sort();
            found == expected
        });
        assert!(is_worked_in(&directory));

        let reapers = [std::thread::spawn(move || in_it.wait()), std::thread::spawn(move || names_it.wait())];
        assert_eq!(end_processes_below(&directory, libc::SIGTERM), Vec::<u32>::new());
        for reaper in reapers {
            reaper.join().expect("a reaper").expect("the child ended");
        }
        assert!(other.try_wait().expect("wait").is_none(), "a stranger");
        other.kill().expect("kill our own sleep");
        other.wait().expect("reap our own sleep");
    }
}
