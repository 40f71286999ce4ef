//! What a local storage needs beyond objects: directories, syncing, and the temporary files of interrupted uploads.
//! Everything here blocks.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// Runs blocking work on a thread for it.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

/// Makes the directory, and those above it, for the owner only. One that exists stays as it is.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The file of an object.
fn file_of(root: &Path, object: &object_store::path::Path) -> PathBuf {
    root.join(object.as_ref())
}

/// Makes a file and its name outlive a power cut: the file, and every directory from its own up to the root.
pub(crate) fn sync(root: &Path, object: &object_store::path::Path) -> io::Result<()> {
    let file = file_of(root, object);
    File::open(&file)?.sync_all()?;
    for directory in file.ancestors().skip(1).take_while(|directory| directory.starts_with(root)) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// The size and SHA-256 of an object's file.
pub(crate) fn hash(root: &Path, object: &object_store::path::Path) -> io::Result<(u64, String)> {
    let mut file = File::open(file_of(root, object))?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, hex::encode(hash.finalize()))),
            Ok(read) => {
                size += read as u64;
                hash.update(buffer.get(..read).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file is one that the object store writes to before it has its name, `<name>#<number>`: listings never
/// show them, so they are looked for here. // I5
fn is_staging(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The temporary files in `folder` and below, with the time at which each was last written.
pub(crate) fn staging_files(root: &Path, folder: &str) -> io::Result<Vec<(PathBuf, SystemTime)>> {
    let mut found = Vec::new();
    let mut directories = vec![root.join(folder)];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // Symbolic links are not followed.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() && is_staging(&entry.file_name().to_string_lossy()) {
                match entry.metadata().and_then(|metadata| metadata.modified()) {
                    Ok(modified) => found.push((entry.path(), modified)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(found)
}

/// Deletes a file; one that is gone already is fine.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the empty directories in `folder`, `folder` itself, and those above it below the root.
pub(crate) fn remove_empty_directories(root: &Path, folder: &str) {
    let folder = root.join(folder);
    remove_empty_below(&folder);
    for directory in folder.ancestors().take_while(|directory| directory.starts_with(root) && *directory != root) {
        // It fails for one that is not empty, which is what keeps the others' files.
        if fs::remove_dir(directory).is_err() && directory.exists() {
            break;
        }
    }
}

fn remove_empty_below(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_below(&entry.path());
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The name of something in the directory, if there is anything that a new file system does not bring along.
pub(crate) fn any_entry(root: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if name != "lost+found" {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_object_stores_temporary_names_are_staging_files() {
        for (name, staging) in [("a.zst#1", true), ("a#12", true), ("a.zst", false), ("a#", false), ("a#1x", false)] {
            assert_eq!(is_staging(name), staging, "{name}");
        }
    }

    #[test]
    fn empty_directories_go_and_others_stay() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/backups/one/attempt-2")).unwrap();
        fs::create_dir_all(root.path().join("d/backups/two")).unwrap();
        fs::write(root.path().join("d/backups/two/file"), "x").unwrap();
        remove_empty_directories(root.path(), "d/backups/one");
        assert!(!root.path().join("d/backups/one").exists());
        assert!(root.path().join("d/backups/two/file").exists());
        fs::remove_file(root.path().join("d/backups/two/file")).unwrap();
        remove_empty_directories(root.path(), "d/backups/two");
        assert!(root.path().exists());
        assert!(!root.path().join("d").exists());
    }
}
