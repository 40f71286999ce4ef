//! Dumps of a real server, and what comes back of them.

use std::time::Duration;

use domain::assignment::DatastoreAccess;
use domain::{DatabaseCopy, Engine, ErrorCode, Method, RestoreTarget};
use testkit::Postgres;

use crate::served::{Dumped, Restoring, access, dump};
use crate::setup::inspect;

/// Names that a shell, a connection string or SQL would take for something else.
const HOSTILE: [&str; 4] = ["we\"ird 'na;me", "host=nowhere dbname=x", "-rf", "größe ☃"];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn superuser(server: &Postgres) -> DatastoreAccess {
    server.sql("create role admin superuser login password 'p:w\\d'").unwrap();
    access(Engine::Postgresql, server.port, "admin", Some("p:w\\d"))
}

fn fill(server: &Postgres) {
    server.sql("create role clerk login password 'clerk'; create role staff; grant staff to clerk").unwrap();
    for name in HOSTILE {
        server.sql(&format!("create database {} owner clerk", quoted(name))).unwrap();
        server.sql_in(name, "create table t (id int primary key, v text); insert into t select i, 'row '||i from generate_series(1, 500) i; alter table t owner to clerk").unwrap();
    }
    server
        .sql_in(
            HOSTILE[0],
            "create view v as select count(*) n from t; create function f() returns int language sql as 'select 7';
             create function touch() returns trigger language plpgsql as $$ begin new.v := new.v || '!'; return new; end $$;
             create trigger tr before insert on t for each row execute function touch();
             create sequence s start 42; select nextval('s'); select lo_from_bytea(4711, 'large'::bytea);
             grant select on t to staff",
        )
        .unwrap();
    let name = quoted(HOSTILE[0]);
    server
        .sql(&format!(
            "alter database {name} set search_path to \"$user\", public, \"o,dd\"; alter database {name} set application_name to 'a ''b''';
             revoke connect on database {name} from public; grant connect on database {name} to staff; comment on database {name} is 'it''s ours'"
        ))
        .unwrap();
}

fn rows(server: &Postgres, database: &str) -> String {
    server.sql_in(database, "select count(*), min(v) from t").unwrap()
}

fn databases(server: &Postgres) -> String {
    server
        .sql("select string_agg(datname, '|' order by datname collate \"C\") from pg_database where not datistemplate")
        .unwrap()
}

async fn dumped(access: &DatastoreAccess) -> Dumped {
    dump(access, Method::PgDump).await.unwrap()
}

fn restoring(access: &DatastoreAccess, dumped: &Dumped, is_new: bool) -> Restoring {
    Restoring::of(access, Method::PgDump, dumped, is_new)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dumped_comes_back_in_an_empty_server() {
    let (source, target) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    fill(&source);
    let dumped = dumped(&superuser(&source)).await;
    assert!(dumped.text("globals").contains("CREATE ROLE clerk"), "{}", dumped.text("globals"));
    assert_eq!(dumped.streams.len(), 1 + HOSTILE.len(), "the unused database is left out");

    let restoring = restoring(&superuser(&target), &dumped, true);
    let plan = restoring.check().await;
    assert_eq!((plan.obstacles.as_slice(), plan.created.len(), plan.replaced.len()), ([].as_slice(), 4, 0));
    let staged = restoring.stage().await.unwrap();
    restoring.switch(&staged).await.unwrap();
    for name in HOSTILE {
        assert_eq!(rows(&target, name), "500|row 1");
    }
    let name = HOSTILE[0];
    assert_eq!(target.sql_in(name, "select n from v; select f(); select nextval('s')").unwrap(), "500\n7\n43");
    assert_eq!(target.sql_in(name, "insert into t values (501, 'x') returning v").unwrap(), "x!");
    assert_eq!(target.sql_in(name, "select convert_from(lo_get(4711), 'UTF8')").unwrap(), "large");
    let question = format!(
        "select pg_get_userbyid(datdba), shobj_description(oid, 'pg_database'),
            has_database_privilege('public', oid, 'connect'), has_database_privilege('staff', oid, 'connect')
         from pg_database where datname = '{}'",
        name.replace('\'', "''")
    );
    assert_eq!(target.sql(&question).unwrap(), "clerk|it's ours|f|t");
    assert_eq!(
        target.sql_in(name, "show search_path; show application_name").unwrap().lines().next().unwrap(),
        source.sql_in(name, "show search_path").unwrap()
    );
    assert!(restoring.log().contains("Making the roles clerk, staff"), "{}", restoring.log());
    // Passwords came along, and memberships.
    assert_eq!(target.sql("select rolpassword like 'SCRAM%' from pg_authid where rolname = 'clerk'").unwrap(), "t");
    assert_eq!(target.sql("select pg_has_role('clerk', 'staff', 'member')").unwrap(), "t");
    restoring.discard(Some(&staged)).await.unwrap();
    assert_eq!(rows(&target, name), "501|row 1");
}

fn copying(access: &DatastoreAccess, dumped: &Dumped, copies: &[(&str, &str)]) -> Restoring {
    let mut restoring = restoring(access, dumped, false);
    let copy = |(name, new_name): &(&str, &str)| DatabaseCopy { name: (*name).into(), new_name: (*new_name).into() };
    restoring.request.target = RestoreTarget::NewDatabases { databases: copies.iter().map(copy).collect() };
    restoring
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_come_back_beside_the_others_under_new_names() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let access = superuser(&server);
    let dumped = dumped(&access).await;
    for name in HOSTILE {
        server.sql_in(name, "delete from t where id > 10").unwrap();
    }
    let before = databases(&server);
    let new_names = ["it's \"new\"", &"x".repeat(63)];
    let restoring = copying(&access, &dumped, &[(HOSTILE[3], new_names[0]), (HOSTILE[0], new_names[1])]);
    let plan = restoring.check().await;
    assert_eq!((plan.obstacles.as_slice(), plan.replaced.len()), ([].as_slice(), 0));
    assert_eq!((plan.created, plan.untouched.len()), (new_names.map(str::to_owned).to_vec(), 1 + HOSTILE.len()));
    assert_eq!(plan.streams.len(), 3, "the globals and two databases");
    let staged = restoring.stage().await.unwrap();
    restoring.switch(&staged).await.unwrap();
    for name in new_names {
        assert_eq!(rows(&server, name), "500|row 1");
    }
    for name in HOSTILE {
        assert_eq!(rows(&server, name), "10|row 1", "the originals stay as they are");
    }
    restoring.take_back(&staged).await.unwrap();
    restoring.take_back(&staged).await.unwrap();
    restoring.discard(Some(&staged)).await.unwrap();
    assert_eq!(databases(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_never_take_a_name_that_somebody_has() {
    let server = Postgres::start().unwrap();
    fill(&server);
    let access = superuser(&server);
    let dumped = dumped(&access).await;
    for (name, new_name, code) in [
        (HOSTILE[0], HOSTILE[1], ErrorCode::NameTaken),
        (HOSTILE[0], "template1", ErrorCode::NameTaken),
        (HOSTILE[0], &*"x".repeat(64), ErrorCode::ValidationFailed),
        ("nowhere", "new", ErrorCode::NotFound),
    ] {
        let obstacles = copying(&access, &dumped, &[(name, new_name)]).check().await.obstacles;
        assert_eq!(obstacles.iter().map(|obstacle| obstacle.code).collect::<Vec<_>>(), [code], "{obstacles:?}");
    }
    // One that is made while the copy is loaded, and one after it was.
    server.sql("create database taken").unwrap();
    let before = databases(&server);
    let late = copying(&access, &dumped, &[(HOSTILE[3], "taken")]);
    assert_eq!(late.stage().await.unwrap_err().to_job_error().code, ErrorCode::NameTaken);
    late.discard(None).await.unwrap();
    assert_eq!(databases(&server), before);
    let later = copying(&access, &dumped, &[(HOSTILE[2], "first"), (HOSTILE[3], "second")]);
    let staged = later.stage().await.unwrap();
    server.sql("create database second").unwrap();
    later.switch(&staged).await.unwrap_err();
    later.take_back(&staged).await.unwrap();
    later.discard(Some(&staged)).await.unwrap();
    server.sql("drop database second").unwrap();
    assert_eq!(databases(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_over_data_is_undone_by_name() {
    let server = Postgres::start().unwrap();
    fill(&server);
    server.sql("create database other; create database made_later").unwrap();
    let access = superuser(&server);
    let dumped = dumped(&access).await;
    server.sql("drop database made_later; create role after_the_backup").unwrap();
    server.sql_in(HOSTILE[3], "delete from t where id > 10").unwrap();
    let before = databases(&server);

    let restoring = restoring(&access, &dumped, false);
    let plan = restoring.check().await;
    assert_eq!(plan.obstacles, []);
    assert_eq!((plan.replaced.len(), plan.created), (5, vec!["made_later".to_owned()]));
    let staged = restoring.stage().await.unwrap();
    assert_eq!(rows(&server, HOSTILE[3]), "10|row 1", "the data in use is untouched until the switch");
    // Somebody who uses the data does not stand in the way.
    let busy = std::thread::spawn({
        let command = (server.port, HOSTILE[3]);
        move || {
            std::process::Command::new("psql")
                .args(["-h", "127.0.0.1", "-U", "admin", "-c", "select pg_sleep(60)"])
                .env("PGPORT", command.0.to_string())
                .env("PGDATABASE", command.1)
                .env("PGPASSWORD", "p:w\\d")
                .output()
        }
    });
    testkit::wait_until("the session", Duration::from_secs(10), || {
        server.sql("select count(*) from pg_stat_activity where query like 'select pg_sleep%'").is_ok_and(|n| n == "1")
    });
    restoring.switch(&staged).await.unwrap();
    assert!(!busy.join().unwrap().unwrap().status.success());
    assert_eq!(rows(&server, HOSTILE[3]), "500|row 1");
    assert!(databases(&server).contains("made_later"));

    restoring.take_back(&staged).await.unwrap();
    restoring.take_back(&staged).await.unwrap();
    assert_eq!(rows(&server, HOSTILE[3]), "10|row 1");
    restoring.discard(Some(&staged)).await.unwrap();
    restoring.discard(Some(&staged)).await.unwrap();
    assert_eq!(databases(&server), before);
    assert_eq!(server.sql("select count(*) from pg_roles where rolname = 'clerk'").unwrap(), "1", "it was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_switch_is_taken_back_from_every_point() {
    let server = Postgres::start().unwrap();
    server.sql("create database a; create database b").unwrap();
    for name in ["a", "b"] {
        server.sql_in(name, "create table t (v text); insert into t values ('backup')").unwrap();
    }
    let access = superuser(&server);
    let dumped = dumped(&access).await;
    for name in ["a", "b"] {
        server.sql_in(name, "update t set v = 'live'").unwrap();
    }
    let before = databases(&server);
    // What the switch does, one statement after the other, as a killed worker leaves it.
    for done in 0..=6 {
        let restoring = restoring(&access, &dumped, false);
        let staged = restoring.stage().await.unwrap();
        let made = server.sql("select datname from pg_database where datname like 'holdfast%' order by 1").unwrap();
        let made: Vec<&str> = made.lines().collect();
        let steps = [
            "alter database a allow_connections false".to_owned(),
            format!("alter database a rename to \"{}_before\"", made[0]),
            format!("alter database {} rename to a", made[0]),
            "alter database b allow_connections false".to_owned(),
            format!("alter database b rename to \"{}_before\"", made[1]),
            format!("alter database {} rename to b", made[1]),
        ];
        for step in &steps[..done] {
            server.sql(step).unwrap();
        }
        restoring.take_back(&staged).await.unwrap();
        for name in ["a", "b"] {
            assert_eq!(server.sql_in(name, "select v from t").unwrap(), "live", "after {done} steps");
        }
        restoring.discard(Some(&staged)).await.unwrap();
        assert_eq!(databases(&server), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_statement_leaves_the_data_in_use_alone() {
    let (source, target) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    for server in [&source, &target] {
        server.sql("create database shop").unwrap();
        server.sql_in("shop", "create table t (v text); insert into t values ('live')").unwrap();
    }
    source.sql("create role only_there").unwrap();
    source.sql_in("shop", "create table big as select i from generate_series(1, 20000) i").unwrap();
    let mut dumped = dumped(&superuser(&source)).await;
    // The archive ends in the middle of its data.
    let bytes = dumped.streams.get_mut("database-000").unwrap();
    bytes.truncate(bytes.len() - 5000);
    let restoring = restoring(&superuser(&target), &dumped, false);
    let error = restoring.stage().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::EngineToolFailed, "{error:?}");
    restoring.discard(None).await.unwrap();
    assert_eq!(databases(&target), "postgres|shop");
    assert_eq!(target.sql_in("shop", "select v from t").unwrap(), "live");
    assert_eq!(target.sql("select count(*) from pg_roles where rolname = 'only_there'").unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_of_one_moment_while_somebody_writes() {
    let server = Postgres::start().unwrap();
    server.sql("create database shop").unwrap();
    server.sql_in("shop", "create table a (id int); create table z (id int); create table filler as select i, repeat('x', 200) from generate_series(1, 50000) i").unwrap();
    let access = superuser(&server);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let server = &server;
    let dumped = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                let both = format!("begin; insert into a values ({number}); insert into z values ({number}); commit");
                server.sql_in("shop", &both).unwrap();
            }
        });
        let dumped =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(dump(&access, Method::PgDump)));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        dumped.unwrap()
    });
    let restoring = restoring(&access, &dumped, false);
    let staged = restoring.stage().await.unwrap();
    restoring.switch(&staged).await.unwrap();
    let counts = server.sql_in("shop", "select (select count(*) from a) = (select count(*) from z)").unwrap();
    assert_eq!(counts, "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_a_server_without_files_gets_dumps_and_reasons() {
    let server = Postgres::start().unwrap();
    server.sql("create database shop; create role reader login password 'x'").unwrap();
    server.sql_in("shop", "create table t (v text)").unwrap();
    let reader = access(Engine::Postgresql, server.port, "reader", Some("x"));
    let capabilities = inspect(&reader).await.capabilities;
    assert_eq!(capabilities.methods, []);
    let reasons: Vec<_> =
        capabilities.unavailable_methods.iter().map(|one| (one.method, one.reason.as_str())).collect();
    assert_eq!(reasons[0].0, Method::PgBasebackup);
    assert!(reasons[0].1.contains("may not replicate") && reasons[1].1.contains("pg_read_all_data"), "{reasons:?}");
    let error = dump(&reader, Method::PgDump).await.err().unwrap().to_job_error();
    assert_eq!(error.code, ErrorCode::MissingPrivilege, "{error}");

    server.sql("grant pg_read_all_data to reader").unwrap();
    let capabilities = inspect(&reader).await.capabilities;
    let methods: Vec<_> = capabilities.methods.iter().map(|one| one.method).collect();
    assert_eq!(methods, [Method::PgDump]);
    assert!(!capabilities.restore_in_place);
    // Who may read each table alone may not read passwords.
    server.sql("revoke pg_read_all_data from reader").unwrap();
    server.sql_in("shop", "grant select on t to reader").unwrap();
    let dumped = dumped(&reader).await;
    assert!(dumped.log.contains("may not read passwords"), "{}", dumped.log);
    assert!(!dumped.text("globals").contains("SCRAM"));
    let plan = restoring(&reader, &dumped, false).check().await;
    let told: Vec<_> = plan.obstacles.iter().map(|obstacle| obstacle.detail.as_str()).collect();
    assert!(
        told[0].contains("CREATEDB") && told[1].contains("pg_signal_backend") && told[2].contains("OWNER"),
        "{told:?}"
    );
    let plan = restoring(&superuser(&server), &dumped, true).check().await;
    assert_eq!(plan.obstacles[0].code, ErrorCode::TargetNotSupported);
}
