//! What a server says of itself.

use std::ops::Deref;

use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, Manifest};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::client::query;
use crate::my_family::greeting::check_engine;
use crate::my_family::private_server::PrivateServer;
use crate::my_family::told::Told;
use crate::{EngineError, Staging};

/// The variables that this module looks at; a server lacks those of other versions.
const VARIABLES: [&str; 18] = [
    "version",
    "max_allowed_packet",
    "datadir",
    "server_uuid",
    "server_id",
    "gtid_mode",
    "log_bin",
    "log_bin_basename",
    "lower_case_table_names",
    "innodb_page_size",
    "innodb_data_file_path",
    "innodb_data_home_dir",
    "innodb_log_group_home_dir",
    "innodb_undo_directory",
    "innodb_directories",
    "default_storage_engine",
    "innodb_default_row_format",
    "explicit_defaults_for_timestamp",
];

/// Settings that may name a directory with data outside the data directory.
const DATA_DIRECTORIES: [&str; 4] =
    ["innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory", "innodb_directories"];

/// One server, as it described itself at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerFacts {
    /// Whether the connection was encrypted.
    pub is_encrypted: bool,
    /// The log sequence number of InnoDB's newest checkpoint; absent before 8.0.30.
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
    /// As [`query`]; `engine_mismatch` where it is no MySQL.
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        check_engine(datastore).await?;
        let status = "SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_cipher', 'Innodb_redo_log_checkpoint_lsn')";
        let sql = format!("{}; {status}", Told::question(&VARIABLES));
        let told = Told::of(query(datastore, &sql, cancel).await?);
        if told.version().is_empty() || told.variable("datadir").is_empty() {
            return Err(EngineError::known(ErrorCode::EngineToolFailed, "MySQL did not tell its version."));
        }
        let checkpoint = told.variable("innodb_redo_log_checkpoint_lsn").parse().ok();
        Ok(Self { is_encrypted: !told.variable("ssl_cipher").is_empty(), checkpoint, told })
    }

    /// `server_uuid`, which the server makes with its data directory and keeps in `auto.cnf` (manual, "Replication and Binary
    /// Logging Options and Variables"). A restore in place renews it.
    pub(super) fn identity(&self) -> Option<String> {
        Some(self.variable("server_uuid")).filter(|uuid| !uuid.is_empty()).map(str::to_owned)
    }

    /// Why the data directory does not hold all of the server's data, where that is so.
    pub(super) fn data_elsewhere(&self) -> Option<String> {
        self.told.data_elsewhere(&DATA_DIRECTORIES)
    }

    /// Why a restored server would take transactions for done that are not in its data, where that is so: a binary log outside the
    /// data directory stays when that is replaced, and tells them at the server's start.
    pub(super) fn log_that_stays(&self) -> Option<String> {
        let logs = matches!(self.variable("log_bin"), "ON" | "1");
        let by_gtid = !matches!(self.variable("gtid_mode"), "" | "OFF");
        (logs && by_gtid && self.binary_log_inside().is_none()).then(|| {
            format!(
                "The binary log {} is outside the data directory: it would stay there when that is replaced, and the restored server \
                 would take its GTIDs for executed.",
                self.variable("log_bin_basename")
            )
        })
    }
}

/// Where a server stands in its binary log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct LogPosition {
    #[serde(rename = "binary_log_file")]
    pub file: String,
    #[serde(rename = "binary_log_position")]
    pub position: u64,
    pub gtid_executed: String,
}

impl LogPosition {
    /// Asks the server, whose `log_status` is of one moment (manual, "The log_status Table"). Needs BACKUP_ADMIN.
    ///
    /// # Errors
    /// As [`query`]; `engine_tool_failed` when the answer can't be read.
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        let rows = query(datastore, "SELECT LOCAL FROM performance_schema.log_status", cancel).await?;
        let text = rows.first().and_then(|row| row.first()).map(String::as_str).unwrap_or_default();
        Self::read(text).map_err(|error| {
            let detail = format!("MySQL's log_status can't be read: {error}.");
            EngineError::known(ErrorCode::EngineToolFailed, detail)
        })
    }

    /// Where restored data stands in the log of the server that it was cloned from, as the restored server knows it (manual, "The
    /// clone_status Table"). None where that one wrote none.
    ///
    /// # Errors
    /// As [`PrivateServer::ask`].
    pub(super) async fn of_restored(server: &PrivateServer, staging: &Staging) -> Result<Option<Self>, EngineError> {
        let sql = "SELECT BINLOG_FILE, BINLOG_POSITION, GTID_EXECUTED FROM performance_schema.clone_status";
        let rows = server.ask(staging, sql).await?;
        let Some([file, position, gtid]) = rows.first().map(Vec::as_slice) else { return Ok(None) };
        let position = position.parse().unwrap_or(0);
        let gtid_executed = gtid.split_whitespace().collect();
        // A server that writes no log is told by a file that it does not have.
        Ok((position > 0).then(|| Self { file: file.clone(), position, gtid_executed }))
    }

    /// Where the data stood when `xtrabackup` had copied it, by what it told of the backup.
    pub(super) fn of_manifest(manifest: &Manifest) -> Option<Self> {
        let fact = |name: &str| manifest.engine_facts.get(name).cloned();
        let position = fact("binary_log_position")?.parse().ok()?;
        Some(Self {
            file: fact("binary_log_file")?,
            position,
            gtid_executed: fact("gtid_executed").unwrap_or_default(),
        })
    }

    fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut position: Self = serde_json::from_str(text)?;
        // A set of several servers' is told on several lines.
        position.gtid_executed.retain(|character| !character.is_whitespace());
        Ok(position)
    }
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file, self.position)?;
        if self.gtid_executed.is_empty() { Ok(()) } else { write!(formatter, " GTID {}", self.gtid_executed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_read_with_and_without_a_log() {
        let told = r#"{"gtid_executed": "8df3505f:1-8,\n9ef3505f:1", "binary_log_file": "b.000001", "binary_log_position": 2174}"#;
        assert_eq!(LogPosition::read(told).expect("read").to_string(), "b.000001:2174 GTID 8df3505f:1-8,9ef3505f:1");
        assert_eq!(LogPosition::read(r#"{"gtid_executed": ""}"#).expect("read"), LogPosition::default());
        assert!(LogPosition::read("").is_err());
    }

    #[test]
    fn a_log_elsewhere_is_no_matter_without_gtids() {
        let facts = |mode: &str, base: &str| {
            let rows = [["datadir", "/data/"], ["log_bin", "ON"], ["gtid_mode", mode], ["log_bin_basename", base]];
            ServerFacts {
                is_encrypted: true,
                checkpoint: None,
                told: Told::of(rows.map(|row| row.map(str::to_owned).to_vec()).to_vec()),
            }
        };
        assert_eq!(facts("ON", "/data/binlog").log_that_stays(), None);
        assert_eq!(facts("OFF", "/logs/binlog").log_that_stays(), None);
        assert!(facts("ON", "/logs/binlog").log_that_stays().is_some_and(|reason| reason.contains("/logs/binlog")));
    }
}
