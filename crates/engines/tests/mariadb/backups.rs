//! Backups of a real server, and everything that must make one fail.

use std::time::Duration;

use domain::{BackupType, Engine, ErrorCode, Method, Secret};
use testkit::{MariaDb, wait_until};
use tokio::io::AsyncReadExt;

use super::harness::*;

#[tokio::test(flavor = "multi_thread")]
async fn f80_a_backup_logs_in_as_told_and_shows_no_password() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (a int)").expect("fill");
    let access = access(Engine::Mariadb, server.port);
    let watch = ArgumentWatch::start("mariadb-backup", &[testkit::BACKUP_PASSWORD, "p'w\"d$(x)"]);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    watch.assert_quiet();

    assert!(made.log.text().contains("user: holdfast, password: set"), "{}", made.log.text());
    assert!(!made.log.text().contains("p'w\"d$(x)"));
    let facts = made.facts;
    assert!(!format!("{facts:?}").contains("p'w\"d$(x)"));
    assert!(facts.command_line.contains(&"--user=holdfast".to_owned()), "{:?}", facts.command_line);
    assert!(facts.completion_mark.ends_with("completed OK!"));
    assert!(facts.engine_version.contains("MariaDB"));
    assert_eq!(facts.server_identity.as_deref(), Some(server.sql("select @@server_uid").expect("uid").as_str()));
    let position = facts.log_position.expect("a position");
    let gtid = server.sql("select @@gtid_binlog_pos").expect("gtid");
    assert!(position.starts_with("binlog.00") && position.ends_with(&format!("GTID {gtid}")), "{position}");
    assert_eq!(facts.engine_facts["gtid"], gtid);
    assert!(facts.engine_facts["to_lsn"].parse::<u64>().is_ok());
    let unpacked = facts.unpacked_size_bytes.expect("a size");
    assert_eq!(unpacked, made.stream.len() as u64 + (16 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_estimate_is_near_the_stream() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Mariabackup, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mariadb).backup(request).await.expect("start");
    let estimate = running.estimated_bytes().expect("an estimate");
    let mut stream = Vec::new();
    next_output(&mut running).await.read_to_end(&mut stream).await.expect("read");
    running.finish().await.expect("finish");
    let length = stream.len() as u64;
    assert!(estimate > length / 2 && estimate < length * 2, "{estimate} for {length}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_killed_tool_is_a_failed_backup() {
    let server = MariaDb::start().expect("start");
    server
        .sql(
            "create database shop; create table shop.t (id int primary key, v text); \
              insert into shop.t select seq, repeat('x', 5000) from mysql.seq_1_to_4000",
        )
        .expect("fill");
    let access = access(Engine::Mariadb, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Mariabackup, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mariadb).backup(request).await.expect("start");
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 100_000]).await.expect("it has begun");
    let tool = tools_working_in(&server).pop().expect("the tool works in the data directory");
    kill(tool);
    let mut rest = Vec::new();
    let _ = output.read_to_end(&mut rest).await;
    let error = running.finish().await.expect_err("killed").to_job_error();
    assert_eq!(error.code, ErrorCode::EngineToolFailed, "{}", error.detail);
}

/// `mariadb-backup` changes into the data directory, as the server does.
fn tools_working_in(server: &MariaDb) -> Vec<u32> {
    let is_tool = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim().starts_with("mariadb-backup"))
    };
    testkit::processes_below(&server.data_directory).into_iter().filter(is_tool).collect()
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill");
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_dropped_backup_leaves_no_tool_and_no_lock() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Mariabackup, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mariadb).backup(request).await.expect("start");
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 1000]).await.expect("it has begun");
    drop((running, output));
    wait_until("the tool has ended", Duration::from_secs(20), || tools_working_in(&server).is_empty());
    server.sql("create database not_locked").expect("the server is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn f50_a_restart_meanwhile_is_a_failed_backup() {
    let server = MariaDb::start().expect("start");
    wait_until("it is older than a new one will be", Duration::from_secs(60), || {
        let row = server.sql("show global status like 'Uptime'").expect("ask");
        row.split('\t').nth(1).and_then(|text| text.parse::<u64>().ok()).is_some_and(|seconds| seconds >= 5)
    });
    let access = access(Engine::Mariadb, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Mariabackup, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mariadb).backup(request).await.expect("start");
    let mut stream = Vec::new();
    next_output(&mut running).await.read_to_end(&mut stream).await.expect("read");
    // The tool is done and well; the server that it spoke with is gone before anybody asks it again.
    server.crash().expect("crash");
    server.start_again().expect("start again");
    let error = running.finish().await.expect_err("restarted").to_job_error();
    assert_eq!(error.code, ErrorCode::SourceChanged, "{}", error.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn f54_another_server_is_not_backed_up_under_this_name() {
    let server = MariaDb::start().expect("start");
    let mut access = access(Engine::Mariadb, server.port);
    access.server_identity = Some("somebody else".into());
    let error = back_up(&access, Method::Mariabackup).await.err().expect("refused");
    assert_eq!(error.code(), ErrorCode::ServerIdentityChanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_their_cause() {
    let server = MariaDb::start().expect("start");
    let good = access(Engine::Mariadb, server.port);
    let refused = async |access: &domain::assignment::DatastoreAccess| {
        let error = back_up(access, Method::Mariabackup).await.err().expect("refused").to_job_error();
        (error.code, error.detail)
    };

    let mut wrong_password = good.clone();
    wrong_password.password = Some(Secret::new("wr\"ong #"));
    let (code, detail) = refused(&wrong_password).await;
    assert_eq!(code, ErrorCode::AuthenticationFailed);
    assert!(detail.contains("holdfast") && !detail.contains("wr\"ong"), "{detail}");

    let mut unreachable = good.clone();
    unreachable.port = testkit::free_port();
    assert_eq!(refused(&unreachable).await.0, ErrorCode::HostUnreachable);

    let mut wrong_directory = good.clone();
    wrong_directory.data_directory = Some("/var/lib".into());
    let (code, detail) = refused(&wrong_directory).await;
    assert_eq!(code, ErrorCode::DataDirectoryMismatch);
    assert!(detail.contains(&server.data_directory.display().to_string()), "{detail}");

    server.sql("revoke binlog monitor on *.* from 'holdfast'@'localhost'; revoke reload on *.* from 'holdfast'@'localhost'").expect("revoke");
    let (code, detail) = refused(&good).await;
    assert_eq!(code, ErrorCode::MissingPrivilege);
    assert!(detail.ends_with("GRANT RELOAD, BINLOG MONITOR ON *.* TO 'holdfast'@'localhost';"), "{detail}");

    let log = Log::default();
    let mut request = request(&good, Method::Xtrabackup, std::path::Path::new("/tmp"), &log);
    request.backup_type = BackupType::Full;
    let error = driver(Engine::Mariadb).backup(request).await.err().expect("another method");
    assert_eq!(error.code(), ErrorCode::UnsupportedMethod);
}
