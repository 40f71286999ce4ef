//! Finding the mistake in real log.

use chrono::{TimeDelta, Utc};
use domain::log_archive::{LogEntryKind, LogScan};
use domain::{Engine, RecoveryStop};
use engines::{EngineError, LogScanRequest};
use testkit::Postgres;
use tokio_util::sync::CancellationToken;

use crate::logs::{Archive, Copies};
use crate::setup::*;

async fn scan(archive: &Archive, version: &str, all_transactions: bool, limit: usize) -> LogScan {
    try_scan(archive, version, all_transactions, limit).await.unwrap()
}

async fn try_scan(
    archive: &Archive,
    version: &str,
    all_transactions: bool,
    limit: usize,
) -> Result<LogScan, EngineError> {
    driver()
        .scan_logs(&LogScanRequest {
            engine: Engine::Postgresql,
            engine_version: version.to_owned(),
            directory: archive.directory.path().join("segments"),
            segments: archive.segments.values().cloned().collect(),
            from: Utc::now() - TimeDelta::hours(1),
            to: Utc::now() + TimeDelta::hours(1),
            all_transactions,
            limit,
            cancel: CancellationToken::new(),
        })
        .await
}

#[tokio::test]
async fn a_dropped_table_and_large_changes_are_found() {
    let server = Postgres::start().unwrap();
    server.sql("create table kept (n int); create table lost (n int)").unwrap();
    let datastore = access(&server);
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
    let stored = back_up_of(&datastore).await;
    server.sql("insert into lost select generate_series(1, 500)").unwrap();
    server.sql("insert into kept select generate_series(1, 1000)").unwrap();
    server.sql("update kept set n = n + 1 where n <= 300").unwrap();
    server
        .sql("begin; savepoint a; delete from kept where n > 700; release a; insert into kept values (1); commit")
        .unwrap();
    server.sql("begin; delete from kept; rollback").unwrap();
    server.sql("drop table lost").unwrap();
    server.sql("insert into kept values (5)").unwrap();
    archive.catch_up(receiver.as_mut()).await;

    let found = scan(&archive, &stored.facts.engine_version, false, 100).await;
    let after_backup: Vec<_> = found.entries.iter().filter(|entry| entry.log_bytes > 1000).collect();
    let kinds: Vec<_> = after_backup.iter().map(|entry| (entry.kind, entry.rows)).collect();
    assert!(kinds.contains(&(LogEntryKind::LargeUpdate, Some(300))), "{found:#?}");
    assert!(kinds.contains(&(LogEntryKind::LargeDelete, Some(300))), "of a savepoint: {found:#?}");
    let drop = after_backup.iter().find(|entry| entry.kind == LogEntryKind::SchemaChange).unwrap();
    assert!(drop.summary.starts_with("Dropped, truncated or rewrote 1 relation (files base/"), "{}", drop.summary);

    let all = scan(&archive, &stored.facts.engine_version, true, 1000).await;
    assert!(all.entries.len() > found.entries.len() && all.transactions as usize == all.entries.len(), "{all:#?}");
    let cut = scan(&archive, &stored.facts.engine_version, true, 2).await;
    assert!(cut.truncated && cut.entries.len() == 2);

    let copies = Copies::of(&server, &stored).await;
    let stop = RecoveryStop::Position { position: drop.stop_before.clone() };
    let (staging, _) = copies.replay(&server, &stored, &archive, stop).await.unwrap();
    let summary = probe(&staging).await.unwrap().summary;
    assert!(summary.contains("2 tables"), "{summary}");

    // What can't be read is not passed over in silence.
    let first = archive.path_of(archive.segments.keys().next().unwrap());
    let mut damaged = std::fs::read(&first).unwrap();
    damaged[..8192].fill(0);
    std::fs::write(&first, damaged).unwrap();
    let error = try_scan(&archive, &stored.facts.engine_version, true, 1000).await.unwrap_err();
    assert!(error.to_string().contains("can't read the archived log between"), "{error}");
}
