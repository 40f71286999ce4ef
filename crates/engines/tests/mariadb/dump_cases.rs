//! What both MariaDB's and MySQL's dumps have to do, against either server.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode, Method};

use super::served::{Dumped, Restoring, access, dump};

/// Runs statements as the server's administrator and gives the rows.
pub type Sql<'a> = &'a (dyn Fn(&str) -> String + Sync);

pub struct Server<'a> {
    pub engine: Engine,
    pub port: u16,
    pub sql: Sql<'a>,
}

/// Names that a shell, an option parser or SQL would take for something else.
const HOSTILE: [&str; 4] = ["we`ird na;me", "-rf", "a b=c 'q\"", "größe"];

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

impl Server<'_> {
    fn sql(&self, sql: &str) -> String {
        (self.sql)(sql)
    }

    const fn method(&self) -> Method {
        match self.engine {
            Engine::Mysql => Method::Mysqldump,
            _ => Method::MariadbDump,
        }
    }

    /// Somebody who may do all.
    fn admin(&self) -> DatastoreAccess {
        self.sql("create user if not exists admin@localhost identified by 'p:w\\\\d#'; create user if not exists admin@'127.0.0.1' identified by 'p:w\\\\d#'; grant all on *.* to admin@localhost with grant option; grant all on *.* to admin@'127.0.0.1' with grant option");
        access(self.engine, self.port, "admin", Some("p:w\\d#"))
    }

    fn fill(&self) {
        for name in HOSTILE {
            let name = quoted(name);
            self.sql(&format!("create database {name} character set utf8mb4; create table {name}.t (id int primary key, v varchar(100) character set utf8mb4, b blob)"));
            let rows: Vec<String> = (1..=500).map(|id| format!("({id}, 'row {id} ☃', x'00ff27{id:04x}')")).collect();
            self.sql(&format!("insert into {name}.t values {}", rows.join(",")));
        }
        let name = quoted(HOSTILE[0]);
        self.sql(&format!(
            "use {name};
             create view v as select count(*) n from t;
             create function f() returns int deterministic return 7;
             create procedure p() select 8;
             create trigger tr before insert on t for each row set new.v = concat(new.v, '!');
             create event e on schedule every 1 year do select 1;
             create role staff; create user 'cl''erk'@'%' identified by 'clerk'; grant staff to 'cl''erk'@'%';
             grant select on {name}.* to staff"
        ));
    }

    fn rows(&self, name: &str) -> String {
        self.sql(&format!("select concat(count(*), ' ', min(v), ' ', hex(max(b))) from {}.t", quoted(name)))
    }

    fn databases(&self) -> String {
        let sql = "select schema_name from information_schema.schemata where schema_name not in ('mysql', 'sys', 'information_schema', 'performance_schema') order by 1";
        self.sql(sql).trim().replace('\n', "|")
    }

    async fn dump(&self, access: &DatastoreAccess) -> Dumped {
        dump(access, self.method()).await.expect("a dump")
    }

    fn restoring(&self, access: &DatastoreAccess, dumped: &Dumped, is_new: bool) -> Restoring {
        Restoring::of(access, self.method(), dumped, is_new)
    }
}

pub async fn what_is_dumped_comes_back_in_an_empty_server(source: Server<'_>, target: Server<'_>) {
    source.fill();
    let dumped = source.dump(&source.admin()).await;
    assert!(dumped.facts.completion_mark.starts_with("-- Dump completed"), "{}", dumped.facts.completion_mark);
    let restoring = target.restoring(&target.admin(), &dumped, true);
    let plan = restoring.check().await;
    assert_eq!((plan.obstacles.as_slice(), plan.created.len(), plan.replaced.len()), ([].as_slice(), 4, 0));
    let staged = restoring.stage().await.expect("stage");
    assert_eq!(target.databases(), "");
    restoring.switch(&staged).await.unwrap_or_else(|error| panic!("{error:?}\n{}", restoring.log()));
    for name in HOSTILE {
        assert_eq!(target.rows(name), source.rows(name));
        assert!(target.rows(name).starts_with("500 row 1 ☃ 00FF27"), "{}", target.rows(name));
    }
    let name = quoted(HOSTILE[0]);
    let told = target.sql(&format!(
        "use {name}; select n from v; select f(); call p(); insert into t values (501, 'x', ''); select v from t where id = 501;
         select count(*) from information_schema.events where event_schema = database()"
    ));
    assert_eq!(told.split_whitespace().collect::<Vec<_>>(), ["500", "7", "8", "x!", "1"]);
    let grants = target.sql("show grants for 'cl''erk'@'%'");
    assert!(grants.contains("staff"), "{grants}");
    assert!(target.sql("show grants for staff").contains("we``ird"));
    // The password came along.
    let clerk = access(target.engine, target.port, "cl'erk", Some("clerk"));
    let driver = engines::driver_for(target.engine).expect("a driver");
    driver.ping(&clerk, &tokio_util::sync::CancellationToken::new()).await.expect("the clerk may log in");
    assert_eq!(target.databases(), source.databases());
}

pub async fn a_restore_over_data_is_undone_with_the_safety_dump(server: Server<'_>) {
    server.fill();
    server.sql("create database made_later; create table made_later.t (id int)");
    let admin = server.admin();
    let dumped = server.dump(&admin).await;
    server.sql("drop database made_later; create database untouched; create table untouched.t (id int); drop user 'cl''erk'@'%'");
    server.sql(&format!("delete from {}.t where id > 10", quoted(HOSTILE[1])));
    let (before, rows) = (server.databases(), server.rows(HOSTILE[1]));

    let restoring = server.restoring(&admin, &dumped, false);
    let plan = restoring.check().await;
    assert_eq!(plan.obstacles, []);
    assert_eq!(
        (plan.replaced.len(), plan.created, plan.untouched),
        (4, vec!["made_later".into()], vec!["untouched".into()])
    );
    let staged = restoring.stage().await.expect("stage");
    assert_eq!(server.rows(HOSTILE[1]), rows, "the data in use is untouched until the switch");
    restoring.switch(&staged).await.expect("switch");
    assert!(server.rows(HOSTILE[1]).starts_with("500 "));
    assert!(server.databases().contains("made_later") && server.databases().contains("untouched"));
    assert!(server.sql("select user from mysql.user").contains("cl'erk"));

    for _ in 0..2 {
        restoring.take_back(&staged).await.expect("take back");
        assert_eq!((server.databases(), server.rows(HOSTILE[1])), (before.clone(), rows.clone()));
    }
    assert!(!server.sql("select user from mysql.user").contains("cl'erk"));
    let name = quoted(HOSTILE[0]);
    assert_eq!(
        server.sql(&format!("use {name}; select n from v; select f()")).split_whitespace().collect::<Vec<_>>(),
        ["500", "7"]
    );
    restoring.discard(Some(&staged)).await.expect("discard");
}

pub async fn a_failing_statement_in_the_middle_puts_the_old_data_back(server: Server<'_>) {
    server.fill();
    let admin = server.admin();
    let mut dumped = server.dump(&admin).await;
    server.sql(&format!("update {}.t set v = 'live'", quoted(HOSTILE[0])));
    server.sql(&format!("update {}.t set v = 'live'", quoted(HOSTILE[3])));
    let rows = HOSTILE.map(|name| server.rows(name));
    let text = dumped.text("base");
    let middle = text.rfind("CREATE TABLE").expect("a table");
    let broken = format!("{}SELECT no_such_column FROM nowhere;\n{}", &text[..middle], &text[middle..]);
    dumped.streams.insert("base".into(), broken.into_bytes());
    let restoring = server.restoring(&admin, &dumped, false);
    let staged = restoring.stage().await.expect("stage");
    let error = restoring.switch(&staged).await.expect_err("a failing statement");
    assert_eq!(error.code(), ErrorCode::EngineToolFailed, "{error:?}");
    let tables = server.sql("select count(*) from information_schema.tables where table_name = 't'");
    assert_ne!(tables.trim(), "4", "it had begun");
    restoring.take_back(&staged).await.expect("take back");
    assert_eq!(HOSTILE.map(|name| server.rows(name)), rows);
}

pub async fn f12_a_killed_load_is_taken_back(server: Server<'_>) {
    server.fill();
    let admin = server.admin();
    let dumped = server.dump(&admin).await;
    server.sql(&format!("delete from {}.t where id > 3", quoted(HOSTILE[2])));
    let rows = HOSTILE.map(|name| server.rows(name));
    let restoring = server.restoring(&admin, &dumped, false);
    let staged = restoring.stage().await.expect("stage");
    // A future that is dropped kills its children, as the end of the worker does.
    for milliseconds in [20, 60, 120] {
        let limit = std::time::Duration::from_millis(milliseconds);
        let _ = tokio::time::timeout(limit, restoring.switch(&staged)).await;
        restoring.take_back(&staged).await.expect("take back");
        assert_eq!(HOSTILE.map(|name| server.rows(name)), rows, "after {milliseconds} ms");
    }
}

pub async fn a_dump_is_of_one_moment_while_somebody_writes(server: Server<'_>) {
    server.sql("create database a; create database z; create table a.t (id int) engine=InnoDB; create table z.t (id int) engine=InnoDB; create table a.filler (v varchar(300)) engine=InnoDB; insert into a.filler values (repeat('x', 300))");
    for _ in 0..15 {
        server.sql("insert into a.filler select * from a.filler");
    }
    let admin = server.admin();
    let stop = AtomicBool::new(false);
    let server = &server;
    let dumped = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                server.sql(&format!(
                    "begin; insert into a.t values ({number}); insert into z.t values ({number}); commit"
                ));
            }
        });
        let runtime = tokio::runtime::Handle::current();
        let dumped = tokio::task::block_in_place(|| runtime.block_on(dump(&admin, server.method())));
        stop.store(true, Ordering::Relaxed);
        dumped.expect("a dump")
    });
    let restoring = server.restoring(&admin, &dumped, false);
    let staged = restoring.stage().await.expect("stage");
    restoring.switch(&staged).await.expect("switch");
    assert_eq!(server.sql("select (select count(*) from a.t) = (select count(*) from z.t)").trim(), "1");
}

pub async fn f56_what_a_dump_lacks_is_told(server: Server<'_>) {
    server.sql("create database shop; create table shop.t (id int); create user reader@'%' identified by 'x'; create user reader@localhost identified by 'x'");
    let reader = access(server.engine, server.port, "reader", Some("x"));
    let driver = engines::driver_for(server.engine).expect("a driver");
    let look = || async { driver.inspect(&reader, &tokio_util::sync::CancellationToken::new()).await.capabilities };
    let capabilities = look().await;
    assert_eq!(capabilities.methods, []);
    let reason =
        &capabilities.unavailable_methods.iter().find(|one| one.method == server.method()).expect("a reason").reason;
    assert!(reason.contains("SELECT") && reason.contains("EVENT"), "{reason}");
    for account in ["reader@'%'", "reader@localhost"] {
        server.sql(&format!("grant select, show view, trigger, event, lock tables on *.* to {account}"));
    }
    let methods: Vec<_> = look().await.methods.iter().map(|one| one.method).collect();
    assert_eq!(methods, [server.method()]);
    let dumped = server.dump(&reader).await;
    assert!(!dumped.log.contains("accounts are not dumped"), "{}", dumped.log);
    let plan = server.restoring(&reader, &dumped, true).check().await;
    let codes: Vec<_> = plan.obstacles.iter().map(|obstacle| obstacle.code).collect();
    assert_eq!(codes, [ErrorCode::TargetNotSupported, ErrorCode::MissingPrivilege], "{:?}", plan.obstacles);
}
