//! The main job with dumps: a server that nobody told how to stop is backed up, verified, restored and put back, through the
//! server alone.

use std::process::Command;

use client::PlanQuery;
use domain::{
    Backup, BackupKind, Datastore, DatastoreCreate, Manifest, Method, NewDatastore, RestoreCreate, RestoreStatus,
    RestoreTargetDraft, Secret, Service, VerificationStatus,
};

use crate::plane::Plane;
use crate::servers::{self, TestServer};

const PASSWORD: &str = "a'd m:in\\";

/// Somebody who may do all over TCP; the statements that make him.
trait Administered: TestServer {
    fn make_administrator(&self);
    fn method(&self) -> Method;
}

impl Administered for testkit::Postgres {
    fn make_administrator(&self) {
        self.sql(&format!("create role admin superuser login password E'{}'", escaped())).expect("a role");
    }
    fn method(&self) -> Method {
        Method::PgDump
    }
}

impl Administered for testkit::MariaDb {
    fn make_administrator(&self) {
        self.sql(&my_administrator("localhost")).expect("an account");
    }
    fn method(&self) -> Method {
        Method::MariadbDump
    }
}

impl Administered for testkit::Mysql {
    fn make_administrator(&self) {
        self.sql(&my_administrator("%")).expect("an account");
    }
    fn method(&self) -> Method {
        Method::Mysqldump
    }
}

fn my_administrator(host: &str) -> String {
    format!(
        "create user admin@'{host}' identified by '{}'; grant all on *.* to admin@'{host}' with grant option",
        escaped()
    )
}

fn escaped() -> String {
    PASSWORD.replace('\\', "\\\\").replace('\'', "\\'")
}

fn registration(server: &dyn Administered) -> DatastoreCreate {
    DatastoreCreate {
        username: Some("admin".to_owned()),
        password: Some(Secret::new(PASSWORD)),
        service: Some(Service::None),
        ..server.registration()
    }
}

async fn dumped(plane: &Plane, datastore: &Datastore, method: Method) -> Backup {
    plane.back_up_as(datastore.id, Some(method), None).await
}

async fn main_job(server: &dyn Administered, empty: &dyn Administered) {
    let (plane, mut worker) = Plane::with_worker_for(server);
    server.make_administrator();
    server.write(1, 500);
    let then = server.fingerprint();
    let datastore = plane.client.datastore_create(&registration(server)).await.expect("it is registered");
    let capabilities = &datastore.capabilities;
    let known = capabilities.methods.iter().find(|known| known.method == server.method());
    assert_eq!(known.map(|known| known.kind), Some(BackupKind::Logical), "{capabilities:?}");
    assert!(!capabilities.restore_in_place, "nobody told how to stop it");

    let backup = dumped(&plane, &datastore, server.method()).await;
    let verification = plane.client.backup_verify(backup.id).await.expect("the verification starts");
    plane.job_end(verification.id).await;
    let verified = plane.client.backup_get(backup.id).await.expect("the backup is there");
    assert_eq!(verified.verification.status, VerificationStatus::Passed);

    server.write(501, 250);
    let now = server.fingerprint();
    let plan = plane.client.backup_restore_plan(backup.id, &PlanQuery::default()).await.expect("a plan");
    assert_eq!(plan.obstacles, []);
    let databases = plan.databases.expect("a restore through the server tells its databases");
    assert_eq!((databases.replaced.len(), databases.created.len()), (1, 0), "{databases:?}");

    let restore = plane.restore(backup.id, &datastore.name).await;
    assert_eq!(server.fingerprint(), then, "the data is as it was at the backup");
    assert!(server.takes_writes());
    assert!(restore.undo_until.is_some());
    let undo = plane.client.restore_undo(restore.id).await.expect("the undo starts");
    plane.job_end(undo.id).await;
    let undone = plane.client.restore_get(restore.id).await.expect("the restore is there");
    assert_eq!(undone.status, RestoreStatus::Undone, "{}\n{}", plane.log_of(undo.id).await, server.own_log());
    assert_eq!(server.fingerprint(), now, "the data is as it was before the restore");
    assert!(server.takes_writes());

    // A worker that dies while it puts the data in place: its next attempt takes that back first. // F-12
    let restore = plane.start_restore(backup.id, &datastore.name).await;
    plane.phase(restore.job_id, "switching").await;
    worker.kill();
    let _next = plane.worker();
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{}", plane.log_of(restore.job_id).await);
    assert_eq!(server.fingerprint(), then);

    into_an_empty_server(&plane, server, empty, &backup).await;
    assert_eq!(empty.fingerprint(), then);
}

/// A copy in another, running server, which becomes a datastore of its own.
async fn into_an_empty_server(plane: &Plane, server: &dyn Administered, empty: &dyn Administered, backup: &Backup) {
    empty.make_administrator();
    let request = RestoreCreate {
        target: RestoreTargetDraft::NewDatastore(Box::new(NewDatastore {
            name: "copy".to_owned(),
            data_directory: None,
            shared_directory: None,
            shared_storage_id: None,
            service: None,
            host: None,
            port: Some(empty.port()),
            username: None,
            password: None,
            worker: None,
        })),
        confirm: None,
        ..Plane::restore_request(&server.name())
    };
    let restore = plane.client.backup_restore(backup.id, &request).await.expect("the restore starts");
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{}", plane.log_of(restore.job_id).await);
}

/// Runs the manifest's lines as a person would, against a server that `environment` names.
fn by_hand(plane: &Plane, backup: &Backup, server: &dyn Administered, environment: &[(&str, String)]) {
    let folder = plane.folder(backup);
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).expect("a manifest")).expect("JSON");
    let commands = manifest.restore_commands.join("\n");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = server.programs().into_iter().chain(std::env::split_paths(&path));
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .current_dir(&folder)
        .env("PATH", std::env::join_paths(directories).expect("a path"))
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .output()
        .expect("bash runs");
    assert!(done.status.success(), "{commands}\n{}", String::from_utf8_lossy(&done.stderr));
}

async fn a_person_restores(server: &dyn Administered, empty: &dyn Administered) {
    let (plane, _worker) = Plane::with_worker_for(server);
    server.make_administrator();
    server.write(1, 300);
    let datastore = plane.client.datastore_create(&registration(server)).await.expect("it is registered");
    let backup = dumped(&plane, &datastore, server.method()).await;
    empty.make_administrator();
    let home = tempfile::tempdir().expect("a directory");
    let options = format!(
        "[client]\nhost=127.0.0.1\nprotocol=tcp\nport={}\nuser=admin\npassword=\"{}\"\n",
        empty.port(),
        PASSWORD.replace('\\', "\\\\")
    );
    std::fs::write(home.path().join(".my.cnf"), options).expect("a file");
    let environment = [
        ("HOME", home.path().to_string_lossy().into_owned()),
        ("PGHOST", "127.0.0.1".to_owned()),
        ("PGPORT", empty.port().to_string()),
        ("PGUSER", "admin".to_owned()),
        ("PGPASSWORD", PASSWORD.to_owned()),
    ];
    by_hand(&plane, &backup, server, &environment);
    assert_eq!(empty.fingerprint(), server.fingerprint());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_dumped_and_comes_back() {
    main_job(&servers::postgres(), &servers::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_dumped_and_comes_back() {
    main_job(&servers::mariadb(), &servers::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_is_dumped_and_comes_back() {
    main_job(&servers::mysql(), &servers::mysql()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_a_dump_of_postgresql() {
    a_person_restores(&servers::postgres(), &servers::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_a_dump_of_mariadb() {
    a_person_restores(&servers::mariadb(), &servers::mariadb()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_a_dump_of_mysql() {
    a_person_restores(&servers::mysql(), &servers::mysql()).await;
}
