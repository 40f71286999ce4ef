//! What the measurements ask of a database server.

use std::path::{Path, PathBuf};

use anyhow::Result;
use domain::{DatastoreCreate, Manifest};

use crate::bare::Tool;

/// A running server with data of the usual compressibility, about 3 to 1.
pub trait Database {
    /// The engine's name for people.
    fn title(&self) -> &'static str;

    /// How it is registered, with a service that can be stopped and started.
    fn registration(&self) -> DatastoreCreate;

    /// Adds data until there are `bytes` of it, and leaves the server idle, with everything written.
    fn grow_to(&self, bytes: u64) -> Result<()>;

    /// The tool that wrote a backup, with the very arguments that the backup's manifest tells. Files with passwords go into
    /// `directory`.
    fn backup_tool(&self, manifest: &Manifest, directory: &Path) -> Result<Tool>;

    /// The commands that turn `$FILE` into a data directory `$DIRECTORY` on which a server can be started.
    fn restore_script(&self) -> &'static str;

    /// The data directory.
    fn data_directory(&self) -> PathBuf;

    /// A number that tells whether the data is what it was.
    fn row_count(&self) -> Result<String>;
}
