//! A fresh control database of each kind, and the shortest ways to a job in a given state.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone, Utc};
use domain::approval::Requester;
use domain::assignment::{Assignment, BackupSummary, Heartbeat, Outcome, ResultReport, TaskResult};
use domain::job::LEASE_SECONDS;
use domain::worker::WorkerIdentity;
use domain::{
    Actor, Backup, BackupType, Capabilities, Datastore, DatastoreCreate, DatastoreStatus, Engine, Inspection, Method,
    Restore, RestoreTarget, Secret, Storage,
};
use store::{MasterKey, RestoreRequest, Store};
use tempfile::TempDir;
use uuid::Uuid;

pub struct Fixture {
    pub store: Store,
    pub url: String,
    pub directory: TempDir,
    _control: Option<testkit::ControlDatabase>,
}

/// The same body as a test on each database.
#[macro_export]
macro_rules! on_both {
    ($(fn $name:ident($fixture:ident) $body:block)+) => {
        $(fn $name($fixture: &$crate::fixture::Fixture) $body)+
        mod sqlite { $(#[test] fn $name() { super::$name(&$crate::fixture::Fixture::sqlite()) })+ }
        mod postgresql { $(#[test] fn $name() { super::$name(&$crate::fixture::Fixture::postgresql()) })+ }
    };
}

pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
}

pub fn after(seconds: i64) -> DateTime<Utc> {
    now() + Duration::seconds(seconds)
}

pub fn worker(name: &str) -> WorkerIdentity {
    WorkerIdentity { name: name.into(), version: "1.0".into(), labels: BTreeMap::new() }
}

pub fn inspection(status: DatastoreStatus) -> Inspection {
    Inspection {
        status,
        engine_version: Some("15.18".into()),
        data_directory: Some("/var/lib/postgresql/15/main".into()),
        server_identity: Some("7300000000000000001".into()),
        data_size_bytes: Some(30_000_000),
        capabilities: Capabilities { restore_in_place: true, ..Capabilities::default() },
        findings: Vec::new(),
        refusal: None,
    }
}

pub fn summary(size_bytes: u64) -> BackupSummary {
    BackupSummary {
        backup_type: BackupType::Full,
        parent_id: None,
        size_bytes,
        original_size_bytes: size_bytes * 4,
        engine_version: "15.18".into(),
        log_position: Some("0/2000028".into()),
        server_identity: Some("7300000000000000001".into()),
        log_point: None,
        log_ranges: Vec::new(),
        encrypted: false,
        manifest_sha256: "5e".repeat(32),
    }
}

/// Somebody on this machine, before anybody can sign in.
pub fn requester() -> Requester {
    Requester { actor: Actor::unclaimed(), person: None }
}

pub fn completed(attempt: i32, result: TaskResult) -> ResultReport {
    ResultReport { attempt, outcome: Outcome::Completed { result }, log_lines: Vec::new() }
}

pub fn report(attempt: i32, outcome: Outcome) -> ResultReport {
    ResultReport { attempt, outcome, log_lines: Vec::new() }
}

impl Fixture {
    pub fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("holdfast.db").display());
        Self::open(url, directory, None)
    }

    pub fn postgresql() -> Self {
        let control = testkit::control_database();
        Self::open(control.url.clone(), tempfile::tempdir().unwrap(), Some(control))
    }

    fn open(url: String, directory: TempDir, control: Option<testkit::ControlDatabase>) -> Self {
        let key = MasterKey::load_or_create(&directory.path().join("master.key")).unwrap();
        let store = Store::open(&url, key).unwrap();
        Self { store, url, directory, _control: control }
    }

    pub fn key(&self) -> MasterKey {
        MasterKey::load_or_create(&self.directory.path().join("master.key")).unwrap()
    }

    pub fn storage(&self) -> Storage {
        self.store.storage_ensure_default("/var/lib/holdfast/vault", now()).unwrap()
    }

    pub fn draft(&self, name: &str) -> DatastoreCreate {
        DatastoreCreate {
            name: name.into(),
            engine: Engine::Postgresql,
            host: "127.0.0.1".into(),
            port: None,
            username: Some("backup".into()),
            password: Some(Secret::new("canary-password")),
            data_directory: None,
            shared_directory: None,
            shared_storage_id: None,
            service: None,
            worker: None,
            storage_id: None,
            project_id: None,
        }
    }

    pub fn datastore(&self, name: &str) -> Datastore {
        let inspection = inspection(DatastoreStatus::Online);
        self.store.datastore_create(&self.draft(name), self.storage().id, Some(&inspection), None, now()).unwrap()
    }

    pub fn backup(&self, datastore: Uuid) -> Backup {
        self.store.backup_create(datastore, Method::PgBasebackup, BackupType::Full, now()).unwrap()
    }

    pub fn claim(&self, at: DateTime<Utc>) -> Assignment {
        self.store.job_claim(&worker("w1"), LEASE_SECONDS, at).unwrap().expect("a job to claim")
    }

    pub fn finish(&self, assignment: &Assignment, result: TaskResult, at: DateTime<Utc>) {
        self.store.job_finish(assignment.job_id, &completed(assignment.attempt, result), at).unwrap();
    }

    pub fn beat(&self, assignment: &Assignment, at: DateTime<Utc>) -> domain::assignment::HeartbeatResponse {
        let heartbeat = Heartbeat { attempt: assignment.attempt, ..Heartbeat::default() };
        self.store.job_heartbeat(assignment.job_id, &heartbeat, LEASE_SECONDS, at).unwrap()
    }

    /// A backup that was made, `size_bytes` large.
    pub fn completed_backup(&self, datastore: Uuid, size_bytes: u64) -> Backup {
        let backup = self.backup(datastore);
        let assignment = self.claim(after(1));
        assert_eq!(assignment.job_id, backup.job_id);
        self.finish(&assignment, TaskResult::Backup { summary: summary(size_bytes) }, after(11));
        self.store.backup_get(backup.id).unwrap()
    }

    pub fn restore(&self, backup: Uuid, at: DateTime<Utc>) -> Restore {
        self.restore_to(RestoreTarget::InPlace, backup, at)
    }

    pub fn restore_to(&self, target: RestoreTarget, backup: Uuid, at: DateTime<Utc>) -> Restore {
        let request = RestoreRequest {
            target,
            stop: None,
            restore_configuration: false,
            requested_by: crate::fixture::requester(),
        };
        self.store.restore_create(backup, &request, at).unwrap()
    }

    pub fn completed_restore(&self, backup: Uuid, at: DateTime<Utc>) -> Restore {
        let restore = self.restore(backup, at);
        let assignment = self.claim(at);
        let undo_until = at + Duration::hours(24);
        self.finish(
            &assignment,
            TaskResult::Restore { undo_until, downtime_seconds: 1.5, server_identity: None, reached: None },
            at + Duration::seconds(20),
        );
        self.store.restore_get(restore.id).unwrap()
    }
}

/// Talks to the database behind the store's back.
pub fn raw<T>(
    url: &str,
    sqlite: impl FnOnce(&mut diesel::SqliteConnection) -> diesel::QueryResult<T>,
    postgres: impl FnOnce(&mut diesel::PgConnection) -> diesel::QueryResult<T>,
) -> diesel::QueryResult<T> {
    use diesel::Connection;
    match url.strip_prefix("sqlite://") {
        Some(path) => sqlite(&mut diesel::SqliteConnection::establish(path).unwrap()),
        None => postgres(&mut diesel::PgConnection::establish(url).unwrap()),
    }
}
