//! A backup outlives this program: the manifest's own commands restore it, with nothing of ours.

use std::path::Path;
use std::process::Command;

use domain::Manifest;

use crate::plane::Plane;
use crate::servers::{self, TestServer};

/// Runs the manifest's lines as a person would, in the backup's folder, for a directory of the person's choice. The backup
/// is a full one with 300 rows, or the last of so many increments on it with 10 rows more each.
async fn restore_by_hand(server: &dyn TestServer, increments: u32) -> (tempfile::TempDir, std::path::PathBuf) {
    let (plane, _worker) = Plane::with_worker_for(server);
    server.write(1, 300);
    let datastore = plane.register(server).await;
    let mut backup = plane.back_up(datastore.id).await;
    for round in 1..=increments {
        server.write(1000 * round, 10);
        backup = plane.back_up_incrementally(datastore.id).await;
        assert!(backup.parent_id.is_some(), "{}", plane.log_of(backup.job_id).await);
    }
    let folder = plane.folder(&backup);
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).expect("a manifest")).expect("JSON");
    assert!(!manifest.restore_commands.is_empty());
    let place = tempfile::Builder::new().prefix("by-hand-").tempdir().expect("a directory");
    let directory = place.path().join("data");
    // The last line of some starts the server, which each test does in its own private way.
    let lines: Vec<&str> =
        manifest.restore_commands.iter().map(String::as_str).filter(|line| !line.contains("pg_ctl")).collect();
    let commands = lines.join("\n").replace("DATA_DIRECTORY", directory.to_str().expect("UTF-8"));
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .current_dir(&folder)
        .env("PATH", path_with(server))
        .output()
        .expect("bash runs");
    assert!(done.status.success(), "{commands}\n{}", String::from_utf8_lossy(&done.stderr));
    (place, directory)
}

/// The programs of the server's own version first.
fn path_with(server: &dyn TestServer) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = server.programs().into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(directories).expect("a path")
}

fn give_to(user: &str, place: &Path) {
    let done = Command::new("chown").args(["-R", user]).arg(place).status().expect("chown runs");
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_postgresql_with_zstd_and_tar() {
    let server = servers::postgres();
    let (place, directory) = restore_by_hand(&server, 0).await;
    assert_eq!(rows_in_postgresql(&server, &place, &directory), "300");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_an_increment_of_postgresql_with_pg_combinebackup() {
    let server = servers::postgres_18();
    let (place, directory) = restore_by_hand(&server, 2).await;
    assert_eq!(rows_in_postgresql(&server, &place, &directory), "320");
}

/// Starts a private server on a directory and counts.
fn rows_in_postgresql(server: &testkit::Postgres, place: &tempfile::TempDir, directory: &Path) -> String {
    give_to("postgres", place.path());
    let socket = place.path().to_str().expect("UTF-8");
    let options = format!("-c listen_addresses='' -c unix_socket_directories={socket} -c hba_file={socket}/hba");
    std::fs::write(place.path().join("hba"), "local all all trust\n").expect("a file");
    let pg_ctl = |verb: &str| {
        Command::new("runuser")
            .args(["-u", "postgres", "--"])
            .arg(server.binaries().join("pg_ctl"))
            .args(["-w", "-D"])
            .arg(directory)
            .args(["-l", &format!("{socket}/log"), "-o", &options, verb])
            .status()
            .expect("pg_ctl runs")
    };
    assert!(pg_ctl("start").success(), "{}", std::fs::read_to_string(place.path().join("log")).unwrap_or_default());
    let rows = Command::new("psql")
        .args(["-h", socket, "-p", &server.port.to_string(), "-U", "postgres", "-AtXc", "select count(*) from items"])
        .output()
        .expect("psql runs");
    assert!(pg_ctl("stop").success());
    assert!(rows.status.success(), "{}", String::from_utf8_lossy(&rows.stderr));
    String::from_utf8_lossy(&rows.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_mariadb_with_zstd_mbstream_and_mariadb_backup() {
    let (place, directory) = restore_by_hand(&servers::mariadb(), 0).await;
    assert_eq!(rows_in_mariadb(&place, &directory), "300");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_an_increment_of_mariadb_with_mariadb_backup() {
    let (place, directory) = restore_by_hand(&servers::mariadb(), 2).await;
    assert_eq!(rows_in_mariadb(&place, &directory), "320");
}

fn rows_in_mariadb(place: &tempfile::TempDir, directory: &Path) -> String {
    give_to("mysql", place.path());
    // One session without any server: the data directory is opened by --bootstrap, which reads statements from stdin.
    let mut bootstrap = Command::new("mariadbd")
        .args(["--no-defaults", "--bootstrap", "--user=mysql"])
        .arg(format!("--datadir={}", directory.display()))
        .arg(format!("--secure-file-priv={}", place.path().display()))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("mariadbd runs");
    let out = place.path().join("rows");
    let statement = format!("select count(*) into outfile '{}' from it.items;\n", out.display());
    std::io::Write::write_all(&mut bootstrap.stdin.take().expect("piped"), statement.as_bytes()).expect("it reads");
    assert!(bootstrap.wait().expect("it ends").success());
    std::fs::read_to_string(out).expect("an answer").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_redis_with_zstd() {
    let server = testkit::Redis::start().expect("Redis starts");
    let (place, directory) = restore_by_hand(&server, 0).await;
    let socket = place.path().join("socket");
    let mut started = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(&directory)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("redis-server runs");
    testkit::wait_until("the restored Redis answers", std::time::Duration::from_secs(20), || {
        let asked = Command::new("redis-cli").arg("-s").arg(&socket).arg("ping").output().expect("redis-cli runs");
        asked.stdout.starts_with(b"PONG")
    });
    let keys = Command::new("redis-cli").arg("-s").arg(&socket).arg("dbsize").output().expect("redis-cli runs");
    let _ = started.kill();
    let _ = started.wait();
    assert_eq!(String::from_utf8_lossy(&keys.stdout).trim(), "300");
}
