//! Does with a driver what a worker does: backs up into memory, restores into a directory beside the live one, switches.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use domain::assignment::DatastoreAccess;
use domain::{BackupType, Engine, LogLevel, Manifest, Method, Secret, Service};
use engines::{
    BackupFacts, BackupRequest, ConfigurationSource, Driver, EngineError, LogSink, Parent, Probe, RunningBackup,
    Staging, driver_for,
};
use process::Credentials;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub fn driver(engine: Engine) -> &'static dyn Driver {
    driver_for(engine).expect("a driver")
}

/// How a datastore is reached, with the account that backups are made with.
pub fn access(engine: Engine, port: u16) -> DatastoreAccess {
    DatastoreAccess {
        id: Uuid::new_v4(),
        name: "shop".into(),
        engine,
        host: "127.0.0.1".into(),
        port,
        username: Some(testkit::BACKUP_USER.into()),
        password: Some(Secret::new(testkit::BACKUP_PASSWORD)),
        data_directory: None,
        shared_directory: None,
        shared_storage: None,
        service: Service::Command { start: vec!["/bin/true".into()], stop: vec!["/bin/true".into()], status: None },
        server_identity: None,
        log_branch: "origin".into(),
    }
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

/// A backup that was made.
pub struct Made {
    pub stream: Vec<u8>,
    pub facts: BackupFacts,
    pub log: Log,
}

pub fn request(access: &DatastoreAccess, method: Method, work_directory: &Path, log: &Log) -> BackupRequest {
    BackupRequest {
        datastore: access.clone(),
        method,
        backup_type: BackupType::Full,
        parent: None,
        work_directory: work_directory.to_owned(),
        log: log.sink(),
        cancel: CancellationToken::new(),
    }
}

pub async fn back_up(access: &DatastoreAccess, method: Method) -> Result<Made, EngineError> {
    back_up_with(access, method, None).await
}

/// A full backup, or an increment on a parent.
pub async fn back_up_with(
    access: &DatastoreAccess,
    method: Method,
    parent: Option<Parent>,
) -> Result<Made, EngineError> {
    let work_directory = tempfile::tempdir().expect("a work directory");
    let log = Log::default();
    let mut request = request(access, method, work_directory.path(), &log);
    if parent.is_some() {
        request.backup_type = BackupType::Incremental;
    }
    let mut running = driver(access.engine).backup(BackupRequest { parent, ..request }).await?;
    let mut stream = Vec::new();
    let read = next_output(&mut running).await.read_to_end(&mut stream).await;
    let facts = running.finish().await?;
    read.expect("read the stream");
    Ok(Made { stream, facts, log })
}

/// The one stream of a backup.
pub async fn next_output(running: &mut Box<dyn RunningBackup>) -> Box<dyn AsyncRead + Send + Unpin> {
    running.next_stream().await.expect("a tool that runs").expect("a stream").output
}

pub fn manifest(access: &DatastoreAccess, method: Method, facts: &BackupFacts) -> Manifest {
    let now = "2026-11-22T08:00:00Z".parse().expect("a time");
    Manifest {
        format_version: 1,
        written_by: "test".into(),
        backup_id: Uuid::new_v4(),
        number: 1,
        datastore_id: access.id,
        datastore_name: access.name.clone(),
        engine: access.engine,
        engine_version: facts.engine_version.clone(),
        server_identity: facts.server_identity.clone(),
        log_point: None,
        log_ranges: Vec::new(),
        method,
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
        unknown: Default::default(),
    }
}

/// A fresh directory beside the live one, as a worker makes it, hidden too.
pub fn stage(access: &DatastoreAccess, live: &Path, manifest: Manifest, log: &Log) -> Staging {
    use std::os::unix::fs::{MetadataExt, chown};
    let directory = live.with_file_name(format!(".holdfast-{}-staged", Uuid::new_v4().simple()));
    std::fs::create_dir(&directory).expect("make the staging directory");
    let metadata = std::fs::metadata(live).expect("the live directory");
    std::fs::set_permissions(&directory, metadata.permissions()).expect("its mode");
    chown(&directory, Some(metadata.uid()), Some(metadata.gid())).expect("its owner");
    Staging {
        directory,
        live_directory: live.to_owned(),
        owner: Credentials::of_owner(live).expect("the owner"),
        datastore: access.clone(),
        manifest,
        log: log.sink(),
        cancel: CancellationToken::new(),
    }
}

pub async fn unpack(staging: &Staging, stream: &[u8]) -> Result<(), EngineError> {
    let driver = driver(staging.datastore.engine);
    let mut unpacking = driver.unpack(staging, "base").await?;
    let mut input = unpacking.take_input().expect("input");
    let written = async {
        for part in stream.chunks(100_000) {
            input.write_all(part).await?;
        }
        input.shutdown().await
    }
    .await;
    drop(input);
    // As a worker does: the tool knows better than the pipe to it what went wrong.
    unpacking.finish().await?;
    written.unwrap_or_else(|error| panic!("the tool is content, but took not all: {error}"));
    Ok(())
}

/// Unpacks, prepares and probes.
pub async fn restore(staging: &Staging, stream: &[u8]) -> Result<Probe, EngineError> {
    let driver = driver(staging.datastore.engine);
    unpack(staging, stream).await?;
    driver.prepare(staging).await?;
    driver.probe_staged(staging).await
}

/// Puts the staged directory in the live one's place. The server must have stopped.
pub async fn switch(staging: &Staging) -> PathBuf {
    let driver = driver(staging.datastore.engine);
    driver.place_configuration(staging, ConfigurationSource::Live).await.expect("place the configuration");
    let aside = staging.live_directory.with_extension("aside");
    std::fs::rename(&staging.live_directory, &aside).expect("set the live data aside");
    std::fs::rename(&staging.directory, &staging.live_directory).expect("switch");
    aside
}

/// Looks at every process's arguments, as fast as it can, until it is dropped. // F-80
pub struct ArgumentWatch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(usize, Vec<String>)>>,
}

impl ArgumentWatch {
    /// Watches for any of `secrets`, and counts the processes of `program` that it saw.
    pub fn start(program: &'static str, secrets: &[&str]) -> Self {
        let secrets: Vec<Vec<u8>> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut seen, mut leaks) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
                    let Ok(arguments) = std::fs::read(entry.path().join("cmdline")) else { continue };
                    let name = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
                    if name.ends_with(program.as_bytes()) {
                        seen += 1;
                    }
                    let leaked = |secret: &Vec<u8>| arguments.windows(secret.len()).any(|window| window == secret);
                    if secrets.iter().any(leaked) {
                        leaks.push(String::from_utf8_lossy(&arguments).into_owned());
                    }
                }
            }
            (seen, leaks)
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends the watch: the program was seen, and no secret.
    pub fn assert_quiet(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let (seen, leaks) = self.thread.take().expect("a thread").join().expect("watch");
        assert!(seen > 0, "the tool was never seen");
        assert_eq!(leaks, Vec::<String>::new());
    }
}

impl Drop for ArgumentWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
