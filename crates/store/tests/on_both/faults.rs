//! What the database itself may do wrong.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use domain::ErrorCode;
use store::{BackupFilter, PageRequest, Store, StoreError};
use testkit::{Postgres, Tmpfs, wait_until};

use crate::fixture::{Fixture, after, now, raw};
use crate::on_both;

on_both! {
    fn f27_a_newer_schema_is_refused_and_left_alone(fixture) {
        let datastore = fixture.datastore("shop");
        let newer = "insert into __diesel_schema_migrations (version) values ('99990101000000')";
        raw(&fixture.url, |sqlite| sqlite.batch_execute(newer), |postgres| postgres.batch_execute(newer)).unwrap();
        let refused = Store::open(&fixture.url, fixture.key());
        assert!(matches!(&refused, Err(StoreError::NewerSchema { migration }) if migration == "99990101000000"), "{refused:?}");
        let older = "delete from __diesel_schema_migrations where version = '99990101000000'";
        raw(&fixture.url, |sqlite| sqlite.batch_execute(older), |postgres| postgres.batch_execute(older)).unwrap();
        let again = Store::open(&fixture.url, fixture.key()).unwrap();
        assert_eq!(again.datastore_get(datastore.id, now()).unwrap().name, "shop");
    }

    fn f27_many_that_start_at_once_all_find_the_tables(fixture) {
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| Store::open(&fixture.url, fixture.key()).unwrap().ping().unwrap());
            }
        });
    }
}

#[test]
fn f27_many_that_start_at_once_on_nothing_make_the_tables_once() {
    let directory = tempfile::tempdir().unwrap();
    let control = testkit::control_database();
    let key = store::MasterKey::load_or_create(&directory.path().join("master.key")).unwrap();
    let sqlite = directory.path().join("holdfast.db").display().to_string();
    for url in [sqlite, control.url.clone()] {
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| Store::open(&url, key.clone()).unwrap().ping().unwrap());
            }
        });
    }
}

#[test]
fn f20_a_postgresql_that_goes_away_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Postgres::start().unwrap();
    server.sql("create role control login password 'control'").unwrap();
    server.sql("create database control owner control").unwrap();
    let url = format!("postgres://control:control@127.0.0.1:{}/control", server.port);
    let key = store::MasterKey::load_or_create(&directory.path().join("master.key")).unwrap();
    let store = Store::open(&url, key.clone()).unwrap();
    store.storage_ensure_default("/srv", now()).unwrap();

    server.stop().unwrap();
    for _ in 0..2 {
        let gone = store.storage_default().unwrap_err();
        assert!(matches!(gone, StoreError::Unavailable { .. }), "{gone:?}");
        assert_eq!(gone.code(), ErrorCode::DatabaseUnavailable);
    }
    let closed = Store::open(&url, key).unwrap_err();
    assert!(matches!(closed, StoreError::Unavailable { .. }), "{closed:?}");

    server.start_again().unwrap();
    wait_until("the store finds its database again", Duration::from_secs(30), || store.ping().is_ok());
    assert_eq!(store.storage_default().unwrap().name, "default");

    // Connections that the pool holds are cut, and the next call does not notice.
    server.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'control'").unwrap();
    assert_eq!(store.storage_default().unwrap().name, "default");
}

#[test]
fn f26_a_full_disk_refuses_writes_and_still_reads() {
    let disk = Tmpfs::mount(2 << 20).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = store::MasterKey::load_or_create(&directory.path().join("master.key")).unwrap();
    let url = disk.path().join("holdfast.db").display().to_string();
    let store = Store::open(&url, key).unwrap();
    let storage = store.storage_ensure_default("/srv", now()).unwrap();
    let ballast = disk.path().join("ballast");
    let mut size = 2_usize << 20;
    while size >= 512 {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
    let mut full = None;
    for number in 0..200 {
        let create = domain::StorageCreate {
            name: format!("storage {number}"),
            config: domain::StorageConfig::Local { path: format!("/srv/{}", "x".repeat(3000)) },
            secret_access_key: None,
        };
        if let Err(error) = store.storage_create(&create, now()) {
            full = Some(error);
            break;
        }
    }
    let full = full.expect("the disk is full at last");
    assert!(matches!(full, StoreError::Full), "{full:?}");
    assert_eq!(full.code().http_status(), 507);
    assert_eq!(store.storage_default().unwrap(), storage);
    std::fs::remove_file(&ballast).unwrap();
    let create = domain::StorageCreate {
        name: "after".into(),
        config: domain::StorageConfig::Local { path: "/srv".into() },
        secret_access_key: None,
    };
    store.storage_create(&create, now()).unwrap();
}

#[test]
fn f26_a_locked_database_is_waited_for_and_then_named() {
    let fixture = Fixture::sqlite();
    fixture.storage();
    let path = fixture.url.strip_prefix("sqlite://").unwrap();
    let mut other = <diesel::SqliteConnection as diesel::Connection>::establish(path).unwrap();
    other.batch_execute("begin immediate").unwrap();
    assert_eq!(fixture.store.storage_default().unwrap().name, "default", "reading never waits for a writer");
    let started = std::time::Instant::now();
    let busy = fixture.store.worker_list(now()).and(fixture.store.idempotency_abandon("key", now()));
    assert!(matches!(busy, Err(StoreError::Unavailable { .. })), "{busy:?}");
    assert!(started.elapsed() < Duration::from_secs(15), "bounded");
    other.batch_execute("commit").unwrap();
    fixture.store.idempotency_abandon("key", now()).unwrap();
}

#[test]
fn f26_a_damaged_file_is_refused_at_the_start() {
    let fixture = Fixture::sqlite();
    let datastore = fixture.datastore("shop");
    for size in 0..40 {
        fixture.completed_backup(datastore.id, size);
    }
    let copy = fixture.directory.path().join("damaged.db");
    let path = fixture.url.strip_prefix("sqlite://").unwrap().to_owned();
    raw(&fixture.url, |sqlite| sqlite.batch_execute("pragma wal_checkpoint(truncate)"), |_| Ok(())).unwrap();
    let whole = std::fs::read(path).unwrap();
    for from in [0, whole.len() / 3, whole.len() / 2] {
        let mut bytes = whole.clone();
        bytes[from..from + 8192].fill(0xa5);
        std::fs::write(&copy, bytes).unwrap();
        let refused = Store::open(copy.to_str().unwrap(), fixture.key());
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{from}: {refused:?}");
    }
    std::fs::write(&copy, whole).unwrap();
    let store = Store::open(copy.to_str().unwrap(), fixture.key()).unwrap();
    assert_eq!(store.backup_list(datastore.id, &BackupFilter::default(), &PageRequest::default()).unwrap().total, 40);
    assert_eq!(store.datastore_get(datastore.id, after(1)).unwrap().overview.backup_count, 40);
}
