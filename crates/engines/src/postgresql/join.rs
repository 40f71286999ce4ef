//! Joins the links of a chain with `pg_combinebackup`, into what a full backup of the last one's moment would be.

use std::path::Path;
use std::sync::Arc;

use domain::LogLevel;
use domain::version::version_numbers;
use process::Command;

use super::binaries;
use super::staged::no_server;
use crate::{EngineError, Staging};

/// Reads all links once, and the result once more: its files are new, so no checksum of ours has seen them.
///
/// The tools say nothing while they work, so nothing tells a long run from a stalled one; a cancelled job ends them.
pub(super) async fn join(staging: &Staging, links: &[Staging]) -> Result<(), EngineError> {
    let major = version_numbers(&staging.manifest.engine_version).first().copied().unwrap_or_default();
    let binaries = binaries::server(major).await.ok_or_else(|| no_server(major))?;
    let combine = tool("pg_combinebackup", &binaries, staging)
        // The worker syncs the whole file system before the switch.
        .args(["--no-sync", "--output"])
        .arg(&staging.directory)
        .args(links.iter().map(|link| link.directory.as_os_str()));
    run("joining the backups with pg_combinebackup", combine, staging).await?;
    let verify = tool("pg_verifybackup", &binaries, staging)
        // The log in it is the last link's own, which our checksums covered.
        .args(["--no-parse-wal", "--quiet"])
        .arg(&staging.directory);
    run("checking the joined files with pg_verifybackup", verify, staging).await
}

fn tool(name: &str, binaries: &Path, staging: &Staging) -> Command {
    let log = Arc::clone(&staging.log);
    Command::new(name).search_dir(binaries).run_as(staging.owner).on_line(move |_, line| log(LogLevel::Tool, line))
}

async fn run(operation: &'static str, command: Command, staging: &Staging) -> Result<(), EngineError> {
    let failed = |source| EngineError::process(operation, source);
    let mut child = command.spawn().map_err(failed)?;
    let exit = child.wait(&staging.cancel).await.map_err(failed)?;
    exit.success_or_error(operation).map(drop).map_err(failed)
}
