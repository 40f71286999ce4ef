//! Which renames a switch is, and how they are taken back from any point.
//!
//! A data directory is replaced by renaming it aside and the new one in. One that is a mount point can't be renamed: its
//! entries are, one by one, with both sides kept in hidden folders inside it. All paths of a switch are on one file
//! system, so each rename is atomic (rename(2)); between them the journal and the directories themselves tell how far it
//! came, whatever instant the process was killed at.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The beginning of the name of everything that a restore keeps beside or inside a data directory.
pub const PREFIX: &str = ".holdfast-";

/// The paths of one switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub data_directory: PathBuf,
    /// What comes in.
    pub incoming: PathBuf,
    /// Where the replaced data goes.
    pub outgoing: PathBuf,
    pub kind: LayoutKind,
}

/// How the live directory is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LayoutKind {
    /// The directory itself is renamed.
    Whole,
    /// The directory is a mount point: its entries are renamed. The names are those from before the switch.
    Entries { live: Vec<OsString>, staged: Vec<OsString> },
}

/// Whether a directory is the root of a mounted file system: it then has another device than its parent. One that is
/// missing, as in the middle of a switch, is none.
pub fn is_mount_point(directory: &Path) -> io::Result<bool> {
    let parent = directory.parent().unwrap_or(directory);
    Ok(exists(directory)? && fs::symlink_metadata(directory)?.dev() != fs::symlink_metadata(parent)?.dev())
}

/// The folder that takes journals, staged and replaced data of a data directory: its parent, or itself where it is a
/// mount point.
pub fn side_folder(data_directory: &Path) -> io::Result<PathBuf> {
    if is_mount_point(data_directory)? {
        return Ok(data_directory.to_owned());
    }
    Ok(data_directory.parent().unwrap_or(data_directory).to_owned())
}

impl Layout {
    /// The layout for a data directory; entries are listed by [`Layout::note_entries`] right before the switch.
    pub fn new(data_directory: &Path, incoming: PathBuf, outgoing: PathBuf) -> io::Result<Self> {
        let kind = if is_mount_point(data_directory)? {
            LayoutKind::Entries { live: Vec::new(), staged: Vec::new() }
        } else {
            LayoutKind::Whole
        };
        Ok(Self { data_directory: data_directory.to_owned(), incoming, outgoing, kind })
    }

    /// Lists what will be renamed, with the server stopped; to be written to the journal before [`Layout::switch`].
    pub fn note_entries(&mut self) -> io::Result<()> {
        if let LayoutKind::Entries { live, staged } = &mut self.kind {
            *live = entry_names(&self.data_directory)?;
            *staged = entry_names(&self.incoming)?;
        }
        Ok(())
    }

    /// Renames the live data aside and the incoming data in.
    pub fn switch(&self) -> io::Result<()> {
        match &self.kind {
            LayoutKind::Whole => {
                fs::rename(&self.data_directory, &self.outgoing)?;
                sync_parent(&self.data_directory)?;
                fs::rename(&self.incoming, &self.data_directory)?;
                sync_parent(&self.data_directory)
            }
            LayoutKind::Entries { live, staged } => {
                if !exists(&self.outgoing)? {
                    fs::create_dir(&self.outgoing)?;
                    copy_owner_and_mode(&self.data_directory, &self.outgoing)?;
                }
                move_entries(live, &self.data_directory, &self.outgoing)?;
                move_entries(staged, &self.incoming, &self.data_directory)?;
                sync_directory(&self.outgoing)?;
                sync_directory(&self.data_directory)
            }
        }
    }

    /// Takes back however much of [`Layout::switch`] was done: afterwards the live directory is the old one and the
    /// incoming data, where it still exists, is at its place again. Safe to repeat.
    pub fn switch_back(&self) -> io::Result<()> {
        match &self.kind {
            LayoutKind::Whole => {
                if !exists(&self.outgoing)? {
                    return Ok(());
                }
                if exists(&self.data_directory)? {
                    fs::rename(&self.data_directory, &self.incoming)?;
                    sync_parent(&self.data_directory)?;
                }
                fs::rename(&self.outgoing, &self.data_directory)?;
                sync_parent(&self.data_directory)
            }
            LayoutKind::Entries { live, staged } => {
                if !exists(&self.outgoing)? {
                    return Ok(());
                }
                // A staged name in the live directory is the new data only once the old entry of that name is aside;
                // live entries are all moved before the first staged one.
                let all_aside = live.iter().all(|name| exists(&self.outgoing.join(name)).unwrap_or(false));
                if all_aside {
                    // Also what the new server made since: it belongs to the new data.
                    let in_place = entry_names(&self.data_directory)?;
                    let has_staged = staged.iter().any(|name| in_place.contains(name));
                    if has_staged {
                        move_entries(&in_place, &self.data_directory, &self.incoming)?;
                    }
                }
                move_entries(live, &self.outgoing, &self.data_directory)?;
                fs::remove_dir(&self.outgoing)?;
                sync_directory(&self.incoming)?;
                sync_directory(&self.data_directory)
            }
        }
    }
}

/// The names in a directory, without what restores keep there.
fn entry_names(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if !name.to_string_lossy().starts_with(PREFIX) && name != "lost+found" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn move_entries(names: &[OsString], from: &Path, to: &Path) -> io::Result<()> {
    for name in names {
        if exists(&from.join(name))? && !exists(&to.join(name))? {
            fs::rename(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

/// Whether something is at a path, be it a dangling link.
pub fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a directory the owner, group and mode of another.
pub fn copy_owner_and_mode(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    std::os::unix::fs::lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(to, metadata.permissions())
}

/// Makes renames in a directory durable. // F-42
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(path.parent().unwrap_or(path))
}
