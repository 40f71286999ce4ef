//! Where the control database and its master key are, for the commands that work on them directly.

use std::path::{Path, PathBuf};

use clap::Args;
use store::{KeyFile, Store};

use crate::failure::Failure;
use crate::files::data_directory_or_default;

/// Which control database.
#[derive(Debug, Args)]
pub struct ControlDatabaseArguments {
    /// Where the control database and the keys are kept.
    #[arg(long, global = true, env = "HOLDFAST_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The control database: postgres://…; the SQLite file in the data directory when left out.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The file of the master key; `master.key` in the data directory when left out.
    #[arg(long, global = true, env = "HOLDFAST_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,
}

/// A control database and its master key.
pub struct ControlDatabase {
    pub url: String,
    pub key_file: KeyFile,
}

impl ControlDatabaseArguments {
    /// Opens it; a service may be running on it. A wrong path is not answered with a new, empty database.
    pub fn open(self) -> Result<Store, Failure> {
        let database = self.locate()?;
        Store::open_existing(&database.url, &database.key_file).map_err(|error| {
            Failure::configuration(
                format!("Could not open the control database: {:#}.", anyhow::Error::from(error)),
                "Give the --data-dir of the service, or its --database-url and --master-key-file.",
            )
        })
    }

    /// Where that is.
    pub fn locate(self) -> Result<ControlDatabase, Failure> {
        let directory = data_directory_or_default(self.data_dir, "holdfast")?;
        Ok(locate(&directory, self.database_url, self.master_key_file))
    }
}

/// The control database of a data directory, unless it is said to be elsewhere.
pub fn locate(directory: &Path, url: Option<String>, key_file: Option<PathBuf>) -> ControlDatabase {
    ControlDatabase {
        url: url.unwrap_or_else(|| directory.join("holdfast.db").to_string_lossy().into_owned()),
        key_file: KeyFile::new(key_file.unwrap_or_else(|| directory.join("master.key"))),
    }
}
