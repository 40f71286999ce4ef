//! A real service on a free port with a control database of its own, plain HTTP to it, and workers that speak the real
//! protocol and whose results the test chooses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use api::{EdgeSettings, Running, ServiceConfig};
use chrono::Utc;
use client::Client;
use domain::assignment::{Assignment, BackupSummary, ClaimRequest, Outcome, ResultReport, Task, TaskResult};
use domain::worker::WorkerIdentity;
use domain::{
    BackupKind, BackupType, Capabilities, Datastore, DatastoreCreate, DatastoreStatus, Engine, Finding,
    FindingSeverity, Inspection, LogLevel, LogLineDraft, Method, MethodCapability, RestorePlan, Secret,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use store::{MasterKey, Store};
use tokio_util::sync::CancellationToken;

pub const TOKEN: &str = "the-workers-token-of-this-test";
pub const PASSWORD: &str = "c4nary-p4ssword";

pub struct TestService {
    pub running: Option<Running>,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    pub directory: tempfile::TempDir,
    /// Every operation that was answered with success, as `GET /path/as/sent`.
    pub succeeded: Mutex<BTreeSet<(String, String)>>,
}

pub struct Answered {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answered {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts that this is a complete problem with this code, and gives its `detail`.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/docs/errors#{code}"));
        for field in ["title", "detail", "instance", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {problem}");
        }
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    /// Asserts that the problem names exactly this field.
    #[track_caller]
    pub fn field(&self, pointer: &str) {
        let problem = self.json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

pub fn open_store(directory: &std::path::Path) -> Store {
    let key = MasterKey::load_or_create(&directory.join("master.key")).unwrap();
    Store::open(directory.join("holdfast.db").to_str().unwrap(), key).unwrap()
}

impl TestService {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let running = start_on(open_store(directory.path())).await;
        Self::with(running, directory)
    }

    /// A service that meets the network in another way.
    pub async fn start_with(edge: EdgeSettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let running = api::start(config(open_store(directory.path()), edge)).await.unwrap();
        Self::with(running, directory)
    }

    /// A service whose control database is at `url`.
    pub async fn start_at(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = MasterKey::load_or_create(&directory.path().join("master.key")).unwrap();
        let running = start_on(Store::open(url, key).unwrap()).await;
        Self::with(running, directory)
    }

    pub fn with(running: Running, directory: tempfile::TempDir) -> Self {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        PROVIDER.get_or_init(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let address = running.address();
        Self { running: Some(running), address, http: reqwest::Client::new(), directory, succeeded: Mutex::default() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn client(&self) -> Client {
        Client::new(self.url(""))
    }

    pub fn worker_client(&self) -> Client {
        self.client().with_token(Secret::new(TOKEN))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        self.send_as(&self.http, request).await
    }

    /// Sends a request with a client's own headers.
    pub async fn send_as(&self, client: &reqwest::Client, request: reqwest::RequestBuilder) -> Answered {
        let request = request.timeout(Duration::from_secs(60)).build().unwrap();
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let response = client.execute(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        // Only a worker's claim is answered with secrets. // F-81
        assert!(path.ends_with("/claim") || !text.contains(PASSWORD), "a secret was answered: {text}");
        if status.is_success() {
            self.succeeded.lock().unwrap().insert((method, path));
        }
        Answered { status, headers, text }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn delete(&self, path: &str) -> Answered {
        self.send(self.http.delete(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answered {
        self.send(self.http.post(self.url(path)).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answered {
        self.send(self.http.patch(self.url(path)).json(&body)).await
    }

    pub async fn post_as_worker(&self, path: &str, body: &impl serde::Serialize) -> Answered {
        self.send(self.http.post(self.url(path)).bearer_auth(TOKEN).json(body)).await
    }

    pub async fn get_as_worker(&self, path: &str) -> Answered {
        self.send(self.http.get(self.url(path)).bearer_auth(TOKEN)).await
    }

    /// A worker that inspects well and does everything else as `answer` says.
    pub fn worker(&self, answer: impl Fn(&Task) -> Outcome + Send + Sync + 'static) -> FakeWorker {
        FakeWorker::start(self, "test-worker", answer)
    }

    /// A datastore that a worker found well.
    pub async fn datastore(&self, name: &str) -> Datastore {
        self.client().datastore_create(&draft(name)).await.unwrap()
    }

    pub async fn stop(mut self) {
        self.running.take().unwrap().stop(Duration::from_secs(5)).await;
    }
}

pub async fn start_on(store: Store) -> Running {
    api::start(config(store, EdgeSettings::default())).await.unwrap()
}

pub fn config(store: Store, edge: EdgeSettings) -> ServiceConfig {
    ServiceConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        store,
        worker_token: Secret::new(TOKEN),
        default_storage_path: PathBuf::from("/var/lib/holdfast/storage"),
        version: "0.0.0-test",
        schedule_settings: domain::ScheduleSettings::default(),
        edge,
        oidc: None,
    }
}

pub fn draft(name: &str) -> DatastoreCreate {
    serde_json::from_value(json!({
        "name": name, "engine": "postgresql", "host": "127.0.0.1", "username": "backup", "password": PASSWORD,
        "service": {"kind": "systemd", "unit": "postgresql@15-main.service"}
    }))
    .unwrap()
}

/// What a worker tells of a server where everything works.
pub fn healthy(engine: Engine) -> Inspection {
    let method = match engine {
        Engine::Redis | Engine::Valkey => Method::Rdb,
        Engine::Mariadb => Method::Mariabackup,
        _ => Method::PgBasebackup,
    };
    Inspection {
        status: DatastoreStatus::Online,
        engine_version: Some("15.18".into()),
        data_directory: Some("/var/lib/postgresql/15/main".into()),
        server_identity: Some("7512345678901234567".into()),
        data_size_bytes: Some(40 << 20),
        capabilities: Capabilities {
            methods: vec![MethodCapability {
                method,
                types: vec![BackupType::Full],
                kind: BackupKind::Physical,
                incremental_reason: None,
            }],
            unavailable_methods: Vec::new(),
            point_in_time_recovery: !matches!(engine, Engine::Redis | Engine::Valkey),
            point_in_time_recovery_reason: matches!(engine, Engine::Redis | Engine::Valkey)
                .then(|| "Redis keeps no log to replay.".to_owned()),
            restore_in_place: true,
            restore_in_place_reason: None,
        },
        findings: vec![Finding {
            severity: FindingSeverity::Ok,
            code: "connected".into(),
            detail: "The server answers.".into(),
            remedy: None,
        }],
        refusal: None,
    }
}

pub fn plan() -> RestorePlan {
    RestorePlan {
        chain: vec![1],
        fetch_bytes: 10,
        unpacked_bytes: 20,
        links_bytes: 0,
        log_segments: 0,
        log_bytes: 0,
        needed_bytes: 30,
        free_bytes: 40,
        databases: None,
        estimated_seconds: None,
        estimated_downtime_seconds: None,
        obstacles: Vec::new(),
    }
}

/// Everything works.
pub fn success(task: &Task) -> Outcome {
    let result = match task {
        Task::Inspect { datastore } => TaskResult::Inspect { inspection: healthy(datastore.engine) },
        Task::Backup { backup, .. } => TaskResult::Backup {
            summary: BackupSummary {
                backup_type: backup.backup_type,
                parent_id: backup.parent_id,
                size_bytes: 1234,
                original_size_bytes: 5678,
                engine_version: "15.18".into(),
                log_position: Some("0/3000028".into()),
                server_identity: Some("7512345678901234567".into()),
                log_ranges: Vec::new(),
                log_point: Some(domain::LogPoint {
                    incarnation: "7512345678901234567-1.origin".into(),
                    position: 0x300_0028,
                }),
                encrypted: false,
                manifest_sha256: "5e".repeat(32),
            },
        },
        Task::Verify { .. } => TaskResult::Verify { problems: Vec::new() },
        Task::Delete { .. } => TaskResult::Delete,
        Task::PlanRestore { .. } => TaskResult::PlanRestore { plan: plan() },
        Task::Restore { .. } => TaskResult::Restore {
            undo_until: Utc::now() + chrono::TimeDelta::hours(24),
            downtime_seconds: 1.5,
            server_identity: None,
            reached: None,
        },
        Task::EndLogArchiving { .. } => TaskResult::EndLogArchiving,
        Task::ScanLogs { .. } => TaskResult::ScanLogs { scan: domain::log_archive::LogScan::default() },
        Task::Undo { .. } => TaskResult::Undo { downtime_seconds: 0.5, server_identity: None },
        Task::Sweep { .. } => {
            TaskResult::Sweep { deleted: 0, failed: Vec::new(), missing: Vec::new(), deleted_logs: Vec::new() }
        }
    };
    Outcome::Completed { result }
}

pub fn identity(name: &str) -> WorkerIdentity {
    WorkerIdentity { name: name.into(), version: "0.0.0-test".into(), labels: BTreeMap::new() }
}

pub fn claim(name: &str, wait_seconds: u64) -> ClaimRequest {
    serde_json::from_value(json!({"worker": identity(name), "wait_seconds": wait_seconds})).unwrap()
}

/// A worker that speaks the real protocol with the real client.
pub struct FakeWorker {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    pub seen: Arc<Mutex<Vec<Assignment>>>,
    metrics: String,
}

impl FakeWorker {
    pub fn start(service: &TestService, name: &str, answer: impl Fn(&Task) -> Outcome + Send + Sync + 'static) -> Self {
        // Heard of before anybody relies on it.
        let known = open_store(service.directory.path()).job_claim(&identity(name), 30, Utc::now()).unwrap();
        assert_eq!(known, None, "a job was waiting");
        Self::spawn(service, name, answer)
    }

    pub fn spawn(service: &TestService, name: &str, answer: impl Fn(&Task) -> Outcome + Send + Sync + 'static) -> Self {
        let (stop, seen) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let (client, name, stopped, record) = (service.worker_client(), name.to_owned(), stop.clone(), seen.clone());
        let task = tokio::spawn(async move {
            let claim = claim(&name, 10);
            loop {
                let claimed = tokio::select! {
                    () = stopped.cancelled() => return,
                    claimed = client.worker_claim(&claim) => claimed,
                };
                let Ok(claimed) = claimed else { return };
                let Some(assignment) = claimed.assignment else { continue };
                let report = ResultReport {
                    attempt: assignment.attempt,
                    outcome: answer(&assignment.task),
                    log_lines: vec![line(&format!("did the {}", assignment.task.kind()))],
                };
                record.lock().unwrap().push(assignment.clone());
                client.worker_result(assignment.job_id, &report).await.unwrap();
            }
        });
        Self { stop, task, seen, metrics: service.url("/metrics") }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        // Until the service has noticed that the claim hung up, it might hand out a job.
        let ask = || async { reqwest::get(&self.metrics).await.unwrap().text().await.unwrap() };
        eventually("nobody asks", ask, |page| page.contains("holdfast_http_requests_in_flight 1\n")).await;
    }
}

pub fn line(text: &str) -> LogLineDraft {
    LogLineDraft { at: Utc::now(), level: LogLevel::Info, text: text.into() }
}

/// Asks until the answer satisfies, for at most 20 s.
pub async fn eventually<T, F: Future<Output = T>>(what: &str, ask: impl Fn() -> F, done: impl Fn(&T) -> bool) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let answer = ask().await;
        if done(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "timed out waiting: {what}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
