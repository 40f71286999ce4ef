//! A real MySQL whose programs the driver finds.

use std::path::PathBuf;

use domain::Engine;
use domain::assignment::DatastoreAccess;
use testkit::{Mysql, MysqlBuilder};

use super::harness;

pub fn start() -> Mysql {
    start_with(Mysql::builder())
}

pub fn start_with(builder: MysqlBuilder) -> Mysql {
    let server = builder.start().unwrap_or_else(|error| panic!("MySQL does not start: {error:#}"));
    engines::look_for_programs_in(Engine::Mysql, vec![server.binaries().to_owned()]);
    server
}

pub fn access(server: &Mysql) -> DatastoreAccess {
    harness::access(Engine::Mysql, server.port)
}

/// What lies beside the data directory and was not there when the server started.
pub fn left_beside(server: &Mysql) -> Vec<PathBuf> {
    let parent = server.data_directory.parent().expect("a parent");
    let known = ["data", "run", "log", "etc"];
    std::fs::read_dir(parent)
        .expect("list")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| !known.iter().any(|name| path.ends_with(name)))
        .collect()
}

/// Rows 1 to `count` of `shop.t`.
pub fn fill(server: &Mysql, count: u32) {
    server
        .sql(&format!(
            "create database shop; use shop; set cte_max_recursion_depth = 100000; \
             create table t (id int primary key, v varchar(5000)); \
             insert into t with recursive n (id) as (select 1 union all select id + 1 from n where id < {count}) \
             select id, repeat('x', 2000) from n"
        ))
        .expect("fill");
}

pub fn told(error: engines::EngineError) -> (domain::ErrorCode, String) {
    let error = error.to_job_error();
    (error.code, error.detail)
}
