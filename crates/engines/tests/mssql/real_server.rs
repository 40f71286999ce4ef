//! The scenarios on a real SQL Server. Never run where Holdfast is made: there is none. To run them, give an empty server and a
//! directory that it shares with this machine:
//!
//! ```text
//! HOLDFAST_TEST_MSSQL_URL='mssql://user:password@host:1433/?server_path=/var/opt/mssql/holdfast&worker_path=/srv/holdfast' \
//!     cargo test --package engines --test mssql -- --ignored --test-threads 1 real_server
//! ```

use domain::{Secret, SharedDirectory};

use super::scenarios;
use super::server::Server;

/// The server of the environment. Databases of the scenarios are dropped from it.
async fn server() -> Server {
    let url = std::env::var("HOLDFAST_TEST_MSSQL_URL").expect("HOLDFAST_TEST_MSSQL_URL");
    let (address, query) = url.trim_start_matches("mssql://").split_once("/?").expect("a query");
    let (login, host) = address.rsplit_once('@').expect("a login");
    let (user, password) = login.split_once(':').expect("a password");
    let (host, port) = host.rsplit_once(':').expect("a port");
    let path = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.unwrap_or_else(|| panic!("{name} in the query")).to_owned()
    };
    let mut access = Server::double().access;
    access.host = host.to_owned();
    access.port = port.parse().expect("a number");
    access.username = Some(user.to_owned());
    access.password = Some(Secret::new(password));
    access.shared_directory =
        Some(SharedDirectory { server_path: path("server_path"), worker_path: path("worker_path") });
    let server = Server::real(access);
    let names = ["scenario", "chain", "undone", "dropped", "copied", "left", "copied as it was"];
    for name in names.iter().chain(&scenarios::HOSTILE_NAMES) {
        server.sql(&format!("DROP DATABASE IF EXISTS {}", super::server::quoted(name))).await;
    }
    server
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn a_full_backup_comes_back_over_what_was_done_since() {
    scenarios::a_full_backup_comes_back_over_what_was_done_since(&server().await).await;
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn a_chain_comes_back_to_each_of_its_commits() {
    scenarios::a_chain_comes_back_to_each_of_its_commits(&server().await).await;
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn an_undo_brings_back_what_was_replaced() {
    scenarios::an_undo_brings_back_what_was_replaced(&server().await).await;
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn f82_databases_of_any_name_are_backed_up_and_restored() {
    scenarios::f82_databases_of_any_name_are_backed_up_and_restored(&server().await).await;
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn a_database_that_was_dropped_is_made_again() {
    scenarios::a_database_that_was_dropped_is_made_again(&server().await).await;
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn one_database_of_a_backup_comes_beside_itself_at_an_earlier_time() {
    scenarios::one_database_of_a_backup_comes_beside_itself_at_an_earlier_time(&server().await).await;
}

#[tokio::test]
#[ignore = "needs a real SQL Server"]
async fn f82_copies_of_any_name_are_made() {
    scenarios::f82_copies_of_any_name_are_made(&server().await).await;
}
