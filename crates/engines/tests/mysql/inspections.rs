//! What an inspection of a real server says, and what it says is missing. // F-56

use domain::{DatastoreStatus, Engine, ErrorCode, FindingSeverity, Inspection, Method, Secret, Service};
use testkit::Mysql;
use tokio_util::sync::CancellationToken;

use super::harness::driver;
use super::setup::*;

async fn inspect(access: &domain::assignment::DatastoreAccess) -> Inspection {
    driver(Engine::Mysql).inspect(access, &CancellationToken::new()).await
}

fn only_error(inspection: &Inspection) -> (&str, &str) {
    let errors: Vec<_> =
        inspection.findings.iter().filter(|finding| finding.severity == FindingSeverity::Error).collect();
    assert_eq!(errors.len(), 1, "{:?}", inspection.findings);
    (&errors[0].code, errors[0].remedy.as_deref().unwrap_or_default())
}

fn is_fine(inspection: &Inspection) -> bool {
    inspection.findings.iter().all(|finding| finding.severity == FindingSeverity::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_in_order_has_no_complaints() {
    let server = start();
    let access = access(&server);
    let inspection = inspect(&access).await;
    assert_eq!(inspection.status, DatastoreStatus::Online, "{inspection:?}");
    assert!(is_fine(&inspection), "{inspection:?}");
    assert_eq!(inspection.data_directory, Some(server.data_directory.display().to_string()));
    assert_eq!(inspection.engine_version, Some(server.sql("select version()").expect("version")));
    assert_eq!(inspection.server_identity, Some(server.sql("select @@server_uuid").expect("uuid")));
    assert!(inspection.data_size_bytes.is_some_and(|bytes| bytes > 1 << 20));
    let capabilities = &inspection.capabilities;
    assert_eq!((capabilities.methods.len(), capabilities.methods[0].method), (1, Method::MysqlClone));
    let copies = capabilities.unavailable_methods.iter().find(|one| one.method == Method::Xtrabackup);
    let why_not = copies.map(|one| one.reason.as_str()).unwrap_or_default();
    assert!(
        why_not.starts_with("xtrabackup is missing on the worker's machine"),
        "{:?}",
        capabilities.unavailable_methods
    );
    assert!(capabilities.restore_in_place && capabilities.point_in_time_recovery);
    assert_eq!(capabilities.point_in_time_recovery_reason, None);
    assert_eq!(inspection.refusal, None);

    let mut of_another = access.clone();
    of_another.server_identity = Some("somebody else".into());
    assert_eq!(only_error(&inspect(&of_another).await).0, "server_identity_changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_each_missing_grant_is_named_with_its_statement() {
    let server = start();
    let access = access(&server);
    let account = "'holdfast'@'%'";
    let backup_admin = ("backup_admin on *.*", format!("GRANT BACKUP_ADMIN ON *.* TO {account};"));
    let on = |table: &str| {
        let name = format!("performance_schema.{table}");
        (format!("select on {name}"), format!("GRANT SELECT ON {name} TO {account};"))
    };
    let (clone_status, log_status) = (on("clone_status"), on("log_status"));
    let mut cases = vec![(vec![backup_admin.0], backup_admin.1.clone())];
    cases.push((vec![&clone_status.0], clone_status.1.clone()));
    cases.push((vec![&log_status.0], log_status.1.clone()));
    let all = [backup_admin.1.as_str(), &clone_status.1, &log_status.1].join("\n");
    cases.push((vec![backup_admin.0, &clone_status.0, &log_status.0], all));
    for (revoked, remedy) in cases {
        for privilege in &revoked {
            server.sql(&format!("revoke {privilege} from {account}")).expect("revoke");
        }
        let inspection = inspect(&access).await;
        assert_eq!(only_error(&inspection), ("missing_privilege", remedy.as_str()), "{revoked:?}");
        assert_eq!((inspection.capabilities.methods.len(), inspection.status), (0, DatastoreStatus::Online));
        server.sql(&remedy).expect("the statements mend it");
        assert!(is_fine(&inspect(&access).await));
    }

    let statements = format!(
        "revoke backup_admin on *.* from {account}; create role backups; grant backup_admin on *.* to backups; \
         grant backups to {account}; set default role backups to {account}"
    );
    server.sql(&statements).expect("a role");
    assert!(is_fine(&inspect(&access).await), "what comes by a role counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_a_missing_plugin_is_told_with_its_statement() {
    let server = start();
    server.sql("uninstall plugin clone").expect("uninstall");
    let inspection = inspect(&access(&server)).await;
    let (code, remedy) = only_error(&inspection);
    assert_eq!((code, remedy), ("server_setting_missing", "INSTALL PLUGIN clone SONAME 'mysql_clone.so';"));
    server.sql(remedy).expect("the statement mends it");
    assert!(is_fine(&inspect(&access(&server)).await));
}

/// The plugin copies InnoDB's rows alone: a backup without the others would be called complete.
#[tokio::test(flavor = "multi_thread")]
async fn tables_that_a_clone_leaves_empty_prevent_a_backup() {
    let server = start();
    server.sql("create database shop; create table shop.empty (a int) engine=MyISAM").expect("create");
    assert!(is_fine(&inspect(&access(&server)).await), "nothing is lost of it");
    for (engine, column) in [("MyISAM", "a int"), ("CSV", "a int not null"), ("ARCHIVE", "a int")] {
        server
            .sql(&format!(
                "create table shop.t ({column}) engine={engine}; insert into shop.t values (1); flush tables"
            ))
            .expect("a table");
        let inspection = inspect(&access(&server)).await;
        assert_eq!(only_error(&inspection).0, "unsupported_method");
        let told = inspection.findings.iter().find(|finding| finding.code == "unsupported_method").expect("told");
        assert!(told.detail.contains(engine) && told.detail.contains("shop/t."), "{}", told.detail);
        server.sql("drop table shop.t").expect("drop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_and_passwords_are_told_apart() {
    let server = start();
    let mut wrong_password = access(&server);
    wrong_password.password = Some(Secret::new("wrong"));
    let inspection = inspect(&wrong_password).await;
    assert_eq!((inspection.status, only_error(&inspection).0), (DatastoreStatus::Offline, "authentication_failed"));
    assert_eq!(inspection.refusal, None);

    let mut no_password = access(&server);
    no_password.password = None;
    assert_eq!(only_error(&inspect(&no_password).await).0, "authentication_failed");

    let mut nobody = access(&server);
    nobody.port = testkit::free_port();
    let nobody = inspect(&nobody).await;
    assert_eq!((nobody.status, only_error(&nobody).0), (DatastoreStatus::Offline, "host_unreachable"));

    let mariadb = testkit::MariaDb::start().expect("start MariaDB");
    let mut other_engine = access(&server);
    other_engine.port = mariadb.port;
    let refused = inspect(&other_engine).await.refusal.expect("another engine");
    assert_eq!(refused.code, ErrorCode::EngineMismatch);
    assert!(refused.detail.contains("MariaDB answers"), "{}", refused.detail);
    let mut as_mariadb = access(&server);
    as_mariadb.engine = Engine::Mariadb;
    let refused = driver(Engine::Mariadb).inspect(&as_mariadb, &CancellationToken::new()).await.refusal;
    assert_eq!(refused.expect("another engine").code, ErrorCode::EngineMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_against_a_restore_in_place_are_told() {
    let reason = async |access: &domain::assignment::DatastoreAccess| {
        let capabilities = inspect(access).await.capabilities;
        assert!(!capabilities.restore_in_place && capabilities.methods.len() == 1, "{capabilities:?}");
        capabilities.restore_in_place_reason.expect("a reason")
    };
    let server = start();
    let mut no_service = access(&server);
    no_service.service = Service::None;
    assert!(reason(&no_service).await.contains("stop and start"));

    let outside = testkit::scratch_directory("logs").expect("a directory");
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(&server.data_directory).expect("metadata");
    std::os::unix::fs::chown(&outside, Some(owner.uid()), Some(owner.gid())).expect("its owner");
    let log = outside.join("binlog").display().to_string();
    let server = start_with(Mysql::builder().setting("log-bin", &log));
    assert!(reason(&access(&server)).await.contains(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_what_point_in_time_recovery_lacks_is_told() {
    let warnings = |inspection: &Inspection| {
        let is_warning = |finding: &&domain::Finding| finding.severity == FindingSeverity::Warning;
        let told = inspection.findings.iter().filter(is_warning);
        told.map(|finding| (finding.code.clone(), finding.remedy.clone().unwrap_or_default())).collect::<Vec<_>>()
    };
    let server = start();
    for privilege in ["REPLICATION SLAVE", "REPLICATION CLIENT"] {
        server.sql(&format!("revoke {privilege} on *.* from 'holdfast'@'%'")).expect("revoke");
        let inspection = inspect(&access(&server)).await;
        let capabilities = &inspection.capabilities;
        assert!(!capabilities.point_in_time_recovery && capabilities.methods.len() == 1);
        assert!(capabilities.point_in_time_recovery_reason.as_deref().is_some_and(|why| why.contains(privilege)));
        let statement = format!("GRANT {privilege} ON *.* TO 'holdfast'@'%';");
        assert_eq!(warnings(&inspection), [("missing_privilege".to_owned(), statement.clone())]);
        server.sql(&statement).expect("it mends");
        assert!(inspect(&access(&server)).await.capabilities.point_in_time_recovery);
    }
    let server = start_with(Mysql::builder().setting("skip-log-bin", ""));
    let inspection = inspect(&access(&server)).await;
    assert!(!inspection.capabilities.point_in_time_recovery && inspection.capabilities.methods.len() == 1);
    let warnings = warnings(&inspection);
    assert!(warnings.len() == 1 && warnings[0].1.contains("log_bin"), "{warnings:?}");
}
