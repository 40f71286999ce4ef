//! What the measurements ask of a database server.

use std::path::{Path, PathBuf};

use anyhow::Result;
use domain::{DatastoreCreate, Manifest};

use crate::bare::Tool;

/// A running server with data of the usual compressibility, about 3 to 1.
pub trait Database {
    /// The engine's name for people.
    fn title(&self) -> &'static str;

    /// The variable by which a worker finds the engine's programs, and their directory, where they are in no usual place.
    fn programs(&self) -> Option<(&'static str, PathBuf)> {
        None
    }

    /// How it is registered, with a service that can be stopped and started.
    fn registration(&self) -> DatastoreCreate;

    /// Adds data until there are `bytes` of it, and leaves the server idle, with everything written.
    fn grow_to(&self, bytes: u64) -> Result<()>;

    /// The tool that wrote a backup, with the very arguments that the backup's manifest tells. Files with passwords go into
    /// `directory`.
    fn backup_tool(&self, manifest: &Manifest, directory: &Path) -> Result<Tool>;

    /// Makes ready what the bare command of an increment needs of the full backup in `file`, in the directory of that file.
    fn prepare_bare_increment(&self, file: &Path) -> Result<()>;

    /// Changes a hundredth of the rows that lie beside each other, others each time, and leaves the server idle.
    fn change_a_hundredth(&self, time: usize) -> Result<()>;

    /// The commands that turn `$FILE` into a data directory `$DIRECTORY` on which a server can be started.
    fn restore_script(&self) -> &'static str;

    /// Commits changes that make about `bytes` of log, in files that are closed.
    fn write_log(&self, bytes: u64) -> Result<()>;

    /// The commands that replay the segments in `$LOGS` on the restored `$DIRECTORY` from `$START` on, and print the seconds.
    fn replay_script(&self) -> String;

    /// Where a replay on a backup starts, as the script takes it.
    fn replay_start(&self, manifest: &Manifest) -> Result<String>;

    /// The data directory.
    fn data_directory(&self) -> PathBuf;

    /// A number that tells whether the data is what it was.
    fn row_count(&self) -> Result<String>;
}
