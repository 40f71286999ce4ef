//! Real servers of every engine behind one face: write, tell what is held, and how Holdfast reaches them.

use std::path::{Path, PathBuf};

use domain::{DatastoreCreate, Engine, Secret, Service, SharedDirectory};
use testkit::{BACKUP_PASSWORD, BACKUP_USER, KeyValueServer, MariaDb, Mssql, Mysql, Postgres, Redis, Valkey};

/// A server that tests write to and restore.
pub trait TestServer: Send + Sync {
    fn engine(&self) -> Engine;
    fn port(&self) -> u16;
    fn data_directory(&self) -> PathBuf;
    fn service(&self) -> Service;
    /// Adds `count` rows or keys that start at number `from`.
    fn write(&self, from: u32, count: u32);
    /// A text that is the same exactly when all rows or keys are the same.
    fn fingerprint(&self) -> String;
    /// Whether the server answers and takes writes.
    fn takes_writes(&self) -> bool;
    /// The server's own log, for a test that fails.
    fn own_log(&self) -> String;

    /// Where the server's programs are, unless where everybody looks.
    fn programs(&self) -> Option<PathBuf> {
        None
    }

    fn name(&self) -> String {
        format!("it {}", self.engine().title())
    }

    fn registration(&self) -> DatastoreCreate {
        DatastoreCreate {
            name: self.name(),
            engine: self.engine(),
            host: "127.0.0.1".to_owned(),
            port: Some(self.port()),
            username: Some(BACKUP_USER.to_owned()),
            password: Some(Secret::new(BACKUP_PASSWORD)),
            data_directory: None,
            shared_directory: None,
            shared_storage_id: None,
            service: Some(self.service()),
            worker: None,
            storage_id: None,
            project_id: None,
        }
    }
}

impl TestServer for Postgres {
    fn programs(&self) -> Option<PathBuf> {
        Some(self.binaries().to_owned()).filter(|directory| !directory.starts_with("/usr"))
    }
    fn own_log(&self) -> String {
        self.log()
    }
    fn engine(&self) -> Engine {
        Engine::Postgresql
    }
    fn port(&self) -> u16 {
        self.port
    }
    fn data_directory(&self) -> PathBuf {
        self.data_directory.clone()
    }
    fn service(&self) -> Service {
        Service::Command { start: self.start_command(), stop: self.stop_command(), status: Some(self.status_command()) }
    }
    fn write(&self, from: u32, count: u32) {
        let last = from + count - 1;
        self.sql(&format!(
            "create table if not exists items (id int primary key, note text);
             insert into items select n, md5(n::text) from generate_series({from}, {last}) n"
        ))
        .expect("rows are written");
    }
    fn fingerprint(&self) -> String {
        self.sql("select count(*), md5(string_agg(id || note, ',' order by id)) from items").expect("an answer")
    }
    fn takes_writes(&self) -> bool {
        self.sql("create table if not exists touched (at timestamptz); insert into touched values (now()); drop table touched")
            .is_ok()
    }
}

impl TestServer for MariaDb {
    fn own_log(&self) -> String {
        self.log()
    }
    fn engine(&self) -> Engine {
        Engine::Mariadb
    }
    fn port(&self) -> u16 {
        self.port
    }
    fn data_directory(&self) -> PathBuf {
        self.data_directory.clone()
    }
    fn service(&self) -> Service {
        Service::Command { start: self.start_command(), stop: self.stop_command(), status: Some(self.status_command()) }
    }
    fn write(&self, from: u32, count: u32) {
        let last = from + count - 1;
        self.sql(&format!(
            "create database if not exists it; use it;
             create table if not exists items (id int primary key, note varchar(40));
             insert into items select seq, md5(seq) from seq_{from}_to_{last};"
        ))
        .expect("rows are written");
    }
    fn fingerprint(&self) -> String {
        self.sql("select count(*), sum(crc32(concat(id, note))), max(id) from it.items; check table it.items")
            .expect("an answer")
    }
    fn takes_writes(&self) -> bool {
        self.sql("create table it.touched (n int); drop table it.touched").is_ok()
    }
}

impl TestServer for Mysql {
    fn programs(&self) -> Option<PathBuf> {
        Some(self.binaries().to_owned())
    }
    fn own_log(&self) -> String {
        self.log()
    }
    fn engine(&self) -> Engine {
        Engine::Mysql
    }
    fn port(&self) -> u16 {
        self.port
    }
    fn data_directory(&self) -> PathBuf {
        self.data_directory.clone()
    }
    fn service(&self) -> Service {
        Service::Command { start: self.start_command(), stop: self.stop_command(), status: Some(self.status_command()) }
    }
    fn write(&self, from: u32, count: u32) {
        let last = from + count - 1;
        self.sql(&format!(
            "create database if not exists it; use it; set cte_max_recursion_depth = 1000000;
             create table if not exists items (id int primary key, note varchar(64));
             insert into items with recursive n (id) as (select {from} union all select id + 1 from n where id < {last})
             select id, sha2(id, 256) from n;"
        ))
        .expect("rows are written");
    }
    fn fingerprint(&self) -> String {
        self.sql("select count(*), sum(crc32(concat(id, note))), max(id) from it.items; check table it.items")
            .expect("an answer")
    }
    fn takes_writes(&self) -> bool {
        self.sql("create table it.touched (n int); drop table it.touched").is_ok()
    }
}

impl TestServer for KeyValueServer {
    fn own_log(&self) -> String {
        self.log()
    }
    fn engine(&self) -> Engine {
        let info = self.cmd(&["INFO", "server"]).expect("an answer");
        if info.contains("valkey_version") { Engine::Valkey } else { Engine::Redis }
    }
    fn port(&self) -> u16 {
        self.port
    }
    fn data_directory(&self) -> PathBuf {
        self.data_directory.clone()
    }
    fn service(&self) -> Service {
        Service::Command { start: self.start_command(), stop: self.stop_command(), status: Some(self.status_command()) }
    }
    fn write(&self, from: u32, count: u32) {
        let script =
            format!("for n = {from}, {} do redis.call('set', 'key:' .. n, n * 7) end return 1", from + count - 1);
        self.cmd(&["EVAL", &script, "0"]).expect("keys are written");
    }
    fn fingerprint(&self) -> String {
        let script = "local sum = 0 for _, key in ipairs(redis.call('keys', '*')) do sum = sum + redis.call('get', key) end \
                      return tostring(redis.call('dbsize')) .. ' ' .. tostring(sum)";
        self.cmd(&["EVAL", script, "0"]).expect("an answer")
    }
    fn takes_writes(&self) -> bool {
        self.cmd(&["SET", "touched", "1"]).is_ok() && self.cmd(&["DEL", "touched"]).is_ok()
    }
}

pub fn postgres() -> Postgres {
    Postgres::builder().own_system_identifier().start().expect("PostgreSQL starts")
}

/// One that makes incremental backups.
pub fn postgres_18() -> Postgres {
    Postgres::builder().own_system_identifier().version_18().start().expect("PostgreSQL 18 starts")
}

pub fn mariadb() -> MariaDb {
    MariaDb::start().expect("MariaDB starts")
}

pub fn mysql() -> Mysql {
    Mysql::start().unwrap_or_else(|error| panic!("MySQL starts: {error:#}"))
}

/// How the double of SQL Server is registered, with the directory that it shares with the worker.
pub fn sql_server(double: &Mssql, shared: &Path, name: &str) -> DatastoreCreate {
    let path = shared.display().to_string();
    DatastoreCreate {
        name: name.to_owned(),
        engine: Engine::Mssql,
        host: "127.0.0.1".to_owned(),
        port: Some(double.port),
        username: Some(BACKUP_USER.to_owned()),
        password: Some(Secret::new(BACKUP_PASSWORD)),
        data_directory: None,
        shared_directory: Some(SharedDirectory { server_path: path.clone(), worker_path: path }),
        shared_storage_id: None,
        service: None,
        worker: None,
        storage_id: None,
        project_id: None,
    }
}

/// One server of each kind that the product supports.
pub fn all() -> Vec<Box<dyn TestServer>> {
    vec![
        Box::new(postgres()),
        Box::new(mariadb()),
        Box::new(mysql()),
        Box::new(Redis::start().expect("Redis starts")),
        Box::new(Redis::with_aof().expect("Redis starts")),
        Box::new(Valkey::start().expect("Valkey starts")),
        Box::new(Valkey::with_aof().expect("Valkey starts")),
    ]
}
