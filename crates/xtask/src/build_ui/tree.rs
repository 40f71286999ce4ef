//! The files of the web app before they are written, and how they come to disk all at once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Files by their path relative to `dist/`.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    pub fn add(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.to_owned(), content);
    }

    /// Adds a file under a name that tells its content, and gives that path. What bears such a name never changes.
    pub fn add_hashed(&mut self, stem: &str, extension: &str, content: Vec<u8>) -> String {
        let digest = hex::encode(Sha256::digest(&content));
        let path = format!("assets/{stem}-{}.{extension}", digest.get(..16).unwrap_or(&digest));
        self.files.insert(path.clone(), content);
        path
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, content)| (path.as_str(), content.as_slice()))
    }

    #[cfg(test)]
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Makes the directory hold exactly these files. Gives `false` when it already did.
    ///
    /// # Errors
    /// Those of the file system; the directory is then as it was, or away for the instant between two renames.
    pub fn write_to(&self, directory: &Path) -> io::Result<bool> {
        let mut present = BTreeMap::new();
        if directory.is_dir() {
            read_all(directory, "", &mut present)?;
        }
        if present == self.files {
            return Ok(false);
        }
        let fresh = directory.with_extension(format!("new-{}", std::process::id()));
        let old = directory.with_extension(format!("old-{}", std::process::id()));
        for (path, content) in &self.files {
            let path = fresh.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content)?;
        }
        if directory.exists() {
            fs::rename(directory, &old)?;
        }
        fs::rename(&fresh, directory)?;
        if old.exists() {
            fs::remove_dir_all(&old)?;
        }
        Ok(true)
    }
}

fn read_all(root: &Path, relative: &str, found: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if relative.is_empty() { name } else { format!("{relative}/{name}") };
        if entry.file_type()?.is_dir() {
            read_all(root, &path, found)?;
        } else {
            found.insert(path.clone(), fs::read(root.join(&path))?);
        }
    }
    Ok(())
}
