//! Backups of real servers, and everything that must make one fail.

use std::time::Duration;

use domain::{Engine, ErrorCode, Method, Secret};
use testkit::{KeyValueServer, Redis, Valkey, wait_until};
use tokio::io::AsyncReadExt;

use super::harness::*;

/// Takes its time, so that something can happen meanwhile: a snapshot of this is larger than what pipes and sockets hold.
fn slow_server() -> KeyValueServer {
    let server = Redis::builder().setting("rdbcompression", "no").setting("repl-diskless-sync-delay", "0").start();
    let server = server.expect("start");
    fill(&server, 30);
    server
}

fn fill(server: &KeyValueServer, megabytes: u32) {
    let script =
        format!("for i = 1, {} do redis.call('set', 'k' .. i, string.rep(tostring(i), 20000)) end", megabytes * 10);
    server.cmd(&["eval", &script, "0"]).expect("fill");
}

#[tokio::test(flavor = "multi_thread")]
async fn f80_a_backup_shows_no_password_and_needs_no_administrator() {
    for (engine, server) in
        [(Engine::Redis, Redis::start().expect("start")), (Engine::Valkey, Valkey::start().expect("start"))]
    {
        fill(&server, 1);
        let access = access(engine, server.port);
        let watch = ArgumentWatch::start("redis-cli", &[testkit::BACKUP_PASSWORD, "p'w\"d$(x)"]);
        let made =
            back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
        watch.assert_quiet();
        assert!(!made.log.text().contains("p'w\"d$(x)") && !format!("{:?}", made.facts).contains("p'w\"d$(x)"));
        assert!(made.log.text().contains("until EOF marker"), "{}", made.log.text());
        assert_eq!(made.stream[made.stream.len() - 9], 0xff, "the marker is not in the stream");
        let version = server.cmd(&["info", "server"]).expect("info");
        assert!(version.contains(&format!("_version:{}", made.facts.engine_version)), "{}", made.facts.engine_version);
        assert_eq!(made.facts.server_identity, None);
        assert_eq!(made.facts.engine_facts["appendonly"], "no");
        assert_eq!(made.facts.command_line[0], "redis-cli");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_killed_tool_is_a_failed_backup() {
    let server = slow_server();
    let access = access(Engine::Redis, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Rdb, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Redis).backup(request).await.expect("start");
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 100_000]).await.expect("it has begun");
    let tools = transfers_to(server.port);
    assert_eq!(tools.len(), 1);
    let status = std::process::Command::new("kill").args(["-KILL", &tools[0].to_string()]).status().expect("kill");
    assert!(status.success());
    let mut rest = Vec::new();
    let _ = output.read_to_end(&mut rest).await;
    let error = running.finish().await.expect_err("killed").to_job_error();
    assert_eq!(error.code, ErrorCode::EngineToolFailed, "{}", error.detail);
}

/// Our clients that talk to this port.
fn transfers_to(port: u16) -> Vec<u32> {
    let port = port.to_string();
    let entries = std::fs::read_dir("/proc").expect("proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let Ok(arguments) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        let words: Vec<_> = arguments.split(|byte| *byte == 0).collect();
        words.first().is_some_and(|program| program.ends_with(b"redis-cli"))
            && words.contains(&port.as_bytes())
            && words.contains(&b"--rdb".as_slice())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_server_that_dies_meanwhile_is_a_failed_backup() {
    let server = slow_server();
    let access = access(Engine::Redis, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Rdb, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Redis).backup(request).await.expect("start");
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 100_000]).await.expect("it has begun");
    server.crash().expect("crash");
    let mut rest = Vec::new();
    let _ = output.read_to_end(&mut rest).await;
    running.finish().await.expect_err("half a snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn f50_a_restart_meanwhile_is_a_failed_backup() {
    let server = Redis::start().expect("start");
    let access = access(Engine::Redis, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Rdb, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Redis).backup(request).await.expect("start");
    let mut stream = Vec::new();
    next_output(&mut running).await.read_to_end(&mut stream).await.expect("read");
    server.restart().expect("restart");
    let error = running.finish().await.expect_err("restarted").to_job_error();
    assert_eq!(error.code, ErrorCode::SourceChanged, "{}", error.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_dropped_backup_leaves_no_tool() {
    let server = slow_server();
    let access = access(Engine::Redis, server.port);
    let work_directory = tempfile::tempdir().expect("a directory");
    let request = request(&access, Method::Rdb, work_directory.path(), &Log::default());
    let mut running = driver(Engine::Redis).backup(request).await.expect("start");
    let mut output = next_output(&mut running).await;
    output.read_exact(&mut [0; 1000]).await.expect("it has begun");
    drop((running, output));
    wait_until("the tool has ended", Duration::from_secs(20), || transfers_to(server.port).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_their_cause() {
    let server = Redis::start().expect("start");
    let good = access(Engine::Redis, server.port);
    let refused = async |access: &domain::assignment::DatastoreAccess| {
        let error = back_up(access, Method::Rdb).await.err().expect("refused").to_job_error();
        (error.code, error.detail)
    };
    let mut wrong_password = good.clone();
    wrong_password.password = Some(Secret::new("wr\"ong #"));
    let (code, detail) = refused(&wrong_password).await;
    assert_eq!(code, ErrorCode::AuthenticationFailed);
    assert!(detail.contains("WRONGPASS") && !detail.contains("wr\"ong"), "{detail}");

    let mut unreachable = good.clone();
    unreachable.port = testkit::free_port();
    assert_eq!(refused(&unreachable).await.0, ErrorCode::HostUnreachable);

    let mut other = good.clone();
    other.engine = Engine::Valkey;
    assert_eq!(refused(&other).await.0, ErrorCode::EngineMismatch);

    server.cmd(&["acl", "setuser", "holdfast", "-sync"]).expect("take away");
    let (code, detail) = refused(&good).await;
    assert_eq!(code, ErrorCode::MissingPrivilege);
    assert!(detail.ends_with("ACL SETUSER holdfast +sync +psync +replconf"), "{detail}");
    server.cmd(&["acl", "setuser", "holdfast", "+sync", "-info"]).expect("take away");
    let (code, detail) = refused(&good).await;
    assert_eq!(code, ErrorCode::MissingPrivilege);
    assert!(detail.ends_with("ACL SETUSER holdfast +info"), "{detail}");
    server.cmd(&["acl", "setuser", "holdfast", "+info", "-config|get"]).expect("take away");
    back_up(&good, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));

    let log = Log::default();
    let request = request(&good, Method::PgDump, std::path::Path::new("/tmp"), &log);
    let error = driver(Engine::Redis).backup(request).await.err().expect("another method");
    assert_eq!(error.code(), ErrorCode::UnsupportedMethod);
}
