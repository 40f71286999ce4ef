//! Real database servers for tests, and the places and faults that tests of backups need.
//!
//! Every server runs on a free loopback port, in a private temporary directory, as its own system user when the test is
//! root and as the person otherwise. Invariant: nothing outlives the test. A value that is dropped takes its processes,
//! mounts and files along, and a guardian process does the same for a test process that was killed.
//!
//! The interface is blocking and knows no async runtime: asynchronous tests call it where they set up and tear down.
//! This crate uses none of our other crates, so each of them can use it in tests.

mod authority;
mod bucket_service;
mod cache;
mod command;
mod control_database;
mod instance;
mod key_value;
mod mariadb;
mod mssql;
mod mysql;
mod mysql_binaries;
mod ports;
mod postgres;
mod postgres_binaries;
mod processes;
mod scratch;
mod spawner;
mod system_user;
mod template;
mod tmpfs;
mod valkey_binary;
mod wait;
mod wheel;

pub use authority::authority_pem;
pub use bucket_service::{BUCKET, BUCKET_KEY_ID, BUCKET_SECRET, BucketService};
pub use control_database::{ControlDatabase, control_database};
pub use key_value::{KeyValueBuilder, KeyValueServer, Redis, Valkey};
pub use mariadb::{MariaDb, MariaDbBuilder};
pub use mssql::{Cut as MssqlCut, Mssql, MssqlBuilder};
pub use mysql::{Mysql, MysqlBuilder};
pub use mysql_binaries::{MysqlBinaries, mysql};
pub use ports::free_port;
pub use postgres::{Postgres, PostgresBuilder};
pub use postgres_binaries::postgresql_18;
pub use processes::processes_below;
pub use scratch::scratch_directory;
pub use tmpfs::Tmpfs;
pub use valkey_binary::valkey_server;
pub use wait::wait_until;

/// The name of the account that backups are made with, in every engine.
pub const BACKUP_USER: &str = "holdfast";

/// Its password: every character here has broken some quoting somewhere (option files, `PGPASSFILE`, shells, SQL).
pub const BACKUP_PASSWORD: &str = r#"p'w"d$(x) :#%\z;\"#;
