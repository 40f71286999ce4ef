//! A replay holds exactly what was committed up to its stop.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::log_archive::{LogEntryKind, SCAN_LIMIT};
use domain::{Engine, ErrorCode, Method, RecoveryStop, StopPosition};
use engines::{LogScanRequest, Staging};
use testkit::Mysql;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::archive::{Archive, Prepared, told};
use super::harness::{Log, driver};
use super::setup::{access, start, start_with};

async fn prepared(server: &Mysql) -> Prepared {
    Prepared::of(access(server), Method::MysqlClone, &server.data_directory).await
}

/// Asks a server on replayed data, which is used up.
fn ask_restored(staging: &Staging, sql: &str) -> String {
    let server = Mysql::builder().on_data(&staging.directory).start().expect("start on the restored data");
    let answer = server.sql(sql).expect("ask");
    drop(server);
    answer
}

/// A transaction that inserted a row, as the tool shows it.
#[derive(Debug, Clone)]
struct Written {
    id: u64,
    gtid: String,
    committed_at: DateTime<Utc>,
    file: String,
    start: u64,
    end: u64,
}

/// All inserts into `shop.t` that a server's log holds. Each row's id is in a comment of its statement.
fn written(server: &Mysql) -> Vec<Written> {
    let logs = server.sql("show binary logs").expect("logs");
    let mut written = Vec::new();
    for file in logs.lines().map(|line| line.split('\t').next().expect("a name")) {
        let output = std::process::Command::new(server.binaries().join("mysqlbinlog"))
            .env("TZ", "America/New_York")
            .args(["--no-defaults", "--base64-output=DECODE-ROWS", "--verbose"])
            .arg(server.data_directory.join(file))
            .output()
            .expect("run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (mut at, mut current): (u64, Option<Written>) = (0, None);
        for line in text.lines() {
            if let Some(offset) = line.strip_prefix("# at ").and_then(|offset| offset.parse().ok()) {
                at = offset;
            }
            if let Some(rest) = line.strip_prefix("# immediate_commit_timestamp=") {
                let micros = rest.split(' ').next().and_then(|text| text.parse().ok()).expect("a time");
                let committed_at = DateTime::from_timestamp_micros(micros).expect("a time");
                let file = file.to_owned();
                current = Some(Written { id: 0, gtid: String::new(), committed_at, file, start: at, end: 0 });
            }
            let Some(transaction) = &mut current else { continue };
            if let Some(rest) = line.strip_prefix("SET @@SESSION.GTID_NEXT= '") {
                transaction.gtid = rest.split('\'').next().expect("a GTID").to_owned();
            }
            if let Some(id) = line.strip_prefix("###   @1=") {
                transaction.id = id.split(' ').next().and_then(|id| id.parse().ok()).expect("an id");
            }
            if let Some((_, rest)) = line.split_once("end_log_pos ") {
                let end = rest.split_whitespace().next().and_then(|end| end.parse().ok()).expect("a position");
                if line.contains("\tXid = ") && transaction.id > 0 {
                    written.push(Written { end, ..transaction.clone() });
                    current = None;
                }
            }
        }
    }
    written
}

fn gtid_stop(gtid: &str, before: bool) -> RecoveryStop {
    RecoveryStop::Position { position: StopPosition::Gtid { gtid: gtid.to_owned(), before } }
}

fn file_stop(file: &str, position: u64) -> RecoveryStop {
    RecoveryStop::Position { position: StopPosition::File { file: file.to_owned(), position } }
}

/// A backup, and rows that were committed from its beginning until somewhat after its end.
fn backed_up_while_written_to(server: &Mysql) -> (Prepared, u64) {
    let is_over = AtomicBool::new(false);
    let (runtime, is_over) = (Handle::current(), &is_over);
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut last = 0;
                while !is_over.load(Ordering::Relaxed) {
                    last += 1;
                    server.sql(&format!("insert into shop.t values ({last})")).expect("write");
                }
                last
            });
            let prepared = runtime.block_on(prepared(server));
            is_over.store(true, Ordering::Relaxed);
            (prepared, writer.join().expect("it ends"))
        })
    })
}

const ROWS: &str = "select coalesce(max(id), 0), count(*) from shop.t";

pub async fn oracle(server: &Mysql, by_gtid: bool) {
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let (prepared, last_of_backup) = backed_up_while_written_to(server);
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    let first = last_of_backup + 1;
    for id in first..first + 12 {
        server.sql(&format!("insert into shop.t values ({id})")).expect("write");
        if id == first + 5 {
            server.sql("flush binary logs").expect("rotate");
        }
    }
    told(archive.catch_up(&mut *receiver).await);
    let all = written(server);
    assert_eq!(all.len() as u64, first + 11, "the log tells of every row");
    let of = |id: u64| all.iter().find(|one| one.id == id).expect("it is there").clone();
    let (third, seventh) = (of(first + 2), of(first + 6));
    assert_ne!(third.file, seventh.file);
    let micro = TimeDelta::microseconds(1);
    let mut stops = vec![
        (RecoveryStop::Latest, first + 11),
        (RecoveryStop::Time { at: third.committed_at }, third.id),
        (RecoveryStop::Time { at: third.committed_at - micro }, third.id - 1),
        (RecoveryStop::Time { at: of(first + 3).committed_at - micro }, third.id),
        (file_stop(&seventh.file, seventh.end), seventh.id),
        (file_stop(&seventh.file, seventh.start), seventh.id - 1),
        (RecoveryStop::Time { at: Utc::now() }, first + 11),
    ];
    if by_gtid {
        let server_uuid = third.gtid.split(':').next().expect("a uuid").to_uppercase();
        let number = seventh.gtid.rsplit(':').next().expect("a number");
        stops.push((gtid_stop(&third.gtid, true), third.id - 1));
        stops.push((gtid_stop(&seventh.gtid, false), seventh.id));
        stops.push((gtid_stop(&format!("{server_uuid}:1-{number}"), false), seventh.id));
    }
    for (stop, last) in stops {
        let (staging, reached) = told(prepared.replay(&archive, stop.clone()).await);
        assert_eq!(ask_restored(&staging, ROWS), format!("{last}\t{last}"), "{stop:?}: {reached:?}");
        assert_eq!(reached.last_commit_at, Some(of(last).committed_at), "{stop:?}");
    }
    let refused = async |stop: RecoveryStop| prepared.replay(&archive, stop).await.err().expect("refused").code();
    let (file, inside) = (&seventh.file, seventh.start + 1);
    for stop in
        [file_stop(file, inside), file_stop("binlog.000099", 4), file_stop("-rf", 4), gtid_stop("0-1-22", false)]
    {
        assert_eq!(refused(stop).await, ErrorCode::PitrPositionNotCovered);
    }
    if by_gtid {
        for gtid in [of(1).gtid, format!("{}9999", third.gtid)] {
            assert_eq!(refused(gtid_stop(&gtid, false)).await, ErrorCode::PitrPositionNotCovered, "{gtid}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f61_every_stop_holds_exactly_what_was_committed() {
    oracle(&start(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f61_a_server_without_gtids_stops_as_exactly() {
    let builder = Mysql::builder().setting("gtid-mode", "OFF").setting("enforce-gtid-consistency", "OFF");
    oracle(&start_with(builder.setting("default-time-zone", "-05:00")), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f82_statements_of_all_kinds_are_replayed() {
    let server = start();
    let prepared = prepared(&server).await;
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    let statements = "create database `a'b\"c☃`; use `a'b\"c☃`; \
        create table `t``x` (id int primary key auto_increment, b blob, j json, g varchar(20) as (concat('g', length(b))) stored); \
        insert into `t``x` (b, j) values (x'00ff0a0d1a5c27', '{\"k\": [1, \"DELIMITER ;\"]}'), ('# at 4\\n/*!*/;', null); \
        set timestamp = 1700000000; create table times (at timestamp(6) default current_timestamp(6)); insert into times () values (); \
        create user 'o''b'@'%' identified by 'p''w\"d'; create role `r☃`; grant select on `a'b\"c☃`.* to `r☃`; grant `r☃` to 'o''b'@'%'; \
        create view v as select id from `t``x`; create procedure p() insert into times () values ('2020-01-01'); call p(); \
        create trigger tr before insert on times for each row set new.at = new.at + interval 1 day; \
        create event e on schedule every 1 second do insert into times () values (); \
        start transaction; insert into `t``x` (b) values ('rolled back'); rollback; \
        xa start 'x'; insert into `t``x` (b) values ('by xa'); xa end 'x'; xa prepare 'x'; xa commit 'x'; \
        alter table `t``x` add column c int default 7, algorithm=instant; drop event e; set sql_mode = 'ANSI_QUOTES'; \
        insert into \"t`x\" (b) values ('quoted')";
    server.sql(statements).unwrap_or_else(|error| panic!("{error:#}"));
    told(archive.catch_up(&mut *receiver).await);
    let question = "use `a'b\"c☃`; select id, hex(b), j, g, c from `t``x` order by id; select at from times order by at; \
        select count(*) from v; select user, host from mysql.user where user not like 'mysql.%' order by 1; \
        select from_user, to_user from mysql.role_edges; \
        select trigger_name from information_schema.triggers where trigger_schema = database(); \
        select routine_name from information_schema.routines where routine_schema = database(); \
        select replace(@@gtid_executed, '\\n', '')";
    let live = server.sql(question).expect("the live server");
    let (staging, _) = told(prepared.replay(&archive, RecoveryStop::Latest).await);
    assert_eq!(ask_restored(&staging, question), live);
}

#[tokio::test(flavor = "multi_thread")]
async fn f60_f66_a_log_that_is_not_whole_never_succeeds() {
    let server = start();
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let prepared = prepared(&server).await;
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    for id in 1..=6 {
        server.sql(&format!("insert into shop.t values ({id}); flush binary logs")).expect("write");
    }
    told(archive.catch_up(&mut *receiver).await);
    let replay = async |change: &dyn Fn(&mut engines::LogReplay)| {
        let staging = prepared.copy(&Log::default());
        let mut replay = archive.lay_out(&staging, RecoveryStop::Latest);
        change(&mut replay);
        let failed = driver(Engine::Mysql).replay(&staging, &replay).await.err();
        std::fs::remove_dir_all(&replay.directory).expect("remove");
        assert_eq!(testkit::processes_below(&staging.directory), Vec::<u32>::new());
        failed.map(|error| error.to_job_error()).map(|error| (error.code, error.detail))
    };
    assert_eq!(replay(&|_| ()).await, None, "as it is, it is whole");
    let middle = archive.segments[2].name.clone();
    let (code, detail) = replay(&|replay| replay.segments.retain(|one| one.name != middle)).await.expect("a gap");
    assert!(code == ErrorCode::LogGap && detail.contains("is needed"), "{detail}");
    let (code, _) =
        replay(&|replay| std::fs::remove_file(replay.directory.join(&middle)).expect("lost")).await.expect("a gap");
    assert_eq!(code, ErrorCode::LogGap);
    let damage = |from: usize, bytes: &'static [u8]| {
        let middle = middle.clone();
        move |replay: &mut engines::LogReplay| {
            let path = replay.directory.join(&middle);
            let mut content = std::fs::read(&path).expect("read");
            let at = content.len() - from;
            content[at..at + bytes.len()].copy_from_slice(bytes);
            std::fs::write(&path, content).expect("damage");
        }
    };
    // In the last row's bytes: the checksum tells. In a header: no event begins there.
    for change in [damage(90, b"\xff\xff"), damage(75, b"\0\0\0\0\0\0\0\0")] {
        let (code, detail) = replay(&change).await.expect("damaged");
        assert_eq!(code, ErrorCode::PitrTargetNotReached, "{detail}");
    }

    // The log of a server that was made anew, under the same names.
    let other = start();
    other.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let mut foreign = Archive::new();
    let mut receiver = told(foreign.receive(&access(&other)).await);
    for id in 1..=200 {
        other.sql(&format!("insert into shop.t values ({id})")).expect("write");
    }
    told(foreign.catch_up(&mut *receiver).await);
    let error = prepared.replay(&foreign, RecoveryStop::Latest).await.err().expect("another history");
    assert_eq!(error.code(), ErrorCode::LogConflict, "{}", error.to_job_error().detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_statement_that_fails_fails_the_replay() {
    let server = start();
    server.sql("create database shop; create table shop.t (id int primary key)").expect("create");
    let prepared = prepared(&server).await;
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    // What the log does not tell: the replay can't repeat it.
    server.sql("set sql_log_bin = 0; create table shop.unlogged (a int); set sql_log_bin = 1; insert into shop.unlogged values (1)").expect("write");
    told(archive.catch_up(&mut *receiver).await);
    let error = prepared.replay(&archive, RecoveryStop::Latest).await.err().expect("it fails").to_job_error();
    assert_eq!(error.code, ErrorCode::PitrTargetNotReached);
    assert!(error.detail.contains("unlogged"), "{}", error.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_replay_can_be_stopped_and_leaves_nothing_running() {
    let server = start();
    let prepared = prepared(&server).await;
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    server.sql("create database shop").expect("write");
    told(archive.catch_up(&mut *receiver).await);
    let staging = prepared.copy(&Log::default());
    let replay = archive.lay_out(&staging, RecoveryStop::Latest);
    staging.cancel.cancel();
    assert!(driver(Engine::Mysql).replay(&staging, &replay).await.expect_err("stopped").is_cancelled());
    let patience = std::time::Duration::from_secs(20);
    testkit::wait_until("nothing runs", patience, || testkit::processes_below(&staging.directory).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn f82_a_mistake_is_found_and_undone() {
    let server = start();
    super::setup::fill(&server, 1200);
    let prepared = prepared(&server).await;
    let mut archive = Archive::new();
    let mut receiver = told(archive.receive(&prepared.access).await);
    server
        .sql("update shop.t set v = 'y' where id <= 300; delete from shop.t where id > 100; flush binary logs")
        .expect("write");
    server.sql("create table shop.`evil\x1b[2J\n### DELETE FROM ``x``` (a int); drop table shop.t").expect("drop");
    told(archive.catch_up(&mut *receiver).await);
    let request = LogScanRequest {
        engine: Engine::Mysql,
        engine_version: "9.7.4".into(),
        directory: archive.directory.path().to_owned(),
        segments: archive.segments.clone(),
        from: Utc::now() - TimeDelta::hours(1),
        to: Utc::now() + TimeDelta::hours(1),
        all_transactions: false,
        limit: SCAN_LIMIT,
        cancel: CancellationToken::new(),
    };
    let found = told(driver(Engine::Mysql).scan_logs(&request).await);
    let tail: Vec<_> = found.entries.iter().rev().take(4).rev().collect();
    let kinds: Vec<_> = tail.iter().map(|entry| entry.kind).collect();
    use LogEntryKind::{LargeDelete, LargeUpdate, SchemaChange};
    assert_eq!(kinds, [LargeUpdate, LargeDelete, SchemaChange, SchemaChange], "{tail:?}");
    assert_eq!((tail[0].summary.as_str(), tail[0].rows), ("Changed 300 rows of shop.t", Some(300)));
    assert_eq!((tail[1].summary.as_str(), tail[1].rows), ("Deleted 1,100 rows of shop.t", Some(1100)));
    assert!(tail[2].summary.contains("\\u{1b}[2J") && !tail[2].summary.contains(char::is_control), "{:?}", tail[2]);
    assert!(tail[3].summary.to_lowercase().starts_with("drop table"), "{:?}", tail[3]);
    let stop = RecoveryStop::Position { position: tail[1].stop_before.clone() };
    let (staging, _) = told(prepared.replay(&archive, stop).await);
    assert_eq!(ask_restored(&staging, "select count(*), sum(v = 'y') from shop.t"), "1200\t300");
}
