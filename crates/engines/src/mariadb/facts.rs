//! What a server says of itself.

use std::ops::Deref;

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use super::client::query;
use crate::EngineError;
use crate::my_family::greeting::check_engine;
use crate::my_family::told::Told;

/// The variables that this module looks at; a server lacks those of other versions.
const VARIABLES: [&str; 23] = [
    "version",
    "datadir",
    "server_uid",
    "feedback_server_uid",
    "server_id",
    "gtid_domain_id",
    "innodb_data_home_dir",
    "innodb_data_file_path",
    "innodb_log_group_home_dir",
    "innodb_log_file_size",
    "innodb_undo_directory",
    "aria_log_dir_path",
    "log_bin",
    "log_bin_basename",
    "log_bin_index",
    "lower_case_table_names",
    "rocksdb_datadir",
    "file_key_management_filename",
    "hashicorp_key_management_vault_url",
    "default_storage_engine",
    "innodb_default_row_format",
    "explicit_defaults_for_timestamp",
    "encrypt_binlog",
];

/// Settings that may name a directory with data outside the data directory.
const DATA_DIRECTORIES: [&str; 5] = [
    "innodb_data_home_dir",
    "innodb_log_group_home_dir",
    "innodb_undo_directory",
    "aria_log_dir_path",
    "rocksdb_datadir",
];

/// One server, as it described itself at one moment.
#[derive(Debug, Clone)]
pub(super) struct ServerFacts {
    /// The log sequence number of InnoDB's newest checkpoint; absent before 10.5.
    pub checkpoint: Option<u64>,
    told: Told,
}

impl Deref for ServerFacts {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.told
    }
}

impl ServerFacts {
    /// Asks the server.
    ///
    /// # Errors
    /// As [`query`]; `engine_mismatch` where it is no MariaDB.
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        check_engine(datastore).await?;
        let checkpoint = "SHOW GLOBAL STATUS WHERE Variable_name = 'Innodb_lsn_last_checkpoint'";
        let sql = format!("{}; {checkpoint}", Told::question(&VARIABLES));
        let told = Told::of(query(datastore, &sql, cancel).await?);
        let checkpoint = told.variable("innodb_lsn_last_checkpoint").parse().ok();
        let facts = Self { checkpoint, told };
        if facts.version().is_empty() || facts.variable("datadir").is_empty() {
            return Err(EngineError::known(ErrorCode::EngineToolFailed, "MariaDB did not tell its version."));
        }
        Ok(facts)
    }

    /// `server_uid`: a hash of the machine's network address and the server's port (`sql/mysqld.cc`,
    /// `calculate_server_uid`). It tells another machine or another server of this machine at the same address, and
    /// survives restarts and restores. It does not tell a data directory that was made anew in the same place: nothing
    /// that MariaDB keeps does.
    pub(super) fn identity(&self) -> Option<String> {
        ["server_uid", "feedback_server_uid"]
            .into_iter()
            .map(|name| self.variable(name))
            .find(|uid| !uid.is_empty())
            .map(str::to_owned)
    }

    /// Where the server gets the keys from that its files are encrypted with, if they are.
    pub(super) fn key_source(&self) -> Option<&str> {
        let settings = ["file_key_management_filename", "hashicorp_key_management_vault_url"];
        settings.into_iter().map(|name| self.variable(name)).find(|value| !value.is_empty())
    }

    /// Why the data directory does not hold all of the server's data, where that is so.
    pub(super) fn data_elsewhere(&self) -> Option<String> {
        self.told.data_elsewhere(&DATA_DIRECTORIES)
    }
}
