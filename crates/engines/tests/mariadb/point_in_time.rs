//! A replay holds exactly what was committed up to its stop.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Engine, ErrorCode, RecoveryStop, StopPosition};
use rand::SeedableRng;
use rand::rngs::StdRng;
use testkit::MariaDb;
use tokio::runtime::Handle;

use super::archive::*;
use super::harness::*;
use super::restored::*;

/// A transaction as its writer saw it, and where the log has it.
#[derive(Debug)]
struct Written {
    id: u64,
    gtid: String,
    committed_at: DateTime<Utc>,
    file: String,
    end: u64,
}

/// Whether a stop's data holds what was written.
type Holds = Box<dyn Fn(&Written) -> bool>;

const ROWS: &str = "select coalesce(group_concat(id order by id), '') from shop.t";

/// Adds what the log says to what a writer was told.
fn look_up(server: &MariaDb, acknowledged: &[(u64, String)]) -> Vec<Written> {
    let mut written = Vec::new();
    for (id, gtid) in acknowledged {
        let (mut file, mut end, mut found) = (String::new(), 0, None);
        for name in server
            .sql("show binary logs")
            .expect("logs")
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned())
        {
            let events = server.sql(&format!("show binlog events in '{name}'")).expect("events");
            let mut inside = false;
            for line in events.lines() {
                let fields: Vec<&str> = line.split('\t').collect();
                let [_, _, kind, _, next, info] = fields[..] else { panic!("{line}") };
                if kind == "Gtid" {
                    inside = info.ends_with(&format!("GTID {gtid}"));
                }
                if inside && kind == "Xid" {
                    (file, end, found) = (name.clone(), next.parse().expect("a number"), Some(()));
                }
            }
        }
        found.expect("in the log");
        let at = tool_time(server, &file, gtid);
        written.push(Written { id: *id, gtid: gtid.clone(), committed_at: at, file, end });
    }
    written
}

/// The tool's own view of a transaction's second.
fn tool_time(server: &MariaDb, file: &str, gtid: &str) -> DateTime<Utc> {
    let output = std::process::Command::new("mariadb-binlog")
        .env("TZ", "UTC")
        .args(["--no-defaults", "--base64-output=DECODE-ROWS"])
        .arg(server.data_directory.join(file))
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(&format!("\tGTID {gtid} "))).expect("the transaction");
    let stamp = line.trim_start_matches('#').split(" server id").next().expect("a time").trim();
    let naive = chrono::NaiveDateTime::parse_from_str(
        &format!("20{}", stamp.split_whitespace().collect::<Vec<_>>().join(" ")),
        "%Y%m%d %H:%M:%S",
    );
    naive.expect(stamp).and_utc()
}

fn gtid_stop(gtid: &str, before: bool) -> RecoveryStop {
    RecoveryStop::Position { position: StopPosition::Gtid { gtid: gtid.to_owned(), before } }
}

fn file_stop(file: &str, position: u64) -> RecoveryStop {
    RecoveryStop::Position { position: StopPosition::File { file: file.to_owned(), position } }
}

/// Commits a row; gives its transaction.
fn write(server: &MariaDb, id: u64) -> (u64, String) {
    let gtid = server.sql(&format!("insert into shop.t values ({id}, 'x'); select @@last_gtid")).expect("write");
    (id, gtid)
}

/// A backup, and what was committed from its beginning until somewhat after its end.
fn backed_up_while_written_to(server: &MariaDb) -> (Prepared, Vec<(u64, String)>) {
    let is_over = AtomicBool::new(false);
    let (runtime, is_over) = (Handle::current(), &is_over);
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut acknowledged = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    acknowledged.push(write(server, acknowledged.len() as u64 + 2));
                }
                acknowledged
            });
            let prepared = runtime.block_on(prepared(server));
            is_over.store(true, Ordering::Relaxed);
            (prepared, writer.join().expect("it ends"))
        })
    })
}

async fn oracle(server: &MariaDb) {
    server.sql("create database shop; create table shop.t (id int primary key, v varchar(100))").expect("create");
    server.sql("insert into shop.t values (1, 'in the backup')").expect("write");
    let mut archive = Archive::new();
    let (prepared, mut acknowledged) = backed_up_while_written_to(server);
    let in_backup: u64 = ask_restored(&prepared.copy(&Log::default()), "select max(id) from shop.t").parse().unwrap();
    acknowledged.retain(|(id, _)| *id > in_backup);
    assert!(in_backup > 1 && !acknowledged.is_empty(), "the writer ran before the backup's end and after it");
    let mut receiver = told(archive.receive(&prepared.access).await);
    let next = acknowledged.last().expect("some").0 + 1;
    for id in next..next + 20 {
        acknowledged.push(write(server, id));
        if id % 8 == 0 {
            server.sql("flush binary logs").expect("flush");
        }
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    told(archive.catch_up(&mut *receiver).await);
    drop(receiver);
    let written = look_up(server, &acknowledged);

    let mut stops: Vec<(RecoveryStop, Holds)> = vec![(RecoveryStop::Latest, Box::new(|_| true))];
    let (first, last) = (written[0].committed_at, written.last().expect("some").committed_at);
    let mut second = first;
    while second <= last + TimeDelta::seconds(1) {
        stops.push((RecoveryStop::Time { at: second }, Box::new(move |row| row.committed_at < second)));
        second += TimeDelta::seconds(1);
    }
    let half = TimeDelta::milliseconds(500);
    stops.push((RecoveryStop::Time { at: last + TimeDelta::seconds(2) + half }, Box::new(|_| true)));
    let seed = rand::random();
    println!("the seed of the stops is {seed}");
    let mut indexes = rand::seq::index::sample(&mut StdRng::seed_from_u64(seed), written.len(), 6).into_vec();
    indexes.extend([0, written.len() - 1]);
    for index in indexes {
        let (id, gtid) = (written[index].id, written[index].gtid.clone());
        stops.push((gtid_stop(&gtid, true), Box::new(move |row| row.id < id)));
        stops.push((gtid_stop(&gtid, false), Box::new(move |row| row.id <= id)));
        stops.push((file_stop(&written[index].file, written[index].end), Box::new(move |row| row.id <= id)));
    }
    for (stop, holds) in stops {
        let mut expected: Vec<String> = (1..=in_backup).map(|id| id.to_string()).collect();
        expected.extend(written.iter().filter(|row| holds(row)).map(|row| row.id.to_string()));
        let (staging, reached) = told(prepared.replay(&archive, stop.clone()).await);
        let newest = written.iter().rfind(|row| holds(row));
        assert_eq!(reached.last_commit_at, newest.map(|row| row.committed_at), "{stop:?}");
        let answer = ask_restored(
            &staging,
            &format!("{ROWS}; check table shop.t; select count(*) from mysql.user where user like 'holdfast\\_%'"),
        );
        let lines: Vec<&str> = answer.lines().collect();
        assert_eq!(lines[0], expected.join(","), "{stop:?}");
        assert!(lines[1].ends_with("OK"), "{answer}");
        assert_eq!(lines[2], "0", "the account of the replay is gone");
    }

    let refused =
        async |stop: RecoveryStop| prepared.replay(&archive, stop).await.err().expect("refused").to_job_error();
    let error = refused(RecoveryStop::Time { at: first + half }).await;
    assert_eq!(error.code, ErrorCode::PitrTimeAmbiguous);
    assert!(error.detail.contains(&written[0].gtid), "{}", error.detail);
    for stop in [
        gtid_stop("0-1-999999", false),
        file_stop(&written[3].file, written[3].end - 1),
        file_stop("binlog.000099", 4),
        RecoveryStop::Position { position: StopPosition::Lsn { lsn: "0/1".into(), before: false } },
    ] {
        assert_eq!(refused(stop).await.code, ErrorCode::PitrPositionNotCovered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f61_every_stop_holds_exactly_what_was_committed() {
    oracle(&MariaDb::start().expect("start")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f61_a_server_in_another_time_zone_stops_at_the_same_moments() {
    oracle(&MariaDb::builder().setting("default-time-zone", "-05:00").start().expect("start")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f82_statements_of_all_kinds_are_replayed() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create role old_role; create user 'u'@'%'").expect("create");
    let mut archive = Archive::new();
    let prepared = prepared(&server).await;
    let mut receiver = told(archive.receive(&prepared.access).await);
    server
        .sql(
            "create table shop.`we ird\"``'t` (id int primary key, b longblob, `ünï☃` varchar(20)); \
             insert into shop.`we ird\"``'t` values (1, x'00ff000a0d1a5c27', '☃ü'), (2, repeat(x'00', 12000000), null); \
             create user 'new'@'%' identified by 'pa''ss'; grant select on shop.* to 'new'@'%'; \
             create role new_role; grant new_role to 'new'@'%'; grant old_role to 'u'@'%'; flush privileges; \
             create view shop.v as select 1 as one; \
             create event shop.e on schedule every 1 second do insert into shop.ticks values (1); \
             create table shop.ticks (a int); create table shop.copied as select 5 as a; \
             set session binlog_format = 'STATEMENT'; insert into shop.ticks values (7); \
             create temporary table shop.tmp (a int); insert into shop.tmp values (9); \
             insert into shop.ticks select a from shop.tmp; drop temporary table shop.tmp;",
        )
        .expect("write");
    server
        .sql("delimiter //\ncreate procedure shop.p() begin select ';//'; select \"/*!*/;\"; end//\ndelimiter ;\n")
        .expect("a procedure");
    server
        .sql("xa start 'x'; insert into shop.ticks values (11); xa end 'x'; xa prepare 'x'; xa commit 'x'")
        .expect("a prepared transaction");
    // In row format, one transaction in the log and two when it is replayed: here the last one.
    server.sql("create table shop.last_one as select seq from shop.seq_1_to_9").expect("a table with rows");
    told(archive.catch_up(&mut *receiver).await);
    let sql = "select id, md5(b), `ünï☃` from shop.`we ird\"``'t`; select one from shop.v; \
               select group_concat(a order by a) from shop.ticks; select a from shop.copied; \
               show create procedure shop.p; show grants for 'new'@'%'; show grants for 'u'@'%'; \
               select event_name from information_schema.events; select sum(seq) from shop.last_one";
    let (staging, _) = told(prepared.replay(&archive, RecoveryStop::Latest).await);
    assert_eq!(ask_restored(&staging, sql), server.sql(sql).expect("ask"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f60_f66_a_log_that_is_not_whole_never_succeeds() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key, v varchar(100))").expect("create");
    let mut archive = Archive::new();
    let prepared = prepared(&server).await;
    let mut receiver = told(archive.receive(&prepared.access).await);
    for id in 0..6 {
        server.sql(&format!("insert into shop.t values ({id}, repeat('a', 90)); flush binary logs")).expect("write");
    }
    server
        .sql("insert into shop.t values (100, 'a'); insert into shop.t values (101, repeat('b', 90))")
        .expect("write");
    told(archive.catch_up(&mut *receiver).await);

    let name = archive.segments.last().expect("some").name.clone();
    let whole = std::fs::read(archive.path(&name)).expect("read");
    let failure =
        async |archive: &Archive| prepared.replay(archive, RecoveryStop::Latest).await.err().expect("refused");
    for length in [4, 100, whole.len() - 200, whole.len() - 31, whole.len() - 1] {
        std::fs::write(archive.path(&name), &whole[..length]).expect("cut");
        assert_eq!(failure(&archive).await.code(), ErrorCode::PitrTargetNotReached, "{length}");
    }
    let mut flipped = whole.clone();
    let place = whole.len() - 60;
    flipped[place] ^= 0x55;
    std::fs::write(archive.path(&name), &flipped).expect("flip");
    assert_eq!(failure(&archive).await.code(), ErrorCode::PitrTargetNotReached);
    std::fs::write(archive.path(&name), &whole).expect("mend");

    let middle = archive.segments.remove(3);
    assert_eq!(failure(&archive).await.code(), ErrorCode::LogGap);
    archive.segments.insert(3, middle);
    // A file with its last transaction cut off at an event boundary: the next one does not go on from it.
    let cut = archive.segments[2].name.clone();
    let bytes = std::fs::read(archive.path(&cut)).expect("read");
    std::fs::write(archive.path(&cut), &bytes[..bytes.len() - 47 - 31]).expect("cut");
    assert_eq!(failure(&archive).await.code(), ErrorCode::LogGap);
    std::fs::write(archive.path(&cut), &bytes).expect("mend");
    told(prepared.replay(&archive, RecoveryStop::Latest).await);

    // Logs of another history: the server was reset after the backup.
    server.sql("reset master; insert into shop.t values (200, 'a')").expect("reset");
    let mut other = Archive::new();
    let mut receiver = told(other.receive(&prepared.access).await);
    told(other.catch_up(&mut *receiver).await);
    assert!(matches!(failure(&other).await.code(), ErrorCode::LogConflict | ErrorCode::LogGap));
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_replay_can_be_stopped_and_leaves_nothing_running() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key, v varchar(2000))").expect("create");
    let mut archive = Archive::new();
    let prepared = prepared(&server).await;
    let mut receiver = told(archive.receive(&prepared.access).await);
    for part in 0..20 {
        let first = part * 2000 + 1;
        server
            .sql(&format!(
                "insert into shop.t select seq, repeat('x', 1500) from mysql.seq_{first}_to_{}",
                first + 1999
            ))
            .expect("write");
    }
    told(archive.catch_up(&mut *receiver).await);
    let log = Log::default();
    let staging = prepared.copy(&log);
    let mut replay = archive.lay_out(&staging, RecoveryStop::Latest);
    let cancel = staging.cancel.clone();
    replay.progress = std::sync::Arc::new(move |bytes| {
        if bytes > 1 << 20 {
            cancel.cancel();
        }
    });
    let error = driver(Engine::Mariadb).replay(&staging, &replay).await.expect_err("stopped");
    assert!(error.is_cancelled(), "{error:?}");
    assert_eq!(testkit::processes_below(&staging.directory), Vec::<u32>::new());
    assert_eq!(testkit::processes_below(&replay.directory), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_statement_that_fails_fails_the_replay() {
    let server = MariaDb::start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let mut archive = Archive::new();
    let prepared = prepared(&server).await;
    let mut receiver = told(archive.receive(&prepared.access).await);
    // What the log does not have, later statements miss.
    server.sql("set sql_log_bin = 0; create table shop.hidden (id int)").expect("create");
    server
        .sql("insert into shop.t values (1); insert into shop.hidden values (1); insert into shop.t values (2)")
        .expect("write");
    told(archive.catch_up(&mut *receiver).await);
    let error = prepared.replay(&archive, RecoveryStop::Latest).await.err().expect("failed").to_job_error();
    assert_eq!(error.code, ErrorCode::PitrTargetNotReached);
    assert!(error.detail.contains("hidden") && error.detail.contains("ERROR 1146"), "{}", error.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn f51_writers_in_several_domains_and_a_crash_are_replayed_whole() {
    let server = MariaDb::builder().setting("sync-binlog", "1").start().expect("start");
    server.sql("create database shop; create table shop.t (id int primary key, v varchar(500))").expect("create");
    let mut archive = Archive::new();
    let prepared = prepared(&server).await;
    for round in 0..2 {
        let mut receiver = told(archive.receive(&prepared.access).await);
        std::thread::scope(|scope| {
            for writer in 0..3u32 {
                let server = &server;
                scope.spawn(move || {
                    let first = round * 1000 + writer * 100;
                    let statements: String = (first..first + 60)
                        .map(|id| format!("insert into shop.t values ({id}, repeat('y', 400)); "))
                        .collect();
                    server.sql(&format!("set session gtid_domain_id = {writer}; {statements}")).expect("write");
                });
            }
        });
        told(archive.catch_up(&mut *receiver).await);
        drop(receiver);
        server.crash().expect("crash");
        server.start_again().expect("start again");
    }
    let mut receiver = told(archive.receive(&prepared.access).await);
    // A clock that steps back: the stop is before the first transaction that is not before it.
    let at = Utc::now().timestamp() + 100;
    for (id, second) in [(5001, at), (5002, at + 50), (5003, at + 10)] {
        server.sql(&format!("set timestamp = {second}; insert into shop.t values ({id}, '')")).expect("write");
    }
    told(archive.catch_up(&mut *receiver).await);
    let sums = "select count(*), sum(id), max(id) from shop.t; check table shop.t";
    let (staging, _) = told(prepared.replay(&archive, RecoveryStop::Latest).await);
    assert_eq!(ask_restored(&staging, sums), server.sql(sums).expect("ask"));
    let stop = RecoveryStop::Time { at: DateTime::from_timestamp(at + 30, 0).expect("a time") };
    let (staging, _) = told(prepared.replay(&archive, stop).await);
    assert_eq!(ask_restored(&staging, "select max(id), count(*) from shop.t"), "5001\t361");
}
