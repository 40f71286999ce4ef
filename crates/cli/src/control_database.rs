//! Where the control database and its master key are, for the commands that work on them directly.

use std::path::{Path, PathBuf};

use clap::Args;
use store::{MasterKey, Store};

use crate::failure::Failure;
use crate::files::default_data_directory;

/// Which control database.
#[derive(Debug, Args)]
pub struct ControlDatabaseArguments {
    /// Where the control database and the keys are kept.
    #[arg(long, env = "HOLDFAST_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The control database: postgres://…; the SQLite file in the data directory when left out.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The file of the master key; `master.key` in the data directory when left out.
    #[arg(long, env = "HOLDFAST_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,
}

/// A control database and its master key.
pub struct ControlDatabase {
    pub url: String,
    pub key_file: PathBuf,
}

impl ControlDatabaseArguments {
    /// Opens it. A service may be running on it.
    pub fn open(self) -> Result<Store, Failure> {
        let directory = match self.data_dir {
            Some(directory) => directory,
            None => default_data_directory("holdfast")?,
        };
        let database = locate(&directory, self.database_url, self.master_key_file);
        // A wrong path must not be answered with a new, empty database.
        if !database.key_file.exists() {
            return Err(Failure::configuration(
                format!("There is no master key at {}.", database.key_file.display()),
                "Give the --data-dir of the service, or its --database-url and --master-key-file.",
            ));
        }
        let key = MasterKey::load_or_create(&database.key_file)
            .map_err(|error| Failure::other("opening the master key", error))?;
        Store::open(&database.url, key).map_err(|error| Failure::other("opening the control database", error))
    }
}

/// The control database of a data directory, unless it is said to be elsewhere.
pub fn locate(directory: &Path, url: Option<String>, key_file: Option<PathBuf>) -> ControlDatabase {
    ControlDatabase {
        url: url.unwrap_or_else(|| directory.join("holdfast.db").to_string_lossy().into_owned()),
        key_file: key_file.unwrap_or_else(|| directory.join("master.key")),
    }
}
