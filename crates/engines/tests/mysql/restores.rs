//! From a backup to a server that runs on it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Engine, ErrorCode, Method};
use testkit::Mysql;
use tokio_util::sync::CancellationToken;

use super::harness::{Log, Made, back_up, driver, manifest, restore, stage, switch, unpack};
use super::setup::*;

/// Names that break quoting, shells and option parsers. // F-82
const HOSTILE: [&str; 5] = ["we ird-$(x)\"", "-rf", "quo'te;", "ünï☃", "`tick`"];

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn fill_hostile(server: &Mysql) {
    for name in HOSTILE {
        let database = identifier(name);
        server
            .sql(&format!(
                "create database {database}; use {database}; \
                 create table {database}.{database} (id int primary key, v varchar(200)); \
                 insert into {database} with recursive n (id) as (select 1 union all select id + 1 from n where id < 500) \
                 select id, repeat('x', 150) from n"
            ))
            .expect("fill");
    }
}

fn sums(server: &Mysql) -> String {
    let of = |name: &str| {
        let database = identifier(name);
        server.sql(&format!("select count(*), sum(id), sum(length(v)) from {database}.{database}")).expect("read")
    };
    HOSTILE.map(of).join("|")
}

fn modes(directory: &Path) -> Vec<(String, u32, u32, u32)> {
    let of = |name: &str| {
        let metadata = std::fs::metadata(directory.join(name)).expect(name);
        (name.to_owned(), metadata.mode(), metadata.uid(), metadata.gid())
    };
    ["ibdata1", "mysql", "mysql.ibd", "undo_001", "."].map(of).to_vec()
}

async fn backed_up(server: &Mysql) -> Made {
    back_up(&access(server), Method::MysqlClone).await.unwrap_or_else(|error| panic!("{}", told(error).1))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_backed_up_comes_back() {
    let server = start();
    fill_hostile(&server);
    server.sql("set persist max_connect_errors = 77; create user 'o''b'@'%' identified by 'x'").expect("settings");
    let (before, modes_before) = (sums(&server), modes(&server.data_directory));
    let access = access(&server);
    let made = backed_up(&server).await;
    let gtid_at_backup = server.sql("select @@gtid_executed").expect("gtid");
    let uuid_before = server.sql("select @@server_uuid").expect("uuid");

    server.sql(&format!("drop database {}; create table mysql.later (a int)", identifier(HOSTILE[0]))).expect("damage");
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::MysqlClone, &made.facts), &log);
    let probe =
        restore(&staging, &made.stream).await.unwrap_or_else(|error| panic!("{}\n{}", told(error).1, log.text()));
    assert_eq!(probe.engine_version, made.facts.engine_version);
    assert!(probe.summary.starts_with("5 databases, 5 tables"), "{}", probe.summary);
    assert!(log.text().contains(&format!("GTID {gtid_at_backup} of the binary log")), "{}", log.text());
    assert!(server.is_running(), "the live server was not touched");
    assert!(!staging.directory.join("auto.cnf").exists(), "it has no identity yet");

    server.stop().expect("stop");
    let aside = switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_eq!(sums(&server), before);
    assert_eq!(modes(&server.data_directory), modes_before);
    assert!(server.sql("select * from mysql.later").is_err());
    assert_eq!(
        server.sql("select @@max_connect_errors").expect("setting"),
        "77",
        "the live server's own settings stay"
    );
    assert_eq!(server.sql("select count(*) from mysql.user where user = 'o''b'").expect("accounts"), "1");

    // What it writes now has GTIDs that the data that was set aside has not.
    let uuid = server.sql("select @@server_uuid").expect("uuid");
    assert_ne!(uuid, uuid_before);
    assert_eq!(server.sql("select @@gtid_executed").expect("gtid"), gtid_at_backup);
    server.sql("create database after_restore").expect("it takes writes");
    assert!(server.sql("select @@gtid_executed").expect("gtid").contains(&format!("{uuid}:1")));
    assert!(aside.join("auto.cnf").is_file() && aside.join("binlog.000001").is_file());

    let ping = driver(Engine::Mysql).ping(&access, &CancellationToken::new()).await.expect("it answers");
    assert_eq!(ping.server_identity, Some(uuid));
    // What was restored can be backed up again, and restored again.
    let again = backed_up(&server).await;
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::MysqlClone, &again.facts), &log);
    let probe = restore(&staging, &again.stream).await.unwrap_or_else(|error| panic!("{}", told(error).1));
    assert!(probe.summary.starts_with("5 databases, 5 tables"), "{}", probe.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_by_hand_with_the_commands_of_the_manifest() {
    let server = start();
    fill_hostile(&server);
    let before = sums(&server);
    let made = backed_up(&server).await;
    server.stop().expect("stop");

    let folder = server.data_directory.with_file_name("folder");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("stream"), &made.stream).expect("write");
    let script = made.facts.restore_commands.join("\n").replace("DATA_DIRECTORY", "../by-hand");
    let script = format!("set -e\nzstd -q stream -o base.000.tar.zst\n{script}\n");
    let output =
        std::process::Command::new("sh").arg("-c").arg(&script).current_dir(&folder).output().expect("a shell");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&server.data_directory, folder.join("old")).expect("set aside");
    std::fs::rename(folder.with_file_name("by-hand"), &server.data_directory).expect("switch");
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_eq!(sums(&server), before);
}

/// The tar of a folder with an entry that leads out, in place of a backup.
fn hostile_tar(make: &str, pack: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!("set -e; mkdir in; cd in; mkdir mysql; touch mysql.ibd; {make}; tar --create --file=- {pack}");
    let output = std::process::Command::new("sh").arg("-c").arg(script).current_dir(directory.path()).output();
    let output = output.expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn f83_streams_that_lead_out_of_the_staging_directory_are_refused() {
    let server = start();
    let access = access(&server);
    let made = backed_up(&server).await;
    let log = Log::default();
    let manifest = manifest(&access, Method::MysqlClone, &made.facts);
    let staged = || stage(&access, &server.data_directory, manifest.clone(), &log);

    for (make, pack) in [
        ("ln -s /etc evil", "mysql mysql.ibd evil"),
        ("ln mysql.ibd evil", "mysql mysql.ibd evil"),
        ("mkfifo evil", "mysql mysql.ibd evil"),
        ("touch ../evil", "--absolute-names mysql mysql.ibd ../evil"),
    ] {
        let staging = staged();
        let error = unpack(&staging, &hostile_tar(make, pack)).await.expect_err(make);
        assert!(matches!(error.code(), ErrorCode::ObjectCorrupted | ErrorCode::EngineToolFailed), "{make}");
        assert!(!staging.directory.with_file_name("evil").exists(), "{make}");
    }
    // What a server would obey before anything else is not the backup's to say.
    let staging = staged();
    unpack(&staging, &hostile_tar("touch auto.cnf mysqld-auto.cnf", "mysql mysql.ibd auto.cnf mysqld-auto.cnf"))
        .await
        .expect("plain files");
    driver(Engine::Mysql).prepare(&staging).await.expect("prepare");
    assert!(!staging.directory.join("auto.cnf").exists() && !staging.directory.join("mysqld-auto.cnf").exists());
    let staging = staged();
    unpack(&staging, &hostile_tar("rm mysql.ibd", "mysql")).await.expect("plain files");
    let error = driver(Engine::Mysql).prepare(&staging).await.expect_err("no clone");
    assert_eq!(error.code(), ErrorCode::ObjectCorrupted);

    unpack(&staged(), &made.stream[..made.stream.len() / 2]).await.expect_err("a cut stream");
    let refused = driver(Engine::Mysql).unpack(&staged(), "../base").await.err().expect("an unknown stream");
    assert_eq!(refused.code(), ErrorCode::ManifestInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn f66_damaged_data_does_not_pass_the_probe() {
    let server = start();
    fill(&server, 10);
    let access = access(&server);
    let made = backed_up(&server).await;
    let driver = driver(Engine::Mysql);
    let log = Log::default();
    let manifest = manifest(&access, Method::MysqlClone, &made.facts);
    let staged = |manifest: &domain::Manifest| stage(&access, &server.data_directory, manifest.clone(), &log);

    for (file, damage) in [("shop/t.ibd", None), ("ibdata1", Some(vec![0; 100])), ("mysql.ibd", Some(vec![7; 1 << 20]))]
    {
        let staging = staged(&manifest);
        unpack(&staging, &made.stream).await.expect("unpack");
        driver.prepare(&staging).await.expect("prepare");
        let path = staging.directory.join(file);
        match damage {
            Some(bytes) => std::fs::write(&path, bytes).expect("damage"),
            None => std::fs::remove_file(&path).expect("lose a file"),
        }
        let (code, detail) = told(driver.probe_staged(&staging).await.expect_err(file));
        assert_eq!(code, ErrorCode::RestoredServerUnhealthy, "{file}: {detail}");
        assert!(detail.contains("MySQL") && detail.contains("Its log ends with"), "{detail}");
        assert_eq!(testkit::processes_below(&staging.directory), Vec::<u32>::new());
    }
    let mut newer = manifest.clone();
    newer.engine_version = "99.1.2".into();
    let error = driver.probe_staged(&staged(&newer)).await.expect_err("another series");
    assert_eq!(error.code(), ErrorCode::IncompatibleEngineVersion);
}

/// Somebody writes all the time, and remembers what the server acknowledged. What is restored is what was there at one moment
/// between the begin and the end of the backup.
#[tokio::test(flavor = "multi_thread")]
async fn f51_a_backup_under_load_is_one_moment() {
    let server = Arc::new(start());
    server.sql("create database shop; create table shop.t (id int primary key, filler varchar(2000))").expect("create");
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
    let access = access(&server);
    let before = acknowledged.load(Ordering::SeqCst);
    let made = back_up(&access, Method::MysqlClone).await;
    let after = acknowledged.load(Ordering::SeqCst) + 20;
    stop.store(true, Ordering::SeqCst);
    writer.join().expect("the writer");
    let made = made.unwrap_or_else(|error| panic!("{}", told(error).1));

    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::MysqlClone, &made.facts), &log);
    restore(&staging, &made.stream).await.unwrap_or_else(|error| panic!("{}", told(error).1));
    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    let rows = server.sql("select count(*), min(id), max(id) from shop.t").expect("count");
    let numbers: Vec<u64> = rows.split('\t').map(|text| text.parse().expect("a number")).collect();
    assert_eq!((numbers[0], numbers[1]), (numbers[2], 1), "no hole");
    assert!(before <= numbers[0] && numbers[0] <= after, "{before} {numbers:?} {after}");
    assert_eq!(server.sql("check table shop.t").expect("check").split('\t').next_back(), Some("OK"));
    // The log says where the data stands: each row was a transaction of its own, after two that made the table.
    let gtid = server.sql("select @@gtid_executed").expect("gtid");
    assert!(log.text().contains(&format!("GTID {gtid} of the binary log")), "{gtid}\n{}", log.text());
    let last: u64 = gtid.rsplit(['-', ':']).next().and_then(|text| text.parse().ok()).expect("a number");
    assert_eq!(last, numbers[0] + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_every_step_can_be_stopped() {
    let server = start();
    let access = access(&server);
    let made = backed_up(&server).await;
    let driver = driver(Engine::Mysql);
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::MysqlClone, &made.facts), &log);
    unpack(&staging, &made.stream).await.expect("unpack");
    staging.cancel.cancel();
    assert!(driver.prepare(&staging).await.expect_err("stopped").is_cancelled());
    assert!(driver.probe_staged(&staging).await.expect_err("stopped").is_cancelled());
    let unpacking = driver.unpack(&staging, "base").await.expect("start");
    assert!(unpacking.finish().await.expect_err("stopped").is_cancelled());
    assert_eq!(testkit::processes_below(&staging.directory), Vec::<u32>::new());
}
