//! Does with the driver what a worker does: backs up into memory, and restores out of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::assignment::DatastoreAccess;
use domain::manifest::StreamRecord;
use domain::{BackupType, Engine, ErrorCode, LogLevel, Manifest, Method, RecoveryStop, RestoreTarget};
use engines::{
    BackupRequest, Driver, EngineError, LogSink, Parent, ServedPlace, ServedRequest, ServedRestore, StreamSource,
    driver_for,
};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub fn driver() -> &'static dyn Driver {
    driver_for(Engine::Mssql).expect("a driver")
}

pub fn served() -> &'static dyn ServedRestore {
    driver().served(Method::MssqlBackup).expect("restores through the server")
}

/// The lines of a job's log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn sink(&self) -> LogSink {
        let lines = Arc::clone(&self.0);
        Arc::new(move |_: LogLevel, line: &str| lines.lock().expect("lock").push(line.to_owned()))
    }

    pub fn text(&self) -> String {
        self.0.lock().expect("lock").join("\n")
    }
}

/// A stored backup.
#[derive(Debug, Clone)]
pub struct Stored {
    pub manifest: Manifest,
    pub streams: BTreeMap<String, Vec<u8>>,
}

pub fn request(access: &DatastoreAccess, backup_type: BackupType, parent: Option<&Stored>, log: &Log) -> BackupRequest {
    BackupRequest {
        datastore: access.clone(),
        method: Method::MssqlBackup,
        backup_type,
        parent: parent.map(|stored| Parent {
            manifest: stored.manifest.clone(),
            continuation: None,
            folders: vec![stored.manifest.backup_id.to_string(), "new".to_owned()],
        }),
        work_directory: std::env::temp_dir(),
        log: log.sink(),
        cancel: CancellationToken::new(),
    }
}

pub async fn try_back_up(
    access: &DatastoreAccess,
    backup_type: BackupType,
    parent: Option<&Stored>,
) -> Result<Stored, EngineError> {
    let log = Log::default();
    let mut running = driver().backup(request(access, backup_type, parent, &log)).await?;
    let mut streams = BTreeMap::new();
    while let Some(mut stream) = running.next_stream().await? {
        let mut content = Vec::new();
        stream.output.read_to_end(&mut content).await.expect("read the stream");
        streams.insert(stream.spec.name, content);
    }
    let facts = running.finish().await?;
    let password = access.password.as_ref().expect("a password").expose();
    assert!(!format!("{facts:?}{}", log.text()).contains(password), "F-81");
    let now = "2026-11-22T08:00:00Z".parse().expect("a time");
    let records = streams.iter().map(|(name, content)| StreamRecord {
        name: name.clone(),
        extension: "bak".into(),
        original_size_bytes: content.len() as u64,
        objects: Vec::new(),
    });
    let manifest = Manifest {
        format_version: 2,
        written_by: "test".into(),
        backup_id: Uuid::new_v4(),
        number: 1,
        datastore_id: access.id,
        datastore_name: access.name.clone(),
        engine: access.engine,
        engine_version: facts.engine_version,
        server_identity: facts.server_identity,
        method: Method::MssqlBackup,
        backup_type,
        parent_id: parent.map(|parent| parent.manifest.backup_id),
        parent_sha256: None,
        created_at: now,
        started_at: now,
        ended_at: now,
        log_position: facts.log_position,
        log_point: None,
        log_ranges: facts.log_ranges,
        command_line: facts.command_line,
        completion_mark: facts.completion_mark,
        streams: records.collect(),
        size_bytes: 0,
        original_size_bytes: 0,
        unpacked_size_bytes: 0,
        restore_commands: facts.restore_commands,
        engine_facts: facts.engine_facts,
        continuation: None,
        unknown: BTreeMap::new(),
    };
    Ok(Stored { manifest, streams })
}

pub async fn full(access: &DatastoreAccess) -> Stored {
    try_back_up(access, BackupType::Full, None).await.unwrap_or_else(|error| panic!("{}", told(&error).1))
}

pub async fn differential(access: &DatastoreAccess, parent: &Stored) -> Stored {
    let made = try_back_up(access, BackupType::Differential, Some(parent)).await;
    made.unwrap_or_else(|error| panic!("{}", told(&error).1))
}

pub async fn log(access: &DatastoreAccess, parent: &Stored) -> Stored {
    let made = try_back_up(access, BackupType::Log, Some(parent)).await;
    made.unwrap_or_else(|error| panic!("{}", told(&error).1))
}

/// The code and the text of an error, as the job would tell it.
pub fn told(error: &EngineError) -> (ErrorCode, String) {
    let error = error.to_job_error();
    (error.code, error.detail)
}

/// Why nothing can be built on the parent.
pub fn unusable<T>(made: Result<T, EngineError>) -> String {
    match made {
        Err(EngineError::ParentUnusable { reason }) => reason,
        Err(other) => panic!("{}", told(&other).1),
        Ok(_) => panic!("it was built"),
    }
}

/// The streams of a chain, out of memory.
struct Memory {
    chain: Vec<Stored>,
    /// After how many bytes reading fails.
    breaks_after: Option<usize>,
}

#[async_trait]
impl StreamSource for Memory {
    async fn open(&self, link: usize, stream: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, EngineError> {
        let content = self.chain[link].streams[stream].clone();
        let Some(length) = self.breaks_after else { return Ok(Box::new(std::io::Cursor::new(content))) };
        let broken = tokio_util::io::StreamReader::new(futures::stream::iter([
            Ok(bytes::Bytes::from(content[..length].to_vec())),
            Err(std::io::Error::other("the object is not what was written")),
        ]));
        Ok(Box::new(broken))
    }
}

/// A restore, with its directories.
pub struct Restoring {
    pub request: ServedRequest,
    pub log: Log,
    _directories: (TempDir, TempDir),
}

impl Restoring {
    pub fn new(access: &DatastoreAccess, chain: &[&Stored], stop: Option<RecoveryStop>) -> Self {
        Self::reading(access, chain, stop, None)
    }

    /// Of a backup whose streams can be read so far only.
    pub fn breaking_off(access: &DatastoreAccess, backup: &Stored, after: usize) -> Self {
        Self::reading(access, &[backup], None, Some(after))
    }

    fn reading(
        access: &DatastoreAccess,
        chain: &[&Stored],
        stop: Option<RecoveryStop>,
        breaks_after: Option<usize>,
    ) -> Self {
        let directories = (tempfile::tempdir().expect("keep"), tempfile::tempdir().expect("work"));
        let log = Log::default();
        let chain: Vec<Stored> = chain.iter().map(|stored| (*stored).clone()).collect();
        let request = ServedRequest {
            place: ServedPlace {
                restore_id: Uuid::new_v4(),
                datastore: access.clone(),
                keep_directory: directories.0.path().to_owned(),
                work_directory: directories.1.path().to_owned(),
                log: log.sink(),
                cancel: CancellationToken::new(),
            },
            target: RestoreTarget::InPlace,
            chain: chain.iter().map(|stored| stored.manifest.clone()).collect(),
            source: Arc::new(Memory { chain, breaks_after }),
            stop,
            progress: Arc::new(|_| {}),
        };
        Self { request, log, _directories: directories }
    }

    /// Check, stage and switch, as a worker does them; what fails is taken back and removed.
    pub async fn run(&self) -> Result<engines::Staged, (ErrorCode, String)> {
        let plan = served().check(&self.request).await;
        if let Some(obstacle) = plan.obstacles.first() {
            return Err((obstacle.code, obstacle.detail.clone()));
        }
        let staged = match served().stage(&self.request).await {
            Ok(staged) => staged,
            Err(error) => {
                served().discard(&self.request.place, None).await.expect("discard");
                return Err(told(&error));
            }
        };
        served().switch(&self.request, &staged.state).await.map_err(|error| told(&error))?;
        Ok(staged)
    }
}

pub fn at(time: chrono::DateTime<chrono::Utc>) -> Option<RecoveryStop> {
    Some(RecoveryStop::Time { at: time })
}
