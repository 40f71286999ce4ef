//! Stores standard input as a backup in a local directory, or gives it back: to measure the pipe's price and memory.
//!
//! `tool | pipe store <directory>`, `pipe load <directory> | tool`, `pipe verify <directory>`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use chrono::Utc;
use domain::manifest::{FORMAT_VERSION, Manifest, backup_folder};
use domain::storage::StorageConfig;
use domain::{BackupType, Engine, Method, StorageAccess};
use nix::fcntl::{FcntlArg, fcntl};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{Vault, WriteOptions};

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    // As a worker does: on a thread of the runtime, not beside it.
    tokio::spawn(run()).await?
}

async fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, command, directory] = arguments.as_slice() else { return Err("pipe store|load|verify <directory>".into()) };
    let path = Path::new(directory).canonicalize().unwrap_or_else(|_| directory.into()).display().to_string();
    let access = StorageAccess { id: Uuid::nil(), config: StorageConfig::Local { path }, secret_access_key: None };
    let vault = Vault::open(&access)?;
    let folder = backup_folder(Uuid::nil(), Uuid::nil());
    let cancel = CancellationToken::new();
    let started = Instant::now();
    match command.as_str() {
        "store" => store(&vault, &folder, &cancel).await?,
        "load" => {
            let manifest = vault.read_manifest(&folder, None).await?.manifest;
            let mut sink = output()?;
            vault.copy_stream_into(&folder, &manifest, "base", &mut sink, &|_| {}, &cancel).await?;
        }
        "verify" => {
            let manifest = vault.read_manifest(&folder, None).await?.manifest;
            let problems = vault.verify(&folder, &manifest, |_| {}, &cancel).await?;
            eprintln!("{problems:?}");
        }
        _ => return Err("unknown command".into()),
    }
    eprintln!("{command}: {:.2} s, peak {}", started.elapsed().as_secs_f64(), peak_memory()?);
    Ok(())
}

async fn store(vault: &Vault, folder: &str, cancel: &CancellationToken) -> Outcome {
    vault.delete_backup(folder).await?;
    let mut writer = vault.begin_backup(folder, 1, WriteOptions::default());
    let stream = writer.write_stream("base", "tar", input()?, &|_| {}, cancel).await?;
    let size_bytes = stream.objects.iter().map(|object| object.size_bytes).sum();
    let now = Utc::now();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        written_by: "0.0.0".to_owned(),
        backup_id: Uuid::nil(),
        number: 1,
        datastore_id: Uuid::nil(),
        datastore_name: "bench".to_owned(),
        engine: Engine::Postgresql,
        engine_version: "15".to_owned(),
        server_identity: None,
        method: Method::PgBasebackup,
        backup_type: BackupType::Full,
        parent_id: None,
        parent_sha256: None,
        created_at: now,
        started_at: now,
        ended_at: now,
        log_position: None,
        log_point: None,
        log_ranges: Vec::new(),
        command_line: Vec::new(),
        completion_mark: String::new(),
        size_bytes,
        original_size_bytes: stream.original_size_bytes,
        unpacked_size_bytes: stream.original_size_bytes,
        streams: vec![stream],
        restore_commands: Vec::new(),
        engine_facts: Default::default(),
        continuation: None,
        unknown: Default::default(),
    };
    writer.commit(manifest).await?;
    Ok(())
}

fn input() -> std::io::Result<tokio::net::unix::pipe::Receiver> {
    tokio::net::unix::pipe::Receiver::from_owned_fd(wide(std::io::stdin().as_fd())?)
}

fn output() -> std::io::Result<tokio::net::unix::pipe::Sender> {
    tokio::net::unix::pipe::Sender::from_owned_fd(wide(std::io::stdout().as_fd())?)
}

/// The pipe with as much room as the worker gives to those of its tools.
fn wide(pipe: BorrowedFd<'_>) -> std::io::Result<OwnedFd> {
    fcntl(pipe, FcntlArg::F_SETPIPE_SZ(1 << 20))?;
    pipe.try_clone_to_owned()
}

fn peak_memory() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned())
}
