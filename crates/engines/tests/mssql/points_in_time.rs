//! Stops: at commits, in zones, and where the clock is changed.

use chrono::{DateTime, Duration, Utc};
use domain::ErrorCode;
use testkit::Mssql;

use super::harness::{Restoring, Stored, at, full, log};
use super::server::Server;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// A server in Berlin with a full backup at the first time and a log backup at each other; a row is committed at each time of `rows`.
async fn berlin(backups: &[&str], rows: &[&str]) -> (Server, Vec<Stored>) {
    let server = Server::start(Mssql::builder().zone(chrono_tz::Europe::Berlin));
    server.create("shop").await;
    let mut made: Vec<Stored> = Vec::new();
    let mut pending: Vec<&str> = rows.to_vec();
    for time in backups {
        while pending.first().is_some_and(|row| utc(row) <= utc(time)) {
            let row = pending.remove(0);
            server.fake().insert("shop", row, Some(utc(row)));
        }
        server.fake().set_clock(Some(utc(time)));
        let backup = match made.last() {
            None => full(&server.access).await,
            Some(parent) => log(&server.access, parent).await,
        };
        made.push(backup);
    }
    server.fake().set_clock(None);
    (server, made)
}

async fn restored(server: &Server, chain: &[Stored], stop: DateTime<Utc>) -> Result<Vec<String>, (ErrorCode, String)> {
    let chain: Vec<&Stored> = chain.iter().collect();
    Restoring::new(&server.access, &chain, at(stop)).run().await?;
    Ok(server.entries("shop").await)
}

#[tokio::test]
async fn a_stop_is_told_in_the_time_of_the_server_s_clock() {
    let rows = ["2026-07-01T10:00:00Z", "2026-07-01T10:30:00Z", "2026-07-01T11:00:00Z"];
    let (server, chain) = berlin(&["2026-07-01T09:00:00Z", "2026-07-01T12:00:00Z"], &rows).await;
    let boundary = utc(rows[1]);
    let tick = Duration::milliseconds(4);
    assert_eq!(restored(&server, &chain, boundary).await.expect("at it"), &rows[..2]);
    assert_eq!(restored(&server, &chain, boundary - tick).await.expect("before it"), &rows[..1]);
    assert_eq!(restored(&server, &chain, boundary + tick).await.expect("after it"), &rows[..2]);
    let sent = server.fake().statements().join("\n");
    assert!(sent.contains("STOPAT = N'2026-07-01T12:30:00.000'"), "two hours ahead: {sent}");
}

#[tokio::test]
async fn each_log_is_told_with_the_offset_that_the_clock_had_then() {
    // The clock goes forward on 29 March at 01:00 UTC.
    let backups = ["2026-03-28T20:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T04:00:00Z", "2026-03-29T06:00:00Z"];
    let rows = ["2026-03-28T21:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T05:00:00Z"];
    let (server, chain) = berlin(&backups, &rows).await;
    assert_eq!(restored(&server, &chain[..2], utc(rows[0])).await.expect("winter"), &rows[..1]);
    assert_eq!(restored(&server, &chain, utc(rows[3])).await.expect("summer"), rows);
    let refused = restored(&server, &chain[..3], utc(rows[1])).await.expect_err("within the change");
    assert_eq!(refused.0, ErrorCode::PitrTimeAmbiguous, "{}", refused.1);
}

#[tokio::test]
async fn times_that_came_twice_are_refused_until_the_clock_is_beyond_them() {
    // The clock goes back on 25 October at 01:00 UTC, from 03:00 to 02:00.
    let backups = ["2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:10:00Z", "2026-10-25T04:00:00Z"];
    let rows = ["2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z", "2026-10-25T03:00:00Z"];
    let (server, chain) = berlin(&backups, &rows).await;
    // 02:30 by the clock, as it was an hour before, when the log up to 01:10 was written.
    let refused = restored(&server, &chain, utc(rows[1])).await.expect_err("it came twice");
    assert_eq!(refused.0, ErrorCode::PitrTimeAmbiguous, "{}", refused.1);
    assert_eq!(restored(&server, &chain, utc(rows[2])).await.expect("beyond it"), rows);
}

#[tokio::test]
async fn f61_a_stop_beyond_the_logs_is_refused() {
    let (server, chain) = berlin(&["2026-07-01T09:00:00Z", "2026-07-01T12:00:00Z"], &[]).await;
    let refused = restored(&server, &chain, utc("2026-07-01T12:00:01Z")).await.expect_err("beyond");
    assert_eq!(refused.0, ErrorCode::PitrTimeNotCovered, "{}", refused.1);
}

#[tokio::test]
async fn f60_a_chain_with_a_link_missing_is_refused_by_the_server_and_leaves_nothing() {
    let backups = ["2026-07-01T09:00:00Z", "2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z", "2026-07-01T12:00:00Z"];
    let rows = ["2026-07-01T09:30:00Z", "2026-07-01T10:30:00Z", "2026-07-01T11:30:00Z"];
    let (server, mut chain) = berlin(&backups, &rows).await;
    chain.remove(2);
    let refused = restored(&server, &chain, utc(rows[2])).await.expect_err("a gap");
    assert!(refused.1.contains("4305"), "{}", refused.1);
    assert_eq!(server.databases().await, [("shop".to_owned(), "ONLINE".to_owned())]);
    assert_eq!(server.entries("shop").await, rows);
}
