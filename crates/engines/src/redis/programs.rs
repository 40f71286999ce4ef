//! The server's own program, for the checks that a restore makes. It should be the one that will read the data.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::version::can_take;
use domain::{Engine, ErrorCode};
use process::{Command, find_program};

use super::facts::ServerFacts;
use crate::error::missing_tool;
use crate::{EngineError, Staging};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What the server's package calls it.
pub(super) fn server_name(engine: Engine) -> &'static str {
    if engine == Engine::Valkey { "valkey-server" } else { "redis-server" }
}

/// The live server's executable, the one it had when it was backed up, or the machine's.
///
/// # Errors
/// `missing_tool`; `incompatible_engine_version` when it is older than the backup.
pub(super) async fn server(engine: Engine, staging: &Staging) -> Result<PathBuf, EngineError> {
    let live = ServerFacts::ask(engine, &staging.datastore, &staging.cancel).await.ok();
    let live = live.map(|facts| facts.value("executable").to_owned());
    let noted = staging.manifest.engine_facts.get("executable").cloned();
    let program = live
        .into_iter()
        .chain(noted)
        .map(PathBuf::from)
        .find(|path| is_server(engine, path, staging))
        .or_else(|| find_program(server_name(engine), &[]))
        .ok_or_else(|| EngineError::known(ErrorCode::MissingTool, missing_tool(server_name(engine))))?;
    check_version(engine, &program, staging).await?;
    Ok(program)
}

/// A path that somebody told is only run when it is called as it should be, and belongs to root or to the data's owner.
fn is_server(engine: Engine, path: &Path, staging: &Staging) -> bool {
    let called = path.file_name().is_some_and(|name| name == server_name(engine));
    let owned = path
        .metadata()
        .is_ok_and(|metadata| metadata.is_file() && (metadata.uid() == 0 || metadata.uid() == staging.owner.uid));
    path.is_absolute() && called && owned
}

/// From a line such as `Redis server v=7.0.15 sha=… malloc=…`.
async fn check_version(engine: Engine, program: &Path, staging: &Staging) -> Result<(), EngineError> {
    let output = Command::new(program)
        .arg("--version")
        .time_limit(ANSWER_LIMIT)
        .output(&staging.cancel)
        .await
        .map_err(|source| EngineError::process("asking for the server's version", source))?;
    let version = output.stdout.split_once("v=").map_or("", |(_, rest)| rest.split(' ').next().unwrap_or_default());
    if can_take(engine, &staging.manifest.engine_version, version) {
        return Ok(());
    }
    Err(EngineError::known(
        ErrorCode::IncompatibleEngineVersion,
        format!(
            "The backup was made with {} {}; the worker's machine has {version}.",
            engine.title(),
            staging.manifest.engine_version
        ),
    ))
}

/// A name under which `server` checks snapshots instead of serving: it goes by the name it is called by (`server.c`,
/// `main`), so the check is of the server's very version, and needs no package of tools.
///
/// # Errors
/// When the link can't be made in `directory`.
pub(super) fn snapshot_check(engine: Engine, server: &Path, directory: &Path) -> Result<PathBuf, EngineError> {
    let name = if engine == Engine::Valkey { "valkey-check-rdb" } else { "redis-check-rdb" };
    let link = directory.join(name);
    symlink(server, &link).map_err(EngineError::file("naming the snapshot check", &link))?;
    Ok(link)
}
