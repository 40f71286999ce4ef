//! Backups and restores that go through the server, as a worker has them made.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::Utc;
use domain::assignment::DatastoreAccess;
use domain::manifest::StreamRecord;
use domain::{BackupType, Engine, LogLevel, Manifest, Method, RestoreTarget, Secret, Service};
use engines::{
    BackupFacts, BackupRequest, Driver, EngineError, LogSink, Probe, ServedPlace, ServedPlan, ServedRequest,
    ServedRestore, Staged, StreamSource, driver_for,
};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub fn access(engine: Engine, port: u16, username: &str, password: Option<&str>) -> DatastoreAccess {
    DatastoreAccess {
        id: Uuid::now_v7(),
        name: "shop".into(),
        engine,
        host: "127.0.0.1".into(),
        port,
        username: Some(username.into()),
        password: password.map(Secret::new),
        data_directory: None,
        service: Service::None,
        server_identity: None,
        log_branch: "origin".into(),
        shared_directory: None,
        shared_storage: None,
    }
}

fn driver(access: &DatastoreAccess) -> &'static dyn Driver {
    driver_for(access.engine).expect("a driver")
}

/// A finished backup.
pub struct Dumped {
    pub facts: BackupFacts,
    pub streams: BTreeMap<String, Vec<u8>>,
    extensions: BTreeMap<String, String>,
    pub log: String,
}

impl Dumped {
    pub fn text(&self, stream: &str) -> String {
        String::from_utf8_lossy(&self.streams[stream]).into_owned()
    }
}

pub async fn dump(access: &DatastoreAccess, method: Method) -> Result<Dumped, EngineError> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let request = BackupRequest {
        datastore: access.clone(),
        method,
        backup_type: BackupType::Full,
        parent: None,
        work_directory: tempfile::tempdir().expect("a directory").keep(),
        log: sink(&lines),
        cancel: CancellationToken::new(),
    };
    let directory = request.work_directory.clone();
    let mut running = driver(access).backup(request).await?;
    let (mut streams, mut extensions) = (BTreeMap::new(), BTreeMap::new());
    while let Some(mut stream) = running.next_stream().await? {
        let mut bytes = Vec::new();
        stream.output.read_to_end(&mut bytes).await.expect("read the stream");
        extensions.insert(stream.spec.name.clone(), stream.spec.extension.to_owned());
        assert!(streams.insert(stream.spec.name, bytes).is_none(), "each name once");
    }
    let facts = running.finish().await?;
    std::fs::remove_dir_all(directory).expect("remove the directory");
    let log = lines.lock().expect("lines").join("\n");
    Ok(Dumped { facts, streams, extensions, log })
}

fn sink(lines: &Arc<Mutex<Vec<String>>>) -> LogSink {
    let lines = Arc::clone(lines);
    Arc::new(move |_: LogLevel, line: &str| lines.lock().expect("lines").push(line.to_owned()))
}

fn manifest(access: &DatastoreAccess, method: Method, dumped: &Dumped) -> Manifest {
    let facts = &dumped.facts;
    let streams = dumped.streams.iter().map(|(name, bytes)| StreamRecord {
        name: name.clone(),
        extension: dumped.extensions[name].clone(),
        original_size_bytes: bytes.len() as u64,
        objects: Vec::new(),
    });
    let (streams, now): (Vec<_>, _) = (streams.collect(), Utc::now());
    Manifest {
        format_version: 1,
        written_by: "test".into(),
        backup_id: Uuid::now_v7(),
        number: 1,
        datastore_id: access.id,
        datastore_name: access.name.clone(),
        engine: access.engine,
        engine_version: facts.engine_version.clone(),
        server_identity: facts.server_identity.clone(),
        log_point: None,
        method,
        backup_type: BackupType::Full,
        parent_id: None,
        created_at: now,
        started_at: now,
        ended_at: now,
        log_position: facts.log_position.clone(),
        command_line: facts.command_line.clone(),
        completion_mark: facts.completion_mark.clone(),
        size_bytes: 0,
        original_size_bytes: streams.iter().map(|stream| stream.original_size_bytes).sum(),
        streams,
        unpacked_size_bytes: facts.unpacked_size_bytes.unwrap_or(0),
        restore_commands: facts.restore_commands.clone(),
        engine_facts: facts.engine_facts.clone(),
        continuation: None,
        log_ranges: Vec::new(),
        parent_sha256: None,
        unknown: BTreeMap::new(),
    }
}

struct Memory(BTreeMap<String, Vec<u8>>);

#[async_trait]
impl StreamSource for Memory {
    async fn open(&self, _: usize, stream: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, EngineError> {
        Ok(Box::new(std::io::Cursor::new(self.0[stream].clone())))
    }
}

/// A restore, step by step.
pub struct Restoring {
    engine: &'static dyn ServedRestore,
    pub request: ServedRequest,
    _directory: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Restoring {
    pub fn of(access: &DatastoreAccess, method: Method, dumped: &Dumped, is_new: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let place = ServedPlace {
            restore_id: Uuid::now_v7(),
            datastore: access.clone(),
            keep_directory: directory.path().join("keep"),
            work_directory: directory.path().join("work"),
            log: sink(&lines),
            cancel: CancellationToken::new(),
        };
        std::fs::create_dir(&place.keep_directory).expect("a directory");
        std::fs::create_dir(&place.work_directory).expect("a directory");
        Self {
            engine: driver(access).served(method).expect("a method that goes through the server"),
            request: ServedRequest {
                place,
                target: if is_new {
                    RestoreTarget::NewDatastore { name: "new".into() }
                } else {
                    RestoreTarget::InPlace
                },
                chain: vec![manifest(access, method, dumped)],
                source: Arc::new(Memory(dumped.streams.clone())),
                stop: None,
                progress: Arc::new(|_| {}),
            },
            _directory: directory,
            lines,
        }
    }

    pub async fn check(&self) -> ServedPlan {
        self.engine.check(&self.request).await
    }

    pub async fn stage(&self) -> Result<Staged, EngineError> {
        self.engine.stage(&self.request).await
    }

    pub async fn switch(&self, staged: &Staged) -> Result<Probe, EngineError> {
        self.engine.switch(&self.request, &staged.state).await
    }

    pub async fn take_back(&self, staged: &Staged) -> Result<Probe, EngineError> {
        self.engine.take_back(&self.request.place, &staged.state).await
    }

    pub async fn discard(&self, staged: Option<&Staged>) -> Result<(), EngineError> {
        self.engine.discard(&self.request.place, staged.map(|staged| &staged.state)).await
    }

    pub fn log(&self) -> String {
        self.lines.lock().expect("lines").join("\n")
    }
}
