//! What an inspection of a real server says, and what it says is missing. // F-56

use domain::{DatastoreStatus, Engine, ErrorCode, FindingSeverity, Inspection, Method, Secret, Service};
use testkit::MariaDb;
use tokio_util::sync::CancellationToken;

use super::harness::*;

async fn inspect(access: &domain::assignment::DatastoreAccess) -> Inspection {
    driver(Engine::Mariadb).inspect(access, &CancellationToken::new()).await
}

fn only_error(inspection: &Inspection) -> (&str, &str) {
    let errors: Vec<_> =
        inspection.findings.iter().filter(|finding| finding.severity == FindingSeverity::Error).collect();
    assert_eq!(errors.len(), 1, "{:?}", inspection.findings);
    (&errors[0].code, errors[0].remedy.as_deref().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_in_order_has_no_complaints() {
    let server = MariaDb::start().expect("start");
    let inspection = inspect(&access(Engine::Mariadb, server.port)).await;
    assert_eq!(inspection.status, DatastoreStatus::Online);
    assert!(inspection.findings.iter().all(|finding| finding.severity == FindingSeverity::Ok), "{inspection:?}");
    assert_eq!(inspection.data_directory, Some(server.data_directory.display().to_string()));
    assert!(inspection.engine_version.as_deref().is_some_and(|version| version.contains("MariaDB")));
    assert!(inspection.server_identity.is_some());
    assert!(inspection.data_size_bytes.is_some_and(|bytes| bytes > 1 << 20));
    assert_eq!(inspection.capabilities.methods[0].method, Method::Mariabackup);
    assert!(inspection.capabilities.restore_in_place);
    assert!(inspection.capabilities.point_in_time_recovery);
    assert_eq!(inspection.capabilities.point_in_time_recovery_reason, None);
    assert_eq!(inspection.refusal, None);

    let identity = inspection.server_identity;
    server.restart().expect("restart");
    assert_eq!(inspect(&access(Engine::Mariadb, server.port)).await.server_identity, identity);
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_each_missing_grant_is_named_with_its_statement() {
    let server = MariaDb::start().expect("start");
    let access = access(Engine::Mariadb, server.port);
    for privilege in ["RELOAD", "PROCESS", "BINLOG MONITOR"] {
        server.sql(&format!("revoke {privilege} on *.* from 'holdfast'@'localhost'")).expect("revoke");
        let inspection = inspect(&access).await;
        let (code, remedy) = only_error(&inspection);
        assert_eq!(code, "missing_privilege");
        assert_eq!(remedy, format!("GRANT {privilege} ON *.* TO 'holdfast'@'localhost';"));
        assert_eq!(inspection.capabilities.methods, []);
        assert_eq!(inspection.status, DatastoreStatus::Online);
        server.sql(remedy).expect("the statement mends it");
        assert!(inspect(&access).await.findings.iter().all(|finding| finding.severity == FindingSeverity::Ok));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_what_point_in_time_recovery_lacks_is_told() {
    let warnings = |inspection: &Inspection| {
        let is_warning = |finding: &&domain::Finding| finding.severity == FindingSeverity::Warning;
        let told = inspection.findings.iter().filter(is_warning);
        told.map(|finding| (finding.code.clone(), finding.remedy.clone().unwrap_or_default())).collect::<Vec<_>>()
    };
    let server = MariaDb::start().expect("start");
    server.sql("revoke replication slave on *.* from 'holdfast'@'localhost'").expect("revoke");
    let inspection = inspect(&access(Engine::Mariadb, server.port)).await;
    assert!(!inspection.capabilities.point_in_time_recovery && inspection.capabilities.methods.len() == 1);
    assert!(
        inspection.capabilities.point_in_time_recovery_reason.as_deref().unwrap_or_default().contains("REPLICATION")
    );
    let statement = "GRANT REPLICATION SLAVE ON *.* TO 'holdfast'@'localhost';";
    assert_eq!(warnings(&inspection), [("missing_privilege".to_owned(), statement.to_owned())]);
    server.sql(statement).expect("it mends");
    assert!(inspect(&access(Engine::Mariadb, server.port)).await.capabilities.point_in_time_recovery);

    let server = MariaDb::builder().setting("skip-log-bin", "").start().expect("start");
    let inspection = inspect(&access(Engine::Mariadb, server.port)).await;
    assert!(!inspection.capabilities.point_in_time_recovery && inspection.capabilities.methods.len() == 1);
    let warnings = warnings(&inspection);
    assert!(warnings.len() == 1 && warnings[0].1.contains("log_bin"), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_and_passwords_are_told_apart() {
    let server = MariaDb::start().expect("start");
    let mut wrong_password = access(Engine::Mariadb, server.port);
    wrong_password.password = Some(Secret::new("wrong"));
    let inspection = inspect(&wrong_password).await;
    assert_eq!((inspection.status, only_error(&inspection).0), (DatastoreStatus::Offline, "authentication_failed"));
    assert_eq!(inspection.refusal, None);

    let mut no_password = access(Engine::Mariadb, server.port);
    no_password.password = None;
    assert_eq!(only_error(&inspect(&no_password).await).0, "authentication_failed");

    let nobody = inspect(&access(Engine::Mariadb, testkit::free_port())).await;
    assert_eq!((nobody.status, only_error(&nobody).0), (DatastoreStatus::Offline, "host_unreachable"));
    let mut nowhere = access(Engine::Mariadb, server.port);
    nowhere.host = "no-such-host.invalid".into();
    assert_eq!(only_error(&inspect(&nowhere).await).0, "host_unreachable");

    let redis = testkit::Redis::start().expect("start redis");
    let refused = inspect(&access(Engine::Mariadb, redis.port)).await.refusal.expect("another engine");
    assert_eq!(refused.code, ErrorCode::EngineMismatch);
    assert!(refused.detail.contains("Redis"), "{}", refused.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_against_a_restore_in_place_are_told() {
    let elsewhere = testkit::scratch_directory("tables").expect("a directory");
    let server = MariaDb::start().expect("start");
    let owner = std::fs::metadata(&server.data_directory).expect("metadata");
    use std::os::unix::fs::MetadataExt;
    std::os::unix::fs::chown(&elsewhere, Some(owner.uid()), Some(owner.gid())).expect("its owner");
    let reason = async |access: &domain::assignment::DatastoreAccess| {
        let capabilities = inspect(access).await.capabilities;
        assert!(!capabilities.restore_in_place && capabilities.methods.len() == 1, "{capabilities:?}");
        capabilities.restore_in_place_reason.expect("a reason")
    };
    let mut no_service = access(Engine::Mariadb, server.port);
    no_service.service = Service::None;
    assert!(reason(&no_service).await.contains("stop and start"));

    server
        .sql(&format!("create database shop; create table shop.t (a int) data directory = '{}'", elsewhere.display()))
        .expect("a table elsewhere");
    let reason = reason(&access(Engine::Mariadb, server.port)).await;
    assert!(reason.contains("DATA DIRECTORY") && reason.contains("t.isl"), "{reason}");

    let server_with_backtick = MariaDb::start().expect("start");
    server_with_backtick.sql("create database shop; create table shop.```` (a int) engine=Aria").expect("create");
    let inspection = inspect(&access(Engine::Mariadb, server_with_backtick.port)).await;
    assert_eq!(only_error(&inspection).0, "engine_tool_failed");

    let outside = testkit::scratch_directory("system").expect("a directory");
    std::os::unix::fs::chown(&outside, Some(owner.uid()), Some(owner.gid())).expect("its owner");
    let second = outside.join("ibdata2");
    let server = MariaDb::builder()
        .setting("innodb-data-home-dir", "")
        .setting("innodb-data-file-path", &format!("ibdata1:12M;{}:12M:autoextend", second.display()))
        .start()
        .expect("start");
    let capabilities = inspect(&access(Engine::Mariadb, server.port)).await.capabilities;
    let reason = capabilities.restore_in_place_reason.expect("a reason");
    assert!(reason.contains("innodb_data_file_path") && reason.contains("ibdata2"), "{reason}");
}
