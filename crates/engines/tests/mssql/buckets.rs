//! A bucket in the place of the shared directory.

use std::time::Duration;

use domain::{BackupType, ErrorCode, StorageConfig};
use testkit::{BUCKET_SECRET, Mssql, wait_until};

use super::harness::{Log, Restoring, driver, full, request, served, told, try_back_up};
use super::scenarios;
use super::server::Server;

const PATIENCE: Duration = Duration::from_secs(20);

/// Where the objects of the tests are.
const PLACE: &str = "backups/exchange/sql/";

fn double() -> Server {
    Server::with_bucket(Mssql::builder())
}

/// No statement holds the storage's secret. // F-81
fn assert_no_secret(server: &Server) {
    let statements = server.fake().statements();
    assert!(!statements.is_empty() && !statements.iter().any(|sql| sql.contains(BUCKET_SECRET)), "{statements:#?}");
}

async fn settings_of(change: impl FnOnce(&mut StorageConfig)) -> String {
    let mut server = double();
    change(&mut server.access.shared_storage.as_mut().expect("a storage").config);
    let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::ServerSettingMissing, "{detail}");
    detail
}

#[tokio::test]
async fn a_full_backup_comes_back_over_what_was_done_since() {
    let server = double();
    scenarios::a_full_backup_comes_back_over_what_was_done_since(&server).await;
    assert_no_secret(&server);
    let statements = server.fake().statements().join("\n");
    let url = format!("TO URL = N'{}/exchange/sql/holdfast-{}-", server.bucket_url(), server.access.id);
    assert!(statements.contains(&url), "{statements}");
    assert!(statements.contains("WITH FORMAT, CHECKSUM, COMPRESSION, MAXTRANSFERSIZE = 20971520"), "{statements}");
    assert!(!statements.contains("DISK = "), "{statements}");
}

#[tokio::test]
async fn a_chain_comes_back_to_each_of_its_commits() {
    let server = double();
    scenarios::a_chain_comes_back_to_each_of_its_commits(&server).await;
    assert_no_secret(&server);
    assert_eq!(server.shared_files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_undo_brings_back_what_was_replaced() {
    scenarios::an_undo_brings_back_what_was_replaced(&double()).await;
}

#[tokio::test]
async fn f82_databases_of_any_name_are_backed_up_and_restored() {
    scenarios::f82_databases_of_any_name_are_backed_up_and_restored(&double()).await;
}

#[tokio::test]
async fn a_large_backup_goes_through_in_parts_both_ways() {
    let server = double();
    server.create("shop").await;
    server.insert("shop", "row").await;
    server.fake().set_padding("shop", 50 << 20);
    let backup = full(&server.access).await;
    assert!(backup.streams["database-000"].len() > 50 << 20);
    server.delete_all("shop").await;
    Restoring::new(&server.access, &[&backup], None).run().await.expect("restore");
    assert_eq!(server.entries("shop").await, ["row"]);
    let (with, without) = *server.service().hand.parts.lock().expect("lock");
    assert!(with > 3 && without == 0, "the worker's come in parts with checksums: {with} {without}");
    assert_eq!(server.shared_files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_region_is_told_to_the_server() {
    let mut server = double();
    server.create("shop").await;
    if let StorageConfig::S3 { region, .. } = &mut server.access.shared_storage.as_mut().expect("a storage").config {
        *region = Some("eu-west-1".into());
    }
    let backup = full(&server.access).await;
    let options = r#"BACKUP_OPTIONS = N'{"s3":{"region":"eu-west-1"}}'"#;
    assert!(backup.manifest.command_line[0].contains(options), "{:?}", backup.manifest.command_line);
    Restoring::new(&server.access, &[&backup], None).run().await.expect("restore");
}

#[tokio::test]
async fn f56_a_missing_credential_is_told_with_the_statement_that_makes_it() {
    let server = Server::without_credential(Mssql::builder());
    server.create("shop").await;
    let inspection = driver().inspect(&server.access, &tokio_util::sync::CancellationToken::new()).await;
    let finding = inspection.findings.iter().find(|finding| finding.detail.contains("no credential")).expect("found");
    let expected = format!(
        "CREATE CREDENTIAL [{}/exchange/sql] WITH IDENTITY = 'S3 Access Key', SECRET = N'AKIAEXAMPLE:…';",
        server.bucket_url()
    );
    assert_eq!(finding.remedy.as_deref(), Some(expected.as_str()));
    assert!(inspection.capabilities.methods.is_empty() && !inspection.capabilities.restore_in_place);
    let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::ServerSettingMissing);
    assert!(detail.contains(&expected), "{detail}");
    // Of another kind, or for another bucket.
    server.fake().create_credential(&server.bucket_url(), "SHARED ACCESS SIGNATURE", "x:y");
    server.fake().create_credential(&server.bucket_url().replace("backups", "back"), "S3 Access Key", "x:y");
    let (_, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert!(detail.contains("no credential"), "{detail}");
}

#[tokio::test]
async fn a_test_of_the_connection_tries_both_ways_and_leaves_nothing() {
    let server = double();
    server.create("shop").await;
    let inspection = driver().inspect(&server.access, &tokio_util::sync::CancellationToken::new()).await;
    let errors: Vec<_> =
        inspection.findings.iter().filter(|one| one.severity == domain::FindingSeverity::Error).collect();
    assert!(errors.is_empty() && inspection.capabilities.restore_in_place, "{errors:#?}");
    let statements = server.fake().statements().join("\n");
    assert!(
        statements.contains("RESTORE HEADERONLY FROM URL") && statements.contains("[model] TO URL"),
        "{statements}"
    );
    assert_eq!(server.shared_files(), Vec::<String>::new());
    assert_no_secret(&server);
}

#[tokio::test]
async fn a_credential_with_a_wrong_key_is_told() {
    let server = Server::without_credential(Mssql::builder());
    server.create("shop").await;
    server.fake().create_credential(&server.bucket_url(), "S3 Access Key", "AKIAEXAMPLE:wrong");
    let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::ServerSettingMissing);
    assert!(detail.contains("allowed to list, read and write") && detail.contains("Access is denied"), "{detail}");
    assert_eq!(server.shared_files(), Vec::<String>::new());
}

#[tokio::test]
async fn f56_a_missing_permission_is_told_with_its_grant() {
    let server = double();
    server.create("shop").await;
    server.fake().deny(None, "ALTER ANY CREDENTIAL");
    let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::MissingPrivilege);
    assert!(detail.contains("GRANT ALTER ANY CREDENTIAL TO [holdfast];"), "{detail}");
}

#[tokio::test]
async fn servers_that_reach_no_buckets_are_told_to_use_a_directory() {
    for (builder, part) in [
        (Mssql::builder().version_2019(), "2022 is the first"),
        (Mssql::builder().edition("Express Edition (64-bit)", 4), "Express Edition (64-bit) writes no backups"),
    ] {
        let server = Server::with_bucket(builder);
        server.create("shop").await;
        let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
        assert_eq!(code, ErrorCode::ServerSettingMissing);
        assert!(detail.contains(part) && detail.contains("Set a shared directory"), "{detail}");
    }
}

#[tokio::test]
async fn a_storage_that_servers_can_t_reach_is_told() {
    let local = settings_of(|config| *config = StorageConfig::Local { path: "/srv".into() }).await;
    assert!(local.contains("no bucket"), "{local}");
    let plain = settings_of(|config| {
        if let StorageConfig::S3 { endpoint, .. } = config {
            *endpoint = Some("http://127.0.0.1:9000".into());
        }
    });
    assert!(plain.await.contains("HTTPS alone"));
    let long = settings_of(|config| {
        if let StorageConfig::S3 { prefix, .. } = config {
            *prefix = Some("a".repeat(200));
        }
    });
    assert!(long.await.contains("259 characters"));
}

#[tokio::test]
async fn a_database_that_may_not_fit_into_an_object_is_told_before() {
    let server = double();
    server.create("shop").await;
    server.fake().set_data_bytes("shop", 210 << 30);
    let (code, detail) = told(&try_back_up(&server.access, BackupType::Full, None).await.expect_err("refused"));
    assert_eq!(code, ErrorCode::ServerSettingMissing);
    assert!(detail.contains("210.00 GiB") && detail.contains("at most 195.31 GiB"), "{detail}");
    let inspection = driver().inspect(&server.access, &tokio_util::sync::CancellationToken::new()).await;
    assert!(inspection.findings.iter().any(|finding| finding.detail == detail), "{:#?}", inspection.findings);
}

#[tokio::test]
async fn f40_a_backup_that_is_too_large_for_an_object_is_an_obstacle() {
    let server = double();
    server.create("shop").await;
    let mut backup = full(&server.access).await;
    backup.manifest.streams[0].original_size_bytes = 210 << 30;
    let plan = served().check(&Restoring::new(&server.access, &[&backup], None).request).await;
    let codes: Vec<ErrorCode> = plan.obstacles.iter().map(|obstacle| obstacle.code).collect();
    assert_eq!((codes, plan.needed_bytes), (vec![ErrorCode::InsufficientDiskSpace], 0), "{:?}", plan.obstacles);
}

#[tokio::test]
async fn i5_what_a_killed_worker_left_goes_with_the_next_backup_and_others_objects_stay() {
    let server = double();
    server.create("shop").await;
    let place = server.service().file("exchange/sql");
    std::fs::create_dir_all(&place).expect("the prefix");
    for name in [format!("holdfast-{}-left.bak", server.access.id), "holdfast-else-x.bak".into()] {
        std::fs::write(place.join(name), "x").expect("write");
    }
    full(&server.access).await;
    assert_eq!(server.shared_files(), [format!("{PLACE}holdfast-else-x.bak")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_backup_that_is_dropped_while_it_is_read_leaves_no_object() {
    let server = double();
    server.create("shop").await;
    let mut running =
        driver().backup(request(&server.access, BackupType::Full, None, &Log::default())).await.expect("start");
    let stream = running.next_stream().await.expect("made").expect("a stream");
    assert_eq!(server.shared_files().len(), 1, "the server's object");
    drop((stream, running));
    let is_gone = || server.shared_files().is_empty();
    tokio::task::block_in_place(|| wait_until("the object goes", PATIENCE, is_gone));
}

/// The stored stream ends before its time: nothing that is half is ever read by the server, or left.
#[tokio::test(flavor = "multi_thread")]
async fn f33_an_upload_whose_source_breaks_leaves_no_object() {
    let server = double();
    server.create("shop").await;
    server.fake().set_padding("shop", 30 << 20);
    let backup = full(&server.access).await;
    let restoring = Restoring::breaking_off(&server.access, &backup, 25 << 20);
    let before = server.databases().await;
    let (code, _) = restoring.run().await.expect_err("damaged");
    assert_eq!(code, ErrorCode::ObjectCorrupted);
    assert_eq!(server.databases().await, before);
    let is_gone = || server.shared_files().is_empty();
    tokio::task::block_in_place(|| wait_until("the parts go", PATIENCE, is_gone));
}
