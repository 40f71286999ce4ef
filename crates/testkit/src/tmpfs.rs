//! A small file system, for what must happen when a disk is full.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::scratch::scratch_directory;

/// A mounted file system of bounded size; unmounted on drop. Only root can make one.
#[derive(Debug)]
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts an empty file system of `size_bytes` (rounded up to whole pages by the kernel).
    pub fn mount(size_bytes: u64) -> Result<Self> {
        Self::mount_at(scratch_directory("tmpfs")?, size_bytes)
    }

    /// Mounts one over an empty directory, which is removed with it.
    pub(crate) fn mount_at(path: PathBuf, size_bytes: u64) -> Result<Self> {
        mount(
            Some("holdfast-test"),
            &path,
            Some("tmpfs"),
            MsFlags::MS_NODEV | MsFlags::MS_NOSUID,
            Some(format!("size={size_bytes},mode=0755").as_str()),
        )
        .with_context(|| format!("mount a tmpfs of {size_bytes} bytes (needs root)"))?;
        Ok(Self { path })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Detached: a file that is still open somewhere must not keep the mount alive.
        if let Err(error) = umount2(&self.path, MntFlags::MNT_DETACH) {
            eprintln!("testkit: unmount {}: {error}", self.path.display());
        }
        if let Err(error) = std::fs::remove_dir(&self.path) {
            eprintln!("testkit: remove {}: {error}", self.path.display());
        }
    }
}
