//! Clones of a server whose files the worker can't read, fetched by a server of the worker's own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::assignment::DatastoreAccess;
use domain::{BackupType, Engine, ErrorCode, FindingSeverity, Inspection, Method};
use testkit::{Mysql, MysqlBuilder, wait_until};
use tokio_util::sync::CancellationToken;

use super::harness::{ArgumentWatch, Log, back_up, driver, manifest, request, restore, stage, switch};
use super::point_in_time::oracle;
use super::setup::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server whose data directory is another server's, as far as the worker can see: that of a server on another machine may
/// have the name of a directory here.
fn remote(builder: MysqlBuilder) -> Mysql {
    let server = start_with(builder);
    std::fs::rename(identity(&server), kept_identity(&server)).expect("hide whose it is");
    server
}

fn identity(server: &Mysql) -> PathBuf {
    server.data_directory.join("auto.cnf")
}

fn kept_identity(server: &Mysql) -> PathBuf {
    server.data_directory.with_file_name("etc").join("auto.cnf")
}

/// Lets the worker see whose the files are, as one on the server's machine does.
fn comes_to_the_server(server: &Mysql) {
    std::fs::rename(kept_identity(server), identity(server)).expect("show whose it is");
}

async fn inspect(access: &DatastoreAccess) -> Inspection {
    driver(Engine::Mysql).inspect(access, &CancellationToken::new()).await
}

/// What servers of other tests' workers have is not counted.
fn helpers_of(port: u16) -> Vec<u32> {
    let donor = format!("clone-valid-donor-list=127.0.0.1:{port}");
    let is_it = |pid: &u32| {
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.windows(donor.len()).any(|window| window == donor.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_it).collect()
}

/// Private directories in which files are larger than a socket's.
fn directories() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/var/tmp").expect("list").flatten().map(|entry| entry.path());
    entries
        .filter(|path| path.to_string_lossy().contains("holdfast-private-") && path.join("helper").exists())
        .collect()
}

fn sessions(server: &Mysql) -> String {
    server.sql("select count(*) from information_schema.processlist where command = 'clone'").expect("ask")
}

#[tokio::test(flavor = "multi_thread")]
async fn f80_what_is_fetched_over_the_network_while_it_is_written_to_comes_back() {
    let server = remote(Mysql::builder());
    fill(&server, 2000);
    server.sql("create table shop.w (id int primary key)").expect("create");
    let access = access(&server);
    let inspection = inspect(&access).await;
    assert!(inspection.findings.iter().any(|finding| finding.code == "clone_over_network"), "{inspection:?}");
    assert_eq!(inspection.capabilities.methods[0].method, Method::MysqlClone, "{inspection:?}");
    assert!(!inspection.capabilities.restore_in_place && inspection.capabilities.point_in_time_recovery);
    assert!(inspection.data_size_bytes.is_some_and(|bytes| bytes > 1 << 20), "{:?}", inspection.data_size_bytes);

    let (is_over, runtime) = (&AtomicBool::new(false), tokio::runtime::Handle::current());
    let (made, written) = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut last = 0;
                while !is_over.load(Ordering::Relaxed) {
                    last += 1;
                    server.sql(&format!("insert into shop.w values ({last})")).expect("write");
                }
                last
            });
            let watch = ArgumentWatch::start("ld-linux-x86-64.so.2", &[testkit::BACKUP_PASSWORD, "p'w\"d$(x)"]);
            let made = runtime.block_on(back_up(&access, Method::MysqlClone));
            watch.assert_quiet();
            is_over.store(true, Ordering::Relaxed);
            (made.unwrap_or_else(|error| panic!("{}", told(error).1)), writer.join().expect("it ends"))
        })
    });
    let facts = &made.facts;
    assert!(!format!("{facts:?} {}", made.log.text()).contains(testkit::BACKUP_PASSWORD));
    assert!(facts.completion_mark.contains(&format!("Completed, from 127.0.0.1:{}", server.port)), "{facts:?}");
    assert!(facts.command_line.iter().any(|argument| argument.contains("CLONE INSTANCE FROM")), "{facts:?}");
    assert_eq!(facts.server_identity, Some(server.sql("select @@server_uuid").expect("uuid")));
    assert!(facts.log_start.is_some() && facts.engine_facts.contains_key("gtid_executed"), "{facts:?}");
    assert_eq!((helpers_of(server.port), sessions(&server)), (Vec::new(), "0".to_owned()));

    server.sql("drop table shop.t").expect("damage");
    comes_to_the_server(&server);
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::MysqlClone, facts), &log);
    restore(&staging, &made.stream).await.unwrap_or_else(|error| panic!("{}\n{}", told(error).1, log.text()));
    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_eq!(server.sql("select count(*), sum(length(v)) from shop.t").expect("read"), "2000\t4000000");
    let rows = server.sql("select count(*), max(id) from shop.w").expect("read");
    let (count, last) = rows.split_once('\t').expect("two");
    assert!(count == last && count.parse::<i32>().expect("a number") <= written, "{rows} of {written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f61_every_stop_is_exact_on_a_clone_of_the_network_too() {
    oracle(&remote(Mysql::builder()), true).await;
}

/// Passwords then cross the network encrypted by the server's key, and the rows as they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_cloned_and_the_drawback_told() {
    let server = remote(Mysql::builder().setting("tls-version", ""));
    fill(&server, 10);
    let access = access(&server);
    let inspection = inspect(&access).await;
    let told_of = inspection.findings.iter().any(|finding| finding.detail.contains("without TLS"));
    assert!(told_of, "{inspection:?}");
    back_up(&access, Method::MysqlClone).await.unwrap_or_else(|error| panic!("{}", told(error).1));
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_whatever_keeps_a_clone_from_being_fetched_is_named() {
    let server = remote(Mysql::builder());
    let access = access(&server);
    let account = "'holdfast'@'%'";
    let grant = |name: &str| format!("GRANT {name} ON *.* TO {account};");
    let small = "set persist max_allowed_packet = 1048576";
    let large = "SET PERSIST max_allowed_packet = 67108864;".to_owned();
    for (damage, code, remedy) in [
        (format!("revoke backup_admin on *.* from {account}"), "missing_privilege", grant("BACKUP_ADMIN")),
        (format!("revoke references on *.* from {account}"), "missing_privilege", grant("REFERENCES")),
        (small.to_owned(), "server_setting_missing", large),
        (
            "uninstall plugin clone".to_owned(),
            "server_setting_missing",
            "INSTALL PLUGIN clone SONAME 'mysql_clone.so';".to_owned(),
        ),
    ] {
        server.sql(&damage).expect("damage");
        let inspection = inspect(&access).await;
        let errors: Vec<_> =
            inspection.findings.iter().filter(|finding| finding.severity == FindingSeverity::Error).collect();
        assert_eq!(errors.len(), 1, "{damage}: {errors:?}");
        assert_eq!((errors[0].code.as_str(), errors[0].remedy.as_deref()), (code, Some(remedy.as_str())), "{damage}");
        assert_eq!(inspection.capabilities.unavailable_methods[0].method, Method::MysqlClone);
        let (refused, detail) = told(back_up(&access, Method::MysqlClone).await.err().expect("refused"));
        assert_eq!(refused.as_str(), code, "{detail}");
        server.sql(&remedy).expect("the statement mends it");
    }
    server.sql("create database shop; create table shop.empty (a int) engine=MyISAM").expect("create");
    assert!(!inspect(&access).await.capabilities.methods.is_empty(), "nothing is lost of it");
    server.sql("create table shop.m (a int) engine=MyISAM; insert into shop.m values (1)").expect("create");
    let (code, detail) = told(back_up(&access, Method::MysqlClone).await.err().expect("refused"));
    assert!(code == ErrorCode::UnsupportedMethod && detail.contains("shop.m is of MyISAM"), "{detail}");
    let mut request = request(&access, Method::MysqlClone, Path::new("/tmp"), &Log::default());
    request.backup_type = BackupType::Incremental;
    let error = driver(Engine::Mysql).backup(request).await.err().expect("unknown");
    assert_eq!(error.code(), ErrorCode::UnsupportedMethod);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_clone_that_nobody_waits_for_leaves_no_server_and_no_files() {
    let server = remote(Mysql::builder());
    // Enough to be caught.
    fill(&server, 30_000);
    let access = access(&server);
    for by_token in [true, false] {
        let work_directory = tempfile::tempdir().expect("a directory");
        let log = Log::default();
        let request = request(&access, Method::MysqlClone, work_directory.path(), &log);
        let cancel = request.cancel.clone();
        let backup = tokio::spawn(async move { driver(Engine::Mysql).backup(request).await.map(drop) });
        wait_until("the clone is being fetched", PATIENCE, || sessions(&server) != "0");
        if by_token {
            cancel.cancel();
            assert!(backup.await.expect("no panic").expect_err("stopped").is_cancelled());
        } else {
            backup.abort();
            assert!(backup.await.expect_err("aborted").is_cancelled());
        }
        wait_until("the helper is gone", PATIENCE, || helpers_of(server.port).is_empty());
        wait_until("the server is done with it", PATIENCE, || sessions(&server) == "0");
    }
    back_up(&access, Method::MysqlClone).await.unwrap_or_else(|error| panic!("{}", told(error).1));
}

/// What a killed worker leaves is a directory that nobody holds a lock on.
#[tokio::test(flavor = "multi_thread")]
async fn f01_what_a_killed_worker_left_is_removed_by_the_next_look() {
    let server = remote(Mysql::builder());
    let left = Path::new("/var/tmp").join(format!("holdfast-private-test{}", server.port));
    std::fs::create_dir_all(left.join("helper/mysql")).expect("make");
    std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o700)).expect("mode");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(&left).and_then(|file| file.set_modified(long_ago)).expect("make it old");
    inspect(&access(&server)).await;
    assert!(!directories().contains(&left));
}
