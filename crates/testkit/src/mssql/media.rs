//! What is on backup devices: backup sets, in a format of the double's own. A device holds JSON after a line with its checksum.

use std::hash::{DefaultHasher, Hasher};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::ServerError;

/// A log sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lsn(pub u64);

impl std::fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One committed transaction of a database's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub lsn: Lsn,
    pub at: DateTime<Utc>,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    Insert(String),
    DeleteAll,
}

/// One file of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DatabaseFile {
    pub id: i32,
    pub logical: String,
    pub physical: String,
    pub is_log: bool,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BackupType {
    Database = 1,
    Log = 2,
    Differential = 5,
}

/// A backup set: its header and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BackupSet {
    pub guid: Uuid,
    pub backup_type: BackupType,
    pub name: Option<String>,
    pub user: String,
    pub server: String,
    pub database: String,
    pub major_version: u8,
    pub compressed: bool,
    pub has_checksums: bool,
    pub is_copy_only: bool,
    pub recovery_model: String,
    pub start: NaiveDateTime,
    pub finish: NaiveDateTime,
    pub first_lsn: Lsn,
    pub last_lsn: Lsn,
    pub checkpoint_lsn: Lsn,
    pub database_backup_lsn: Lsn,
    pub differential_base_lsn: Option<Lsn>,
    pub differential_base_guid: Option<Uuid>,
    pub family: Uuid,
    pub first_fork: Uuid,
    pub fork: Uuid,
    pub fork_point: Option<Lsn>,
    pub database_created: NaiveDateTime,
    pub files: Vec<DatabaseFile>,
    pub records: Vec<Record>,
    pub users: Vec<(String, String)>,
    /// Nothing, for as long as data would be.
    pub padding: String,
}

impl BackupSet {
    pub(super) fn size_bytes(&self) -> u64 {
        (self.padding.len() + 1024 * (1 + self.records.len())) as u64
    }
}

const MAGIC: &str = "a double's backup media ";

fn checksum(body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(body.as_bytes());
    hasher.finish()
}

/// The content of a device with these sets.
pub(super) fn written(sets: &[BackupSet]) -> String {
    let body = serde_json::to_string(sets).unwrap_or_default();
    format!("{MAGIC}{:016x}\n{body}", checksum(&body))
}

/// The sets of a device, and whether they are as they were written.
pub(super) fn read(name: &str, content: Vec<u8>) -> Result<(Vec<BackupSet>, bool), ServerError> {
    let text = String::from_utf8(content).map_err(|_| ServerError::not_media(name))?;
    let parts = text.strip_prefix(MAGIC).and_then(|rest| rest.split_once('\n'));
    let (told, body) = parts.ok_or_else(|| ServerError::not_media(name))?;
    let sets = serde_json::from_str(body).map_err(|_| ServerError::not_media(name))?;
    Ok((sets, told == format!("{:016x}", checksum(body))))
}
