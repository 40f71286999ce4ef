//! What costs a download, fetched once and kept between runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

/// The directory `$HOLDFAST_CACHE/<folder>/<name>` or `~/.cache/holdfast/<folder>/<name>`. Unless `is_whole` finds there what
/// it wants, `fetch` makes it: in a directory of its own that it is given, giving back what of it to keep. Processes that ask at
/// the same time wait for one of them; what is moved to its place is whole.
pub(crate) fn kept(
    folder: &str,
    name: &str,
    is_whole: impl Fn(&Path) -> bool,
    fetch: impl FnOnce(&Path) -> Result<PathBuf>,
) -> Result<PathBuf> {
    let cache = cache_directory()?.join(folder);
    let kept = cache.join(name);
    if is_whole(&kept) {
        return Ok(kept);
    }
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    let lock = fs::File::create(cache.join("lock")).context("create the cache's lock")?;
    let _lock =
        Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).context("wait for the cache's lock")?;
    if !is_whole(&kept) {
        let staging = tempfile::Builder::new()
            .prefix("installing-")
            .tempdir_in(&cache)
            .context("create a directory to install into")?;
        let fetched = fetch(staging.path())?;
        // What an interrupted deletion left behind would keep the new one out.
        if kept.exists() {
            fs::remove_dir_all(&kept).context("remove a broken installation")?;
        }
        fs::rename(&fetched, &kept).context("move the installation to its place")?;
    }
    if is_whole(&kept) { Ok(kept) } else { bail!("{name} does not hold what it is installed for") }
}

fn cache_directory() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("HOLDFAST_CACHE") {
        return Ok(cache.into());
    }
    let home = std::env::var_os("HOME").context("neither HOLDFAST_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/holdfast"))
}
