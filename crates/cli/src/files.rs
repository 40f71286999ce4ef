//! The program's own files: directories that only it may read, and small secrets made at the first start.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use domain::Secret;
use rand::distr::{Alphanumeric, SampleString};

use crate::failure::Failure;

/// The data directory that was given, or else the user's for `name`: `/var/lib/<name>` for root, since servers that run as other system users must
/// reach what is in it, otherwise by the XDG base directory specification.
pub fn data_directory_or_default(given: Option<PathBuf>, name: &str) -> Result<PathBuf, Failure> {
    if let Some(directory) = given {
        return Ok(directory);
    }
    if nix::unistd::geteuid().is_root() {
        return Ok(Path::new("/var/lib").join(name));
    }
    let directories = directories::BaseDirs::new()
        .ok_or_else(|| Failure::configuration("No home directory is known.", "Give --data-dir."))?;
    Ok(directories.data_dir().join(name))
}

/// Makes a directory, and its parents, unless it is there.
pub fn make_directory(path: &Path, mode: u32) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|error| {
        Failure::configuration(format!("Could not make {}: {error}", path.display()), "Give another --data-dir.")
    })
}

/// A random word of letters and digits.
pub fn random_word(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// Reads a secret that is one line of a file.
///
/// # Errors
/// When it can't be read, is empty, or others may read it.
pub fn read_secret(path: &Path) -> Result<Secret, Failure> {
    let failed = |error: io::Error| {
        Failure::configuration(format!("Could not read {}: {error}", path.display()), "Check the path.")
    };
    let text = fs::read_to_string(path).map_err(failed)?;
    if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
        return Err(Failure::configuration(
            format!("Others may read {}.", path.display()),
            format!("chmod 600 {}", path.display()),
        ));
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::configuration(format!("{} is empty.", path.display()), "Remove it to have it made anew."));
    }
    Ok(Secret::new(text))
}

/// Reads a secret, or makes a random one that is durable before it is returned.
pub fn read_or_make_secret(path: &Path) -> Result<Secret, Failure> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let written = file.write_all(random_word(43).as_bytes()).and_then(|()| file.sync_all());
            written.map_err(|error| {
                Failure::configuration(format!("Could not write {}: {error}", path.display()), "Check the disk.")
            })?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(Failure::configuration(
                format!("Could not write {}: {error}", path.display()),
                "Check the directory's permissions.",
            ));
        }
    }
    read_secret(path)
}
