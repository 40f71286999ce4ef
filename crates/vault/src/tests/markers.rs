//! A storage that is somebody else's is never written to. // F-38

use std::fs;
use std::os::unix::fs::PermissionsExt;

use domain::ErrorCode;
use domain::storage::StorageConfig;
use domain::{Secret, StorageAccess};
use uuid::Uuid;

use super::{Local, open, store};
use crate::{MARKER_NAME, Vault, VaultError};

#[tokio::test]
async fn f38_an_empty_directory_is_marked_and_then_accepted() {
    let local = Local::new();
    local.vault.check().await.unwrap();
    assert_eq!(local.tree(), [MARKER_NAME]);
    let marker = fs::read(local.directory.path().join(MARKER_NAME)).unwrap();
    store(&local.vault, 1, 1, b"bytes").await.unwrap();
    local.vault.check().await.unwrap();
    assert_eq!(fs::read(local.directory.path().join(MARKER_NAME)).unwrap(), marker);
}

#[tokio::test]
async fn f38_a_directory_of_something_else_is_refused_untouched() {
    for name in ["photo.jpg", ".hidden", "upload#1"] {
        let local = Local::new();
        fs::write(local.directory.path().join(name), "x").unwrap();
        let error = local.vault.check().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageInUse);
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(local.tree(), [name]);
    }
    let local = Local::new();
    fs::write(local.directory.path().join(MARKER_NAME), "somebody's").unwrap();
    assert_eq!(local.vault.check().await.unwrap_err().code(), ErrorCode::StorageInUse);
}

#[tokio::test]
async fn f38_a_new_file_systems_own_directory_does_not_count() {
    let local = Local::new();
    fs::create_dir(local.directory.path().join("lost+found")).unwrap();
    local.vault.check().await.unwrap();
}

#[tokio::test]
async fn f65_a_newer_layout_is_refused() {
    let local = Local::new();
    let newer = r#"{"format_version":2,"created_by":"Holdfast 9.0","created_at":"2030-01-01T00:00:00Z"}"#;
    fs::write(local.directory.path().join(MARKER_NAME), newer).unwrap();
    let error = local.vault.check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestTooNew);
    assert!(error.to_string().contains("Holdfast 9.0"), "{error}");
}

#[tokio::test]
async fn a_directory_is_made_for_its_owner_only() {
    let local = Local::new();
    let path = local.directory.path().join("below/here");
    open(&path).unwrap().check().await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    // A file is no directory.
    let file = local.directory.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(open(&file).unwrap_err().code(), ErrorCode::StorageUnavailable);
}

#[tokio::test]
async fn f30_a_service_that_is_not_there_is_unavailable_and_no_secret_is_told() {
    let port = testkit::free_port();
    let config = StorageConfig::S3 {
        bucket: "holdfast".to_owned(),
        region: None,
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        prefix: Some("some/prefix".to_owned()),
        access_key_id: "AKIAEXAMPLE".to_owned(),
    };
    let access = |secret| StorageAccess { id: Uuid::nil(), config: config.clone(), secret_access_key: secret };
    assert!(matches!(Vault::open(&access(None)), Err(VaultError::Settings { .. })));
    let vault = Vault::open(&access(Some(Secret::new("correct-horse")))).unwrap();
    let error = vault.check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(!format!("{error:?} {vault:?}").contains("correct-horse"));
}
