//! The binary log arrives as the server wrote it, once and whole.

use std::time::Duration;

use domain::ErrorCode;
use testkit::Mysql;

use super::archive::{Archive, told};
use super::harness::ArgumentWatch;
use super::setup::{access, start, start_with};

const PATIENCE: Duration = Duration::from_secs(30);

fn server_bytes(server: &Mysql, name: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(server.data_directory.join(name)).expect("read the server's file");
    bytes[21] &= !1;
    bytes
}

fn with_table() -> Mysql {
    let server = start();
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_arrives_while_it_is_written_and_goes_on_after_restarts() {
    let server = with_table();
    let access = access(&server);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    let first = archive.segments[0].clone();
    assert!(!first.closed && first.first_commit_at.is_some() && first.gap_before.is_none(), "{first:?}");
    server.sql("insert into shop.t values (1); flush binary logs; insert into shop.t values (2)").expect("write");
    told(archive.catch_up(&mut *receiver).await);
    assert_eq!(archive.segments.iter().map(|segment| segment.closed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(archive.segments[0].end, archive.segments[1].start);
    told(receiver.forget(&first.name).await);
    assert!(!archive.spool.join("incoming").join(&first.name).exists());
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
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    failure.expect("a receiver ends with its connection");
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
    let server = with_table();
    let access = access(&server);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access).await);
    server.sql("flush binary logs; flush binary logs; insert into shop.t values (1000)").expect("write");
    told(archive.catch_up(&mut *receiver).await);
    drop(receiver);
    server.sql("reset binary logs and gtids").expect("reset");
    assert_eq!(archive.receive(&access).await.err().expect("reset").code(), ErrorCode::LogConflict);

    // Another log of the same names.
    server.sql("flush binary logs; flush binary logs").expect("flush");
    for id in 0..20 {
        server.sql(&format!("insert into shop.t values ({id})")).expect("write");
    }
    std::fs::remove_dir_all(&archive.spool).expect("lose the spool");
    let mut receiver = told(archive.receive(&access).await);
    let error = archive.catch_up(&mut *receiver).await.expect_err("another log");
    assert_eq!(error.code(), ErrorCode::LogConflict, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f52_what_the_server_purged_is_told_as_a_gap() {
    let server = with_table();
    let access = access(&server);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access).await);
    told(archive.catch_up(&mut *receiver).await);
    let first = archive.segments[0].name.clone();
    drop(receiver);
    let readers = "select count(*) from information_schema.processlist where command = 'Binlog Dump'";
    testkit::wait_until("the server misses the receiver", PATIENCE, || {
        server.sql("create table if not exists shop.noticed (a int); drop table shop.noticed").expect("write");
        server.sql(readers).expect("ask") == "0"
    });
    let statements = "flush binary logs; insert into shop.t values (1); flush binary logs; flush binary logs; set global sync_binlog = 0";
    server.sql(statements).expect("flush");
    let logs = server.sql("show binary logs").expect("logs");
    let newest = logs.lines().last().and_then(|line| line.split('\t').next()).expect("a file").to_owned();
    server.sql(&format!("purge binary logs to '{newest}'")).expect("purge");
    let mut receiver = told(archive.receive(&access).await);
    let look = loop {
        let look = told(receiver.look().await);
        if !look.files.is_empty() {
            break look;
        }
    };
    assert_eq!(look.files[0].name, newest);
    let gap = look.files[0].gap_before.as_deref().expect("a gap");
    assert!(gap.contains(&format!("{first} … ")), "{gap}");
    assert!(look.warnings.iter().any(|warning| warning.contains("sync_binlog")), "{:?}", look.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn f54_f56_another_server_and_a_missing_grant_are_refused() {
    let server = start();
    let mut of_another = access(&server);
    let archive = Archive::new();
    of_another.server_identity = Some("another".into());
    assert_eq!(archive.receive(&of_another).await.err().expect("refused").code(), ErrorCode::ServerIdentityChanged);
    let good = access(&server);
    server.sql("revoke replication slave on *.* from 'holdfast'@'%'").expect("revoke");
    let error = archive.receive(&good).await.err().expect("refused").to_job_error();
    assert_eq!(error.code, ErrorCode::MissingPrivilege);
    let statement = error.detail.lines().last().expect("a statement");
    assert_eq!(statement, "GRANT REPLICATION SLAVE ON *.* TO 'holdfast'@'%';");
    server.sql(statement).expect("it mends");
    told(archive.receive(&good).await);
    let without = start_with(Mysql::builder().setting("skip-log-bin", ""));
    assert_eq!(archive.receive(&access(&without)).await.err().expect("none").code(), ErrorCode::ServerSettingMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn f80_the_password_is_in_no_argument() {
    let server = start();
    let watch = ArgumentWatch::start("ld-linux-x86-64.so.2", &[testkit::BACKUP_PASSWORD]);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&access(&server)).await);
    told(archive.catch_up(&mut *receiver).await);
    watch.assert_quiet();
}
