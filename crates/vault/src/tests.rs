//! Tests of the whole crate on real directories, and what they share.

mod broken_objects;
mod bucket_service;
mod buckets;
mod commits;
mod deletions;
mod failing_store;
mod full_disk;
mod logs;
mod manifests;
mod markers;
mod nth_failure;
mod round_trips;
mod streams;
mod sweeps;
mod sync_failures;

use std::path::PathBuf;

use chrono::Utc;
use domain::manifest::{FORMAT_VERSION, Manifest, StreamRecord, backup_folder};
use domain::storage::StorageConfig;
use domain::{BackupType, Engine, Method, StorageAccess};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{BackupWriter, Vault, VaultError, WriteOptions};

/// Small volumes, so that little data makes several.
const SMALL: WriteOptions = WriteOptions { compression_level: 3, volume_bytes: 100_000, threads: 2 };

/// An opened storage in a temporary directory.
struct Local {
    directory: TempDir,
    vault: Vault,
}

impl Local {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let vault = open(directory.path()).unwrap();
        Self { directory, vault }
    }

    /// The file of an object of the backup in `folder`.
    fn file(&self, folder: &str, key: &str) -> PathBuf {
        self.directory.path().join(folder).join(key)
    }

    /// Every file and directory below the root, relative to it, sorted.
    fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(self.directory.path()).unwrap().to_str().unwrap().to_owned());
                if path.is_dir() {
                    directories.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

fn open(path: &std::path::Path) -> Result<Vault, VaultError> {
    let config = StorageConfig::Local { path: path.to_str().unwrap().to_owned() };
    Vault::open(&StorageAccess { id: Uuid::from_u128(1), config, secret_access_key: None })
}

/// The ids of backup number `number` of a datastore.
fn ids(number: u128) -> (Uuid, Uuid) {
    (Uuid::from_u128(0xd5), Uuid::from_u128(0xb000 + number))
}

fn folder(number: u128) -> String {
    let (datastore, backup) = ids(number);
    backup_folder(datastore, backup)
}

/// A manifest of these streams.
fn manifest_of(number: u128, streams: &[StreamRecord]) -> Manifest {
    let (datastore_id, backup_id) = ids(number);
    let now = Utc::now();
    Manifest {
        format_version: FORMAT_VERSION,
        written_by: "0.1.0".to_owned(),
        backup_id,
        number: 1,
        datastore_id,
        datastore_name: "shop".to_owned(),
        engine: Engine::Postgresql,
        engine_version: "15.18".to_owned(),
        server_identity: None,
        log_point: None,
        log_ranges: Vec::new(),
        method: Method::PgBasebackup,
        backup_type: BackupType::Full,
        parent_id: None,
        parent_sha256: None,
        created_at: now,
        started_at: now,
        ended_at: now,
        log_position: None,
        command_line: Vec::new(),
        completion_mark: "done".to_owned(),
        streams: streams.to_vec(),
        size_bytes: streams.iter().flat_map(|stream| &stream.objects).map(|object| object.size_bytes).sum(),
        original_size_bytes: streams.iter().map(|stream| stream.original_size_bytes).sum(),
        unpacked_size_bytes: 0,
        restore_commands: Vec::new(),
        engine_facts: Default::default(),
        continuation: None,
        unknown: Default::default(),
    }
}

/// Bytes that are half as large when compressed, different for each seed.
fn data(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&(state as u32).to_le_bytes());
        bytes.extend_from_slice(b"row;");
    }
    bytes.truncate(size);
    bytes
}

async fn write(writer: &mut BackupWriter, name: &str, bytes: &[u8]) -> Result<StreamRecord, VaultError> {
    writer.write_stream(name, "tar", bytes, &|_| {}, &CancellationToken::new()).await
}

/// Stores `bytes` as the stream `base` of backup number `number`.
async fn store(vault: &Vault, number: u128, attempt: i32, bytes: &[u8]) -> Result<Manifest, VaultError> {
    let mut writer = vault.begin_backup(&folder(number), attempt, SMALL);
    match write(&mut writer, "base", bytes).await {
        Ok(_) => {}
        Err(error) => {
            writer.abort().await;
            return Err(error);
        }
    }
    let manifest = manifest_of(number, writer.streams());
    writer.commit(manifest.clone()).await?;
    Ok(manifest)
}

async fn load(vault: &Vault, number: u128, stream: &str) -> Result<Vec<u8>, VaultError> {
    let manifest = vault.read_manifest(&folder(number), None).await?.manifest;
    load_by(vault, number, &manifest, stream).await
}

async fn load_by(vault: &Vault, number: u128, manifest: &Manifest, stream: &str) -> Result<Vec<u8>, VaultError> {
    let mut sink = Vec::new();
    let cancel = CancellationToken::new();
    vault.copy_stream_into(&folder(number), manifest, stream, &mut sink, &|_| {}, &cancel).await?;
    Ok(sink)
}
