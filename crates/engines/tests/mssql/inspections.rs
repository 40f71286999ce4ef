//! What an inspection of the double finds, each with its remedy. // F-56

use domain::{BackupType, DatastoreStatus, FindingSeverity, Inspection, Secret};
use tokio_util::sync::CancellationToken;

use super::harness::driver;
use super::server::Server;

async fn inspect(server: &Server) -> Inspection {
    driver().inspect(&server.access, &CancellationToken::new()).await
}

fn found<'inspection>(inspection: &'inspection Inspection, part: &str) -> &'inspection domain::Finding {
    let finding = inspection.findings.iter().find(|finding| finding.detail.contains(part));
    finding.unwrap_or_else(|| panic!("{part} in {:#?}", inspection.findings))
}

#[tokio::test]
async fn a_server_that_has_all_is_told_to_and_that_it_was_tested_on_a_double_alone() {
    let server = Server::double();
    server.create("shop").await;
    let inspection = inspect(&server).await;
    assert_eq!(inspection.status, DatastoreStatus::Online);
    let types = &inspection.capabilities.methods[0].types;
    assert_eq!(*types, [BackupType::Full, BackupType::Differential, BackupType::Log]);
    assert!(inspection.capabilities.restore_in_place && inspection.capabilities.point_in_time_recovery);
    assert!(!inspection.findings.iter().any(|finding| finding.severity == FindingSeverity::Error));
    found(&inspection, "tested against a double of its wire protocol, not against a real server");
    assert!(inspection.server_identity.is_some() && inspection.data_size_bytes > Some(0));
    assert_eq!(server.shared_files(), Vec::<String>::new());
}

#[tokio::test]
async fn simple_recovery_is_found_with_the_statement_that_changes_it() {
    let server = Server::double();
    server.create("sh]op").await;
    server.fake().set_recovery("sh]op", "SIMPLE");
    let inspection = inspect(&server).await;
    let finding = found(&inspection, "SIMPLE");
    assert_eq!(finding.remedy.as_deref(), Some("ALTER DATABASE [sh]]op] SET RECOVERY FULL;"));
    assert!(!inspection.capabilities.point_in_time_recovery);
    assert!(!inspection.capabilities.makes(BackupType::Log));
    assert!(inspection.capabilities.restore_in_place);
}

#[tokio::test]
async fn each_missing_permission_is_found_with_its_grant() {
    for permission in [
        "CREATE ANY DATABASE",
        "ALTER ANY DATABASE",
        "CONNECT ANY DATABASE",
        "VIEW ANY DEFINITION",
        "VIEW SERVER STATE",
    ] {
        let server = Server::double();
        server.create("shop").await;
        server.fake().deny(None, permission);
        let inspection = inspect(&server).await;
        let remedy = found(&inspection, permission).remedy.clone().expect("a remedy");
        assert!(remedy.starts_with(&format!("GRANT {permission} TO [holdfast];")), "{remedy}");
        assert!(!inspection.capabilities.restore_in_place);
        // Backups are read again when they were made.
        let makes_backups = permission != "CREATE ANY DATABASE";
        assert_eq!(inspection.capabilities.makes(BackupType::Full), makes_backups, "{permission}");
    }
}

#[tokio::test]
async fn a_shared_directory_that_is_not_one_is_found() {
    let mut server = Server::double();
    server.create("shop").await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let shared = server.access.shared_directory.as_mut().expect("shared");
    shared.server_path = elsewhere.path().display().to_string();
    let inspection = inspect(&server).await;
    found(&inspection, "The server does not see");
    assert!(inspection.capabilities.methods.is_empty() && !inspection.capabilities.restore_in_place);
}

#[tokio::test]
async fn a_wrong_password_is_found_with_the_statement_that_sets_another() {
    let mut server = Server::double();
    server.access.password = Some(Secret::new("wrong"));
    let inspection = inspect(&server).await;
    assert_eq!(inspection.status, DatastoreStatus::Offline);
    assert!(
        inspection.findings[0].remedy.as_deref().is_some_and(|remedy| remedy.starts_with("ALTER LOGIN [holdfast]"))
    );
}

#[tokio::test]
async fn another_program_at_the_address_is_no_sql_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let mut server = Server::double();
    server.access.port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().expect("accept");
        stream.write_all(b"-ERR unknown command, this is something else\r\n").expect("write");
    });
    let inspection = inspect(&server).await;
    assert!(inspection.refusal.is_some(), "{inspection:?}");
}
