//! Every lack is found before the first backup, and told with what mends it. // F-56

use std::fs;

use domain::{BackupType, DatastoreStatus, ErrorCode, FindingSeverity, Inspection, Method, Secret, Service};
use testkit::{MariaDb, Postgres, Redis, free_port, scratch_directory};

use crate::setup::*;

fn can_back_up(inspection: &Inspection) -> bool {
    inspection.capabilities.methods.iter().any(|known| known.method == Method::PgBasebackup)
}

#[tokio::test]
async fn a_server_as_it_should_be() {
    let server = Postgres::start().unwrap();
    server.sql("create database \"naïve -rf $(reboot) 'x'\"").unwrap();
    let inspection = inspect(&access(&server)).await;
    assert_eq!(inspection.status, DatastoreStatus::Online);
    assert!(inspection.findings.iter().all(|f| f.severity == FindingSeverity::Ok), "{:#?}", inspection.findings);
    assert!(server.sql("show server_version").unwrap().starts_with(inspection.engine_version.as_deref().unwrap()));
    assert_eq!(inspection.data_directory.as_deref(), server.data_directory.to_str());
    let identifier = server.sql("select system_identifier from pg_control_system()").unwrap();
    assert_eq!(inspection.server_identity.as_deref(), Some(identifier.as_str()));
    assert!(inspection.data_size_bytes.unwrap() > 1 << 20);
    assert_eq!(inspection.capabilities.methods[0].types, [BackupType::Full]);
    assert!(inspection.capabilities.restore_in_place && inspection.capabilities.restore_in_place_reason.is_none());
    assert!(inspection.capabilities.point_in_time_recovery, "{:#?}", inspection.findings);
    assert_eq!(inspection.capabilities.point_in_time_recovery_reason, None);
    assert!(inspection.refusal.is_none());
    assert_eq!(driver().check_data_directory(&server.data_directory).map_err(|e| e.to_string()), Ok(()));
}

#[tokio::test]
async fn nobody_there_and_a_wrong_password() {
    let server = Postgres::start().unwrap();
    let mut datastore = access(&server);
    datastore.password = Some(Secret::new("wrong"));
    let inspection = inspect(&datastore).await;
    assert_eq!(inspection.status, DatastoreStatus::Offline);
    assert!(finding(&inspection, "authentication_failed").detail.contains("password authentication failed"));
    datastore.password = None;
    finding(&inspect(&datastore).await, "authentication_failed");

    datastore.port = free_port();
    let inspection = inspect(&datastore).await;
    assert!(finding(&inspection, "host_unreachable").detail.contains(&datastore.port.to_string()));
    assert!(inspection.refusal.is_none(), "it may be saved and mended later");
    datastore.host = "no-such-host.invalid".into();
    finding(&inspect(&datastore).await, "host_unreachable");
}

#[tokio::test]
async fn another_engine_is_named_and_gets_no_password() {
    let (redis, mariadb) = (Redis::start().unwrap(), MariaDb::start().unwrap());
    let server = Postgres::start().unwrap();
    for (port, name) in [(redis.port, "Redis"), (mariadb.port, "MariaDB")] {
        let mut datastore = access(&server);
        datastore.port = port;
        let inspection = inspect(&datastore).await;
        let detail = &finding(&inspection, "engine_mismatch").detail;
        assert!(detail.contains(name), "{detail}");
        assert_eq!(inspection.refusal.unwrap().code, ErrorCode::EngineMismatch);
    }
}

#[tokio::test]
async fn each_missing_privilege_is_told_with_its_statement_which_works() {
    let server = Postgres::start().unwrap();
    server.sql("create role \"B k\" login password 'x'").unwrap();
    let mut datastore = access(&server);
    datastore.username = Some("B k".into());
    datastore.password = Some(Secret::new("x"));

    let inspection = inspect(&datastore).await;
    assert_eq!(inspection.status, DatastoreStatus::Online);
    assert!(!can_back_up(&inspection) && inspection.data_directory.is_none());
    let remedies: Vec<_> = inspection
        .findings
        .iter()
        .filter(|finding| finding.code == "missing_privilege")
        .map(|finding| finding.remedy.clone().unwrap())
        .collect();
    assert_eq!(remedies, ["ALTER ROLE \"B k\" REPLICATION;", "GRANT pg_read_all_settings TO \"B k\";"]);
    for remedy in remedies {
        server.sql(&remedy).unwrap();
    }
    let inspection = inspect(&datastore).await;
    assert!(can_back_up(&inspection) && inspection.capabilities.restore_in_place, "{:#?}", inspection.findings);
}

#[tokio::test]
async fn a_data_directory_that_was_given_needs_no_privilege_but_must_be_the_servers() {
    let server = Postgres::start().unwrap();
    server.sql("revoke pg_read_all_settings from holdfast").unwrap();
    let mut datastore = access(&server);
    datastore.data_directory = Some(server.data_directory.display().to_string());
    let inspection = inspect(&datastore).await;
    assert!(inspection.capabilities.restore_in_place, "{:#?}", inspection.findings);

    let other = Postgres::builder().own_system_identifier().start().unwrap();
    datastore.data_directory = Some(other.data_directory.display().to_string());
    let inspection = inspect(&datastore).await;
    finding(&inspection, "data_directory_mismatch");
    assert!(can_back_up(&inspection) && !inspection.capabilities.restore_in_place);

    // A copy has the same identifier; the server's own word tells.
    let copy = Postgres::start().unwrap();
    server.sql("grant pg_read_all_settings to holdfast").unwrap();
    datastore.data_directory = Some(copy.data_directory.display().to_string());
    finding(&inspect(&datastore).await, "data_directory_mismatch");

    datastore.data_directory = Some("/nonexistent/data".into());
    let inspection = inspect(&datastore).await;
    finding(&inspection, "data_directory_inaccessible");
    assert!(inspection.capabilities.restore_in_place_reason.unwrap().contains("/nonexistent/data"));
}

#[tokio::test]
async fn f63_only_a_real_data_directory_can_be_replaced() {
    let server = Postgres::start().unwrap();
    let code = |path: &std::path::Path| driver().check_data_directory(path).unwrap_err().code();
    let place = scratch_directory("wrong").unwrap();
    let link = place.join("link");
    std::os::unix::fs::symlink(&server.data_directory, &link).unwrap();
    assert_eq!(code(&link), ErrorCode::DataDirectoryMismatch);
    assert_eq!(code(&place), ErrorCode::DataDirectoryMismatch);
    assert_eq!(code(&server.data_directory.join("PG_VERSION")), ErrorCode::DataDirectoryMismatch);
    assert_eq!(code(&place.join("nothing")), ErrorCode::DataDirectoryInaccessible);
    assert_eq!(code(std::path::Path::new("data")), ErrorCode::DataDirectoryMismatch);
    fs::remove_dir_all(place).unwrap();
}

#[tokio::test]
async fn no_service_no_restore_in_place() {
    let server = Postgres::start().unwrap();
    let mut datastore = access(&server);
    datastore.service = Service::None;
    let inspection = inspect(&datastore).await;
    finding(&inspection, "service_control_missing");
    assert!(can_back_up(&inspection) && !inspection.capabilities.restore_in_place);
}

#[tokio::test]
async fn extra_tablespaces_are_refused_by_name() {
    let server = Postgres::start().unwrap();
    let directory = server.data_directory.with_file_name("space");
    fs::create_dir(&directory).unwrap();
    let owner = process::Credentials::of_owner(&server.data_directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(owner.uid), Some(owner.gid)).unwrap();
    server.sql(&format!("create tablespace \"fast disk\" location '{}'", directory.display())).unwrap();
    let inspection = inspect(&access(&server)).await;
    let refusal = inspection.refusal.unwrap();
    assert_eq!(refusal.code, ErrorCode::TablespacesUnsupported);
    assert!(refusal.detail.contains("\"fast disk\""), "{}", refusal.detail);
    let error = start_backup(&access(&server), &Log::default(), &Default::default()).await.err().unwrap();
    assert_eq!(error.code(), ErrorCode::TablespacesUnsupported);
}

#[tokio::test]
async fn a_missing_replication_line_is_given_to_copy_and_works() {
    let server = Postgres::start().unwrap();
    let file = server.data_directory.join("pg_hba.conf");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("all,replication", "all")).unwrap();
    server.sql("select pg_reload_conf()").unwrap();
    let inspection = inspect(&access(&server)).await;
    assert!(!can_back_up(&inspection));
    let found = finding(&inspection, "server_setting_missing");
    assert_eq!(found.remedy.as_deref(), Some("host  replication  \"holdfast\"  127.0.0.1/32  scram-sha-256"));
    assert!(found.detail.contains(file.to_str().unwrap()), "{}", found.detail);

    let mended = format!("{}{}\n", fs::read_to_string(&file).unwrap(), found.remedy.as_deref().unwrap());
    fs::write(&file, mended).unwrap();
    server.sql("select pg_reload_conf()").unwrap();
    let inspection = inspect(&access(&server)).await;
    assert!(can_back_up(&inspection), "{:#?}", inspection.findings);

    // No line at all.
    fs::write(&file, good.lines().filter(|line| !line.starts_with("host")).collect::<Vec<_>>().join("\n")).unwrap();
    server.sql("select pg_reload_conf()").unwrap();
    let inspection = inspect(&access(&server)).await;
    let remedy = finding(&inspection, "authentication_failed").remedy.clone();
    assert_eq!(remedy.as_deref(), Some("host  all  \"holdfast\"  127.0.0.1/32  scram-sha-256"));
}

#[tokio::test]
async fn settings_that_stand_in_the_way_are_named() {
    let server = Postgres::builder().setting("wal_level", "minimal").setting("max_wal_senders", "0").start().unwrap();
    let inspection = inspect(&access(&server)).await;
    let remedies: Vec<_> = inspection.findings.iter().filter_map(|finding| finding.remedy.as_deref()).collect();
    assert_eq!(remedies, ["ALTER SYSTEM SET wal_level = 'replica';", "ALTER SYSTEM SET max_wal_senders = 10;"]);
    for remedy in remedies {
        server.sql(remedy).unwrap();
    }
    server.restart().unwrap();
    assert!(can_back_up(&inspect(&access(&server)).await));
}

#[tokio::test]
async fn f56_what_archiving_the_log_lacks_is_told_with_its_statement_which_works() {
    let server =
        Postgres::builder().setting("max_wal_senders", "1").setting("max_replication_slots", "0").start().unwrap();
    let inspection = inspect(&access(&server)).await;
    assert!(!inspection.capabilities.point_in_time_recovery);
    assert!(inspection.capabilities.point_in_time_recovery_reason.unwrap().contains("replication slots"));
    let remedies: Vec<_> = inspection.findings.iter().filter_map(|finding| finding.remedy.clone()).collect();
    assert_eq!(
        remedies,
        ["ALTER SYSTEM SET max_replication_slots = 10;", "ALTER SYSTEM SET max_wal_senders = 10;"],
        "{:#?}",
        inspection.findings
    );
    for remedy in remedies {
        server.sql(&remedy).unwrap();
    }
    server.restart().unwrap();
    assert!(inspect(&access(&server)).await.capabilities.point_in_time_recovery);
}
