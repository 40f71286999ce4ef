//! `holdfast audit verify` on the control databases of both kinds, as somebody without the master key leaves them.

use std::path::Path;
use std::process::{Command, Output};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use domain::{Actor, AuditEntry, Subject, SubjectKind};
use store::{KeyFile, Store};

const DROP_SQLITE: &str =
    "drop trigger audit_events_no_update; drop trigger audit_events_no_delete; drop trigger audit_events_no_replace;";
const DROP_POSTGRESQL: &str =
    "drop trigger audit_events_no_change on audit_events; drop trigger audit_events_no_truncate on audit_events;";

fn verify(directory: &Path, url: &str, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["audit", "verify", "--data-dir"]).arg(directory).args(options).env("DATABASE_URL", url);
    command.output().expect("the binary runs")
}

fn execute(url: &str, sql: &str) {
    let executed = if url.starts_with("postgres") {
        diesel::PgConnection::establish(url).expect("it connects").batch_execute(sql)
    } else {
        diesel::SqliteConnection::establish(url).expect("it opens").batch_execute(sql)
    };
    executed.expect("it is done");
}

fn open(directory: &Path, url: &str) -> Store {
    Store::open_with(url, &KeyFile::new(directory.join("master.key"))).expect("it opens")
}

fn write_rows(directory: &Path, url: &str, count: i64) {
    let store = open(directory, url);
    let entry = AuditEntry::new(Actor::unclaimed(), "user_create", Subject::of(SubjectKind::User, None));
    for _ in 0..count {
        store.audit_append(&entry, chrono::Utc::now()).expect("it is written");
    }
}

fn check(directory: &Path, url: &str, drop_triggers: &str) {
    write_rows(directory, url, 5);
    let whole = verify(directory, url, &[]);
    let said = String::from_utf8_lossy(&whole.stdout).into_owned();
    assert!(whole.status.success() && said.contains(" 5:"), "{said}");
    let known = said.trim().rsplit(' ').next().expect("the end").to_owned();
    execute(url, drop_triggers);
    let expect = |sql: &str, words: &str, options: &[&str]| {
        execute(url, sql);
        let broken = verify(directory, url, options);
        let said = String::from_utf8_lossy(&broken.stderr).into_owned();
        assert_eq!(broken.status.code(), Some(1), "{sql}: {said}");
        assert!(said.contains(words), "{sql}: {said}");
    };
    let is_whole = |options: &[&str]| {
        let whole = verify(directory, url, options);
        assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    };
    execute(
        url,
        "create table kept as select * from audit_events; create table kept_head as select * from meta where key = 'audit_head'",
    );
    let put_back = "delete from audit_events; insert into audit_events select * from kept; \
        delete from meta where key = 'audit_head'; insert into meta select * from kept_head";
    for (sql, words) in [
        ("update audit_events set actor_name = 'somebody' where id = 3", "row 3 was changed, inserted or moved"),
        ("delete from audit_events where id = 2", "row 2 was removed"),
        (
            "update audit_events set id = -1 where id = 2; update audit_events set id = 2 where id = 3; \
             update audit_events set id = 3 where id = -1",
            "row 2 was changed, inserted or moved",
        ),
        (
            "update audit_events set id = id + 100 where id > 3; update audit_events set id = id - 99 where id > 100; \
             insert into audit_events select 4, at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, subject_name, \
             datastore_id, from_address, outcome, detail, request_id, hash from audit_events where id = 3",
            "row 4 was changed, inserted or moved",
        ),
        (
            "delete from audit_events where id = 5",
            "row 5 was removed: the log was cut off there, 5 rows were written in all",
        ),
        ("delete from meta where key = 'audit_head'", "the sealed end of the log is missing"),
    ] {
        expect(sql, words, &[]);
        execute(url, put_back);
        is_whole(&["--known", &known]);
    }
    // Everything put back to an earlier state, the sealed end too: only what was kept elsewhere tells.
    write_rows(directory, url, 2);
    let said = String::from_utf8_lossy(&verify(directory, url, &[]).stdout).into_owned();
    let known = said.trim().rsplit(' ').next().expect("the end").to_owned();
    is_whole(&["--known", &known]);
    execute(url, put_back);
    is_whole(&[]);
    expect("select 1", "it has 5 rows, and had 7 before", &["--known", &known]);
}

#[test]
fn a_log_that_was_tampered_with_is_found_on_sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let url = directory.path().join("holdfast.db").to_string_lossy().into_owned();
    check(directory.path(), &url, DROP_SQLITE);
}

#[test]
fn a_log_that_was_tampered_with_is_found_on_postgresql() {
    let directory = tempfile::tempdir().expect("a directory");
    let control = testkit::control_database();
    check(directory.path(), &control.url, DROP_POSTGRESQL);
}
