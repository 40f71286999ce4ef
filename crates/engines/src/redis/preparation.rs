//! Checks an unpacked snapshot and lays it out as the live server's settings demand.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::Path;
use std::sync::Arc;

use domain::{Engine, ErrorCode, LogLevel};
use process::{Command, Credentials};

use super::layout::Layout;
use super::unpack::give;
use super::{STALL_LIMIT, programs};
use crate::private_directory::PrivateDirectory;
use crate::{EngineError, Staging};

/// How the check ends its report.
const GOOD: &str = "RDB looks OK!";

/// Checks and lays out.
///
/// # Errors
/// `object_corrupted` for a snapshot that its server refuses; `missing_tool`; a file that can't be made.
pub(super) async fn prepare(engine: Engine, staging: &Staging) -> Result<(), EngineError> {
    let server = programs::server(engine, staging).await?;
    let layout = Layout::of_staging(engine, staging).await?;
    check(engine, staging, &server, &layout).await?;
    if layout.append_only {
        (staging.log)(LogLevel::Info, "The server keeps an append-only file: the snapshot becomes its base");
    }
    let (directory, live, owner) = (staging.directory.clone(), staging.live_directory.clone(), staging.owner);
    tokio::task::spawn_blocking(move || lay_out(&directory, &live, owner, &layout))
        .await
        .unwrap_or_else(|error| Err(EngineError::known(ErrorCode::Internal, error.to_string())))
}

async fn check(engine: Engine, staging: &Staging, server: &Path, layout: &Layout) -> Result<(), EngineError> {
    let private = PrivateDirectory::create(staging.owner)?;
    let program = programs::snapshot_check(engine, server, private.path())?;
    let good = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (seen, log) = (Arc::clone(&good), Arc::clone(&staging.log));
    let command = Command::new(program)
        .run_as(staging.owner)
        .arg(staging.directory.join(&layout.snapshot))
        .stall_limit(STALL_LIMIT)
        .on_line(move |_, line| {
            if line.contains(GOOD) {
                seen.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            log(LogLevel::Tool, line);
        });
    let failed = |source| EngineError::process("checking the snapshot", source);
    let exit = command.spawn().map_err(failed)?.wait(&staging.cancel).await.map_err(failed)?;
    if exit.status.success() && good.load(std::sync::atomic::Ordering::Relaxed) {
        return Ok(());
    }
    let last = exit.stderr_tail.iter().rev().take(3).rev().cloned().collect::<Vec<_>>().join("\n");
    Err(EngineError::known(
        ErrorCode::ObjectCorrupted,
        format!("The snapshot does not pass {}'s own check:\n{last}", engine.title()),
    ))
}

fn lay_out(directory: &Path, live: &Path, owner: Credentials, layout: &Layout) -> Result<(), EngineError> {
    let snapshot = directory.join(&layout.snapshot);
    let failed = |source| EngineError::file("laying out the append-only file", directory)(source);
    if layout.append_only && layout.has_append_directory {
        let append = directory.join(&layout.append_directory);
        let mode = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.mode() & 0o777);
        let file_mode = mode(&snapshot).unwrap_or(0o640);
        let directory_mode = mode(&live.join(&layout.append_directory)).unwrap_or(0o755);
        fs::DirBuilder::new().mode(directory_mode).create(&append).map_err(failed)?;
        if owner != Credentials::current() {
            chown(&append, Some(owner.uid), Some(owner.gid)).map_err(failed)?;
        }
        // A base is never written to again: the same file under another name costs no space.
        fs::hard_link(&snapshot, append.join(layout.append_base())).map_err(failed)?;
        let manifest = append.join(layout.append_manifest());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&manifest).map_err(failed)?;
        give(&file, owner, file_mode).map_err(failed)?;
        file.write_all(layout.append_manifest_text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        sync_directory(&append).map_err(failed)?;
    } else if layout.append_only {
        // This one is appended to.
        let append = directory.join(&layout.append_file);
        fs::copy(&snapshot, &append).map_err(failed)?;
        if owner != Credentials::current() {
            chown(&append, Some(owner.uid), Some(owner.gid)).map_err(failed)?;
        }
        File::open(&append).and_then(|file| file.sync_all()).map_err(failed)?;
    }
    sync_directory(directory).map_err(failed)
}

fn sync_directory(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}
