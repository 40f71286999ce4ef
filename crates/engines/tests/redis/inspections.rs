//! What an inspection of a real server says, and what it says is missing. // F-56

use domain::{DatastoreStatus, Engine, ErrorCode, FindingSeverity, Inspection, Method, Secret, Service};
use testkit::{Redis, Valkey};
use tokio_util::sync::CancellationToken;

use super::harness::*;

async fn inspect(access: &domain::assignment::DatastoreAccess) -> Inspection {
    driver(access.engine).inspect(access, &CancellationToken::new()).await
}

fn worst(inspection: &Inspection) -> (&str, &str) {
    let bad: Vec<_> = inspection.findings.iter().filter(|finding| finding.severity != FindingSeverity::Ok).collect();
    assert_eq!(bad.len(), 1, "{:?}", inspection.findings);
    (&bad[0].code, bad[0].remedy.as_deref().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_in_order_has_no_complaints() {
    for (engine, server) in
        [(Engine::Redis, Redis::start().expect("start")), (Engine::Valkey, Valkey::with_aof().expect("start"))]
    {
        let inspection = inspect(&access(engine, server.port)).await;
        assert_eq!(inspection.status, DatastoreStatus::Online);
        assert!(inspection.findings.iter().all(|finding| finding.severity == FindingSeverity::Ok), "{inspection:?}");
        assert_eq!(inspection.data_directory, Some(server.data_directory.display().to_string()));
        assert!(inspection.engine_version.is_some() && inspection.data_size_bytes.is_some());
        assert_eq!(inspection.server_identity, None);
        assert_eq!(inspection.capabilities.methods[0].method, Method::Rdb);
        assert!(inspection.capabilities.restore_in_place);
        assert_eq!(inspection.refusal, None);
        assert!(!server.log().contains("Background saving started"), "an inspection costs no snapshot");
        let mut no_service = access(engine, server.port);
        no_service.service = Service::None;
        let capabilities = inspect(&no_service).await.capabilities;
        assert!(capabilities.restore_in_place_reason.expect("a reason").contains("stop and start"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f56_each_missing_rule_is_named_with_its_statement() {
    for (engine, server) in
        [(Engine::Redis, Redis::start().expect("start")), (Engine::Valkey, Valkey::start().expect("start"))]
    {
        let access = access(engine, server.port);
        for (rule, told) in [("sync", "+sync +psync +replconf"), ("info", "+info"), ("config|get", "+config|get")] {
            server.cmd(&["acl", "setuser", "holdfast", &format!("-{rule}")]).expect("take away");
            let inspection = inspect(&access).await;
            let (code, remedy) = worst(&inspection);
            assert_eq!((code, remedy), ("missing_privilege", format!("ACL SETUSER holdfast {told}").as_str()));
            assert_eq!(inspection.status, DatastoreStatus::Online);
            assert_eq!(inspection.capabilities.methods.is_empty(), rule != "config|get");
            let words: Vec<_> = remedy.split(' ').collect();
            server.cmd(&words).expect("the statement mends it");
            let inspection = inspect(&access).await;
            assert!(
                inspection.findings.iter().all(|finding| finding.severity == FindingSeverity::Ok),
                "{inspection:?}"
            );
        }
        // A person who gives the directory need not let the user ask for it.
        server.cmd(&["acl", "setuser", "holdfast", "-config|get"]).expect("take away");
        let mut told = access.clone();
        told.data_directory = Some(server.data_directory.display().to_string());
        let inspection = inspect(&told).await;
        assert_eq!(worst(&inspection).0, "missing_privilege");
        assert!(inspection.capabilities.restore_in_place, "{inspection:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_passwords_and_engines_are_told_apart() {
    let server = Redis::start().expect("start");
    let good = access(Engine::Redis, server.port);
    let mut wrong_password = good.clone();
    wrong_password.password = Some(Secret::new("wrong"));
    let inspection = inspect(&wrong_password).await;
    assert_eq!((inspection.status, worst(&inspection).0), (DatastoreStatus::Offline, "authentication_failed"));
    let mut no_password = good.clone();
    no_password.password = None;
    no_password.username = None;
    assert_eq!(worst(&inspect(&no_password).await).0, "authentication_failed");
    assert_eq!(worst(&inspect(&access(Engine::Redis, testkit::free_port())).await).0, "host_unreachable");

    let refused = async |engine: Engine, port: u16| {
        let refusal = inspect(&access(engine, port)).await.refusal.expect("another engine");
        assert_eq!(refusal.code, ErrorCode::EngineMismatch);
        refusal.detail
    };
    let valkey = Valkey::start().expect("start");
    assert!(refused(Engine::Redis, valkey.port).await.contains("Valkey "));
    assert!(refused(Engine::Valkey, server.port).await.contains("Redis "));
    let mariadb = testkit::MariaDb::start().expect("start");
    assert!(refused(Engine::Redis, mariadb.port).await.contains("MariaDB"));
    assert_eq!(mariadb.sql("show status like 'Aborted_connects'").map(|row| row.is_empty()).ok(), Some(false));

    let mut elsewhere = good.clone();
    elsewhere.data_directory = Some(valkey.data_directory.display().to_string());
    let inspection = inspect(&elsewhere).await;
    assert_eq!(worst(&inspection).0, "data_directory_mismatch");
    assert!(!inspection.capabilities.restore_in_place && !inspection.capabilities.methods.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_are_refused_and_replicas_are_not_restored() {
    let node = Redis::builder().setting("cluster-enabled", "yes").start().expect("start");
    let inspection = inspect(&access(Engine::Redis, node.port)).await;
    let refusal = inspection.refusal.expect("a node of a cluster");
    assert_eq!(refusal.code, ErrorCode::UnsupportedEngine);
    assert!(refusal.detail.contains("cluster"), "{}", refusal.detail);
    assert!(inspection.capabilities.methods.is_empty());

    let primary = Redis::start().expect("start");
    let replica = Redis::start().expect("start");
    replica.cmd(&["config", "set", "masterauth", &primary.admin_password]).expect("set");
    replica.cmd(&["replicaof", "127.0.0.1", &primary.port.to_string()]).expect("follow");
    testkit::wait_until("the replica follows", std::time::Duration::from_secs(30), || {
        replica.cmd(&["info", "replication"]).is_ok_and(|info| info.contains("master_link_status:up"))
    });
    let capabilities = inspect(&access(Engine::Redis, replica.port)).await.capabilities;
    assert!(capabilities.restore_in_place_reason.expect("a reason").contains("replica"));
    assert_eq!(capabilities.methods.len(), 1);
}
