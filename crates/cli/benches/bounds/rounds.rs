//! Measuring in turns.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How often each side is measured; the median counts.
pub const ROUNDS: usize = 5;

/// The middle one of the times.
///
/// # Errors
/// When there are none.
pub fn median(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing was measured")
}

/// Writes all that the system holds back to the disks, so that no side pays for what came before it.
pub fn settle() -> Result<()> {
    let status = Command::new("sync").status().context("run sync")?;
    ensure!(status.success(), "sync failed: {status}");
    Ok(())
}
