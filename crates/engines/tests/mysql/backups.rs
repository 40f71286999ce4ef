//! Backups of a real server, and everything that must make one fail.

use std::time::Duration;

use domain::{BackupType, Engine, ErrorCode, Method, Secret};
use testkit::{Mysql, wait_until};
use tokio::io::AsyncReadExt;

use super::harness::{ArgumentWatch, Log, back_up, driver, request};
use super::setup::*;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn f80_a_backup_logs_in_as_told_shows_no_password_and_leaves_nothing() {
    let server = start();
    fill(&server, 1000);
    let access = access(&server);
    // Every program is started by its own dynamic linker here.
    let watch = ArgumentWatch::start("ld-linux-x86-64.so.2", &[testkit::BACKUP_PASSWORD, "p'w\"d$(x)"]);
    let made = back_up(&access, Method::MysqlClone).await.unwrap_or_else(|error| panic!("{}", told(error).1));
    watch.assert_quiet();

    assert!(!made.log.text().contains("p'w\"d$(x)"));
    let facts = made.facts;
    assert!(!format!("{facts:?}").contains("p'w\"d$(x)"));
    assert!(facts.command_line.contains(&"--user=holdfast".to_owned()), "{:?}", facts.command_line);
    assert!(facts.completion_mark.contains("Completed"), "{}", facts.completion_mark);
    assert_eq!(facts.engine_version, server.sql("select version()").expect("version"));
    assert_eq!(facts.server_identity, Some(server.sql("select @@server_uuid").expect("uuid")));
    let gtid = server.sql("select @@gtid_executed").expect("gtid");
    assert_eq!(facts.engine_facts["gtid_executed"], gtid);
    let position = facts.log_position.expect("a position");
    assert!(position.starts_with("binlog.00") && position.ends_with(&format!("GTID {gtid}")), "{position}");
    let unpacked = facts.unpacked_size_bytes.expect("a size");
    assert!(made.stream.len() as u64 >= unpacked && (made.stream.len() as u64) < unpacked * 11 / 10, "{unpacked}");
    assert_eq!(left_beside(&server), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_log_is_backed_up() {
    let server = start_with(Mysql::builder().setting("skip-log-bin", "").setting("gtid-mode", "OFF"));
    let made = back_up(&access(&server), Method::MysqlClone).await.unwrap_or_else(|error| panic!("{}", told(error).1));
    assert_eq!(made.facts.log_position, None);
}

fn kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill");
    assert!(status.success());
}

fn named(server: &Mysql, name: &str) -> Vec<u32> {
    let is_it = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name);
    let parent = server.data_directory.parent().expect("a parent");
    testkit::processes_below(parent).into_iter().filter(is_it).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_killed_tool_is_a_failed_backup() {
    let server = start();
    fill(&server, 2000);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access(&server), Method::MysqlClone, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mysql).backup(request).await.expect("start");
    let mut output = super::harness::next_output(&mut running).await;
    output.read_exact(&mut [0; 100_000]).await.expect("it has begun");
    let tools = named(&server, "tar");
    assert_eq!(tools.len(), 1);
    kill(tools[0]);
    let mut rest = Vec::new();
    let _ = output.read_to_end(&mut rest).await;
    let (code, detail) = told(running.finish().await.expect_err("killed"));
    assert_eq!(code, ErrorCode::EngineToolFailed, "{detail}");
    assert_eq!(left_beside(&server), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_dropped_backup_leaves_no_tool_and_no_clone() {
    let server = start();
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access(&server), Method::MysqlClone, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mysql).backup(request).await.expect("start");
    let mut output = super::harness::next_output(&mut running).await;
    output.read_exact(&mut [0; 1000]).await.expect("it has begun");
    drop((running, output));
    wait_until("nothing is left", PATIENCE, || left_beside(&server).is_empty() && named(&server, "tar").is_empty());
}

/// The server does not notice that its client is gone: it has to be told. A table that is being changed holds a clone up, so that it
/// can be caught.
#[tokio::test(flavor = "multi_thread")]
async fn f04_a_clone_that_nobody_waits_for_ends() {
    for by_token in [true, false] {
        let server = start_with(Mysql::builder().setting("clone-delay-after-data-drop", "60"));
        let work_directory = tempfile::tempdir().expect("a directory");
        let log = Log::default();
        let mut access = access(&server);
        access.name = "caught".into();
        let request = request(&access, Method::MysqlClone, work_directory.path(), &log);
        let cancel = request.cancel.clone();
        server
            .sql("set global clone_max_data_bandwidth = 1; set global clone_autotune_concurrency = OFF")
            .expect("slow");
        let clones = || {
            let sql = "select count(*) from information_schema.processlist where info like 'CLONE LOCAL%'";
            server.sql(sql).expect("ask")
        };
        let backup = tokio::spawn(async move { driver(Engine::Mysql).backup(request).await.map(drop) });
        wait_until("the clone is being made", PATIENCE, || clones() == "1");
        if by_token {
            cancel.cancel();
            assert!(backup.await.expect("no panic").expect_err("stopped").is_cancelled());
        } else {
            backup.abort();
            assert!(backup.await.expect_err("aborted").is_cancelled());
        }
        wait_until("the server is done with it", PATIENCE, || clones() == "0" && left_beside(&server).is_empty());
        server.sql("create database not_locked").expect("the server is free");
    }
}

/// What a killed worker leaves is a directory that nobody holds a lock on.
#[tokio::test(flavor = "multi_thread")]
async fn f01_a_clone_that_was_left_behind_is_removed_by_the_next_look() {
    let server = start();
    let left = server.data_directory.with_file_name("holdfast-private-0123456789ab");
    std::fs::create_dir_all(left.join("data/mysql")).expect("make");
    std::fs::write(left.join("data/ibdata1"), "rows").expect("write");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o700)).expect("mode");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(&left).and_then(|file| file.set_modified(long_ago)).expect("make it old");
    driver(Engine::Mysql).inspect(&access(&server), &tokio_util::sync::CancellationToken::new()).await;
    assert!(!left.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn f50_a_restart_meanwhile_is_a_failed_backup() {
    let server = start();
    wait_until("it is older than a new one will be", PATIENCE, || {
        let row = server.sql("show global status like 'Uptime'").expect("ask");
        row.split('\t').nth(1).and_then(|text| text.parse::<u64>().ok()).is_some_and(|seconds| seconds >= 8)
    });
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access(&server), Method::MysqlClone, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Mysql).backup(request).await.expect("start");
    let mut stream = Vec::new();
    super::harness::next_output(&mut running).await.read_to_end(&mut stream).await.expect("read");
    // The tool is done and well; the server is gone before anybody asks it again.
    server.crash().expect("crash");
    server.start_again().expect("start again");
    let (code, detail) = told(running.finish().await.expect_err("restarted"));
    assert_eq!(code, ErrorCode::SourceChanged, "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f54_another_server_is_not_backed_up_under_this_name() {
    let server = start();
    let mut access = access(&server);
    access.server_identity = Some("somebody else".into());
    let error = back_up(&access, Method::MysqlClone).await.err().expect("refused");
    assert_eq!(error.code(), ErrorCode::ServerIdentityChanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_their_cause() {
    let server = start();
    let good = access(&server);
    let refused = async |access: &domain::assignment::DatastoreAccess| {
        told(back_up(access, Method::MysqlClone).await.err().expect("refused"))
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

    server
        .sql("create database shop; create table shop.t (a int) engine=MyISAM; insert into shop.t values (1)")
        .expect("fill");
    assert_eq!(refused(&good).await.0, ErrorCode::UnsupportedMethod);
    server.sql("drop database shop; revoke backup_admin on *.* from 'holdfast'@'%'").expect("revoke");
    let (code, detail) = refused(&good).await;
    assert_eq!(code, ErrorCode::MissingPrivilege);
    assert!(detail.ends_with("GRANT BACKUP_ADMIN ON *.* TO 'holdfast'@'%';"), "{detail}");
    server.sql("grant backup_admin on *.* to 'holdfast'@'%'").expect("grant");

    for (method, backup_type) in
        [(Method::Mariabackup, BackupType::Full), (Method::MysqlClone, BackupType::Incremental)]
    {
        let mut request = request(&good, method, std::path::Path::new("/tmp"), &Log::default());
        request.backup_type = backup_type;
        let error = driver(Engine::Mysql).backup(request).await.err().expect("unknown");
        assert_eq!(error.code(), ErrorCode::UnsupportedMethod);
    }
    assert_eq!(left_beside(&server), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_full_disk_is_told_as_such_and_leaves_nothing() {
    let small = testkit::Tmpfs::mount(260 << 20).expect("a small file system");
    let server = start_with(Mysql::builder().within(small.path()));
    let (code, detail) = told(back_up(&access(&server), Method::MysqlClone).await.err().expect("no room"));
    assert_eq!(code, ErrorCode::InsufficientDiskSpace, "{detail}");
    assert_eq!(left_beside(&server), Vec::<std::path::PathBuf>::new());
    server.sql("create database still_works").expect("the server is unharmed");
}
