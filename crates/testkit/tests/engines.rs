//! Each engine starts, takes and gives data, is stopped and started by the commands that a datastore's service has, and
//! leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::{BACKUP_PASSWORD, KeyValueServer, MariaDb, Mysql, Postgres, Redis, Valkey, processes_below, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs an argument list as a worker does: no shell.
fn status(arguments: &[String]) -> bool {
    Command::new(&arguments[0])
        .args(&arguments[1..])
        .stdout(std::process::Stdio::null())
        .status()
        .expect("start the command")
        .success()
}

/// Whatever the server's account, a restore renames siblings of the data directory: they must be on its file system.
fn assert_siblings_can_be_renamed(data_directory: &Path) {
    let parent = data_directory.parent().expect("a parent");
    let aside = parent.join("aside");
    std::fs::rename(data_directory, &aside).expect("rename the data directory aside");
    std::fs::create_dir(data_directory).expect("a new directory in its place");
    std::fs::remove_dir(data_directory).expect("remove it");
    std::fs::rename(&aside, data_directory).expect("rename it back");
}

fn assert_gone(root: &Path) {
    assert_eq!(processes_below(root), Vec::<u32>::new());
    assert!(!root.exists(), "{} was left behind", root.display());
}

fn parent(data_directory: &Path) -> PathBuf {
    data_directory.parent().expect("a parent").into()
}

#[test]
fn postgres_serves_restarts_and_leaves_nothing() {
    let server = Postgres::builder().setting("work_mem", "5MB").start().expect("start");
    assert_eq!(server.sql("show work_mem").expect("show"), "5MB");
    assert_eq!(server.sql("show wal_level").expect("show"), "replica");
    server.sql("create database shop; select 1").expect("each statement is a transaction of its own");
    server.sql_in("shop", "create table t (a int); insert into t values (1), (2)").expect("write");
    assert!(server.sql("select no_such_column").is_err());

    assert!(server.is_running() && status(&server.status_command()));
    assert!(status(&server.stop_command()), "stop");
    // A process that is ending has a directory for a moment after it has lost its program, which is what the command looks at.
    wait_until("it has ended", PATIENCE, || !server.is_running() && !status(&server.status_command()));
    assert_siblings_can_be_renamed(&server.data_directory);
    assert!(status(&server.start_command()), "start");
    assert!(server.is_running() && status(&server.status_command()));
    assert_eq!(server.sql_in("shop", "select * from t").expect("read"), "1\n2");
    server.restart().expect("restart one that was not our child");
    server.crash().expect("crash");
    assert!(!server.is_running());
    server.start_again().expect("recover from the crash");
    assert_eq!(server.sql_in("shop", "select count(*) from t").expect("read"), "2");

    let root = parent(&server.data_directory);
    drop(server);
    assert_gone(&root);
}

/// A password file's line needs its own quoting; the account must be asked for its password over TCP.
#[test]
fn postgres_backup_account_logs_in_with_its_hostile_password_only() {
    let server = Postgres::start().expect("start");
    let log_in = |password: &str| {
        Command::new(server.binaries().join("psql"))
            .args(["-AtX", "-h", "127.0.0.1", "-p", &server.port.to_string()])
            .args(["-U", &server.backup_user, "-d", "postgres"])
            .args(["-c", "show data_directory"])
            .env("PGPASSWORD", password)
            .output()
            .expect("psql")
    };
    let output = log_in(BACKUP_PASSWORD);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        server.data_directory.display().to_string(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!log_in("wrong").status.success());
    assert_eq!(
        server.sql("select rolreplication, rolsuper from pg_roles where rolname = 'holdfast'").expect("roles"),
        "t|f"
    );
}

#[test]
fn postgres_clusters_are_copies_unless_asked() {
    let identifier =
        |server: &Postgres| server.sql("select system_identifier from pg_control_system()").expect("identifier");
    let first = Postgres::start().expect("start");
    let second = Postgres::start().expect("start");
    let other = Postgres::builder().own_system_identifier().start().expect("start");
    assert_eq!(identifier(&first), identifier(&second));
    assert_ne!(identifier(&first), identifier(&other));
    assert_ne!(first.port, second.port);
}

#[test]
fn mariadb_serves_restarts_and_leaves_nothing() {
    let server = MariaDb::builder().setting("max-connections", "77").start().expect("start");
    assert_eq!(server.sql("select @@max_connections, @@log_bin, @@binlog_format").expect("settings"), "77\t1\tROW");
    server.sql("create database shop; create table shop.t (a int); insert into shop.t values (1), (2)").expect("write");
    assert!(server.sql("select no_such_column").is_err());

    assert!(server.is_running() && status(&server.status_command()));
    assert!(status(&server.stop_command()), "stop");
    // A process that is ending has a directory for a moment after it has lost its program, which is what the command looks at.
    wait_until("it has ended", PATIENCE, || !server.is_running() && !status(&server.status_command()));
    assert!(status(&server.stop_command()), "stopping a stopped one");
    assert_siblings_can_be_renamed(&server.data_directory);
    assert!(status(&server.start_command()), "start");
    server.wait_until_ready().expect("ready");
    assert!(status(&server.status_command()));
    assert_eq!(server.sql("select a from shop.t").expect("read"), "1\n2");
    server.restart().expect("restart one that was not our child");
    server.crash().expect("crash");
    assert!(!server.is_running());
    server.start_again().expect("recover from the crash");

    let root = parent(&server.data_directory);
    drop(server);
    assert_gone(&root);
}

#[test]
fn mariadb_backup_account_logs_in_with_its_hostile_password_only() {
    let server = MariaDb::start().expect("start");
    let log_in = |password: &str| {
        Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--host=127.0.0.1", &format!("--port={}", server.port)])
            .args(["--user=holdfast", "--execute=select @@datadir; show grants"])
            .env("MYSQL_PWD", password)
            .output()
            .expect("mariadb")
    };
    let output = log_in(BACKUP_PASSWORD);
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.starts_with(&format!("{}/\n", server.data_directory.display())),
        "{answer}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for privilege in ["RELOAD", "PROCESS", "BINLOG MONITOR", "REPLICATION SLAVE"] {
        assert!(answer.contains(privilege), "{answer}");
    }
    assert!(!log_in("wrong").status.success());
}

#[test]
fn mysql_serves_restarts_and_leaves_nothing() {
    let server = Mysql::builder().setting("max-connections", "33").start().expect("start");
    let settings =
        server.sql("select @@max_connections, @@log_bin, @@gtid_mode, left(@@version, 2)").expect("settings");
    assert_eq!(settings, "33\t1\tON\t9.");
    server.sql("create database shop; create table shop.t (a int); insert into shop.t values (1), (2)").expect("write");
    assert!(server.sql("select no_such_column").is_err());

    assert!(server.is_running() && status(&server.status_command()));
    assert!(status(&server.stop_command()), "stop");
    // A process that is ending has a directory for a moment after it has lost its program, which is what the command looks at.
    wait_until("it has ended", PATIENCE, || !server.is_running() && !status(&server.status_command()));
    assert!(status(&server.stop_command()), "stopping a stopped one");
    assert_siblings_can_be_renamed(&server.data_directory);
    assert!(status(&server.start_command()), "start");
    server.wait_until_ready().expect("ready");
    assert!(status(&server.status_command()));
    assert_eq!(server.sql("select a from shop.t").expect("read"), "1\n2");
    server.restart().expect("restart one that was not our child");
    server.crash().expect("crash");
    assert!(!server.is_running());
    server.start_again().expect("recover from the crash");

    let other = Mysql::start().expect("another");
    assert_ne!(server.sql("select @@server_uuid").expect("one"), other.sql("select @@server_uuid").expect("another"));
    let root = parent(&server.data_directory);
    drop(server);
    assert_gone(&root);
}

#[test]
fn mysql_backup_account_logs_in_with_its_hostile_password_only() {
    let server = Mysql::start().expect("start");
    let log_in = |password: &str| {
        Command::new(server.binaries().join("mysql"))
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--host=127.0.0.1", &format!("--port={}", server.port)])
            .args(["--user=holdfast", "--execute=select @@datadir; show grants"])
            .env("MYSQL_PWD", password)
            .output()
            .expect("mysql")
    };
    let output = log_in(BACKUP_PASSWORD);
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(
        answer.starts_with(&format!("{}/\n", server.data_directory.display())),
        "{answer}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for privilege in ["BACKUP_ADMIN", "REPLICATION SLAVE", "clone_status", "log_status"] {
        assert!(answer.contains(privilege), "{answer}");
    }
    assert!(!log_in("wrong").status.success());
}

fn key_value_serves_restarts_and_leaves_nothing(server: KeyValueServer) {
    server.cmd(&["set", "a key", "a\nvalue"]).expect("write");
    assert!(server.cmd(&["no-such-command"]).is_err());

    assert!(server.is_running() && status(&server.status_command()));
    assert!(status(&server.stop_command()), "stop");
    // A process that is ending has a directory for a moment after it has lost its program, which is what the command looks at.
    wait_until("it has ended", PATIENCE, || !server.is_running() && !status(&server.status_command()));
    assert!(status(&server.stop_command()), "stopping a stopped one");
    assert_siblings_can_be_renamed(&server.data_directory);
    assert!(status(&server.start_command()), "start");
    server.wait_until_ready().expect("ready");
    assert!(status(&server.status_command()));
    assert_eq!(server.cmd(&["get", "a key"]).expect("read"), "a\nvalue");
    server.restart().expect("restart one that was not our child");
    assert_eq!(server.cmd(&["dbsize"]).expect("count"), "1");
    server.crash().expect("crash");
    assert!(!server.is_running());
    server.start_again().expect("start after the crash");

    let log_in = |password: &str, arguments: &[&str]| {
        let output = Command::new("redis-cli")
            .args(["-p", &server.port.to_string(), "--user", "holdfast", "-e"])
            .args(arguments)
            .env("REDISCLI_AUTH", password)
            .output()
            .expect("redis-cli");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (allowed, answer) = log_in(BACKUP_PASSWORD, &["config", "get", "dir"]);
    assert!(allowed && answer.contains(&server.data_directory.display().to_string()));
    assert!(!log_in(BACKUP_PASSWORD, &["get", "a key"]).0, "no more than");
    assert!(!log_in("wrong", &["ping"]).0);

    let root = parent(&server.data_directory);
    drop(server);
    assert_gone(&root);
}

#[test]
fn redis_serves_restarts_and_leaves_nothing() {
    key_value_serves_restarts_and_leaves_nothing(Redis::start().expect("start"));
}

#[test]
fn redis_with_aof_serves_restarts_and_leaves_nothing() {
    let server = Redis::with_aof().expect("start");
    assert!(server.data_directory.join("appendonlydir").is_dir());
    key_value_serves_restarts_and_leaves_nothing(server);
}

#[test]
fn valkey_serves_restarts_and_leaves_nothing() {
    let server = Valkey::start().expect("start");
    let info = server.cmd(&["info", "server"]).expect("info");
    assert!(info.contains("valkey_version:9."), "{info}");
    key_value_serves_restarts_and_leaves_nothing(server);
}

#[test]
fn valkey_with_aof_serves_restarts_and_leaves_nothing() {
    key_value_serves_restarts_and_leaves_nothing(Valkey::with_aof().expect("start"));
}

#[test]
fn a_server_that_cannot_start_fails_with_its_log() {
    let error = Postgres::builder().setting("no_such_setting", "1").start().expect_err("a wrong setting");
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
    let error = MariaDb::builder().setting("no-such-setting", "1").start().expect_err("a wrong setting");
    assert!(format!("{error:#}").contains("no-such-setting"), "{error:#}");
    let error = Redis::builder().setting("no-such-setting", "1").start().expect_err("a wrong setting");
    assert!(format!("{error:#}").contains("no-such-setting"), "{error:#}");
}

#[test]
fn control_databases_are_separate_and_go_away() {
    let first = testkit::control_database();
    let second = testkit::control_database();
    let query = |url: &str, sql: &str| {
        let output = Command::new("psql").args(["-AtX", "-c", sql, url]).output().expect("psql");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert!(query(&first.url, "create table t (a int)").0);
    assert!(query(&first.url, "select * from t").0);
    assert!(!query(&second.url, "select * from t").0, "another database");
    let gone = first.url.clone();
    drop(first);
    assert!(!query(&gone, "select 1").0, "removed on drop");
}

/// The worst case: the test process is killed, and its servers are not its children.
#[test]
fn a_killed_process_leaves_neither_servers_nor_files() {
    use std::io::{BufRead, BufReader};

    let mut holder = Command::new(env!("CARGO_BIN_EXE_engines"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("start the engines");
    let stdout = BufReader::new(holder.stdout.take().expect("stdout"));
    let mut data_directories: Vec<PathBuf> = Vec::new();
    for line in stdout.lines() {
        let line = line.expect("a line");
        if let Some((_, path)) = line.split_once(" data ") {
            data_directories.push(path.into());
        }
        if line.starts_with("ready") {
            break;
        }
    }
    assert_eq!(data_directories.len(), 4, "all engines run");
    let servers = || -> Vec<u32> { data_directories.iter().flat_map(|directory| processes_below(directory)).collect() };
    assert!(servers().len() >= 4);

    holder.kill().expect("kill our own child");
    holder.wait().expect("reap it");
    wait_until("all servers have ended", PATIENCE, || servers().is_empty());
    let root = parent(&parent(&data_directories[0]));
    wait_until("its directory is gone", PATIENCE, || !root.exists());
}
