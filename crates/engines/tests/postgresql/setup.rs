//! What the tests share: a server's access, a backup in a file, a staging directory beside the data.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::Utc;
use domain::assignment::DatastoreAccess;
use domain::{BackupType, Engine, Finding, Inspection, LogLevel, Manifest, Method, Secret, Service};
use engines::{BackupFacts, BackupRequest, Driver, EngineError, LogSink, Probe, RunningBackup, Staging};
use process::Credentials;
use testkit::Postgres;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub fn driver() -> &'static dyn Driver {
    engines::driver_for(Engine::Postgresql).unwrap()
}

pub fn access(server: &Postgres) -> DatastoreAccess {
    DatastoreAccess {
        id: Uuid::now_v7(),
        name: "shop".into(),
        engine: Engine::Postgresql,
        host: "127.0.0.1".into(),
        port: server.port,
        username: Some(server.backup_user.clone()),
        password: Some(Secret::new(server.backup_password.clone())),
        data_directory: None,
        shared_directory: None,
        shared_storage: None,
        service: Service::Command {
            start: server.start_command(),
            stop: server.stop_command(),
            status: Some(server.status_command()),
        },
        server_identity: None,
        log_branch: "origin".into(),
    }
}

pub async fn inspect(datastore: &DatastoreAccess) -> Inspection {
    driver().inspect(datastore, &CancellationToken::new()).await
}

/// The finding with a code.
pub fn finding<'a>(inspection: &'a Inspection, code: &str) -> &'a Finding {
    let found = inspection.findings.iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("no finding {code} in {:#?}", inspection.findings))
}

/// A log that can be read afterwards.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn sink(&self) -> LogSink {
        let lines = Arc::clone(&self.0);
        Arc::new(move |_: LogLevel, line: &str| lines.lock().unwrap().push(line.to_owned()))
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

pub async fn start_backup(
    datastore: &DatastoreAccess,
    log: &Log,
    cancel: &CancellationToken,
) -> Result<Box<dyn RunningBackup>, EngineError> {
    let request = BackupRequest {
        datastore: datastore.clone(),
        method: Method::PgBasebackup,
        backup_type: BackupType::Full,
        parent: None,
        work_directory: PathBuf::from("/nonexistent"),
        log: log.sink(),
        cancel: cancel.clone(),
    };
    driver().backup(request).await
}

/// A finished backup.
pub struct Stored {
    pub tar: Vec<u8>,
    pub facts: BackupFacts,
    pub log: String,
}

pub async fn back_up(server: &Postgres) -> Stored {
    back_up_of(&access(server)).await
}

pub async fn back_up_of(datastore: &DatastoreAccess) -> Stored {
    let log = Log::default();
    let mut running = start_backup(datastore, &log, &CancellationToken::new()).await.unwrap();
    let mut output = next_output(&mut running).await;
    let mut tar = Vec::new();
    output.read_to_end(&mut tar).await.unwrap();
    let facts = running.finish().await.unwrap();
    Stored { tar, facts, log: log.text() }
}

/// The one stream of a backup.
pub async fn next_output(running: &mut Box<dyn RunningBackup>) -> Box<dyn AsyncRead + Send + Unpin> {
    running.next_stream().await.expect("a tool that runs").expect("a stream").output
}

/// A staging directory as a worker makes it; removed with the server's own directory.
pub fn staging(server: &Postgres, facts: &BackupFacts, log: &Log) -> Staging {
    let directory = server.data_directory.with_file_name(format!("data.staging-{}", Uuid::now_v7()));
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let owner = Credentials::of_owner(&server.data_directory).unwrap();
    chown(&directory, Some(owner.uid), Some(owner.gid)).unwrap();
    Staging {
        directory,
        live_directory: server.data_directory.clone(),
        owner,
        datastore: access(server),
        manifest: manifest(facts),
        log: log.sink(),
        cancel: CancellationToken::new(),
    }
}

pub fn manifest(facts: &BackupFacts) -> Manifest {
    let now = Utc::now();
    Manifest {
        format_version: 1,
        written_by: "test".into(),
        backup_id: Uuid::now_v7(),
        number: 1,
        datastore_id: Uuid::now_v7(),
        datastore_name: "shop".into(),
        engine: Engine::Postgresql,
        engine_version: facts.engine_version.clone(),
        server_identity: facts.server_identity.clone(),
        log_point: None,
        log_ranges: Vec::new(),
        method: Method::PgBasebackup,
        backup_type: BackupType::Full,
        parent_id: None,
        parent_sha256: None,
        created_at: now,
        started_at: now,
        ended_at: now,
        log_position: facts.log_position.clone(),
        command_line: facts.command_line.clone(),
        completion_mark: facts.completion_mark.clone(),
        streams: Vec::new(),
        size_bytes: 0,
        original_size_bytes: 0,
        unpacked_size_bytes: 0,
        restore_commands: facts.restore_commands.clone(),
        engine_facts: facts.engine_facts.clone(),
        continuation: None,
        unknown: BTreeMap::new(),
    }
}

/// Writes a tar stream into the staging directory the way a worker does.
pub async fn unpack(staging: &Staging, tar: &[u8]) -> Result<(), EngineError> {
    let mut unpack = driver().unpack(staging, "base").await?;
    let mut input = unpack.take_input().unwrap();
    assert!(unpack.take_input().is_none());
    // The tool's own complaint matters more than the broken pipe that follows it.
    let written = match input.write_all(tar).await {
        Ok(()) => input.shutdown().await,
        error => error,
    };
    drop(input);
    unpack.finish().await.map(|()| written.unwrap())
}

pub async fn unpack_and_prepare(staging: &Staging, tar: &[u8]) -> Result<(), EngineError> {
    unpack(staging, tar).await?;
    driver().prepare(staging).await
}

pub async fn probe(staging: &Staging) -> Result<Probe, EngineError> {
    driver().probe_staged(staging).await
}

/// Puts the staged directory in the place of the live one, as the switch does.
pub fn switch(staging: &Staging, aside: &Path) {
    fs::rename(&staging.live_directory, aside).unwrap();
    fs::rename(&staging.directory, &staging.live_directory).unwrap();
}
