//! The small files that a tool writes about a backup into `--extra-lsndir`: `xtrabackup_checkpoints` and `xtrabackup_info`;
//! `mariadb_backup_checkpoints` and `mariadb_backup_info` by MariaDB's since 11.x.

use std::collections::BTreeMap;
use std::path::Path;

use domain::ErrorCode;

use crate::EngineError;

/// What they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ToolInfo {
    values: BTreeMap<String, String>,
}

/// Where the backup stands in the server's binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BinaryLogPosition {
    pub file: String,
    pub position: String,
    /// MariaDB's last GTID of each domain, MySQL's set of executed ones; empty where the server wrote none.
    pub gtid: String,
}

impl ToolInfo {
    /// Reads the files.
    ///
    /// # Errors
    /// `backup_incomplete` when the tool wrote none.
    pub(crate) fn read(directory: &Path) -> Result<Self, EngineError> {
        let failed = |source| EngineError::file("reading what the tool wrote about the backup", directory)(source);
        let mut info = Self::default();
        for entry in std::fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with("_checkpoints") || (name.ends_with("_info") && !name.ends_with("binlog_info")) {
                info.add(&std::fs::read_to_string(entry.path()).map_err(failed)?);
            }
        }
        if info.value("to_lsn").is_none() {
            return Err(EngineError::known(
                ErrorCode::BackupIncomplete,
                "The tool did not say up to which log sequence number the backup goes.",
            ));
        }
        Ok(info)
    }

    /// Lines without a name go on with the value before: a set of GTIDs of several servers is told on several.
    fn add(&mut self, text: &str) {
        let mut last = String::new();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(" = ") {
                last = name.trim().to_owned();
                self.values.insert(last.clone(), value.trim().to_owned());
            } else if let Some(value) = self.values.get_mut(&last) {
                value.push_str(line.trim());
            }
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// From a line such as `binlog_pos = filename 'bin.000001', position '47252', GTID of the last change '0-1-20'`.
    pub(crate) fn binary_log_position(&self) -> Option<BinaryLogPosition> {
        let mut quoted = self.value("binlog_pos")?.split('\'').skip(1).step_by(2).map(str::to_owned);
        let (file, position) = (quoted.next()?, quoted.next()?);
        Some(BinaryLogPosition { file, position, gtid: quoted.next().unwrap_or_default() })
    }
}

impl std::fmt::Display for BinaryLogPosition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file, self.position)?;
        if self.gtid.is_empty() { Ok(()) } else { write!(formatter, " GTID {}", self.gtid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_versions_are_read() {
        for names in [
            ["xtrabackup_checkpoints", "xtrabackup_info", "xtrabackup_binlog_info"],
            ["mariadb_backup_checkpoints", "mariadb_backup_info", "mariadb_backup_binlog_info"],
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            let contents = [
                "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 44744\nlast_lsn = 44760\n",
                "tool_name = mariadb-backup\nname = \nbinlog_pos = filename 'bin.000002', position '325', GTID of the last change '0-1-5,1-1-7'\n",
                "to_lsn = nonsense\n",
            ];
            for (name, content) in names.iter().zip(contents) {
                std::fs::write(directory.path().join(name), content).expect("write");
            }
            let info = ToolInfo::read(directory.path()).expect("read");
            assert_eq!(info.value("to_lsn"), Some("44744"));
            assert_eq!(info.value("name"), None);
            let position = info.binary_log_position().expect("a position");
            assert_eq!(position.to_string(), "bin.000002:325 GTID 0-1-5,1-1-7");
        }
    }

    /// As Percona's manual shows them ("Index of files created by Percona XtraBackup", "Work with binary logs").
    #[test]
    fn files_of_xtrabackup_are_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let contents = [
            (
                "xtrabackup_checkpoints",
                "backup_type = incremental\nfrom_lsn = 15188961605\nto_lsn = 15189350111\nlast_lsn = 15189350121\nflushed_lsn = 15189350111\nredo_memory = 0\nredo_frames = 0\n",
            ),
            (
                "xtrabackup_info",
                "uuid = 7bbcd2a4\nname = \ntool_name = xtrabackup\ntool_version = 8.4.0-4\nserver_version = 8.4.6\nbinlog_pos = filename 'binlog.000003', position '197', GTID of the last change 'c1c77e6e-1:1-8,\nd2d88f7f-2:1-3'\ninnodb_from_lsn = 15188961605\nincremental = Y\nformat = xbstream\n",
            ),
            ("xtrabackup_binlog_info", "binlog.000003\t197\tc1c77e6e-1:1-8\n"),
            ("xtrabackup_tablespaces", "{\"to_lsn = 7\": 1}\n"),
        ];
        for (name, content) in contents {
            std::fs::write(directory.path().join(name), content).expect("write");
        }
        let info = ToolInfo::read(directory.path()).expect("read");
        assert_eq!((info.value("from_lsn"), info.value("to_lsn")), (Some("15188961605"), Some("15189350111")));
        assert_eq!(info.value("tool_version"), Some("8.4.0-4"));
        let position = info.binary_log_position().expect("a position");
        assert_eq!(position.to_string(), "binlog.000003:197 GTID c1c77e6e-1:1-8,d2d88f7f-2:1-3");
    }

    #[test]
    fn f02_a_tool_that_wrote_nothing_did_not_finish() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(ToolInfo::read(directory.path()).expect_err("none").code(), ErrorCode::BackupIncomplete);
    }

    #[test]
    fn no_binary_log_is_no_position() {
        let mut info = ToolInfo::default();
        info.add("binlog_pos = \nto_lsn = 1\n");
        assert_eq!(info.binary_log_position(), None);
        info.add("binlog_pos = filename 'b.000001', position '4', GTID of the last change ''");
        assert_eq!(info.binary_log_position().expect("a position").to_string(), "b.000001:4");
    }
}
