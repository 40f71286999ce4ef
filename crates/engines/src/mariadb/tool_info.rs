//! The small files that `mariadb-backup` writes about a backup into `--extra-lsndir`: `xtrabackup_checkpoints` and
//! `xtrabackup_info` up to 10.11, `mariadb_backup_checkpoints` and `mariadb_backup_info` since 11.x.

use std::collections::BTreeMap;
use std::path::Path;

use domain::ErrorCode;

use crate::EngineError;

/// What they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ToolInfo {
    values: BTreeMap<String, String>,
}

/// Where the backup stands in the server's binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BinaryLogPosition {
    pub file: String,
    pub position: String,
    /// The last GTID of each domain; empty where the server wrote none.
    pub gtid: String,
}

impl ToolInfo {
    /// Reads the files.
    ///
    /// # Errors
    /// `backup_incomplete` when the tool wrote none.
    pub(super) fn read(directory: &Path) -> Result<Self, EngineError> {
        let failed =
            |source| EngineError::file("reading what mariadb-backup wrote about the backup", directory)(source);
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
                "mariadb-backup did not say up to which log sequence number the backup goes.",
            ));
        }
        Ok(info)
    }

    fn add(&mut self, text: &str) {
        let pairs = text.lines().filter_map(|line| line.split_once(" = "));
        self.values.extend(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// From a line such as `binlog_pos = filename 'bin.000001', position '47252', GTID of the last change '0-1-20'`.
    pub(super) fn binary_log_position(&self) -> Option<BinaryLogPosition> {
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
