//! From a backup to a server that runs on it, with and without an append-only file.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Engine, ErrorCode, Method};
use testkit::{KeyValueBuilder, KeyValueServer, Redis, Valkey};

use super::harness::*;

/// Names that break quoting and parsers. // F-82
const HOSTILE: [&str; 5] = ["we ird-$(x)\"", "-rf", "quo'te;`tick`", "ünï☃", "line\nend"];

/// Does not wait for more replicas before it begins a snapshot.
fn quick(builder: KeyValueBuilder) -> KeyValueServer {
    builder.setting("repl-diskless-sync-delay", "0").start().expect("start")
}

fn append_only(builder: KeyValueBuilder) -> KeyValueServer {
    quick(builder.setting("appendonly", "yes"))
}

fn fill(server: &KeyValueServer) {
    for name in HOSTILE {
        server.cmd(&["set", name, &format!("value of {name}")]).expect("set");
    }
    server
        .cmd(&["eval", "for i = 1, 3000 do redis.call('hset', 'hash', 'f' .. i, string.rep('x', i % 50)) end", "0"])
        .expect("fill");
    server.cmd(&["set", "lasting", "1", "EX", "100000"]).expect("set");
    server.cmd(&["xadd", "stream", "1-1", "field", "value"]).expect("add");
    server
        .cmd(&["eval", "redis.call('select', 9); redis.call('set', 'elsewhere', '9')", "0"])
        .expect("another database");
}

fn assert_filled(server: &KeyValueServer) {
    for name in HOSTILE {
        assert_eq!(server.cmd(&["get", name]).expect("get"), format!("value of {name}"));
    }
    assert_eq!(server.cmd(&["hlen", "hash"]).expect("length"), "3000");
    assert_eq!(server.cmd(&["dbsize"]).expect("size"), (HOSTILE.len() + 3).to_string());
    assert!(server.cmd(&["ttl", "lasting"]).expect("ttl").parse::<i64>().expect("a number") > 90_000);
    let elsewhere = server.cmd(&["eval", "redis.call('select', 9); return redis.call('get', 'elsewhere')", "0"]);
    assert_eq!(elsewhere.expect("get"), "9");
}

async fn what_is_backed_up_comes_back(engine: Engine, server: KeyValueServer, append_only: bool) {
    fill(&server);
    std::fs::write(server.data_directory.join("users.acl"), "user x off\n").expect("write");
    let access = access(engine, server.port);
    let made = back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    assert!(made.stream.starts_with(b"REDIS") || made.stream.starts_with(b"VALKEY"));
    assert!(made.facts.completion_mark.starts_with("Transfer finished with success"));

    server.cmd(&["flushall"]).expect("damage");
    server.cmd(&["set", "later", "1"]).expect("damage");
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::Rdb, &made.facts), &log);
    let probe = restore(&staging, &made.stream)
        .await
        .unwrap_or_else(|error| panic!("{}\n{}", error.to_job_error().detail, log.text()));
    assert_eq!(probe.engine_version, made.facts.engine_version);
    assert!(probe.summary.starts_with(&format!("{} keys in 2 databases", HOSTILE.len() + 4)), "{}", probe.summary);
    assert_eq!(server.cmd(&["dbsize"]).expect("size"), "1", "the live server was not touched");

    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    assert_filled(&server);
    let directory = &server.data_directory;
    assert_eq!(directory.join("appendonlydir").is_dir(), append_only);
    assert!(directory.join("users.acl").is_file());
    let owner = std::fs::metadata(directory).expect("metadata");
    for name in ["dump.rdb", "users.acl"] {
        let metadata = std::fs::metadata(directory.join(name)).expect(name);
        if name == "dump.rdb" {
            assert_eq!((metadata.uid(), metadata.gid()), (owner.uid(), owner.gid()), "{name}");
        }
        assert_eq!(metadata.mode() & 0o007 & !0o004, 0, "{name}");
    }

    // It takes writes, keeps them over a crash as it is set to, and can be backed up again.
    server.cmd(&["set", "after", "restore"]).expect("write");
    server.restart().expect("restart");
    if append_only {
        assert_eq!(server.cmd(&["get", "after"]).expect("get"), "restore");
        server.cmd(&["del", "after"]).expect("delete");
    }
    server.cmd(&["del", "after"]).expect("delete");
    assert_filled(&server);
    back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_comes_back() {
    what_is_backed_up_comes_back(Engine::Redis, quick(Redis::builder()), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_an_append_only_file_comes_back() {
    what_is_backed_up_comes_back(Engine::Redis, append_only(Redis::builder()), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_comes_back() {
    what_is_backed_up_comes_back(Engine::Valkey, quick(Valkey::builder()), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_with_an_append_only_file_comes_back() {
    what_is_backed_up_comes_back(Engine::Valkey, append_only(Valkey::builder()), true).await;
}

/// The names of files are the live server's, also where they are not the usual ones.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_called_as_the_live_server_calls_them() {
    let server = Redis::builder()
        .setting("appendonly", "yes")
        .setting("appenddirname", "own log")
        .setting("appendfilename", "shop.aof")
        .setting("dbfilename", "shop data.rdb")
        .setting("databases", "40")
        .setting("repl-diskless-sync", "no")
        .start()
        .expect("start");
    server.cmd(&["eval", "redis.call('select', 39); redis.call('set', 'a', 'b')", "0"]).expect("fill");
    let access = access(Engine::Redis, server.port);
    let made = back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    assert!(made.log.text().contains(" bytes to '-'"), "a snapshot of told length: {}", made.log.text());
    server.cmd(&["flushall"]).expect("damage");
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::Rdb, &made.facts), &log);
    let probe = restore(&staging, &made.stream)
        .await
        .unwrap_or_else(|error| panic!("{}\n{}", error.to_job_error().detail, log.text()));
    assert!(probe.summary.starts_with("1 keys"), "{}", probe.summary);
    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    let value = server.cmd(&["eval", "redis.call('select', 39); return redis.call('get', 'a')", "0"]);
    assert_eq!(value.expect("get"), "b");
}

/// The worst day: the server is down and can't be asked. Its files and the backup tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_restored_too() {
    for with_log in [false, true] {
        let server = if with_log { append_only(Redis::builder()) } else { quick(Redis::builder()) };
        fill(&server);
        let access = access(Engine::Redis, server.port);
        let made =
            back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
        server.cmd(&["flushall"]).expect("damage");
        server.stop().expect("stop");
        let log = Log::default();
        let staging = stage(&access, &server.data_directory, manifest(&access, Method::Rdb, &made.facts), &log);
        restore(&staging, &made.stream)
            .await
            .unwrap_or_else(|error| panic!("{}\n{}", error.to_job_error().detail, log.text()));
        switch(&staging).await;
        server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
        assert_filled(&server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_by_hand_with_the_commands_of_the_manifest() {
    for (engine, server) in [
        (Engine::Redis, quick(Redis::builder())),
        (Engine::Redis, append_only(Redis::builder())),
        (Engine::Valkey, append_only(Valkey::builder())),
    ] {
        fill(&server);
        let access = access(engine, server.port);
        let made =
            back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
        server.cmd(&["flushall"]).expect("damage");
        server.stop().expect("stop");
        let folder = server.data_directory.with_file_name("folder");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("stream"), &made.stream).expect("write");
        let script = made.facts.restore_commands.join("\n").replace("DATA_DIRECTORY", "../by-hand");
        let script = format!("set -e\nzstd -q stream -o base.000.rdb.zst\n{script}\n");
        let output =
            std::process::Command::new("sh").arg("-c").arg(&script).current_dir(&folder).output().expect("a shell");
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&server.data_directory, folder.join("old")).expect("set aside");
        std::fs::rename(folder.with_file_name("by-hand"), &server.data_directory).expect("switch");
        server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
        assert_filled(&server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f33_a_damaged_snapshot_is_not_prepared() {
    for (engine, server) in [(Engine::Redis, quick(Redis::builder())), (Engine::Valkey, quick(Valkey::builder()))] {
        fill(&server);
        let access = access(engine, server.port);
        let made =
            back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
        let manifest = manifest(&access, Method::Rdb, &made.facts);
        let mut flipped = made.stream.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        let cut = made.stream[..middle].to_vec();
        for damaged in [flipped, cut, Vec::new()] {
            let log = Log::default();
            let staging = stage(&access, &server.data_directory, manifest.clone(), &log);
            unpack(&staging, &damaged).await.expect("bytes are bytes");
            let error = driver(engine).prepare(&staging).await.expect_err("damaged").to_job_error();
            assert_eq!(error.code, ErrorCode::ObjectCorrupted, "{}", error.detail);
        }
        let mut newer = manifest.clone();
        newer.engine_version = "99.0.1".into();
        let log = Log::default();
        let staging = stage(&access, &server.data_directory, newer, &log);
        unpack(&staging, &made.stream).await.expect("unpack");
        let error = driver(engine).prepare(&staging).await.expect_err("a newer server's");
        assert_eq!(error.code(), ErrorCode::IncompatibleEngineVersion);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f66_data_that_a_server_does_not_load_is_told_with_its_log() {
    let server = quick(Redis::builder());
    fill(&server);
    let access = access(Engine::Redis, server.port);
    let made = back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::Rdb, &made.facts), &log);
    unpack(&staging, &made.stream[..made.stream.len() / 2]).await.expect("unpack");
    let error = driver(Engine::Redis).probe_staged(&staging).await.expect_err("half of it").to_job_error();
    assert_eq!(error.code, ErrorCode::RestoredServerUnhealthy);
    assert!(error.detail.to_lowercase().contains("rdb"), "its log is quoted: {}", error.detail);
    assert_eq!(testkit::processes_below(&staging.directory), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_full_disk_is_told_as_such() {
    let server = quick(Redis::builder());
    let access = access(Engine::Redis, server.port);
    let made = back_up(&access, Method::Rdb).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let small = testkit::Tmpfs::mount(1 << 20).expect("a small file system");
    let live = small.path().join("data");
    std::fs::create_dir(&live).expect("make a directory");
    let log = Log::default();
    let staging = stage(&access, &live, manifest(&access, Method::Rdb, &made.facts), &log);
    let error = unpack(&staging, &vec![b'x'; 3 << 20]).await.expect_err("no space");
    assert_eq!(error.code(), ErrorCode::InsufficientDiskSpace, "{}", error.to_job_error().detail);
}

/// Somebody counts all the time. What is restored is a number between those at the begin and at the end of the backup, and
/// everything up to it.
#[tokio::test(flavor = "multi_thread")]
async fn f51_a_backup_under_load_is_one_moment() {
    let server = Arc::new(append_only(Valkey::builder()));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        move || {
            let script = "for i = 1, 50 do local n = redis.call('incr', 'n'); redis.call('set', 'k' .. n, n) end";
            while !stop.load(Ordering::SeqCst) {
                server.cmd(&["eval", script, "0"]).expect("write");
            }
        }
    });
    let number = || server.cmd(&["get", "n"]).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    testkit::wait_until("something is written", Duration::from_secs(60), || number() > 100);
    let access = access(Engine::Valkey, server.port);
    let before = number();
    let made = back_up(&access, Method::Rdb).await;
    let after = number();
    stop.store(true, Ordering::SeqCst);
    writer.join().expect("the writer");
    let made = made.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    let log = Log::default();
    let staging = stage(&access, &server.data_directory, manifest(&access, Method::Rdb, &made.facts), &log);
    restore(&staging, &made.stream).await.unwrap_or_else(|error| panic!("{}", error.to_job_error().detail));
    server.stop().expect("stop");
    switch(&staging).await;
    server.start_again().unwrap_or_else(|error| panic!("{error:#}\n{}", server.log()));
    let restored = number();
    assert!(before <= restored && restored <= after, "{before} {restored} {after}");
    assert_eq!(server.cmd(&["dbsize"]).expect("size"), (restored + 1).to_string());
    assert_eq!(server.cmd(&["get", &format!("k{restored}")]).expect("get"), restored.to_string());
}
