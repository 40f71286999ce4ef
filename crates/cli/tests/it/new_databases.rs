//! Databases of a backup restored beside those in use, under new names, through the binary. SQL Server is a double here.

use client::{ClientError, PlanQuery};
use domain::{
    Backup, BackupType, DatabaseCopy, DatastoreCreate, ErrorCode, Method, Restore, RestoreCreate, RestoreStatus,
    RestoreTargetDraft, Secret,
};
use testkit::Mssql;

use crate::log_backups::a_moment;
use crate::plane::Plane;
use crate::servers::{self, TestServer};

fn request(copies: &[(&str, &str)]) -> RestoreCreate {
    let copy = |(name, new_name): &(&str, &str)| DatabaseCopy { name: (*name).into(), new_name: (*new_name).into() };
    let databases = copies.iter().map(copy).collect();
    let target = RestoreTargetDraft::NewDatabases { databases };
    RestoreCreate { target, confirm: None, ..Plane::restore_request("") }
}

async fn restored(plane: &Plane, backup: &Backup, request: &RestoreCreate) -> Restore {
    let restore = plane.client.backup_restore(backup.id, request).await.expect("the restore starts");
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.status, RestoreStatus::Completed, "{restore:?}\n{}", plane.log_of(restore.job_id).await);
    restore
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_comes_beside_itself_as_it_was_at_a_time_and_goes_again() {
    let double = Mssql::builder().encrypting().start().expect("the double starts");
    let shared = tempfile::tempdir().expect("a directory");
    for database in ["shop", "wiki"] {
        double.create_database(database);
    }
    let (plane, _worker) = Plane::with_worker();
    let registration = servers::sql_server(&double, shared.path(), "it SQL Server");
    let datastore = plane.client.datastore_create(&registration).await.expect("it is registered").id;
    double.insert("shop", "1", None);
    let full = plane.back_up_as(datastore, Some(Method::MssqlBackup), Some(BackupType::Full)).await;
    double.insert("shop", "2", None);
    let stop = a_moment().await;
    double.insert("shop", "a mistake", None);
    plane.back_up_as(datastore, Some(Method::MssqlBackup), Some(BackupType::Log)).await;

    let copies = [DatabaseCopy { name: "shop".into(), new_name: "shop before".into() }];
    let query = PlanQuery {
        pitr_stop_time: Some(stop.to_rfc3339()),
        new_databases: Some(serde_json::to_string(&copies).expect("JSON")),
        ..PlanQuery::default()
    };
    let plan = plane.client.backup_restore_plan(full.id, &query).await.expect("a plan");
    let all = PlanQuery { new_databases: None, ..query };
    let of_all = plane.client.backup_restore_plan(full.id, &all).await.expect("a plan");
    assert_eq!((plan.obstacles.len(), plan.chain.len()), (0, 2), "{plan:?}");
    assert!(plan.fetch_bytes < of_all.fetch_bytes, "only what is copied is read: {plan:?}");

    let request = RestoreCreate { pitr_stop_time: Some(stop.to_rfc3339()), ..request(&[("shop", "shop before")]) };
    let restore = restored(&plane, &full, &request).await;
    assert!(restore.undo_until.is_some(), "{restore:?}");
    let names = |double: &Mssql| double.databases().into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(names(&double), ["shop", "shop before", "wiki"]);
    assert_eq!(double.entries("shop before").expect("it is online"), ["1", "2"]);
    assert_eq!(double.entries("shop").expect("it is online"), ["1", "2", "a mistake"]);

    let undo = plane.client.restore_undo(restore.id).await.expect("the undo starts");
    plane.job_end(undo.id).await;
    assert!(double.entries("shop before").is_none());
    assert_eq!(double.entries("shop").expect("it is online"), ["1", "2", "a mistake"]);
}

fn administrator(server: &testkit::Postgres) -> DatastoreCreate {
    server.sql("create role admin superuser login password 'admin'").expect("a role");
    DatastoreCreate {
        username: Some("admin".to_owned()),
        password: Some(Secret::new("admin")),
        ..server.registration()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_dump_comes_beside_itself_and_a_taken_name_is_refused() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker_for(&server);
    let datastore = plane.client.datastore_create(&administrator(&server)).await.expect("it is registered").id;
    server.write(1, 500);
    let then = server.fingerprint();
    let backup = plane.back_up_as(datastore, Some(Method::PgDump), Some(BackupType::Full)).await;
    server.write(501, 50);
    let now = server.fingerprint();

    let taken = plane.client.backup_restore(backup.id, &request(&[("postgres", "postgres")])).await.expect("a restore");
    let refused = plane.restore_end(taken.id).await;
    assert_eq!(refused.error.map(|error| error.code), Some(ErrorCode::NameTaken));
    restored(&plane, &backup, &request(&[("postgres", "as it was")])).await;
    let question = "select count(*), md5(string_agg(id || note, ',' order by id)) from items";
    assert_eq!(server.sql_in("as it was", question).expect("an answer"), then);
    assert_eq!(server.fingerprint(), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_restore_whole_servers_refuse_single_databases() {
    let server = testkit::Redis::start().expect("redis starts");
    let (plane, _worker) = Plane::with_worker_for(&server);
    let datastore = plane.client.datastore_create(&server.registration()).await.expect("it is registered").id;
    let backup = plane.back_up_as(datastore, Some(Method::Rdb), Some(BackupType::Full)).await;
    match plane.client.backup_restore(backup.id, &request(&[("0", "1")])).await {
        Err(ClientError::Problem(problem)) => {
            assert_eq!(problem.code, ErrorCode::ValidationFailed);
            assert!(problem.errors.iter().any(|error| error.pointer == "/target/kind"), "{problem:?}");
        }
        other => panic!("no refusal: {other:?}"),
    }
}
