//! Deleting backups.

use std::fs;
use std::path::Path;

use super::{Local, data, folder, load, store};

#[tokio::test]
async fn a_deleted_backup_is_gone_with_all_its_attempts_and_folders() {
    let local = Local::new();
    local.vault.check().await.unwrap();
    store(&local.vault, 1, 2, &data(1, 250_000)).await.unwrap();
    let kept = data(2, 250_000);
    store(&local.vault, 2, 1, &kept).await.unwrap();
    // What two interrupted attempts left.
    fs::write(local.file(&folder(1), "base.000.tar.zst"), "orphan").unwrap();
    fs::create_dir(local.file(&folder(1), "attempt-3")).unwrap();
    fs::write(local.file(&folder(1), "attempt-3/base.000.tar.zst#1"), "upload").unwrap();

    let report = local.vault.delete_backup(&folder(1)).await.unwrap();
    assert_eq!(report.deleted, 1 + 3 + 2);
    assert!(report.failed.is_empty());
    assert!(!local.file(&folder(1), "").exists());
    assert!(load(&local.vault, 2, "base").await.unwrap() == kept);

    // Once more is a success.
    assert_eq!(local.vault.delete_backup(&folder(1)).await.unwrap().deleted, 0);
    local.vault.delete_backup(&folder(2)).await.unwrap();
    assert_eq!(local.tree(), [crate::MARKER_NAME]);
}

/// Not even root may delete a file with this flag (chattr(1)).
fn immutable(file: &Path, flag: &str) {
    assert!(std::process::Command::new("chattr").arg(flag).arg(file).status().unwrap().success());
}

#[tokio::test]
async fn f75_an_object_that_cannot_be_deleted_does_not_stop_the_others() {
    let local = Local::new();
    store(&local.vault, 1, 1, &data(1, 350_000)).await.unwrap();
    let stuck = local.file(&folder(1), "base.001.tar.zst");
    immutable(&stuck, "+i");
    let report = local.vault.delete_backup(&folder(1)).await;
    immutable(&stuck, "-i");
    let report = report.unwrap();
    assert_eq!(report.deleted, 4);
    let [(key, error)] = report.failed.as_slice() else { panic!("{report:?}") };
    assert_eq!(*key, format!("{}/base.001.tar.zst", folder(1)));
    assert_eq!(error.code(), domain::ErrorCode::StorageDenied);
    assert!(stuck.exists());

    assert_eq!(local.vault.delete_backup(&folder(1)).await.unwrap().deleted, 1);
    assert!(local.tree().is_empty());
}

#[tokio::test]
async fn f83_a_folder_that_leads_elsewhere_is_refused() {
    let local = Local::new();
    store(&local.vault, 1, 1, b"bytes").await.unwrap();
    for folder in ["", "..", "../x", "a/../..", "/"] {
        assert!(local.vault.delete_backup(folder).await.is_err(), "{folder:?}");
    }
    assert!(load(&local.vault, 1, "base").await.is_ok());
}
