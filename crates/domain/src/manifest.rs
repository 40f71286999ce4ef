//! The manifest: what a stored backup says of itself. It is written last; a backup without one does not exist. It holds
//! all that is needed to restore without this program or its database. // F-24

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::transaction_log::LogRange;
use crate::{BackupType, Engine, LogPoint, Method};

/// The newest format that this version writes and reads. 2 has increments, which a reader of 1 would take for full
/// backups, and streams that a restore leaves aside.
pub const FORMAT_VERSION: u32 = 2;
/// The name of the manifest's object inside a backup's folder.
pub const MANIFEST_NAME: &str = "manifest.json";

/// A stored backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// A reader refuses a number above its own [`FORMAT_VERSION`]. // F-65
    pub format_version: u32,
    /// The version of Holdfast that wrote it.
    pub written_by: String,
    pub backup_id: Uuid,
    pub number: i64,
    pub datastore_id: Uuid,
    pub datastore_name: String,
    pub engine: Engine,
    pub engine_version: String,
    /// Tells the server from any other. // F-54
    pub server_identity: Option<String>,
    pub method: Method,
    #[serde(rename = "type")]
    pub backup_type: BackupType,
    /// The backup that this one is an increment on. // F-70
    pub parent_id: Option<Uuid>,
    /// That backup's [`StoredManifest::sha256`]: who knows the digest of a chain's last manifest knows all of it. // F-90
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_sha256: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub log_position: Option<String>,
    /// Where replaying archived logs on it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_point: Option<LogPoint>,
    /// What it holds of each database's transaction log, where the log is in backups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_ranges: Vec<LogRange>,
    /// The tool's argument list, without secrets.
    pub command_line: Vec<String>,
    /// The line by which the tool said that it was done.
    pub completion_mark: String,
    pub streams: Vec<StreamRecord>,
    /// Size of all objects in bytes.
    pub size_bytes: u64,
    /// Size of all streams before compression, in bytes.
    pub original_size_bytes: u64,
    /// The size of the data when unpacked, in bytes.
    pub unpacked_size_bytes: u64,
    /// Shell commands with which a person restores it by hand, a line each.
    pub restore_commands: Vec<String>,
    /// What the engine's module wants to find again, such as the log's file and position.
    #[serde(default)]
    pub engine_facts: BTreeMap<String, String>,
    /// The stream that the next increment needs of this backup, and a restore does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// Fields of later versions, kept when the manifest is written again.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

impl Manifest {
    /// The oldest format whose readers understand this backup.
    pub const fn oldest_format(&self) -> u32 {
        if self.parent_id.is_some() || self.continuation.is_some() { 2 } else { 1 }
    }

    /// Without the stream that a restore does not need.
    pub fn for_restore(mut self) -> Self {
        if let Some(name) = self.continuation.take() {
            self.streams.retain(|stream| stream.name != name);
        }
        self
    }
}

/// A manifest as it was found in, or put into, a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    pub manifest: Manifest,
    /// SHA-256 of its object, in hexadecimal. The manifest has the checksums of all objects of the backup, so this is the digest
    /// of all of it; the catalog keeps it, out of the reach of those who can write to the storage alone. // F-90
    pub sha256: String,
}

/// One stream of the tool, cut into objects. Each object has its SHA-256, and inside it zstd's own checksum of the data
/// before compression, so the stream needs none of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// `base`, …
    pub name: String,
    /// `tar`, `mbstream`, `rdb`.
    pub extension: String,
    pub original_size_bytes: u64,
    /// In order: decompressed one after the other they give the stream.
    pub objects: Vec<ObjectRecord>,
}

/// One object, called a volume: whole zstd frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObjectRecord {
    /// Relative to the manifest's folder, such as `base.000.tar.zst`.
    pub key: String,
    pub size_bytes: u64,
    /// SHA-256 of the object as stored, in hexadecimal.
    pub sha256: String,
    /// Bytes before compression: a hard cap when it is read. // F-84
    pub original_size_bytes: u64,
}

/// The folder of a backup inside its storage.
pub fn backup_folder(datastore_id: Uuid, backup_id: Uuid) -> String {
    format!("{datastore_id}/backups/{backup_id}")
}
