//! Clusters that are not as the usual one: configuration outside, another superuser, a standby, settings that the files
//! depend on, settings that must not work on a staged copy.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use domain::{Engine, Service};
use engines::ConfigurationSource;
use engines::service::{launch_process_service, stop_all_process_services};
use process::Credentials;
use testkit::{Postgres, free_port, processes_below, wait_until};
use uuid::Uuid;

use crate::setup::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn owner(server: &Postgres) -> Credentials {
    Credentials::of_owner(&server.data_directory).unwrap()
}

fn owner_name(server: &Postgres) -> String {
    nix::unistd::User::from_uid(owner(server).uid.into()).unwrap().unwrap().name
}

/// Held while a test has servers of our own: each of these tests ends by stopping all that there are.
static OWN_SERVERS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A server of our own, as the data's owner.
fn launch(server: &Postgres, arguments: &[&str]) {
    let program = server.binaries().join("postgres").display().to_string();
    let service = Service::Process {
        start: std::iter::once(program.as_str()).chain(arguments.iter().copied()).map(str::to_owned).collect(),
        user: Some(owner_name(server)),
        log_file: Some(server.data_directory.with_file_name("own.log").display().to_string()),
    };
    launch_process_service(Uuid::now_v7(), &service, Engine::Postgresql).unwrap();
}

/// Runs a line of a shell as the data's owner, the way a person would.
fn by_hand(server: &Postgres, directory: &Path, line: &str) {
    let path = format!("{}:/usr/bin:/bin", server.binaries().display());
    let output = Command::new("/usr/sbin/runuser")
        .args(["-u", &owner_name(server), "--", "sh", "-euc", line])
        .current_dir(directory)
        .env("PATH", path)
        .stdout(fs::File::create(directory.join("stdout")).unwrap())
        .stderr(fs::File::create(directory.join("stderr")).unwrap())
        .status()
        .unwrap();
    assert!(output.success(), "{line}\n{}", fs::read_to_string(directory.join("stderr")).unwrap());
}

/// A folder with the backup as it is stored.
fn stored_folder(server: &Postgres, tar: &[u8]) -> PathBuf {
    let folder = server.data_directory.with_file_name("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("base.tar"), tar).unwrap();
    let status =
        Command::new("zstd").args(["-q", "--rm", "base.tar", "-o", "base.000.tar.zst"]).current_dir(&folder).status();
    assert!(status.unwrap().success());
    chown(&folder, Some(owner(server).uid), Some(owner(server).gid)).unwrap();
    folder
}

#[tokio::test]
async fn the_manifests_commands_restore_by_hand() {
    let server = Postgres::start().unwrap();
    server.sql("create table t as select 42 as answer").unwrap();
    let stored = back_up(&server).await;
    server.sql("drop table t").unwrap();
    server.stop().unwrap();
    let folder = stored_folder(&server, &stored.tar);
    let target = server.data_directory.with_file_name("by hand");
    for line in &stored.facts.restore_commands {
        // The log file only because a server must not keep the test's own output open.
        let line = line.replace("DATA_DIRECTORY", &format!("'{}'", target.display()));
        by_hand(&server, &folder, &line.replace(" start", " -l log start"));
    }
    assert_eq!(server.sql("select answer from t").unwrap(), "42");
    by_hand(&server, &folder, &format!("pg_ctl -D '{}' -m immediate stop", target.display()));
}

/// Debian keeps the configuration in `/etc/postgresql`: the data directory holds none.
#[tokio::test]
async fn configuration_outside_the_data_directory_stays_there() {
    let _alone = OWN_SERVERS.lock().await;
    let server = Postgres::start().unwrap();
    server.sql("create table t as select 42 as answer").unwrap();
    server.stop().unwrap();
    let outside = server.data_directory.with_file_name("configuration of main");
    fs::create_dir(&outside).unwrap();
    chown(&outside, Some(owner(&server).uid), Some(owner(&server).gid)).unwrap();
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        fs::rename(server.data_directory.join(name), outside.join(name)).unwrap();
    }
    let configuration = outside.join("postgresql.conf");
    let mut text = fs::read_to_string(&configuration).unwrap();
    for (name, path) in [
        ("data_directory", server.data_directory.clone()),
        ("hba_file", outside.join("pg_hba.conf")),
        ("ident_file", outside.join("pg_ident.conf")),
    ] {
        text.push_str(&format!("{name} = '{}'\n", path.display()));
    }
    fs::write(&configuration, text).unwrap();
    launch(&server, &["-D", outside.to_str().unwrap()]);
    wait_until("it answers", PATIENCE, || server.sql("select 1").is_ok());

    let inspection = inspect(&access(&server)).await;
    assert!(inspection.capabilities.restore_in_place, "{:#?}", inspection.findings);
    assert_eq!(inspection.data_directory.as_deref(), server.data_directory.to_str());
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    assert!(!staging.directory.join("postgresql.conf").exists());
    probe(&staging).await.unwrap();
    driver().place_configuration(&staging, ConfigurationSource::Live).await.unwrap();
    assert!(!staging.directory.join("postgresql.conf").exists());
    stop_all_process_services().await.unwrap();

    // By hand, from the stored files.
    let folder = stored_folder(&server, &stored.tar);
    let target = server.data_directory.with_file_name("by hand");
    let lines: Vec<String> = stored
        .facts
        .restore_commands
        .iter()
        .map(|line| line.replace("DATA_DIRECTORY", &target.display().to_string().replace(' ', "\\ ")))
        .collect();
    by_hand(&server, &folder, &lines[0]);
    by_hand(&server, &folder, &lines[1]);
    by_hand(&server, &folder, &format!("exec setsid {} > log 2>&1 &", lines[2]));
    wait_until("the restored one answers", PATIENCE, || server.sql("select answer from t").is_ok_and(|a| a == "42"));
    assert_eq!(server.sql("show data_directory").unwrap(), target.display().to_string());
    by_hand(&server, &folder, &format!("pg_ctl -D '{}' -m immediate stop", target.display()));
}

#[tokio::test]
async fn the_first_superuser_may_have_any_name() {
    let server = Postgres::start().unwrap();
    server.sql("create role helper superuser login").unwrap();
    server.sql("grant helper to holdfast").unwrap();
    let renamed = Command::new(server.binaries().join("psql"))
        .args(["-X", "-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", &server.backup_user, "-d", "postgres"])
        .args(["-v", "ON_ERROR_STOP=1", "-c", "set role helper", "-c", "alter role postgres rename to \"the boss\""])
        .env("PGPASSWORD", &server.backup_password)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(renamed.unwrap().success());
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    let probe = probe(&staging).await.unwrap();
    assert!(probe.summary.contains("1 database, 0 tables"), "{}", probe.summary);
}

#[tokio::test]
async fn what_the_files_depend_on_survives_the_probe() {
    let server = Postgres::builder()
        .setting("max_prepared_transactions", "7")
        .setting("track_commit_timestamp", "on")
        .setting("wal_level", "logical")
        .setting("max_connections", "300")
        .start()
        .unwrap();
    server.sql("create table t (a int)").unwrap();
    server
        .sql_in(
            "postgres",
            "begin; insert into t values (1); prepare transaction 'half done'; insert into t values (2)",
        )
        .unwrap();
    let committed_at = "select pg_xact_commit_timestamp(xmin) from t";
    let before = server.sql(committed_at).unwrap();
    assert!(!before.is_empty());
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    probe(&staging).await.unwrap();
    server.stop().unwrap();
    driver().place_configuration(&staging, ConfigurationSource::Backup).await.unwrap();
    switch(&staging, &server.data_directory.with_file_name("data.aside"));
    server.start_again().unwrap();
    assert_eq!(server.sql(committed_at).unwrap(), before);
    server.sql("commit prepared 'half done'").unwrap();
    assert_eq!(server.sql("select sum(a) from t").unwrap(), "3");
}

/// The backup's own settings would break the staged server, or let it act on the outside.
#[tokio::test]
async fn f68_a_staged_server_keeps_to_itself() {
    let server = Postgres::start().unwrap();
    let marker = server.data_directory.with_file_name("archived");
    server.sql(&format!("alter system set archive_command = 'touch \"{}\"'", marker.display())).unwrap();
    for setting in [
        "archive_mode = on",
        "shared_preload_libraries = 'no_such_library'",
        "listen_addresses = '*'",
        "logging_collector = on",
        "ssl = on",
        "restore_command = '/bin/false'",
        "primary_conninfo = 'host=203.0.113.1'",
        "port = 1",
    ] {
        server.sql(&format!("alter system set {setting}")).unwrap();
    }
    let stored = back_up(&server).await;
    let staging = staging(&server, &stored.facts, &Log::default());
    unpack_and_prepare(&staging, &stored.tar).await.unwrap();
    probe(&staging).await.unwrap();
    assert!(!marker.exists(), "archived by the copy");
    let automatic = fs::read_to_string(staging.directory.join("postgresql.auto.conf")).unwrap();
    assert!(automatic.contains("no_such_library"), "the backup's settings are as they were");
    assert!(!staging.directory.join("log").exists());
}

#[tokio::test]
async fn a_standby_is_backed_up_but_not_restored_in_place() {
    let _alone = OWN_SERVERS.lock().await;
    let primary = Postgres::start().unwrap();
    primary.sql("create table t as select 42 as answer").unwrap();
    let stored = back_up(&primary).await;
    let standby = staging(&primary, &stored.facts, &Log::default());
    unpack_and_prepare(&standby, &stored.tar).await.unwrap();
    let directory = standby.directory.display().to_string();
    let signal = standby.directory.join("standby.signal");
    fs::write(&signal, "").unwrap();
    fs::set_permissions(&signal, fs::Permissions::from_mode(0o600)).unwrap();
    chown(&signal, Some(standby.owner.uid), Some(standby.owner.gid)).unwrap();
    let port = free_port();
    let conninfo = format!(
        "primary_conninfo=host={} port={} user={}",
        primary.socket_directory.display(),
        primary.port,
        primary.superuser
    );
    let hba = primary.data_directory.join("pg_hba.conf");
    fs::write(&hba, format!("local replication postgres peer map=testkit\n{}", fs::read_to_string(&hba).unwrap()))
        .unwrap();
    primary.sql("select pg_reload_conf()").unwrap();
    launch(&primary, &["-D", &directory, "-c", &format!("port={port}"), "-c", &conninfo]);
    let mut datastore = access(&primary);
    datastore.port = port;
    let patience = std::time::Instant::now();
    let inspection = loop {
        let inspection = inspect(&datastore).await;
        if inspection.engine_version.is_some() {
            break inspection;
        }
        assert!(patience.elapsed() < PATIENCE, "{:#?}", inspection.findings);
    };
    assert!(!inspection.capabilities.restore_in_place);
    assert!(finding(&inspection, "target_not_supported").detail.contains("standby"));
    assert!(!inspection.capabilities.methods.is_empty());

    let stored = back_up_of(&datastore).await;
    let restored = staging(&primary, &stored.facts, &Log::default());
    unpack(&restored, &stored.tar).await.unwrap();
    assert!(restored.directory.join("standby.signal").exists());
    driver().prepare(&restored).await.unwrap();
    probe(&restored).await.unwrap();
    stop_all_process_services().await.unwrap();
    assert_eq!(processes_below(&standby.directory), Vec::<u32>::new());
}
