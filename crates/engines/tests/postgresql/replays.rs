//! The oracle: rows with the times of their commits, and restores to instants between, at and beyond them.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ErrorCode, RecoveryStop, StopPosition};
use engines::Staging;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Postgres;

use crate::logs::{Archive, Copies};
use crate::setup::*;

/// A commit that the server acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Acknowledged {
    number: u32,
    at: DateTime<Utc>,
    xid: String,
}

/// Everything that the server has committed, in the order of the commits.
fn acknowledged(server: &Postgres) -> Vec<Acknowledged> {
    let rows = server
        .sql(
            "select n, to_char(pg_xact_commit_timestamp(xmin) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), xmin \
             from written order by pg_xact_commit_timestamp(xmin), n",
        )
        .unwrap();
    let read = |row: &str| {
        let fields: Vec<&str> = row.split('|').collect();
        Acknowledged { number: fields[0].parse().unwrap(), at: fields[1].parse().unwrap(), xid: fields[2].to_owned() }
    };
    rows.lines().map(read).collect()
}

/// The rows on a replayed copy, by a server of one session.
fn rows_on(server: &Postgres, staging: &Staging) -> Vec<u32> {
    ask(server, staging, "select n from written order by n")
        .lines()
        .filter_map(|line| line.split_once("= \"")?.1.split('"').next()?.parse().ok())
        .collect()
}

fn ask(server: &Postgres, staging: &Staging, sql: &str) -> String {
    let mut single = Command::new(server.binaries().join("postgres"))
        .args(["--single", "-c", "config_file=/dev/null", "-c", "fsync=off", "-D"])
        .arg(&staging.directory)
        .arg("postgres")
        .current_dir("/")
        .uid(staging.owner.uid)
        .gid(staging.owner.gid)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    single.stdin.take().unwrap().write_all(format!("{sql}\n").as_bytes()).unwrap();
    String::from_utf8(single.wait_with_output().unwrap().stdout).unwrap()
}

struct Written {
    server: Postgres,
    stored: Stored,
    archive: Archive,
    copies: Copies,
    rows: Vec<Acknowledged>,
    backup_ended_at: DateTime<Utc>,
}

/// Commits rows from 1000 on until there is something in `halt`.
const WRITER: &str = "do $$ begin for n in 1000..100000 loop \
    insert into written values (n); commit; perform pg_sleep(0.003); exit when exists (select from halt); end loop; end $$";

/// A server with a writer that runs during the backup and somewhat longer, and rows in many transactions after it, all in the
/// archive. `zone` is the server's.
async fn written(zone: &str) -> Written {
    let server = Postgres::builder()
        .setting("track_commit_timestamp", "on")
        .setting("timezone", zone)
        .setting("log_timezone", zone)
        .start()
        .unwrap();
    let create = "create table written (n int primary key); create table halt (); insert into written values (0)";
    server.sql(create).unwrap();
    let datastore = access(&server);
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
    let server = Arc::new(server);
    let writer = std::thread::spawn({
        let server = Arc::clone(&server);
        move || server.sql(WRITER).unwrap()
    });
    let stored = back_up_of(&datastore).await;
    let backup_ended_at = Utc::now();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    server.sql("insert into halt default values").unwrap();
    writer.join().unwrap();
    let server = Arc::into_inner(server).unwrap();
    for round in 0..6_u32 {
        let statements: String =
            (1..=10).map(|n| format!("insert into written values ({});", round * 10 + n)).collect();
        server.sql(&statements).unwrap();
        if round == 2 {
            server.sql("select pg_create_restore_point('in the middle')").unwrap();
        }
        if round % 2 == 1 {
            server.sql("select pg_switch_wal()").unwrap();
        }
    }
    archive.catch_up(receiver.as_mut()).await;
    let rows = acknowledged(&server);
    let copies = Copies::of(&server, &stored).await;
    Written { server, stored, archive, copies, rows, backup_ended_at }
}

impl Written {
    async fn rows_after(&self, stop: RecoveryStop) -> Vec<u32> {
        let (staging, _) = self.copies.replay(&self.server, &self.stored, &self.archive, stop).await.unwrap();
        let rows = rows_on(&self.server, &staging);
        fs::remove_dir_all(&staging.directory).unwrap();
        rows
    }

    async fn refusal(&self, stop: RecoveryStop) -> engines::EngineError {
        self.copies.replay(&self.server, &self.stored, &self.archive, stop).await.err().unwrap()
    }

    fn until(&self, at: DateTime<Utc>) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.rows.iter().filter(|row| row.at <= at).map(|row| row.number).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[tokio::test]
async fn each_stop_time_brings_back_exactly_what_was_committed_by_then() {
    let written = written("UTC").await;
    let after_backup: Vec<&Acknowledged> = written.rows.iter().filter(|row| row.at > written.backup_ended_at).collect();
    assert!(after_backup[0].number >= 1000, "the writer runs on after the backup");
    let (first, last) = (after_backup[0].at, after_backup.last().unwrap().at);
    let seed = rand::random();
    println!("the seed of the stop times is {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let microsecond = TimeDelta::microseconds(1);
    let mut stops = vec![first - microsecond, last, last - microsecond, last + TimeDelta::seconds(3600)];
    for _ in 0..4 {
        let at = after_backup[random.random_range(0..after_backup.len())].at;
        stops.extend([at, at - microsecond, at + microsecond]);
    }
    let span = (last - first).num_microseconds().unwrap();
    stops.extend((0..8).map(|_| first + TimeDelta::microseconds(random.random_range(0..span))));
    assert!(stops.len() >= 20);
    for stop in stops {
        let rows = written.rows_after(RecoveryStop::Time { at: stop }).await;
        assert_eq!(rows, written.until(stop), "at {stop}");
    }
}

#[tokio::test]
async fn places_in_the_log_are_exact_too() {
    let written = written("America/New_York").await;
    let all = written.until(written.rows.last().unwrap().at);
    assert_eq!(written.rows_after(RecoveryStop::Latest).await, all);
    let numbered = |number| written.rows.iter().find(|row| row.number == number).unwrap();
    let row = numbered(25);
    let position = |position| RecoveryStop::Position { position };
    let with = written.rows_after(position(StopPosition::Xid { xid: row.xid.clone(), before: false })).await;
    assert_eq!(with, written.until(row.at));
    let without = written.rows_after(position(StopPosition::Xid { xid: row.xid.clone(), before: true })).await;
    assert_eq!(without, written.until(numbered(24).at));
    let named = written.rows_after(position(StopPosition::Name { name: "in the middle".into() })).await;
    assert_eq!(named, written.until(numbered(30).at));
    // The zone of the server changes nothing.
    let at = RecoveryStop::Time { at: row.at };
    assert_eq!(written.rows_after(at).await, written.until(row.at));

    for (stop, code) in [
        (StopPosition::Xid { xid: "4000000".into(), before: false }, ErrorCode::PitrPositionNotCovered),
        (StopPosition::Name { name: "never made".into() }, ErrorCode::PitrPositionNotCovered),
        (StopPosition::Lsn { lsn: "FF/0".into(), before: false }, ErrorCode::PitrPositionNotCovered),
        (StopPosition::File { file: "bin.1".into(), position: 4 }, ErrorCode::PitrPositionNotCovered),
    ] {
        let refused = written.refusal(position(stop)).await;
        assert_eq!(refused.code(), code, "{refused}");
    }
}

#[tokio::test]
async fn f66_damaged_log_is_never_called_a_success() {
    let written = written("UTC").await;
    let last = written.rows.last().unwrap().at;
    let segments = written.archive.from(written.stored.facts.log_start.as_ref().unwrap().position);
    let with_commits: Vec<_> = segments.iter().filter(|segment| segment.last_commit_at.is_some()).collect();
    let newest = written.archive.path_of(&with_commits.last().unwrap().name);
    let middle = written.archive.path_of(&with_commits[with_commits.len() / 2].name);
    for (path, is_cut) in [(&newest, true), (&newest, false), (&middle, false)] {
        let whole = fs::read(path).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
        if is_cut {
            fs::write(path, &whole[..used / 2]).unwrap();
        } else {
            let mut flipped = whole.clone();
            flipped[used / 2..used / 2 + 20].fill(0x55);
            fs::write(path, flipped).unwrap();
        }
        for stop in [RecoveryStop::Latest, RecoveryStop::Time { at: last }] {
            let replayed =
                written.copies.replay(&written.server, &written.stored, &written.archive, stop.clone()).await;
            let error = replayed.err().unwrap_or_else(|| panic!("{path:?}, cut: {is_cut}, to {stop:?}"));
            let told = matches!(error.code(), ErrorCode::PitrTargetNotReached | ErrorCode::RestoredServerUnhealthy);
            assert!(told, "{path:?} {is_cut} {error}");
        }
        fs::write(path, whole).unwrap();
    }
}

#[tokio::test]
async fn f68_a_replayed_copy_archives_nowhere() {
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(place.path(), None, None).unwrap();
    fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let command = format!("touch {}/%f", place.path().display());
    let server =
        Postgres::builder().setting("archive_mode", "on").setting("archive_command", &command).start().unwrap();
    server.sql("create table written (n int primary key)").unwrap();
    let datastore = access(&server);
    let mut archive = Archive::new();
    let mut receiver = archive.receiver(&datastore).await.unwrap();
    archive.catch_up(receiver.as_mut()).await;
    let stored = back_up_of(&datastore).await;
    server.sql("insert into written values (1)").unwrap();
    archive.catch_up(receiver.as_mut()).await;
    server.stop().unwrap();
    for entry in fs::read_dir(place.path()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let copies = Copies::of(&server, &stored).await;
    let (staging, reached) = copies.replay(&server, &stored, &archive, RecoveryStop::Latest).await.unwrap();
    assert!(reached.position.contains("timeline 2"), "{reached:?}");
    assert_eq!(rows_on(&server, &staging), [1]);
    // What a switch would bring in starts as any data directory does.
    assert!(probe(&staging).await.unwrap().summary.contains("1 table"));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    for left in ["recovery.signal", "recovery.done", "postmaster.pid", "postmaster.opts"] {
        assert!(!staging.directory.join(left).exists(), "{left}");
    }
}
