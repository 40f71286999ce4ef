//! What breaks a line of backups, found before anything is built on it. // F-53

use domain::BackupType;

use super::harness::{Restoring, differential, full, log, try_back_up, unusable};
use super::server::Server;

/// A backup that somebody else makes.
async fn foreign(server: &Server, what: &str, options: &str) {
    let path = server.shared_path("foreign.bak");
    server.sql(&format!("BACKUP {what} [shop] TO DISK = N'{}' WITH INIT{options}", path.display())).await;
    std::fs::remove_file(path).expect("remove it");
}

async fn shop() -> Server {
    let server = Server::double();
    server.create("shop").await;
    server.insert("shop", "1").await;
    server
}

#[tokio::test]
async fn f53_a_foreign_full_backup_breaks_the_base_of_differentials_and_not_the_log() {
    let server = shop().await;
    let base = full(&server.access).await;
    differential(&server.access, &base).await;
    foreign(&server, "DATABASE", "").await;
    let reason = unusable(try_back_up(&server.access, BackupType::Differential, Some(&base)).await);
    assert!(reason.contains("\"shop\"") && reason.contains("somebody else"), "{reason}");
    log(&server.access, &base).await;
}

#[tokio::test]
async fn f53_a_foreign_copy_only_backup_breaks_nothing() {
    let server = shop().await;
    let base = full(&server.access).await;
    foreign(&server, "DATABASE", ", COPY_ONLY").await;
    foreign(&server, "LOG", ", COPY_ONLY").await;
    differential(&server.access, &base).await;
    log(&server.access, &base).await;
}

#[tokio::test]
async fn f53_a_foreign_log_backup_is_a_gap_in_the_log_and_no_harm_to_differentials() {
    let server = shop().await;
    let base = full(&server.access).await;
    server.insert("shop", "2").await;
    foreign(&server, "LOG", "").await;
    let reason = unusable(try_back_up(&server.access, BackupType::Log, Some(&base)).await);
    assert!(reason.contains("gap"), "{reason}");
    differential(&server.access, &base).await;
}

#[tokio::test]
async fn f53_a_recovery_model_that_was_simple_for_a_while_breaks_the_log() {
    let server = shop().await;
    let base = full(&server.access).await;
    server.sql("ALTER DATABASE [shop] SET RECOVERY SIMPLE").await;
    server.sql("ALTER DATABASE [shop] SET RECOVERY FULL").await;
    let reason = unusable(try_back_up(&server.access, BackupType::Log, Some(&base)).await);
    assert!(reason.contains("SIMPLE"), "{reason}");
}

#[tokio::test]
async fn f53_a_database_that_was_restored_is_on_another_fork() {
    let server = shop().await;
    let base = full(&server.access).await;
    Restoring::new(&server.access, &[&base], None).run().await.expect("restore");
    for backup_type in [BackupType::Differential, BackupType::Log] {
        let reason = unusable(try_back_up(&server.access, backup_type, Some(&base)).await);
        assert!(reason.contains("restored"), "{reason}");
    }
    let next = full(&server.access).await;
    log(&server.access, &next).await;
}

#[tokio::test]
async fn a_database_that_is_new_needs_a_full_backup() {
    let server = shop().await;
    let base = full(&server.access).await;
    server.create("new").await;
    let reason = unusable(try_back_up(&server.access, BackupType::Differential, Some(&base)).await);
    assert!(reason.contains("\"new\""), "{reason}");
}

#[tokio::test]
async fn logs_follow_each_other_whatever_full_backups_are_between_them() {
    let server = shop().await;
    let base = full(&server.access).await;
    let first = log(&server.access, &base).await;
    let second_base = full(&server.access).await;
    server.insert("shop", "2").await;
    let second = log(&server.access, &first).await;
    assert_eq!(second.manifest.log_ranges[0].first_lsn, first.manifest.log_ranges[0].last_lsn);
    server.delete_all("shop").await;
    let stop = Some(domain::RecoveryStop::Latest);
    for chain in [vec![&base, &first, &second], vec![&second_base, &second]] {
        Restoring::new(&server.access, &chain, stop.clone()).run().await.expect("restore");
        assert_eq!(server.entries("shop").await, ["1", "2"]);
    }
}

#[tokio::test]
async fn a_line_of_log_backups_holds_the_same_databases_throughout() {
    let server = shop().await;
    server.create("other").await;
    let base = full(&server.access).await;
    let first = log(&server.access, &base).await;
    for sql in ["ALTER DATABASE [other] SET OFFLINE", "DROP DATABASE [other]"] {
        server.sql(sql).await;
        let reason = unusable(try_back_up(&server.access, BackupType::Log, Some(&first)).await);
        assert!(reason.contains("\"other\""), "{reason}");
    }
}
