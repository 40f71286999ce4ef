//! What the web app weighs on its way to a browser.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::table::Table;

/// All files together, in bytes.
const MOST_BYTES: u64 = 300 * 1024;

/// Adds up what the release build of the web app, in `dist`, left beside each file for browsers that take brotli.
pub fn measure(table: &mut Table) -> Result<()> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist");
    let bytes = brotli_bytes(&dist)?;
    ensure!(bytes > 0, "dist holds no release build of the web app: run cargo xtask build-ui");
    let kib = |bytes: u64| format!("{:.1} KiB", bytes as f64 / 1024.0);
    table.add_bounded(
        "Web app, all files, brotli".into(),
        kib(bytes),
        format!("≤ {}", kib(MOST_BYTES)),
        bytes <= MOST_BYTES,
    );
    Ok(())
}

fn brotli_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            bytes += brotli_bytes(&entry.path())?;
        } else if entry.path().extension().is_some_and(|extension| extension == "br") {
            bytes += metadata.len();
        }
    }
    Ok(bytes)
}
