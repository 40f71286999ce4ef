//! What a server says of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode};
use tokio_util::sync::CancellationToken;

use super::client::query;
use crate::EngineError;
use crate::wire::{Speaker, who_answers};

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

/// One server, as it described itself at one moment.
#[derive(Debug, Clone)]
pub(super) struct ServerFacts {
    /// The account that the login was matched to, as `CURRENT_USER()` writes it: `user@host`.
    pub account: String,
    pub uptime_seconds: u64,
    /// The log sequence number of InnoDB's newest checkpoint; absent before 10.5.
    pub checkpoint: Option<u64>,
    variables: BTreeMap<String, String>,
}

impl ServerFacts {
    /// Asks the server.
    ///
    /// # Errors
    /// As [`query`]; `engine_mismatch` where it is no MariaDB.
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        check_engine(datastore).await?;
        let names = VARIABLES.map(|name| format!("'{name}'")).join(", ");
        let sql = format!(
            "SELECT 'account', CURRENT_USER(); \
             SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Innodb_lsn_last_checkpoint'); \
             SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"
        );
        let mut variables = BTreeMap::new();
        for row in query(datastore, &sql, cancel).await? {
            if let [name, value] = row.as_slice() {
                variables.insert(name.to_ascii_lowercase(), value.clone());
            }
        }
        let facts = Self {
            account: variables.remove("account").unwrap_or_default(),
            checkpoint: variables.remove("innodb_lsn_last_checkpoint").and_then(|text| text.parse().ok()),
            uptime_seconds: variables.remove("uptime").and_then(|text| text.parse().ok()).unwrap_or(0),
            variables,
        };
        if facts.variable("version").is_empty() || facts.variable("datadir").is_empty() {
            return Err(EngineError::known(ErrorCode::EngineToolFailed, "MariaDB did not tell its version."));
        }
        Ok(facts)
    }

    /// A variable's value, empty where the server has none of that name.
    pub(super) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn version(&self) -> &str {
        self.variable("version")
    }

    /// The data directory as the server names it, without the slash at its end.
    pub(super) fn data_directory(&self) -> PathBuf {
        let text = self.variable("datadir");
        let trimmed = text.trim_end_matches('/');
        PathBuf::from(if trimmed.is_empty() { text } else { trimmed })
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

    /// The binary log's file names without their number, where it is written into the data directory.
    pub(super) fn binary_log_inside(&self) -> Option<String> {
        let base = Path::new(self.variable("log_bin_basename"));
        let inside = base.parent()? == self.data_directory();
        inside.then(|| base.file_name()?.to_str().map(str::to_owned)).flatten()
    }

    /// Where the server gets the keys from that its files are encrypted with, if they are.
    pub(super) fn key_source(&self) -> Option<&str> {
        let settings = ["file_key_management_filename", "hashicorp_key_management_vault_url"];
        settings.into_iter().map(|name| self.variable(name)).find(|value| !value.is_empty())
    }

    /// Why the data directory does not hold all of the server's data, where that is so.
    pub(super) fn data_elsewhere(&self) -> Option<String> {
        let directory = self.data_directory();
        let settings = [
            "innodb_data_home_dir",
            "innodb_log_group_home_dir",
            "innodb_undo_directory",
            "aria_log_dir_path",
            "rocksdb_datadir",
        ];
        let outside = settings.into_iter().find_map(|name| {
            let value = self.variable(name);
            let path = directory.join(value);
            // A backup has the files of all of them side by side.
            let inside = value.is_empty() || path.components().collect::<PathBuf>() == directory;
            (!inside).then(|| format!("{name} is {value}"))
        });
        let system_tablespace = self
            .variable("innodb_data_file_path")
            .split(';')
            .map(|file| file.split(':').next().unwrap_or_default())
            .find(|file| file.starts_with('/'))
            .map(|file| format!("innodb_data_file_path names {file}"));
        outside
            .or(system_tablespace)
            .map(|what| format!("The data directory {} does not hold all data: {what}.", directory.display()))
    }
}

/// Refuses another engine before a password is sent to it.
async fn check_engine(datastore: &DatastoreAccess) -> Result<(), EngineError> {
    let address = format!("{}:{}", datastore.host, datastore.port);
    match who_answers(&datastore.host, datastore.port, datastore.engine).await {
        speaker if speaker.can_be(Engine::Mariadb) => Ok(()),
        Speaker::Unreachable(reason) => {
            Err(EngineError::known(ErrorCode::HostUnreachable, format!("{address} can't be reached: {reason}.")))
        }
        Speaker::Unknown => Err(EngineError::known(
            ErrorCode::HostUnreachable,
            format!("What listens at {address} does not speak MariaDB's protocol."),
        )),
        other => Err(EngineError::known(
            ErrorCode::EngineMismatch,
            format!("{} answers at {address}, not MariaDB.", other.title()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(variables: &[(&str, &str)]) -> ServerFacts {
        let mut all = BTreeMap::from([("datadir".to_owned(), "/var/lib/mysql/".to_owned())]);
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        ServerFacts { account: String::new(), uptime_seconds: 0, checkpoint: None, variables: all }
    }

    #[test]
    fn data_outside_the_data_directory_is_found() {
        for inside in ["", "./", "/var/lib/mysql/", "/var/lib/mysql"] {
            assert_eq!(facts(&[("innodb_undo_directory", inside)]).data_elsewhere(), None, "{inside}");
        }
        for outside in ["/var/lib/undo", "/var/lib/mysql2", "undo"] {
            let reason = facts(&[("innodb_undo_directory", outside)]).data_elsewhere().expect("a reason");
            assert!(reason.contains(outside) && reason.contains("innodb_undo_directory"), "{reason}");
        }
        assert!(
            facts(&[("innodb_data_file_path", "ibdata1:12M;/fast/ibdata2:1M:autoextend")]).data_elsewhere().is_some()
        );
        assert_eq!(facts(&[("innodb_data_file_path", "ibdata1:12M:autoextend")]).data_elsewhere(), None);
    }

    #[test]
    fn binary_logs_are_told_inside_or_outside() {
        let inside = facts(&[("log_bin_basename", "/var/lib/mysql/binlog")]);
        assert_eq!(inside.binary_log_inside().as_deref(), Some("binlog"));
        assert_eq!(facts(&[("log_bin_basename", "/var/log/mysql/binlog")]).binary_log_inside(), None);
        assert_eq!(facts(&[]).binary_log_inside(), None);
    }
}
