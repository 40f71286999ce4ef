//! What has to work on any server: written in SQL and backups alone.

use chrono::{DateTime, Utc};

use super::harness::{Restoring, at, differential, full, log, served};
use super::new_databases::copying;
use super::server::Server;

/// More than one tick of the clock of a server's log.
const TICKS: std::time::Duration = std::time::Duration::from_millis(10);

/// Names that have broken some quoting somewhere.
pub const HOSTILE_NAMES: [&str; 6] =
    ["-rf", "a]b", "it's", "two words", "\"; DROP DATABASE [master]--", "Größe 数据 \u{1F600}"];

pub async fn a_full_backup_comes_back_over_what_was_done_since(server: &Server) {
    server.create("scenario").await;
    server.insert("scenario", "1 before").await;
    let backup = full(&server.access).await;
    server.delete_all("scenario").await;
    server.insert("scenario", "2 after").await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    let staged = restoring.run().await.expect("restore");
    assert_eq!(server.entries("scenario").await, ["1 before"]);
    served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
    assert_eq!(names(server).await, ["scenario"]);
    assert_eq!(server.shared_files(), Vec::<String>::new());
    server.insert("scenario", "3 it takes writes").await;
}

pub async fn a_chain_comes_back_to_each_of_its_commits(server: &Server) {
    server.create("chain").await;
    let mut commits: Vec<DateTime<Utc>> = Vec::new();
    let mut commit = async |note: usize| {
        server.insert("chain", &format!("{note:02}")).await;
        // The clock of a server's log has ticks of a 300th of a second.
        tokio::time::sleep(TICKS).await;
        commits.push(Utc::now());
        tokio::time::sleep(TICKS).await;
    };
    commit(0).await;
    let base = full(&server.access).await;
    for note in 1..3 {
        commit(note).await;
    }
    let changed = differential(&server.access, &base).await;
    commit(3).await;
    let first = log(&server.access, &base).await;
    commit(4).await;
    commit(5).await;
    let second = log(&server.access, &first).await;
    server.delete_all("chain").await;

    for (count, stop) in commits.iter().enumerate().skip(3) {
        let links = if count == 3 { vec![&base, &changed, &first] } else { vec![&base, &changed, &first, &second] };
        let restoring = Restoring::new(&server.access, &links, at(*stop));
        let staged = restoring.run().await.unwrap_or_else(|error| panic!("to commit {count}: {error:?}"));
        let expected: Vec<String> = (0..=count).map(|note| format!("{note:02}")).collect();
        assert_eq!(server.entries("chain").await, expected, "to commit {count}");
        served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
    }
}

pub async fn an_undo_brings_back_what_was_replaced(server: &Server) {
    server.create("undone").await;
    server.insert("undone", "1").await;
    let backup = full(&server.access).await;
    server.insert("undone", "2").await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    let staged = restoring.run().await.expect("restore");
    assert_eq!(server.entries("undone").await, ["1"]);
    for _ in 0..2 {
        served().take_back(&restoring.request.place, &staged.state).await.expect("undo");
        assert_eq!(server.entries("undone").await, ["1", "2"]);
    }
    // The line of backups goes on as if nothing had been.
    server.insert("undone", "3").await;
    log(&server.access, &backup).await;
    served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
    assert_eq!(names(server).await, ["undone"]);
}

pub async fn f82_databases_of_any_name_are_backed_up_and_restored(server: &Server) {
    for name in HOSTILE_NAMES {
        server.create(name).await;
        server.insert(name, name).await;
    }
    let backup = full(&server.access).await;
    assert_eq!(backup.streams.keys().next().map(String::as_str), Some("database-000"));
    for name in HOSTILE_NAMES {
        server.delete_all(name).await;
    }
    let restoring = Restoring::new(&server.access, &[&backup], None);
    let staged = restoring.run().await.expect("restore");
    for name in HOSTILE_NAMES {
        assert_eq!(server.entries(name).await, [name]);
    }
    served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
    assert_eq!(names(server).await.len(), HOSTILE_NAMES.len());
}

pub async fn a_database_that_was_dropped_is_made_again(server: &Server) {
    server.create("dropped").await;
    server.insert("dropped", "1").await;
    let backup = full(&server.access).await;
    server.sql("DROP DATABASE [dropped]").await;
    let restoring = Restoring::new(&server.access, &[&backup], None);
    let staged = restoring.run().await.expect("restore");
    assert_eq!(server.entries("dropped").await, ["1"]);
    served().take_back(&restoring.request.place, &staged.state).await.expect("undo");
    served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
    assert_eq!(names(server).await, Vec::<String>::new());
}

pub async fn one_database_of_a_backup_comes_beside_itself_at_an_earlier_time(server: &Server) {
    for name in ["copied", "left"] {
        server.create(name).await;
        server.insert(name, "1").await;
    }
    let base = full(&server.access).await;
    server.insert("copied", "2").await;
    tokio::time::sleep(TICKS).await;
    let stop = Utc::now();
    tokio::time::sleep(TICKS).await;
    server.insert("copied", "3").await;
    let logs = log(&server.access, &base).await;
    let mut restoring = copying(server, &[&base, &logs], &[("copied", "copied as it was")]);
    restoring.request.stop = at(stop);
    let staged = restoring.run().await.expect("restore");
    assert_eq!(server.entries("copied as it was").await, ["1", "2"]);
    assert_eq!(server.entries("copied").await, ["1", "2", "3"]);
    assert_eq!(names(server).await, ["copied", "copied as it was", "left"]);
    // What is there since is no copy's, and the log of the others goes on.
    server.insert("copied as it was", "4").await;
    for _ in 0..2 {
        served().take_back(&restoring.request.place, &staged.state).await.expect("undo");
    }
    served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
    assert_eq!(names(server).await, ["copied", "left"]);
    server.insert("copied", "5").await;
    log(&server.access, &logs).await;
}

pub async fn f82_copies_of_any_name_are_made(server: &Server) {
    server.create("copied").await;
    server.insert("copied", "1").await;
    let backup = full(&server.access).await;
    for name in HOSTILE_NAMES {
        let restoring = copying(server, &[&backup], &[("copied", name)]);
        let staged = restoring.run().await.expect("restore");
        assert_eq!(server.entries(name).await, ["1"]);
        served().discard(&restoring.request.place, Some(&staged.state)).await.expect("discard");
        assert_eq!(server.entries(name).await, ["1"], "the time of the undo is over");
    }
}

async fn names(server: &Server) -> Vec<String> {
    server.databases().await.into_iter().map(|(name, _)| name).collect()
}
