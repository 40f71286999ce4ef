//! Prepared backups of MariaDB, and what a server on replayed data says.

use domain::{Engine, Method};
use engines::Staging;
use testkit::MariaDb;

use super::archive::Prepared;
use super::harness::access;

pub async fn prepared(server: &MariaDb) -> Prepared {
    Prepared::of(access(Engine::Mariadb, server.port), Method::Mariabackup, &server.data_directory).await
}

/// Asks a server on replayed data, which is used up.
pub fn ask_restored(staging: &Staging, sql: &str) -> String {
    let server = MariaDb::builder().on_data(&staging.directory).start().expect("start on the restored data");
    let answer = server.sql(sql).expect("ask");
    drop(server);
    answer
}
