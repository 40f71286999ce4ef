//! The binary log arrives as the server wrote it, once and whole.

use domain::{Engine, ErrorCode};
use testkit::MariaDb;

use super::archive::*;
use super::harness::*;

fn server_bytes(server: &MariaDb, name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(server.data_directory.join(name)).expect("read the server's file");
    bytes[21] &= !1;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_arrives_while_it_is_written_and_goes_on_after_restarts() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let access = access(Engine::Mariadb, server.port);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    let first = archive.segments[0].clone();
    assert!(!first.closed && first.first_commit_at.is_some() && first.gap_before.is_none(), "{first:?}");
    server.sql("insert into shop.t values (1)").expect("write");
    told(archive.catch_up(&mut *receiver).await);
    assert!(archive.segments[0].end > first.end, "the open file grows");
    server.sql("flush binary logs; insert into shop.t values (2)").expect("write");
    told(archive.catch_up(&mut *receiver).await);
    assert_eq!(archive.segments.iter().map(|segment| segment.closed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(archive.segments[0].end, archive.segments[1].start);
    told(receiver.forget("binlog.000001").await);
    assert!(!archive.spool.join("incoming/binlog.000001").exists());
    drop(receiver);

    server.sql("insert into shop.t values (3)").expect("write");
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    assert_eq!(archive.segments.len(), 2);
    server.restart().expect("restart");
    server.sql("insert into shop.t values (4)").expect("write");
    let mut failure = None;
    for _ in 0..200 {
        failure = receiver.look().await.err();
        if failure.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let failure = failure.expect("a receiver ends with its connection");
    assert!(matches!(failure.code(), ErrorCode::HostUnreachable | ErrorCode::EngineToolFailed), "{failure:?}");
    drop(receiver);
    // The spool is lost as well.
    std::fs::remove_dir_all(&archive.spool).expect("lose the spool");
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    assert_eq!(archive.segments.len(), 3);
    for segment in &archive.segments {
        assert_eq!(std::fs::read(archive.path(&segment.name)).expect("read"), server_bytes(&server, &segment.name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f53_a_log_that_was_reset_is_refused() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let access = access(Engine::Mariadb, server.port);
    for spool_is_lost in [false, true] {
        server.sql("insert into shop.t values (1000)").expect("write");
        let mut archive = Archive::new();
        let mut receiver = told(archive.receive(&access).await);
        told(archive.catch_up(&mut *receiver).await);
        drop(receiver);
        // Another log of the same name, longer than the archived one; times tell them apart where bytes are lost.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        server.sql("reset master; create or replace table shop.t (id int primary key); ").expect("reset");
        for id in 0..20 {
            server.sql(&format!("insert into shop.t values ({id})")).expect("write");
        }
        if spool_is_lost {
            std::fs::remove_dir_all(&archive.spool).expect("lose the spool");
        }
        let mut receiver = told(archive.receive(&access).await);
        let error = archive.catch_up(&mut *receiver).await.expect_err("another log");
        assert_eq!(error.code(), ErrorCode::LogConflict, "{error:?}");
        drop(receiver);

        server.sql("flush binary logs; flush binary logs").expect("flush");
        let mut archive = Archive::new();
        let mut receiver = told(archive.receive(&access).await);
        told(archive.catch_up(&mut *receiver).await);
        drop(receiver);
        server.sql("reset master").expect("reset");
        assert_eq!(archive.receive(&access).await.err().expect("reset").code(), ErrorCode::LogConflict);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f52_what_the_server_purged_is_told_as_a_gap() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let access = access(Engine::Mariadb, server.port);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    drop(receiver);
    let readers = "select count(*) from information_schema.processlist where command = 'Binlog Dump'";
    testkit::wait_until("the server misses the receiver", std::time::Duration::from_secs(30), || {
        server.sql("create or replace table shop.noticed (a int)").expect("write");
        server.sql(readers).expect("ask") == "0"
    });
    server
        .sql("flush binary logs; insert into shop.t values (1); flush binary logs; flush binary logs; set global sync_binlog = 0")
        .expect("flush");
    // A file that a crash recovery would need stays for a while.
    testkit::wait_until("the logs are purged", std::time::Duration::from_secs(30), || {
        server
            .sql("purge binary logs to 'binlog.000004'; show binary logs")
            .expect("purge")
            .starts_with("binlog.000004")
    });
    let mut receiver = told(archive.receive(&access).await);
    let look = loop {
        let look = told(receiver.look().await);
        if !look.files.is_empty() {
            break look;
        }
    };
    assert_eq!(look.files[0].name, "binlog.000004");
    let gap = look.files[0].gap_before.as_deref().expect("a gap");
    assert!(gap.contains("binlog.000001 … binlog.000003"), "{gap}");
    assert!(look.warnings.iter().any(|warning| warning.contains("sync_binlog")), "{:?}", look.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn f54_f56_another_server_and_a_missing_grant_are_refused() {
    let server = MariaDb::start().expect("start");
    let mut access = access(Engine::Mariadb, server.port);
    let archive = Archive::new();
    access.server_identity = Some("another".into());
    assert_eq!(archive.receive(&access).await.err().expect("refused").code(), ErrorCode::ServerIdentityChanged);
    access.server_identity = None;
    server.sql("revoke replication slave on *.* from 'holdfast'@'localhost'").expect("revoke");
    let error = archive.receive(&access).await.err().expect("refused").to_job_error();
    assert_eq!(error.code, ErrorCode::MissingPrivilege);
    let statement = error.detail.lines().last().expect("a statement");
    assert_eq!(statement, "GRANT REPLICATION SLAVE ON *.* TO 'holdfast'@'localhost';");
    server.sql(statement).expect("it mends");
    told(archive.receive(&access).await);
    let without = MariaDb::builder().setting("skip-log-bin", "").start().expect("start");
    let mut access = access.clone();
    access.port = without.port;
    assert_eq!(archive.receive(&access).await.err().expect("none").code(), ErrorCode::ServerSettingMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn f80_the_password_is_in_no_argument() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let watch = ArgumentWatch::start("mariadb-binlog", &[testkit::BACKUP_PASSWORD]);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    watch.assert_quiet();
}
