//! The mistake is found in the log, and the restore to just before it undoes it.

use chrono::{TimeDelta, Utc};
use domain::log_archive::{LogEntryKind, LogScan, SCAN_LIMIT};
use domain::{Engine, RecoveryStop};
use engines::LogScanRequest;
use testkit::MariaDb;
use tokio_util::sync::CancellationToken;

use super::archive::*;
use super::harness::*;
use super::restored::*;

async fn scan(archive: &Archive, all_transactions: bool, limit: usize) -> LogScan {
    let request = LogScanRequest {
        engine: Engine::Mariadb,
        engine_version: "10.11".into(),
        directory: archive.directory.path().to_owned(),
        segments: archive.segments.clone(),
        from: Utc::now() - TimeDelta::hours(1),
        to: Utc::now() + TimeDelta::hours(1),
        all_transactions,
        limit,
        cancel: CancellationToken::new(),
    };
    told(driver(Engine::Mariadb).scan_logs(&request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn f82_a_mistake_is_found_and_undone() {
    let server = MariaDb::start().expect("start");
    server
        .sql(
            "create database shop; create table shop.t (id int primary key); create table shop.orders (id int, v int); \
             insert into shop.orders select seq, 0 from mysql.seq_1_to_1200",
        )
        .expect("create");
    let prepared = prepared(&server).await;
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    server
        .sql("insert into shop.t select seq from mysql.seq_1_to_50; update shop.orders set v = 1 where id <= 300")
        .expect("write");
    server.sql("delete from shop.orders; truncate shop.orders; flush binary logs").expect("delete");
    server.sql("create table shop.`evil\x1b[2J\n### DELETE FROM ``x``` (a int)").expect("create");
    server.sql("drop table shop.t").expect("drop");
    told(archive.catch_up(&mut *receiver).await);
    let found = scan(&archive, false, SCAN_LIMIT).await;
    let tail: Vec<_> = found.entries.iter().rev().take(5).rev().collect();
    let kinds: Vec<_> = tail.iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds,
        [
            LogEntryKind::LargeUpdate,
            LogEntryKind::LargeDelete,
            LogEntryKind::LargeDelete,
            LogEntryKind::SchemaChange,
            LogEntryKind::SchemaChange
        ],
        "{tail:?}"
    );
    assert_eq!((tail[0].summary.as_str(), tail[0].rows), ("Changed 300 rows of shop.orders", Some(300)));
    assert_eq!((tail[1].summary.as_str(), tail[1].rows), ("Deleted 1,200 rows of shop.orders", Some(1200)));
    assert!(tail[2].summary.contains("truncate shop.orders"), "{:?}", tail[2]);
    assert!(tail[3].summary.contains("\\u{1b}[2J") && !tail[3].summary.contains(char::is_control), "{:?}", tail[3]);
    assert!(tail[4].summary.to_lowercase().starts_with("drop table"), "{:?}", tail[4]);

    let all = scan(&archive, true, SCAN_LIMIT).await;
    assert!(!all.truncated && all.entries.len() > found.entries.len());
    assert_eq!(u64::try_from(all.entries.len()).expect("few"), all.transactions);
    assert!(all.entries.iter().any(|entry| entry.summary == "shop.t: 50 inserted"), "{:?}", all.entries);
    assert!(scan(&archive, true, 2).await.truncated);

    let stop = RecoveryStop::Position { position: tail[4].stop_before.clone() };
    let (staging, _) = told(prepared.replay(&archive, stop).await);
    assert_eq!(ask_restored(&staging, "select count(*) from shop.t"), "50");
}
