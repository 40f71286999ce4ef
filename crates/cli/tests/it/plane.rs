//! A control plane and workers, started from the binary and killed with the test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::Client;
use domain::{
    Backup, BackupCreate, BackupType, Datastore, Job, JobStatus, Method, Page, Restore, RestoreCreate, RestoreStatus,
    RestoreTargetDraft,
};
use uuid::Uuid;

/// No step of a test's small databases takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(120);

/// A control plane in a temporary directory.
pub struct Plane {
    process: Process,
    pub client: Client,
    pub directory: tempfile::TempDir,
    /// Where its workers look for the server's programs too.
    pub programs: Option<PathBuf>,
    /// The certificate of an authority that its workers trust.
    pub authority: Option<PathBuf>,
}

/// A process that dies with the value, and with the test's own process.
pub struct Process(pub Child);

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        // SAFETY: prctl is async-signal-safe and touches nothing of the parent.
        unsafe {
            command.pre_exec(|| {
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(std::io::Error::from)
            });
        }
        Self(command.spawn().expect("the binary starts"))
    }

    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Kills what the process started: a tracer lets go of it when it is killed itself.
    pub fn kill_child(&self) {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), nix::sys::signal::Signal::SIGKILL);
        }
    }

    pub fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("the process is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Plane {
    /// Starts a control plane without a worker.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one that logs much into a file.
    pub fn start_logging(level: &str, log: std::fs::File) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::Builder::new().prefix("holdfast-it-").tempdir().expect("a directory");
        let mut command = Self::command(directory.path());
        command.env("HOLDFAST_LOG", level).stderr(log);
        let (process, client) = Self::started(command);
        Self { process, client, directory, programs: None, authority: None }
    }

    /// Starts one with further options.
    pub fn start_with(options: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::Builder::new().prefix("holdfast-it-").tempdir().expect("a directory");
        let (process, client) = Self::spawn(directory.path(), options);
        Self { process, client, directory, programs: None, authority: None }
    }

    /// The control plane's process.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Kills the control plane.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts the control plane again, on what it left.
    pub fn start_again(&mut self, options: &[&str]) {
        (self.process, self.client) = Self::spawn(self.directory.path(), options);
    }

    /// Changes the control database while nobody uses it.
    pub fn edit_database(&self, sql: &str) {
        use diesel::Connection;
        use diesel::connection::SimpleConnection;
        let path = self.directory.path().join("holdfast.db");
        let mut connection = diesel::SqliteConnection::establish(&path.to_string_lossy()).expect("it opens");
        connection.batch_execute(sql).expect("it is changed");
    }

    fn spawn(directory: &Path, options: &[&str]) -> (Process, Client) {
        let mut command = Self::command(directory);
        command.args(options);
        Self::started(command)
    }

    fn command(directory: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command
            .args(["serve", "--no-worker", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory)
            .env("HOLDFAST_LOG", "warn")
            .stdout(Stdio::piped());
        command
    }

    fn started(command: Command) -> (Process, Client) {
        let mut process = Process::spawn(command);
        let stdout = process.0.stdout.take().expect("stdout is piped");
        let line = BufReader::new(stdout).lines().next().expect("a line").expect("text");
        let address = line.split_whitespace().last().expect("an address").to_owned();
        (process, Client::new(address))
    }

    /// A control plane and one worker.
    pub fn with_worker() -> (Self, Process) {
        let plane = Self::start();
        let worker = plane.worker();
        (plane, worker)
    }

    /// A control plane and one worker that finds the programs of a server.
    pub fn with_worker_for(server: &dyn crate::servers::TestServer) -> (Self, Process) {
        let mut plane = Self::start();
        plane.programs = server.programs();
        let worker = plane.worker();
        (plane, worker)
    }

    /// The command of a worker; tests wrap it where they want a fault.
    pub fn worker_command(&self) -> Vec<String> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            env!("CARGO_BIN_EXE_holdfast").to_owned(),
            "worker".to_owned(),
            "--server".to_owned(),
            self.client.base().to_owned(),
            "--token-file".to_owned(),
            path(self.directory.path().join("worker.token")),
            "--name".to_owned(),
            "it".to_owned(),
            "--data-dir".to_owned(),
            path(self.directory.path().join("it")),
        ]
    }

    /// Starts a worker and waits until it asks for jobs. A later one with the same name takes over from a killed one.
    pub fn worker(&self) -> Process {
        let since = chrono::Utc::now();
        let worker = self.worker_wrapped(&[]);
        testkit::wait_until("the worker asks for jobs", PATIENCE, || {
            let workers =
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.client.worker_list()));
            workers.is_ok_and(|page| page.items.iter().any(|worker| worker.last_seen_at >= since))
        });
        worker
    }

    /// Starts a worker below another program, such as `strace`.
    pub fn worker_wrapped(&self, wrapper: &[&str]) -> Process {
        let mut arguments: Vec<String> = wrapper.iter().map(|argument| (*argument).to_owned()).collect();
        arguments.extend(self.worker_command());
        Process::spawn(self.process_of(&arguments))
    }

    /// A worker that is not started yet.
    pub fn worker_process(&self) -> Command {
        self.process_of(&self.worker_command())
    }

    fn process_of(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]).env("HOLDFAST_LOG", "warn").stdout(Stdio::null());
        if let Some(directory) = &self.programs {
            command.env("HOLDFAST_POSTGRESQL_BIN", directory).env("HOLDFAST_MYSQL_BIN", directory);
        }
        if let Some(authority) = &self.authority {
            command.arg("--trust-authority").arg(authority);
        }
        command
    }

    /// The folder with the artifacts.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("backups")
    }

    pub async fn register(&self, server: &dyn crate::servers::TestServer) -> Datastore {
        self.client.datastore_create(&server.registration()).await.expect("the datastore is registered")
    }

    /// Makes an incremental backup, or what becomes of it.
    pub async fn back_up_incrementally(&self, datastore: Uuid) -> Backup {
        self.back_up_as(datastore, None, Some(BackupType::Incremental)).await
    }

    pub async fn start_backup(&self, datastore: Uuid) -> Backup {
        self.client.backup_create(datastore, &BackupCreate::default()).await.expect("the backup starts")
    }

    /// Makes a backup and expects it to complete.
    pub async fn back_up(&self, datastore: Uuid) -> Backup {
        self.back_up_as(datastore, None, None).await
    }

    /// The same, by a method and of a type where they are given.
    pub async fn back_up_as(&self, datastore: Uuid, method: Option<Method>, backup_type: Option<BackupType>) -> Backup {
        let asked = BackupCreate { method, backup_type };
        let backup = self.client.backup_create(datastore, &asked).await.expect("the backup starts");
        let backup = self.backup_end(backup.id).await;
        assert_eq!(backup.status, JobStatus::Completed, "{}", self.log_of(backup.job_id).await);
        backup
    }

    pub async fn backup_end(&self, id: Uuid) -> Backup {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let backup = self.client.backup_get(id).await.expect("the backup is there");
            if backup.status.is_final() {
                return backup;
            }
            assert!(Instant::now() < deadline, "the backup hangs: {backup:?}\n{}", self.log_of(backup.job_id).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn restore_request(name: &str) -> RestoreCreate {
        RestoreCreate {
            target: RestoreTargetDraft::InPlace,
            pitr_stop_time: None,
            pitr_stop_position: None,
            confirm: Some(name.to_owned()),
            restore_configuration: false,
        }
    }

    pub async fn start_restore(&self, backup: Uuid, name: &str) -> Restore {
        self.client.backup_restore(backup, &Self::restore_request(name)).await.expect("the restore starts")
    }

    /// Restores in place and expects it to complete.
    pub async fn restore(&self, backup: Uuid, name: &str) -> Restore {
        let restore = self.start_restore(backup, name).await;
        let restore = self.restore_end(restore.id).await;
        assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{}", self.log_of(restore.job_id).await);
        restore
    }

    pub async fn restore_end(&self, id: Uuid) -> Restore {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let restore = self.client.restore_get(id).await.expect("the restore is there");
            if !matches!(restore.status, RestoreStatus::Pending | RestoreStatus::Running) {
                return restore;
            }
            assert!(Instant::now() < deadline, "the restore hangs: {restore:?}\n{}", self.log_of(restore.job_id).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn job_end(&self, id: Uuid) -> Job {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.client.job_get(id).await.expect("the job is there");
            if job.status.is_final() {
                return job;
            }
            assert!(Instant::now() < deadline, "the job hangs: {job:?}\n{}", self.log_of(id).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a job is in a phase.
    pub async fn phase(&self, job: Uuid, phase: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.client.job_get(job).await.expect("the job is there");
            if now.steps.iter().any(|step| step.phase == phase) {
                return;
            }
            assert!(!now.status.is_final() && Instant::now() < deadline, "never came to {phase}: {now:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn log_of(&self, job: Uuid) -> String {
        match self.client.job_log(job, 0, 1000).await {
            Ok(Page { items, .. }) => {
                items.iter().map(|line| format!("{} {}\n", line.level, line.text)).collect::<String>()
            }
            Err(error) => format!("no log: {error}"),
        }
    }

    /// The folder of a backup in the storage.
    pub fn folder(&self, backup: &Backup) -> PathBuf {
        self.storage().join(domain::manifest::backup_folder(backup.datastore_id, backup.id))
    }
}

/// Waits until a worker asks for jobs.
pub async fn wait_for_worker(plane: &Plane) {
    let deadline = Instant::now() + PATIENCE;
    while plane.client.worker_list().await.is_ok_and(|page| !page.items.iter().any(|worker| worker.online)) {
        assert!(Instant::now() < deadline, "no worker came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All files below a directory, sorted.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
