//! One module per database engine behind one trait: what it can do, how to back it up, how to prepare, check and launch
//! what was restored. Engines know nothing of HTTP, and nothing of where backups are kept: the worker joins them to the vault.
//!
//! A new engine is one new module and one line in [`driver_for`].

mod data_directory;
mod driver;
mod error;
mod feed;
mod logs;
mod mariadb;
mod mssql;
mod my_family;
mod mysql;

mod postgresql;
mod private_directory;
mod problem;
mod program_directories;
mod redis;
mod served;
pub mod service;
mod shell;
mod unpack_tar;
mod wire;

pub use driver::{
    BackupFacts, BackupRequest, ConfigurationSource, Driver, LogSink, OutputStream, Parent, Probe, RunningBackup,
    Staging, StreamSpec, Unpack,
};
pub use error::EngineError;
pub use logs::{LogFile, LogLook, LogReceiver, LogReplay, LogRequest, LogScanRequest, LogStart, Reached};
pub use mysql::find_program as find_mysql_program;
pub use program_directories::look_for_programs_in;
pub use served::{
    ServedPlace, ServedPlan, ServedProgress, ServedRequest, ServedRestore, ServedState, Staged, StreamSource,
};

use domain::Engine;

/// The module for an engine, or `None` where it is not supported yet.
pub fn driver_for(engine: Engine) -> Option<&'static dyn Driver> {
    match engine {
        Engine::Postgresql => Some(&postgresql::Postgresql),
        Engine::Mariadb => Some(&mariadb::Mariadb),
        Engine::Redis => Some(&redis::REDIS),
        Engine::Valkey => Some(&redis::VALKEY),
        Engine::Mysql => Some(&mysql::Mysql),
        Engine::Mssql => Some(&mssql::Mssql),
    }
}
