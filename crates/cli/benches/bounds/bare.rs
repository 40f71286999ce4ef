//! The commands that a person would type instead.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// `tool | zstd -T0 -3 > file`, then fsync.
const BACKUP: &str = r#""$@" | zstd -q -T0 -3 > "$FILE"; sync "$FILE""#;

/// A tool with its arguments and environment.
pub struct Tool {
    pub arguments: Vec<OsString>,
    pub environment: Vec<(&'static str, OsString)>,
}

/// Backs up into `file` with the engine's tool and tells how long it took.
pub fn backup(tool: &Tool, file: &Path) -> Result<Duration> {
    if file.exists() {
        std::fs::remove_file(file).context("remove the earlier backup")?;
    }
    crate::rounds::settle()?;
    let mut shell = shell(BACKUP, file.parent().context("no parent")?);
    shell.args(&tool.arguments).envs(tool.environment.iter().map(|(name, value)| (name, value))).env("FILE", file);
    timed(shell)
}

/// Unpacks `file` into the new directory `directory` by `script`, which knows them as `$FILE` and `$DIRECTORY`, and tells
/// how long it took. The directory is removed afterwards.
pub fn restore(script: &str, file: &Path, directory: &Path) -> Result<Duration> {
    crate::rounds::settle()?;
    let mut shell = shell(script, file.parent().context("no parent")?);
    shell.env("FILE", file).env("DIRECTORY", directory);
    let time = timed(shell)?;
    std::fs::remove_dir_all(directory).context("remove the restored directory")?;
    Ok(time)
}

/// As [`restore`], untimed, and the directory stays.
pub fn unpack(script: &str, file: &Path, directory: &Path) -> Result<()> {
    let mut shell = shell(script, file.parent().context("no parent")?);
    shell.env("FILE", file).env("DIRECTORY", directory);
    timed(shell).map(drop)
}

/// Replays the segments in `logs` on an unpacked backup by `script`, which knows them as `$LOGS`, `$DIRECTORY` and `$START`,
/// and tells how long that took: the script prints the seconds, so that giving the files to the server's user does not count.
pub fn replay(script: &str, directory: &Path, logs: &Path, start: String) -> Result<Duration> {
    let mut shell = shell(script, directory.parent().context("no parent")?);
    shell.env("DIRECTORY", directory).env("LOGS", logs).env("START", start);
    let output = shell.output().context("run bash")?;
    if !output.status.success() {
        bail!("the bare replay failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let took: f64 =
        said.split_whitespace().next_back().and_then(|word| word.parse().ok()).context("it tells no time")?;
    Ok(Duration::from_secs_f64(took))
}

/// A shell in which the failure of any part of a pipe fails the whole.
fn shell(script: &str, directory: &Path) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", script, "bash"]).current_dir(directory);
    shell
}

fn timed(mut shell: Command) -> Result<Duration> {
    let started = Instant::now();
    let output = shell.output().context("run bash")?;
    let time = started.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        bail!("the bare commands failed ({}): {}", output.status, last.join(" | "));
    }
    Ok(time)
}
