//! The commit point: once, last, and only of what is there.

use std::fs;

use domain::ErrorCode;

use super::{Local, SMALL, data, folder, load, manifest_of, store, write};
use crate::VaultError;

#[tokio::test]
async fn f11_a_second_attempt_does_not_replace_the_first_and_leaves_nothing() {
    let local = Local::new();
    let first = data(1, 250_000);
    let mut stale = local.vault.begin_backup(&folder(1), 1, SMALL);
    write(&mut stale, "base", &data(2, 250_000)).await.unwrap();
    store(&local.vault, 1, 2, &first).await.unwrap();
    let before = local.tree();

    let manifest = manifest_of(1, stale.streams());
    let error = stale.commit(manifest).await.unwrap_err();
    assert!(matches!(error, VaultError::ManifestExists { .. }), "{error:?}");
    assert!(load(&local.vault, 1, "base").await.unwrap() == first);
    // Its own objects are gone, the other attempt's are not.
    let gone: Vec<_> = before.into_iter().filter(|path| !local.tree().contains(path)).collect();
    assert_eq!(gone, [0, 1, 2].map(|index| format!("{}/base.00{index}.tar.zst", folder(1))));
}

#[tokio::test]
async fn f11_aborting_one_attempt_leaves_the_other_alone() {
    let local = Local::new();
    let kept = data(1, 250_000);
    let mut stale = local.vault.begin_backup(&folder(1), 3, SMALL);
    write(&mut stale, "base", &data(2, 250_000)).await.unwrap();
    store(&local.vault, 1, 4, &kept).await.unwrap();
    stale.abort().await;
    assert!(load(&local.vault, 1, "base").await.unwrap() == kept);
    assert!(!local.tree().iter().any(|path| path.contains("attempt-3")));
}

#[tokio::test]
async fn f32_an_object_that_changed_since_it_was_written_stops_the_commit() {
    for missing in [false, true] {
        let local = Local::new();
        let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
        write(&mut writer, "base", &data(1, 250_000)).await.unwrap();
        let file = local.file(&folder(1), "base.001.tar.zst");
        if missing { fs::remove_file(&file) } else { fs::write(&file, "short") }.unwrap();
        let manifest = manifest_of(1, writer.streams());
        let error = writer.commit(manifest).await.unwrap_err();
        let code = if missing { ErrorCode::ObjectMissing } else { ErrorCode::ObjectCorrupted };
        assert_eq!(error.code(), code);
        assert!(local.tree().is_empty(), "{:?}", local.tree());
    }
}

#[tokio::test]
async fn a_manifest_of_other_streams_is_refused() {
    let local = Local::new();
    let mut writer = local.vault.begin_backup(&folder(1), 1, SMALL);
    write(&mut writer, "base", b"bytes").await.unwrap();
    let mut manifest = manifest_of(1, writer.streams());
    manifest.streams[0].objects[0].size_bytes += 1;
    let error = writer.commit(manifest).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestInvalid);

    let empty = local.vault.begin_backup(&folder(1), 1, SMALL);
    let error = empty.commit(manifest_of(1, &[])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestInvalid);
    assert!(local.tree().is_empty(), "{:?}", local.tree());
}
