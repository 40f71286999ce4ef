//! Holdfast as people run it: `holdfast serve --no-worker` and `holdfast worker`, each a process, in directories of their
//! own. Both end when their value is dropped.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::Client;
use domain::{Backup, BackupCreate, BackupType, Datastore, DatastoreCreate, DatastoreStatus, JobStatus, Manifest};
use domain::{Restore, RestoreCreate, RestoreStatus, RestoreTargetDraft};
use uuid::Uuid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");
const READY: &str = "Holdfast is ready at ";
/// How often a job's end is asked for: rarely enough to take nothing from it.
const INTERVAL: Duration = Duration::from_millis(200);
/// What a restore's log says when the unpacked data is prepared and its server is about to be started.
const BEFORE_START: &str = "Starting the restored data privately";
const BEFORE_REPLAY: &str = "Replaying the log on the restored data";
const AFTER_REPLAY: &str = "The replay stopped at ";
const LOG_PAGE: u32 = 1000;

/// A control plane.
pub struct ControlPlane {
    process: Child,
    pub client: Client,
    pub directory: PathBuf,
    programs: Option<(&'static str, PathBuf)>,
}

/// A worker.
pub struct Worker {
    process: Child,
}

impl ControlPlane {
    /// Starts one on the control database in `directory`, which is made when it is not there.
    pub fn start(directory: &Path) -> Result<Self> {
        let mut process = Command::new(PROGRAM)
            .args(["--log", "warn", "serve", "--listen", "127.0.0.1:0", "--no-worker", "--data-dir"])
            .arg(directory)
            // testkit ends what works below its directory, even when this process was killed.
            .current_dir(directory.parent().context("no parent")?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start holdfast serve")?;
        let output = process.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let address = lines.find_map(|line| line.ok()?.strip_prefix(READY).map(str::to_owned));
        // It must never meet a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut started =
            Self { process, client: Client::new(String::new()), directory: directory.into(), programs: None };
        started.client = Client::new(address.context("holdfast serve ended before it was ready")?);
        Ok(started)
    }

    /// Has its workers find an engine's programs in a directory, which a variable names.
    pub fn with_programs(mut self, programs: Option<(&'static str, PathBuf)>) -> Self {
        self.programs = programs;
        self
    }

    /// The service's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Starts a worker for it and waits until it has reported itself.
    pub async fn start_worker(&self) -> Result<Worker> {
        self.start_worker_with(None).await
    }

    /// The same, with PostgreSQL's programs from elsewhere.
    pub async fn start_worker_with(&self, programs: Option<&Path>) -> Result<Worker> {
        let started_at = chrono::Utc::now();
        let process = Command::new(PROGRAM)
            .envs(programs.map(|programs| ("HOLDFAST_POSTGRESQL_BIN", programs)))
            .envs(self.programs.clone())
            .args(["--log", "warn", "worker", "--name", "bench", "--server", self.client.base()])
            .arg("--token-file")
            .arg(self.directory.join("worker.token"))
            .arg("--data-dir")
            .arg(&self.directory)
            .current_dir(self.directory.parent().context("no parent")?)
            .stdin(Stdio::null())
            .spawn()
            .context("start holdfast worker")?;
        let mut worker = Worker { process };
        while !self.client.worker_list().await?.items.iter().any(|worker| worker.last_seen_at >= started_at) {
            if let Some(status) = worker.process.try_wait()? {
                bail!("holdfast worker ended: {status}");
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(worker)
    }

    /// Registers a server; all that backups need must be there.
    pub async fn register(&self, registration: &DatastoreCreate) -> Result<Datastore> {
        let datastore = self.client.datastore_create(registration).await?;
        if datastore.status != DatastoreStatus::Online || datastore.capabilities.methods.is_empty() {
            bail!("{} can't be backed up: {:?}", datastore.name, datastore.findings);
        }
        Ok(datastore)
    }

    /// Makes a full backup and tells how long the worker had it.
    pub async fn back_up(&self, datastore: &Datastore) -> Result<(Backup, Duration)> {
        self.back_up_as(datastore, BackupType::Full).await
    }

    /// Makes a backup of a type and tells how long the worker had it.
    pub async fn back_up_as(&self, datastore: &Datastore, backup_type: BackupType) -> Result<(Backup, Duration)> {
        let asked = BackupCreate { method: None, backup_type: Some(backup_type) };
        let mut backup = self.client.backup_create(datastore.id, &asked).await?;
        while !backup.status.is_final() {
            tokio::time::sleep(INTERVAL).await;
            backup = self.client.backup_get(backup.id).await?;
        }
        if backup.status != JobStatus::Completed {
            bail!("the backup of {} is {}: {:?}", datastore.name, backup.status, backup.error);
        }
        if backup.backup_type != backup_type {
            bail!("the {backup_type} backup of {} became a {} one", datastore.name, backup.backup_type);
        }
        let (Some(started_at), Some(ended_at)) = (backup.started_at, backup.ended_at) else {
            bail!("the backup does not tell when it began and ended");
        };
        let time = (ended_at - started_at).to_std().context("the backup ended before it began")?;
        Ok((backup, time))
    }

    /// Restores a backup in place. Tells how long it took up to the start of a server on the restored data.
    pub async fn restore(&self, datastore: &Datastore, backup: Uuid) -> Result<(Restore, Duration)> {
        let restore = self.restore_to(datastore, backup, None).await?;
        let started_at = restore.started_at.context("the restore does not tell when it began")?;
        // The steps of a job begin with a heartbeat, up to a second late; its log's lines bear the worker's own time.
        let ready_at = self.log_time(restore.job_id, BEFORE_START).await?;
        let time = (ready_at - started_at).to_std().context("the restore was ready before it began")?;
        Ok((restore, time))
    }

    async fn restore_to(&self, datastore: &Datastore, backup: Uuid, stop: Option<&str>) -> Result<Restore> {
        let asked = RestoreCreate {
            target: RestoreTargetDraft::InPlace,
            pitr_stop_time: stop.map(str::to_owned),
            pitr_stop_position: None,
            confirm: Some(datastore.name.clone()),
            restore_configuration: false,
        };
        let mut restore = self.client.backup_restore(backup, &asked).await?;
        while matches!(restore.status, RestoreStatus::Pending | RestoreStatus::Running) {
            tokio::time::sleep(INTERVAL).await;
            restore = self.client.restore_get(restore.id).await?;
        }
        if restore.status != RestoreStatus::Completed {
            bail!("the restore of {} is {}: {:?}", datastore.name, restore.status, restore.error);
        }
        Ok(restore)
    }

    /// Switches log archiving on.
    pub async fn archive_logs(&self, datastore: &Datastore) -> Result<()> {
        let mut settings = self.client.backup_settings_get(datastore.id).await?;
        settings.log_archiving = true;
        self.client.backup_settings_put(datastore.id, &settings).await?;
        while self.client.recovery_window(datastore.id).await?.log_archiving.complete_until.is_none() {
            tokio::time::sleep(INTERVAL).await;
        }
        Ok(())
    }

    /// Makes a full backup as soon as no other is being made.
    pub async fn back_up_when_free(&self, datastore: &Datastore) -> Result<(Backup, Duration)> {
        while self.client.datastore_get(datastore.id).await?.overview.active_job.is_some() {
            tokio::time::sleep(INTERVAL).await;
        }
        self.back_up(datastore).await
    }

    /// Restores a backup in place to the end of the archived log. Tells how long the replay took.
    pub async fn replay(&self, datastore: &Datastore, backup: Uuid) -> Result<Duration> {
        while self.client.datastore_get(datastore.id).await?.overview.active_job.is_some() {
            tokio::time::sleep(INTERVAL).await;
        }
        let restore = self.restore_to(datastore, backup, Some("latest")).await?;
        let began = self.log_time(restore.job_id, BEFORE_REPLAY).await?;
        let ended = self.log_time(restore.job_id, AFTER_REPLAY).await?;
        (ended - began).to_std().context("the replay ended before it began")
    }

    /// Joins a full backup's volumes: the compressed stream that the tool wrote.
    pub fn join_volumes(&self, backup: &Backup, file: &Path) -> Result<()> {
        let folder = domain::manifest::backup_folder(backup.datastore_id, backup.id);
        let folder = self.directory.join("backups").join(folder);
        let mut joined = fs::File::create(file).context("make the joined file")?;
        let manifest = self.manifest(backup)?;
        let stream = manifest.streams.first().context("no stream")?;
        for object in &stream.objects {
            std::io::copy(&mut fs::File::open(folder.join(&object.key))?, &mut joined).context("join the volumes")?;
        }
        Ok(())
    }

    async fn log_time(&self, job: Uuid, text: &str) -> Result<chrono::DateTime<chrono::Utc>> {
        let mut after = 0;
        loop {
            let lines = self.client.job_log(job, after, LOG_PAGE).await?.items;
            if let Some(line) = lines.iter().find(|line| line.text.starts_with(text)) {
                return Ok(line.at);
            }
            after = lines.last().with_context(|| format!("the job's log has no line {text:?}"))?.sequence;
        }
    }

    /// What a backup in the default storage says of itself.
    pub fn manifest(&self, backup: &Backup) -> Result<Manifest> {
        let folder = domain::manifest::backup_folder(backup.datastore_id, backup.id);
        let path = self.directory.join("backups").join(folder).join(domain::manifest::MANIFEST_NAME);
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).context("understand the manifest")
    }
}

impl Worker {
    /// The worker's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The most memory that the process ever had, in bytes: `VmHWM`, proc_pid_status(5). Its tools are not in it.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).context("read its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmHWM is no number")?;
        Ok(kib << 10)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Both survive a kill at any time; nothing waits for them here.
fn end(process: &mut Child) {
    if let Err(error) = process.kill().and_then(|()| process.wait()) {
        eprintln!("bounds: ending process {}: {error}", process.id());
    }
}
