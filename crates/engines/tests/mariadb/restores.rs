//! From a backup to a server that runs on it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Engine, ErrorCode, Method};
use testkit::MariaDb;

use super::harness::*;

/// Names that break quoting, shells and option parsers. // F-82
const HOSTILE: [&str; 4] = ["we ird-$(x)\"", "-rf", "quo'te;", "ünï☃"];

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn fill(server: &MariaDb) {
    for name in HOSTILE {
        let database = identifier(name);
        server
            .sql(&format!(
                "create database {database}; create table {database}.{database} (id int primary key, v varchar(200)); \
                 insert into {database}.{database} select seq, repeat('x', 150) from mysql.seq_1_to_500; \
                 create table {database}.old (a int) engine=Aria; insert into {database}.old values (7)"
            ))
            .expect("fill");
    }
    // Its own database: mariadb-backup of 10.11 does not double the backticks in names of tables that are not InnoDB's.
    server.sql("create database ```tick```; create table ```tick```.```t``` (a int)").expect("fill");
}

fn sums(server: &MariaDb) -> String {
    let of = |name: &str| {
        let database = identifier(name);
        server
            .sql(&format!(
                "select count(*), sum(id), sum(length(v)) from {database}.{database}; select a from {database}.old"
            ))
            .expect("read")
    };
    HOSTILE.map(of).join("|")
}

fn modes(directory: &Path) -> Vec<(String, u32, u32, u32)> {
    let mut modes: Vec<_> = ["ibdata1", "mysql", "mysql/gtid_slave_pos.frm", "aria_log_control", "."]
        .iter()
        .map(|name| {
            let metadata = std::fs::metadata(directory.join(name)).expect(name);
            ((*name).to_owned(), metadata.mode(), metadata.uid(), metadata.gid())
        })
        .collect();
    modes.sort();
    modes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_backed_up_comes_back() {
    let server = MariaDb::start().expect("start");
    fill(&server);
    std::fs::write(server.data_directory.join("extra.cnf"), "# the person's own\n").expect("write");
    let (before, modes_before) = (sums(&server), modes(&server.data_directory));
    let access = access(Engine::Mariadb, server.port);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let gtid_at_backup = server.sql("select @@gtid_binlog_pos").expect("gtid");

    server.sql(&format!("drop database {}; create table mysql.later (a int)", identifier(HOSTILE[0]))).expect("damage");
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::Mariabackup, &made.facts), &log);
    let probe = restore(&staging, &made.stream)
        .await
        .unwrap_or_else(|error| panic!("{}\n{}", error.to_job_error().detail, log.text()));
    assert!(probe.engine_version.starts_with("10.") || probe.engine_version.starts_with("11."), "{probe:?}");
    assert!(probe.summary.starts_with("5 databases, 9 tables"), "{}", probe.summary);
    assert!(server.is_running(), "the live server was not touched");

    server.stop().expect("stop");
    let aside = switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_eq!(sums(&server), before);
    assert_eq!(modes(&server.data_directory), modes_before);
    assert!(server.sql("select * from mysql.later").is_err());
    assert!(server.data_directory.join("extra.cnf").is_file(), "the live server's own files are kept");
    let left: Vec<_> = std::fs::read_dir(&server.data_directory)
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .filter(|name| name.starts_with("xtrabackup") || name.starts_with("backup-") || name == "tc.log")
        .collect();
    assert_eq!(left, Vec::<String>::new());

    // The binary log goes on after the backup's GTID; the live one's files are set aside with its data.
    assert_eq!(server.sql("select @@gtid_binlog_pos").expect("gtid"), gtid_at_backup);
    server.sql("create database after_restore").expect("it takes writes");
    let number = |gtid: &str| gtid.rsplit('-').next().expect("a number").parse::<u64>().expect("digits");
    let gtid_now = server.sql("select @@gtid_binlog_pos").expect("gtid");
    assert_eq!(number(&gtid_now), number(&gtid_at_backup) + 1);
    assert!(aside.join("binlog.000001").is_file());

    // What was restored can be backed up again, and is still the same server.
    let again = back_up(&access, Method::Mariabackup).await.expect("back up again");
    assert_eq!(again.facts.server_identity, made.facts.server_identity);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_by_hand_with_the_commands_of_the_manifest() {
    let server = MariaDb::start().expect("start");
    fill(&server);
    let before = sums(&server);
    let access = access(Engine::Mariadb, server.port);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    server.stop().expect("stop");

    let folder = server.data_directory.with_file_name("folder");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("stream"), &made.stream).expect("write");
    let script = made.facts.restore_commands.join("\n").replace("DATA_DIRECTORY", "../by-hand");
    let script = format!("set -e\nzstd -q stream -o base.000.mbstream.zst\n{script}\n");
    let output =
        std::process::Command::new("sh").arg("-c").arg(&script).current_dir(&folder).output().expect("a shell");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&server.data_directory, folder.join("old")).expect("set aside");
    std::fs::rename(folder.with_file_name("by-hand"), &server.data_directory).expect("switch");
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_eq!(sums(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn f83_streams_that_lead_out_of_the_staging_directory_are_refused() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let log = Log::default();
    let manifest = manifest(&access, Method::Mariabackup, &made.facts);

    let evil = {
        let mut stream = made.stream.clone();
        let name = b"aria_log_control";
        let at = stream.windows(name.len()).position(|window| window == name).expect("its first file");
        stream[at..at + name.len()].copy_from_slice(b"../../evil______");
        stream
    };
    let staging = stage(&access, &server.data_directory, manifest.clone(), &log);
    let error = unpack(&staging, &evil).await.expect_err("a path that leads out").to_job_error();
    assert_eq!(error.code, ErrorCode::ObjectCorrupted);
    assert!(error.detail.contains("path that leads out"), "{}", error.detail);
    assert!(!server.data_directory.with_file_name("evil______").exists());
    assert!(!server.data_directory.parent().and_then(Path::parent).expect("parents").join("evil______").exists());

    let cut = stage(&access, &server.data_directory, manifest.clone(), &log);
    unpack(&cut, &made.stream[..made.stream.len() / 2]).await.expect_err("a cut stream");

    let other = stage(&access, &server.data_directory, manifest, &log);
    let refused = driver(Engine::Mariadb).unpack(&other, "../base").await.err().expect("an unknown stream");
    assert_eq!(refused.code(), ErrorCode::ManifestInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn f66_damaged_data_does_not_pass_the_probe() {
    let server = MariaDb::start().expect("start");
    server
        .sql("create database shop; create table shop.t (a int) engine=InnoDB; insert into shop.t values (1)")
        .expect("fill");
    let access = access(Engine::Mariadb, server.port);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let driver = driver(Engine::Mariadb);
    let log = Log::default();
    let manifest = manifest(&access, Method::Mariabackup, &made.facts);
    let staged = |manifest: &domain::Manifest| stage(&access, &server.data_directory, manifest.clone(), &log);

    let without_table = staged(&manifest);
    unpack(&without_table, &made.stream).await.expect("unpack");
    driver.prepare(&without_table).await.expect("prepare");
    std::fs::remove_file(without_table.directory.join("shop/t.ibd")).expect("lose a file");
    let error = driver.probe_staged(&without_table).await.expect_err("a table is lost").to_job_error();
    assert_eq!(error.code, ErrorCode::RestoredServerUnhealthy);
    assert!(error.detail.contains("shop"), "{}", error.detail);

    let without_system = staged(&manifest);
    unpack(&without_system, &made.stream).await.expect("unpack");
    driver.prepare(&without_system).await.expect("prepare");
    std::fs::write(without_system.directory.join("ibdata1"), [0; 100]).expect("damage");
    let error = driver.probe_staged(&without_system).await.expect_err("no system tablespace").to_job_error();
    assert_eq!(error.code, ErrorCode::RestoredServerUnhealthy);
    assert!(error.detail.contains("InnoDB"), "its log is quoted: {}", error.detail);
    assert_eq!(testkit::processes_below(&without_system.directory), Vec::<u32>::new());

    let mut newer = manifest.clone();
    newer.engine_version = "99.1.2-MariaDB".into();
    let error = driver.probe_staged(&staged(&newer)).await.expect_err("another series");
    assert_eq!(error.code(), ErrorCode::IncompatibleEngineVersion);
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_full_disk_is_told_as_such() {
    let server = MariaDb::start().expect("start");
    fill(&server);
    let access = access(Engine::Mariadb, server.port);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let small = testkit::Tmpfs::mount(4 << 20).expect("a small file system");
    let live = small.path().join("data");
    std::fs::create_dir(&live).expect("make a directory");
    let owner = std::fs::metadata(&server.data_directory).expect("metadata");
    std::os::unix::fs::chown(&live, Some(owner.uid()), Some(owner.gid())).expect("its owner");
    let log = Log::default();
    let staging = stage(&access, &live, manifest(&access, Method::Mariabackup, &made.facts), &log);
    let error = unpack(&staging, &made.stream).await.expect_err("no space");
    assert_eq!(error.code(), ErrorCode::InsufficientDiskSpace, "{}", error.to_job_error().detail);
}

/// Somebody writes all the time, and remembers what the server acknowledged. What is restored is what was there at one
/// moment between the begin and the end of the backup, and the GTID of the backup is that moment.
#[tokio::test(flavor = "multi_thread")]
async fn f51_a_backup_under_load_is_one_moment() {
    let server = Arc::new(MariaDb::start().expect("start"));
    server.sql("create database shop; create table shop.t (id int primary key, filler varchar(2000))").expect("create");
    let sequence = |gtid: &str| gtid.rsplit('-').next().expect("a number").parse::<u64>().expect("digits");
    let base = sequence(&server.sql("select @@gtid_binlog_pos").expect("gtid"));
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = std::thread::spawn({
        let (server, acknowledged, stop) = (Arc::clone(&server), Arc::clone(&acknowledged), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::SeqCst) {
                let first = acknowledged.load(Ordering::SeqCst) + 1;
                let statements: String = (first..first + 20)
                    .map(|id| format!("insert into shop.t values ({id}, repeat('x', 2000));"))
                    .collect();
                server.sql(&statements).expect("write");
                acknowledged.store(first + 19, Ordering::SeqCst);
            }
        }
    });
    testkit::wait_until("some rows are written", Duration::from_secs(60), || acknowledged.load(Ordering::SeqCst) > 100);
    let access = access(Engine::Mariadb, server.port);
    let before = acknowledged.load(Ordering::SeqCst);
    let made = back_up(&access, Method::Mariabackup).await;
    let after = acknowledged.load(Ordering::SeqCst) + 20;
    stop.store(true, Ordering::SeqCst);
    writer.join().expect("the writer");
    let made = made.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));

    let log = Log::default();
    let manifest = manifest(&access, Method::Mariabackup, &made.facts);
    let staging = stage(&access, &server.data_directory, manifest, &log);
    restore(&staging, &made.stream).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    let rows = server.sql("select count(*), min(id), max(id) from shop.t").expect("count");
    let numbers: Vec<u64> = rows.split('\t').map(|text| text.parse().expect("a number")).collect();
    assert_eq!((numbers[0], numbers[1]), (numbers[2], 1), "no hole");
    assert!(before <= numbers[0] && numbers[0] <= after, "{before} {numbers:?} {after}");
    assert_eq!(sequence(&made.facts.engine_facts["gtid"]), base + numbers[0], "the position is that moment");
    assert_eq!(server.sql("check table shop.t").expect("check").split('\t').next_back(), Some("OK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_every_step_can_be_stopped() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    let made =
        back_up(&access, Method::Mariabackup).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let driver = driver(Engine::Mariadb);
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::Mariabackup, &made.facts), &log);
    unpack(&staging, &made.stream).await.expect("unpack");
    staging.cancel.cancel();
    assert!(driver.prepare(&staging).await.expect_err("stopped").is_cancelled());
    assert!(driver.probe_staged(&staging).await.expect_err("stopped").is_cancelled());
    let unpacking = driver.unpack(&staging, "base").await.expect("start");
    assert!(unpacking.finish().await.expect_err("stopped").is_cancelled());
    assert_eq!(testkit::processes_below(&staging.directory), Vec::<u32>::new());
}
