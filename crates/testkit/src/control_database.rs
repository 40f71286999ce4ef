//! An empty PostgreSQL database for each test of the control database.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::Postgres;

/// The role that owns the control databases. No superuser: what the service needs must not need one.
const OWNER: &str = "holdfast_control";
const OWNER_PASSWORD: &str = "control";

/// One server for all tests of this process; it ends with the process.
static SERVER: Mutex<Option<Postgres>> = Mutex::new(None);
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database that nobody else uses, removed on drop with whatever is connected to it.
#[derive(Debug)]
pub struct ControlDatabase {
    /// `postgres://…`, as `DATABASE_URL` takes it.
    pub url: String,
    name: String,
}

/// Creates an empty database owned by a plain role, in a PostgreSQL server that this process's tests share.
///
/// Panics when there is no server to be had: the test has nothing to run on.
#[track_caller]
pub fn control_database() -> ControlDatabase {
    match create() {
        Ok(database) => database,
        Err(error) => panic!("no control database on PostgreSQL: {error:#}"),
    }
}

fn create() -> Result<ControlDatabase> {
    let name = format!("control_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let port = with_server(|server| {
        server.sql(&format!("create database {name} owner {OWNER}"))?;
        Ok(server.port)
    })?;
    Ok(ControlDatabase { url: format!("postgres://{OWNER}:{OWNER_PASSWORD}@127.0.0.1:{port}/{name}"), name })
}

fn with_server<T>(act: impl FnOnce(&Postgres) -> Result<T>) -> Result<T> {
    let mut server = SERVER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(server) = server.as_ref() {
        return act(server);
    }
    let new = Postgres::builder().setting("max_connections", "200").start()?;
    new.sql(&format!("create role {OWNER} login password '{OWNER_PASSWORD}'"))?;
    act(server.insert(new))
}

impl Drop for ControlDatabase {
    fn drop(&mut self) {
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        if let Err(error) = with_server(|server| server.sql(&drop_it)) {
            eprintln!("testkit: {drop_it}: {error:#}");
        }
    }
}
