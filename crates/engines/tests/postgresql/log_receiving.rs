//! The log on its way from a real server into the spool.

use std::os::unix::fs::MetadataExt;

use chrono::{DateTime, TimeDelta, Utc};
use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use testkit::Postgres;
use tokio_util::sync::CancellationToken;

use crate::logs::Archive;
use crate::setup::*;

const NEVER: fn() -> CancellationToken = CancellationToken::new;

fn slots(server: &Postgres) -> String {
    server.sql("select count(*) from pg_replication_slots").unwrap()
}

async fn server_with_writes() -> (Postgres, DatastoreAccess) {
    let server = Postgres::builder().setting("track_commit_timestamp", "on").start().unwrap();
    server.sql("create table written (n int primary key)").unwrap();
    let datastore = access(&server);
    (server, datastore)
}

/// Commits a row and gives the time of its commit as the server has it.
fn write(server: &Postgres, number: u32) -> DateTime<Utc> {
    server.sql(&format!("insert into written values ({number})")).unwrap();
    let at = server
        .sql(&format!(
            "select to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
             from written where n = {number}"
        ))
        .unwrap();
    at.parse().unwrap()
}

#[tokio::test]
async fn the_log_arrives_as_it_is_written_and_tells_when() {
    let (server, datastore) = server_with_writes().await;
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    assert_eq!(slots(&server), "1");
    let first = write(&server, 1);
    archive.catch_up(receiver.as_mut()).await;
    let open = archive.segments.values().next_back().unwrap().clone();
    assert!(!open.closed && open.last_commit_at == Some(first), "{open:?}");
    let second = write(&server, 2);
    archive.catch_up(receiver.as_mut()).await;
    let grown = archive.segments.values().next_back().unwrap().clone();
    assert!(grown.end > open.end && grown.last_commit_at == Some(second), "{grown:?}");

    server.sql("select pg_switch_wal()").unwrap();
    let third = write(&server, 3);
    archive.catch_up(receiver.as_mut()).await;
    let closed = &archive.segments[&grown.name];
    assert!(closed.closed && closed.end - closed.start == 16 << 20, "{closed:?}");
    assert_eq!(closed.last_commit_at, Some(second));
    let newest = archive.segments.values().next_back().unwrap();
    assert_eq!((newest.start, newest.first_commit_at), (closed.end, Some(third)));

    // The receiver is killed, and its spool lost: the slot has kept what comes next.
    for lose_spool in [false, true] {
        drop(receiver);
        if lose_spool {
            std::fs::remove_dir_all(&archive.spool).unwrap();
            std::fs::create_dir(&archive.spool).unwrap();
        }
        for number in 0..3 {
            write(&server, 10 + number + u32::from(lose_spool) * 10);
            server.sql("select pg_switch_wal()").unwrap();
        }
        receiver = archive.receiver(&datastore).await.unwrap();
        archive.catch_up(receiver.as_mut()).await;
    }
    let segments: Vec<_> = archive.segments.values().collect();
    assert!(segments.len() >= 7, "{segments:?}");
    for pair in segments.windows(2) {
        assert!(pair[0].closed && pair[0].end == pair[1].start, "{pair:?}");
    }
    assert!(segments.iter().all(|segment| segment.gap_before.is_none()), "{segments:?}");
    let left = std::fs::read_dir(archive.spool.join("wal")).unwrap().count();
    assert!(left <= 3, "{left} files are left of what was archived");

    // A server that is restarted ends the receiver, and the next one goes on.
    server.restart().unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        loop {
            if let Err(error) = receiver.look().await {
                return error;
            }
        }
    });
    ended.await.expect("it has noticed");
    let last = write(&server, 100);
    receiver = archive.receiver(&datastore).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
    assert_eq!(archive.segments.values().next_back().unwrap().last_commit_at, Some(last));

    drop(receiver);
    for _ in 0..2 {
        driver().end_receiving(&datastore, &NEVER()).await.unwrap();
        assert_eq!(slots(&server), "0");
    }
}

#[tokio::test]
async fn commits_behind_a_segment_that_was_ended_early_are_found() {
    let (server, datastore) = server_with_writes().await;
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    for number in 0..4 {
        // The look between finds a segment of which most is zeros, and nothing behind it.
        server.sql("select pg_switch_wal()").unwrap();
        archive.catch_up(receiver.as_mut()).await;
        let at = write(&server, number);
        archive.catch_up(receiver.as_mut()).await;
        let newest = archive.segments.values().next_back().unwrap();
        assert_eq!((newest.first_commit_at, newest.last_commit_at), (Some(at), Some(at)), "{number}: {newest:?}");
    }
}

#[tokio::test]
async fn a_server_without_commits_is_known_to_be_complete() {
    let (server, datastore) = server_with_writes().await;
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    let last = write(&server, 1);
    archive.catch_up(receiver.as_mut()).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    archive.catch_up(receiver.as_mut()).await;
    assert!(archive.complete_until.unwrap() > last + TimeDelta::milliseconds(200));
}

/// A new slot begins at the last checkpoint, a few bytes into a segment of which nothing was received yet.
#[tokio::test]
async fn nothing_is_archived_in_place_of_what_has_not_arrived() {
    let (server, datastore) = server_with_writes().await;
    for number in 0..4 {
        server.sql("select pg_switch_wal(); checkpoint").unwrap();
        let mut archive = Archive::new();
        let mut receiver = archive.receiver(&datastore).await.unwrap();
        // What is kept of the first looks must still be so when all has arrived.
        for _ in 0..3 {
            let look = receiver.look().await.unwrap();
            archive.keep(&look);
        }
        write(&server, number);
        archive.catch_up(receiver.as_mut()).await;
        for segment in archive.segments.values() {
            let bytes = std::fs::read(archive.path_of(&segment.name)).unwrap();
            assert_ne!(bytes[..2], [0, 0], "{} begins without its header", segment.name);
        }
        drop(receiver);
        driver().end_receiving(&datastore, &NEVER()).await.unwrap();
    }
}

#[tokio::test]
async fn a_receiver_that_begins_again_at_a_new_segment_of_an_idle_server_is_complete() {
    let (server, datastore) = server_with_writes().await;
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    write(&server, 1);
    server.sql("select pg_switch_wal()").unwrap();
    archive.catch_up(receiver.as_mut()).await;
    drop(receiver);
    receiver = archive.receiver(&datastore).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
}

#[tokio::test]
async fn f52_log_that_the_server_threw_away_is_a_gap() {
    let server = Postgres::builder()
        .setting("max_slot_wal_keep_size", "1MB")
        .setting("max_wal_size", "64MB")
        .setting("min_wal_size", "32MB")
        .start()
        .unwrap();
    server.sql("create table written (n int primary key)").unwrap();
    let datastore = access(&server);
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
    server.sql("insert into written values (1); select pg_switch_wal()").unwrap();
    archive.catch_up(receiver.as_mut()).await;
    drop(receiver);
    for number in 2..12 {
        server.sql(&format!("insert into written values ({number}); select pg_switch_wal()")).unwrap();
    }
    server.sql("checkpoint; checkpoint").unwrap();
    let status = server.sql("select wal_status from pg_replication_slots").unwrap();
    assert_eq!(status, "lost");
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    server.sql("insert into written values (100)").unwrap();
    archive.catch_up(receiver.as_mut()).await;
    let gaps: Vec<_> = archive.segments.values().filter_map(|segment| segment.gap_before.as_ref()).collect();
    assert_eq!(gaps.len(), 1, "{:?}", archive.segments);
    assert!(gaps[0].contains("threw away log"), "{gaps:?}");
}

/// A standby that takes over at the same address writes segments of the same positions, on a timeline of its own.
#[tokio::test]
async fn a_promoted_server_begins_another_line() {
    let (server, datastore) = server_with_writes().await;
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    let before = write(&server, 1);
    archive.catch_up(receiver.as_mut()).await;
    let left = archive.segments.values().next_back().unwrap().clone();
    assert_eq!(left.last_commit_at, Some(before));
    drop(receiver);

    server.stop().unwrap();
    let signal = server.data_directory.join("standby.signal");
    std::fs::write(&signal, "").unwrap();
    let owner = std::fs::metadata(&server.data_directory).unwrap();
    std::os::unix::fs::chown(&signal, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.start_again().unwrap();
    server.sql("select pg_promote()").unwrap();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    let after = write(&server, 2);
    archive.catch_up(receiver.as_mut()).await;
    let newest = archive.segments.values().next_back().unwrap();
    assert_eq!((newest.start, newest.last_commit_at), (left.start, Some(after)), "{:?}", archive.segments);
    assert_ne!((&newest.name, &newest.incarnation), (&left.name, &left.incarnation));
    assert_eq!(newest.gap_before, None);
    let kept = std::fs::read(archive.path_of(&left.name)).unwrap();
    let copied = std::fs::read(archive.path_of(&newest.name)).unwrap();
    assert_eq!(kept[8192..kept.len() - 8], copied[8192..kept.len() - 8], "up to the promotion it is the same log");
}

#[tokio::test]
async fn f54_another_cluster_is_refused() {
    let (_server, datastore) = server_with_writes().await;
    let other = DatastoreAccess { server_identity: Some("42".into()), ..datastore };
    let refused = Archive::new().receiver(&other).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::ServerIdentityChanged);
}
