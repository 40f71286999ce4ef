//! Backups of the double, and what must make one fail.

use std::time::Duration;

use domain::{BackupType, ErrorCode, Secret, SharedDirectory};
use testkit::{Mssql, wait_until};

use super::harness::{Log, driver, full, request, told, try_back_up};
use super::server::Server;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn each_database_is_a_stream_and_the_facts_tell_which() {
    let server = Server::double();
    for name in ["one", "two"] {
        server.create(name).await;
    }
    server.fake().set_padding("two", 3 << 20);
    let made = full(&server.access).await;
    let facts = &made.manifest.engine_facts;
    assert_eq!((facts["database-000"].as_str(), facts["database-001"].as_str()), ("one", "two"));
    assert!(facts["database-001.files"].contains("two_log"), "{facts:?}");
    assert!(made.streams["database-001"].len() > 3 << 20);
    let ranges = &made.manifest.log_ranges;
    assert_eq!(ranges.iter().map(|range| range.database.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(ranges[0].first_lsn < ranges[0].last_lsn && !ranges[0].is_copy_only);
    assert!(made.manifest.server_identity.is_some());
    assert!(
        made.manifest.command_line[0].contains("WITH FORMAT, INIT, CHECKSUM, COMPRESSION"),
        "{:?}",
        made.manifest.command_line
    );
    assert_eq!(server.shared_files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_edition_that_does_not_compress_is_not_asked_to() {
    let server = Server::start(Mssql::builder().edition("Express Edition (64-bit)", 4));
    server.create("shop").await;
    let made = full(&server.access).await;
    assert!(!made.manifest.command_line[0].contains("COMPRESSION"), "{:?}", made.manifest.command_line);
}

#[tokio::test]
async fn databases_in_simple_recovery_are_in_full_backups_and_in_no_log_backup() {
    let server = Server::double();
    for name in ["kept", "simple"] {
        server.create(name).await;
    }
    server.fake().set_recovery("simple", "SIMPLE");
    let base = full(&server.access).await;
    assert_eq!(base.streams.len(), 2);
    let log = try_back_up(&server.access, BackupType::Log, Some(&base)).await.expect("a log backup");
    assert_eq!(log.manifest.log_ranges.len(), 1);
    assert_eq!(base.manifest.log_ranges.iter().map(|range| range.keeps_log).collect::<Vec<_>>(), [true, false]);
    server.fake().set_recovery("kept", "SIMPLE");
    let refused = try_back_up(&server.access, BackupType::Log, Some(&base)).await.expect_err("nothing to back up");
    assert_eq!(told(&refused).0, ErrorCode::ServerSettingMissing);
}

#[tokio::test]
async fn a_wrong_password_is_told_with_the_statement_that_sets_another() {
    let server = Server::double();
    let mut access = server.access.clone();
    access.password = Some(Secret::new("wrong"));
    let (code, detail) = told(&try_back_up(&access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::AuthenticationFailed);
    assert!(detail.contains("18456") && detail.contains("ALTER LOGIN [holdfast]"), "{detail}");
}

#[tokio::test]
async fn f56_a_permission_that_is_missing_is_told_with_the_statement_that_gives_it() {
    let server = Server::double();
    server.create("sh]op").await;
    server.fake().deny(Some("sh]op"), "BACKUP DATABASE");
    let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::MissingPrivilege);
    assert!(detail.contains("USE [sh]]op]; CREATE USER [holdfast]"), "{detail}");
}

#[tokio::test]
async fn f54_another_server_at_the_address_is_refused() {
    let server = Server::double();
    server.create("shop").await;
    let mut access = server.access.clone();
    access.server_identity = Some("another".into());
    let refused = try_back_up(&access, BackupType::Full, None).await.expect_err("another");
    assert_eq!(told(&refused).0, ErrorCode::ServerIdentityChanged);
}

#[tokio::test]
async fn directories_that_are_not_the_same_are_told_apart_before_anything_is_backed_up() {
    let server = Server::double();
    server.create("shop").await;
    let mut access = server.access.clone();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let worker_path = access.shared_directory.as_ref().expect("shared").worker_path.clone();
    access.shared_directory =
        Some(SharedDirectory { server_path: elsewhere.path().display().to_string(), worker_path });
    let (code, detail) = told(&try_back_up(&access, BackupType::Full, None).await.expect_err("not the same"));
    assert_eq!(code, ErrorCode::ServerSettingMissing);
    assert!(detail.contains("does not see") && detail.contains("Cannot open backup device"), "{detail}");
    access.shared_directory = None;
    let refused = try_back_up(&access, BackupType::Full, None).await.expect_err("none");
    assert_eq!(told(&refused).0, ErrorCode::ServerSettingMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_backup_that_is_dropped_half_way_leaves_no_file_and_no_session() {
    let server = Server::double();
    server.create("shop").await;
    server.fake().hold_backups(true);
    let access = server.access.clone();
    let job = tokio::spawn(async move { try_back_up(&access, BackupType::Full, None).await.map(drop) });
    tokio::task::block_in_place(|| wait_until("a backup runs", PATIENCE, || server.fake().is_backing_up()));
    assert_eq!(server.shared_files().len(), 1, "half a backup");
    job.abort();
    let _ = job.await;
    let double = server.fake();
    tokio::task::block_in_place(|| wait_until("its session ends", PATIENCE, || double.session_count() == 0));
    assert_eq!(server.shared_files(), Vec::<String>::new());
    double.hold_backups(false);
    full(&server.access).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_cancelled_backup_ends_and_leaves_no_file() {
    let server = Server::double();
    server.create("shop").await;
    server.fake().hold_backups(true);
    let request = request(&server.access, BackupType::Full, None, &Log::default());
    let cancel = request.cancel.clone();
    let mut running = driver().backup(request).await.expect("start");
    let job = tokio::spawn(async move { running.next_stream().await.map(drop) });
    tokio::task::block_in_place(|| wait_until("a backup runs", PATIENCE, || server.fake().is_backing_up()));
    cancel.cancel();
    assert!(job.await.expect("no panic").expect_err("cancelled").is_cancelled());
    assert_eq!(server.shared_files(), Vec::<String>::new());
}

#[tokio::test]
async fn i5_what_a_killed_worker_left_goes_with_the_next_backup_and_others_files_stay() {
    let server = Server::double();
    server.create("shop").await;
    let left = server.shared_path(&format!("holdfast-{}-left.bak", server.access.id));
    let foreign = server.shared_path("somebody.bak");
    for path in [&left, &foreign] {
        std::fs::write(path, "x").expect("write");
    }
    full(&server.access).await;
    assert_eq!(server.shared_files(), ["somebody.bak"]);
}

#[tokio::test]
async fn a_server_without_databases_has_nothing_to_back_up() {
    let server = Server::double();
    let refused = try_back_up(&server.access, BackupType::Full, None).await.expect_err("nothing");
    assert_eq!(told(&refused).0, ErrorCode::ServerSettingMissing);
}

#[tokio::test]
async fn a_server_that_encrypts_is_backed_up_over_an_encrypted_connection() {
    let server = Server::start(Mssql::builder().encrypting());
    server.fake().create_database("shop");
    server.fake().set_padding("shop", 100_000);
    full(&server.access).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_how_far_a_long_backup_is() {
    let server = Server::double();
    server.create("shop").await;
    server.fake().hold_backups(true);
    let log = Log::default();
    let mut running = driver().backup(request(&server.access, BackupType::Full, None, &log)).await.expect("start");
    let job = tokio::spawn(async move { running.next_stream().await.map(drop) });
    let told = || log.text().contains("Backing up \"shop\": 40 %");
    tokio::task::block_in_place(|| wait_until("it is told", PATIENCE, told));
    server.fake().hold_backups(false);
    job.await.expect("no panic").expect("it goes on");
}
