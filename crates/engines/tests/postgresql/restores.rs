//! From a tar stream to a server that answers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use domain::ErrorCode;
use engines::ConfigurationSource;
use testkit::{Postgres, processes_below, wait_until};
use tokio_util::sync::CancellationToken;

use crate::setup::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn fill(server: &Postgres) {
    server.sql("create database \"we\"\"ird $(x) -rf\"").unwrap();
    server
        .sql_in(
            "we\"ird $(x) -rf",
            "create table \"drop'table\" as select g as id, md5(g::text) as text from generate_series(1, 20000) g",
        )
        .unwrap();
}

const SUM: &str = "select count(*), sum(hashtext(text)) from \"drop'table\"";

#[tokio::test]
async fn a_backup_comes_back_as_it_was() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let before = server.sql_in("we\"ird $(x) -rf", SUM).unwrap();
    let stored = back_up(&server).await;
    server.sql_in("we\"ird $(x) -rf", "drop table \"drop'table\"").unwrap();
    server.sql("alter system set work_mem = '7MB'").unwrap();

    let log = Log::default();
    let staging = staging(&server, &stored.facts, &log);
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    let probe = probe(&staging).await.unwrap();
    assert!(probe.summary.contains("2 databases, 1 table, "), "{}", probe.summary);
    assert_eq!(probe.engine_version, stored.facts.engine_version);
    assert!(server.is_running(), "the live server runs on untouched");
    assert_eq!(processes_below(&staging.directory), Vec::<u32>::new());
    for left in ["postmaster.pid", "postmaster.opts", "backup_label", "recovery.signal", "standby.signal"] {
        assert!(!staging.directory.join(left).exists(), "{left}");
    }

    server.stop().unwrap();
    driver().place_configuration(&staging, ConfigurationSource::Live).await.unwrap();
    for entry in fs::read_dir(&staging.directory).unwrap() {
        let metadata = entry.unwrap().metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (staging.owner.uid, staging.owner.gid));
        assert_eq!(metadata.mode() & 0o077, 0);
    }
    switch(&staging, &server.data_directory.with_file_name("data.aside"));
    server.start_again().unwrap();
    assert_eq!(server.sql_in("we\"ird $(x) -rf", SUM).unwrap(), before);
    assert_eq!(server.sql("show work_mem").unwrap(), "7MB", "the live server's settings");
    let ping = driver().ping(&access(&server), &CancellationToken::new()).await.unwrap();
    assert!(ping.summary.contains("takes logins"), "{}", ping.summary);
    assert!(!server.log().contains("database system was interrupted"), "the switch costs no recovery");
}

#[tokio::test]
async fn f66_damaged_files_do_not_pass_the_probe() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    // The log from the backup's start on is gone.
    for entry in fs::read_dir(staging.directory.join("pg_wal")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    let error = probe(&staging).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RestoredServerUnhealthy);
    assert!(error.to_job_error().detail.contains("could not locate required checkpoint record"), "{error}");
    assert_eq!(processes_below(&staging.directory), Vec::<u32>::new());
    assert!(server.is_running());
}

#[tokio::test]
async fn what_is_no_backup_of_this_server_is_refused_before_it_is_started() {
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    let log = Log::default();

    let mut facts = stored.facts.clone();
    facts.server_identity = Some("42".into());
    let other_server = staging(&server, &facts, &log);
    let error = unpack_and_prepare(&other_server, &stored.tar).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::BackupNotRestorable);

    let mut facts = stored.facts.clone();
    facts.engine_version = "14.1".into();
    let other_version = staging(&server, &facts, &log);
    let error = unpack_and_prepare(&other_version, &stored.tar).await.unwrap_err();
    assert!(error.to_string().contains("14.1"), "{error}");

    let empty = staging(&server, &stored.facts, &log);
    let error = unpack_and_prepare(&empty, &[0; 10240]).await.unwrap_err();
    assert!(error.to_string().contains("PG_VERSION is missing"), "{error}");

    let unknown = staging(&server, &stored.facts, &log);
    let error = driver().unpack(&unknown, "other").await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::ManifestInvalid);
}

/// A data directory that is a mount point holds what earlier restores put aside, and the tool copies it along.
#[tokio::test]
async fn what_earlier_restores_kept_is_not_restored() {
    let server = Postgres::start().unwrap();
    let owner = process::Credentials::of_owner(&server.data_directory).unwrap();
    let kept = server.data_directory.join(".holdfast-outgoing");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("PG_VERSION"), "15").unwrap();
    for path in [&kept, &kept.join("PG_VERSION")] {
        std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)).unwrap();
    }
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack(&staging, &stored.tar).await.unwrap();
    assert!(staging.directory.join(".holdfast-outgoing").exists(), "the tool copies it");
    driver().prepare(&staging).await.unwrap();
    assert!(!staging.directory.join(".holdfast-outgoing").exists());
}

#[tokio::test]
async fn f02_a_stream_that_was_cut_off_does_not_unpack() {
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    let half = &stored.tar[..stored.tar.len() / 2 + 100];
    let error = unpack(&staging, half).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::EngineToolFailed);
    assert!(error.to_job_error().detail.contains("Unexpected EOF"), "{error:?}");
}

#[tokio::test]
async fn f40_a_full_disk_is_told_as_such() {
    let small = testkit::Tmpfs::mount(16 << 20).unwrap();
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    let mut staging = staging(&server, &stored.facts, &Log::default());
    staging.directory = small.path().join("staging");
    fs::create_dir(&staging.directory).unwrap();
    std::os::unix::fs::chown(&staging.directory, Some(staging.owner.uid), Some(staging.owner.gid)).unwrap();
    let error = unpack(&staging, &stored.tar).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InsufficientDiskSpace, "{error:?}");
}

#[tokio::test]
async fn f04_a_cancelled_probe_leaves_no_server() {
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    staging.cancel.cancel();
    assert!(probe(&staging).await.unwrap_err().is_cancelled());
    wait_until("no server is left", PATIENCE, || processes_below(&staging.directory).is_empty());
}

#[tokio::test]
async fn f01_a_dropped_probe_leaves_no_server() {
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    let staging = std::sync::Arc::new(staging(&server, &stored.facts, &Log::default()));
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    let shared = std::sync::Arc::clone(&staging);
    let task = tokio::spawn(async move { probe(&shared).await.map(drop) });
    while !staging.directory.join("postmaster.pid").exists() {
        assert!(!task.is_finished(), "seen too late");
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    wait_until("no server is left", PATIENCE, || processes_below(&staging.directory).is_empty());
}

/// A writer works during the backup: what was acknowledged before it is in it, and what is in it has no holes.
#[tokio::test(flavor = "multi_thread")]
async fn f51_a_backup_under_writes_is_of_one_moment() {
    let server = std::sync::Arc::new(Postgres::start().unwrap());
    server.sql("create table t (id int primary key, filler text)").unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let acknowledged = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let writer = {
        let (server, stop, acknowledged) = (server.clone(), stop.clone(), acknowledged.clone());
        std::thread::spawn(move || {
            let mut id = 0;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                id += 1;
                server.sql(&format!("insert into t values ({id}, repeat('x', 3000))")).unwrap();
                acknowledged.store(id, std::sync::atomic::Ordering::SeqCst);
            }
        })
    };
    wait_until("some rows are there", PATIENCE, || acknowledged.load(std::sync::atomic::Ordering::SeqCst) > 5);
    let before = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
    let stored = back_up(&server).await;
    let after = acknowledged.load(std::sync::atomic::Ordering::SeqCst) + 1;
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    writer.join().unwrap();

    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    probe(&staging).await.unwrap();
    server.stop().unwrap();
    switch(&staging, &server.data_directory.with_file_name("data.aside"));
    server.start_again().unwrap();
    let rows: Vec<u64> =
        server.sql("select count(*), max(id) from t").unwrap().split('|').map(|n| n.parse().unwrap()).collect();
    assert_eq!(rows[0], rows[1], "no holes");
    assert!((before..=after).contains(&rows[1]), "{before} <= {} <= {after}", rows[1]);
}
