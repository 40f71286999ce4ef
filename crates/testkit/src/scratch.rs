//! The one directory of this process in which all its servers live, and the guardian that clears it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

/// Waits for the end of its input, which comes when the process that holds the other end ends, even by SIGKILL. Then it
/// ends the processes that work below `$1`, unmounts what is mounted there and removes the directory.
const GUARDIAN: &str = r#"
trap '' HUP INT QUIT TERM
cat >/dev/null
root=$1
workers() {
    for process in /proc/[0-9]*; do
        case "$(readlink "$process/cwd")/" in "$root"/*) echo "${process#/proc/}" ;; esac
    done
}
round=0
while found=$(workers) && [ -n "$found" ] && [ "$round" -lt 100 ]; do
    if [ "$round" -lt 30 ]; then signal=QUIT; else signal=KILL; fi
    kill -s "$signal" $found
    round=$((round + 1))
    sleep 0.1
done
while read -r _ mounted _; do
    case "$mounted" in "$root"/*) umount -l "$mounted" ;; esac
done </proc/mounts
rm -rf --one-file-system "$root"
"#;

struct Scratch {
    root: PathBuf,
    /// Held open for the life of this process; its end is the guardian's signal.
    _guardian: ChildStdin,
}

static SCRATCH: Mutex<Option<Scratch>> = Mutex::new(None);
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A new empty directory that other accounts may enter, removed at the latest when this process has ended.
pub fn scratch_directory(name: &str) -> Result<PathBuf> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = root()?.join(format!("{name}-{number}"));
    create(&directory)?;
    Ok(directory)
}

/// A new directory like [`scratch_directory`]'s, in `parent`.
pub(crate) fn directory_in(parent: &Path, name: &str) -> Result<PathBuf> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = parent.join(format!("{name}-{number}"));
    create(&directory)?;
    Ok(directory)
}

fn create(directory: &Path) -> Result<()> {
    fs::create_dir(directory)
        .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("create {}", directory.display()))
}

fn root() -> Result<PathBuf> {
    let mut scratch = SCRATCH.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scratch) = scratch.as_ref() {
        return Ok(scratch.root.clone());
    }
    let root =
        tempfile::Builder::new().prefix("holdfast-test-").tempdir().context("create a temporary directory")?.keep();
    // As the kernel shows it in /proc, without symbolic links.
    let root = root.canonicalize().context("resolve the temporary directory")?;
    // The servers' accounts must get through; what is private is below.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755))
        .context("open the temporary directory for other accounts")?;
    let mut guardian = Command::new("sh")
        .args(["-c", GUARDIAN, "holdfast-test-guardian"])
        .arg(&root)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal reaches the test's group, and must not reach who cleans up after it.
        .process_group(0)
        .spawn()
        .context("start the guardian")?;
    let stdin = guardian.stdin.take().context("the guardian has no input")?;
    *scratch = Some(Scratch { root: root.clone(), _guardian: stdin });
    Ok(root)
}
