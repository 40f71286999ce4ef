//! Increments of PostgreSQL 18: what they are built on, and that only a whole and sound chain is joined.

use std::fs;
use std::path::{Path, PathBuf};

use domain::{BackupType, ErrorCode, Manifest, Method};
use engines::{BackupFacts, BackupRequest, EngineError, Parent, Staging};
use testkit::Postgres;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::setup::*;

/// What is said of a parent, and what makes it so.
type Doubt = (&'static str, fn(&mut Manifest));

fn server() -> Postgres {
    engines::look_for_programs_in(domain::Engine::Postgresql, vec![testkit::postgresql_18().unwrap()]);
    // At the log's end recovery begins a new timeline.
    Postgres::builder().version_18().setting("restore_command", "false").start().unwrap()
}

struct Made {
    tar: Vec<u8>,
    facts: BackupFacts,
    work: tempfile::TempDir,
}

impl Made {
    fn tool_manifest(&self) -> PathBuf {
        self.facts.continuation.clone().unwrap().1
    }
}

async fn back_up_on(server: &Postgres, parent: Option<(Manifest, &Path)>) -> Result<Made, EngineError> {
    let work = tempfile::tempdir().unwrap();
    let folders = vec!["full".into(), "this".into()];
    let parent = parent.map(|(manifest, file)| Parent { manifest, continuation: Some(file.to_owned()), folders });
    let request = BackupRequest {
        datastore: access(server),
        method: Method::PgBasebackup,
        backup_type: if parent.is_some() { BackupType::Incremental } else { BackupType::Full },
        parent,
        work_directory: work.path().to_owned(),
        log: Log::default().sink(),
        cancel: CancellationToken::new(),
    };
    let mut running = driver().backup(request).await?;
    let mut tar = Vec::new();
    next_output(&mut running).await.read_to_end(&mut tar).await.unwrap();
    let facts = running.finish().await?;
    Ok(Made { tar, facts, work })
}

async fn increment(server: &Postgres, on: &Made) -> Result<Made, EngineError> {
    back_up_on(server, Some((manifest(&on.facts), &on.tool_manifest()))).await
}

fn write(server: &Postgres, from: u32) {
    server
        .sql(&format!(
            "create table if not exists items (id int primary key, note text);
             insert into items select n, repeat('x', 900) from generate_series({from}, {from} + 2999) n"
        ))
        .unwrap();
}

/// Unpacks each link beside the staging directory, as a worker does.
async fn unpacked(server: &Postgres, made: &[&Made]) -> Vec<Staging> {
    let mut links = Vec::new();
    for made in made {
        let link = staging(server, &made.facts, &Log::default());
        unpack(&link, &made.tar).await.unwrap();
        links.push(link);
    }
    links
}

#[tokio::test]
async fn f70_a_chain_is_joined_in_its_order_and_in_no_other() {
    let server = server();
    write(&server, 1);
    let full = back_up_on(&server, None).await.unwrap();
    write(&server, 5001);
    let first = increment(&server, &full).await.unwrap();
    assert!(first.facts.command_line.contains(&"--incremental=backup_manifest".to_owned()));
    write(&server, 10_001);
    let second = increment(&server, &first).await.unwrap();
    assert!(second.tar.len() < full.tar.len(), "{} {}", second.tar.len(), full.tar.len());
    assert!(second.facts.unpacked_size_bytes.unwrap() >= second.tar.len() as u64);
    assert!(first.work.path().join("backup_manifest").is_file());

    let log = Log::default();
    let target = staging(&server, &second.facts, &log);
    let links = unpacked(&server, &[&full, &second]).await;
    let refused = driver().join(&target, &links).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::EngineToolFailed, "a link is missing: {}", log.text());

    let target = staging(&server, &second.facts, &log);
    let links = unpacked(&server, &[&full, &first, &second]).await;
    driver().join(&target, &links).await.unwrap_or_else(|error| panic!("{error:?}\n{}", log.text()));
    driver().prepare(&target).await.unwrap();
    let found = probe(&target).await.unwrap_or_else(|error| panic!("{error:?}\n{}", log.text()));
    assert!(found.engine_version.starts_with("18."), "{found:?}");
    let rows = server.sql("select count(*), sum(id) from items").unwrap();
    server.sql("drop table items").unwrap();
    server.stop().unwrap();
    switch(&target, &server.data_directory.with_file_name("data.aside"));
    for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
        assert!(server.data_directory.join(name).is_file(), "{name}");
    }
    server.start_again().unwrap();
    assert_eq!(server.sql("select count(*), sum(id) from items").unwrap(), rows);
}

#[tokio::test]
async fn f33_a_file_that_changed_after_it_was_unpacked_is_found() {
    let server = server();
    write(&server, 1);
    let file = server.sql("checkpoint; select pg_relation_filepath('items')").unwrap();
    let full = back_up_on(&server, None).await.unwrap();
    let first = increment(&server, &full).await.unwrap();
    let target = staging(&server, &first.facts, &Log::default());
    let links = unpacked(&server, &[&full, &first]).await;
    let path = links[0].directory.join(file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = driver().join(&target, &links).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::EngineToolFailed);
    assert!(refused.to_string().contains("pg_verifybackup"), "{refused}");
}

#[tokio::test]
async fn f54_nothing_is_built_on_a_parent_that_the_servers_log_does_not_continue() {
    let server = server();
    let full = back_up_on(&server, None).await.unwrap();
    let file = full.tool_manifest();
    let doubts: [Doubt; 4] = [
        ("of another server", |manifest| manifest.server_identity = Some("7300000000000000001".into())),
        ("made with PostgreSQL 17.5", |manifest| manifest.engine_version = "17.5".into()),
        ("its data was replaced", |manifest| {
            manifest.engine_facts.insert("end_lsn".into(), "F/0".into());
        }),
        ("is of timeline 7", |manifest| {
            manifest.engine_facts.insert("timeline".into(), "7".into());
        }),
    ];
    let unusable = |made: Result<Made, EngineError>, expected: &str| match made {
        Err(EngineError::ParentUnusable { reason }) => assert!(reason.contains(expected), "{reason}"),
        Err(other) => panic!("{expected}: {other:?}"),
        Ok(_) => panic!("{expected}: built on it"),
    };
    for (expected, change) in doubts {
        let mut manifest = manifest(&full.facts);
        change(&mut manifest);
        unusable(back_up_on(&server, Some((manifest, &file))).await, expected);
    }
    // What is no manifest of the tool's.
    let nonsense = full.work.path().join("nonsense");
    fs::write(&nonsense, "{}").unwrap();
    unusable(back_up_on(&server, Some((manifest(&full.facts), &nonsense))).await, "manifest");
    // A new timeline, as after a promotion or a recovery to a point in time.
    server.stop().unwrap();
    fs::write(server.data_directory.join("recovery.signal"), "").unwrap();
    server.start_again().unwrap();
    testkit::wait_until("the new timeline", std::time::Duration::from_secs(30), || {
        server.sql("select pg_is_in_recovery()").is_ok_and(|answer| answer == "f")
    });
    unusable(increment(&server, &full).await, "is of timeline 1, the server is on 2");
}

#[tokio::test]
async fn an_older_server_refuses_increments_and_keeps_no_manifest() {
    let server = Postgres::start().unwrap();
    let stored = back_up(&server).await;
    assert_eq!(stored.facts.continuation, None);
    let inspection = inspect(&access(&server)).await;
    assert_eq!(inspection.capabilities.methods[0].types, [BackupType::Full]);
    assert!(finding(&inspection, "unsupported_method").detail.contains("came with PostgreSQL 17"));
    match back_up_on(&server, Some((manifest(&stored.facts), Path::new("/nonexistent")))).await {
        Err(EngineError::ParentUnusable { reason }) => assert!(reason.contains("came with PostgreSQL 17"), "{reason}"),
        other => panic!("{:?}", other.map(|made| made.facts)),
    }
}

/// The log is replayed on joined increments as on a full backup.
#[tokio::test]
async fn log_is_replayed_on_joined_increments() {
    let server = server();
    let mut archive = crate::logs::Archive::new();
    let mut receiver = archive.receiver(&access(&server)).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
    write(&server, 1);
    let full = back_up_on(&server, None).await.unwrap();
    write(&server, 10_001);
    let first = increment(&server, &full).await.unwrap();
    write(&server, 20_001);
    server.sql("select pg_switch_wal(); create table later ()").unwrap();
    archive.catch_up(receiver.as_mut()).await;

    let links = unpacked(&server, &[&full, &first]).await;
    let joined = staging(&server, &first.facts, &Log::default());
    driver().join(&joined, &links).await.unwrap();
    driver().prepare(&joined).await.unwrap();
    let replay = crate::logs::beside(&joined, &archive, first.facts.log_start.as_ref().unwrap().position);
    let reached = driver().replay(&joined, &replay).await.unwrap();
    let last = archive.segments.values().filter_map(|segment| segment.last_commit_at).max();
    assert_eq!(reached.last_commit_at, last);
    assert!(probe(&joined).await.unwrap().summary.contains("2 tables"));
}
