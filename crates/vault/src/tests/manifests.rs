//! Manifests that are missing, damaged, newer or forged.

use std::fs;

use domain::ErrorCode;
use serde_json::{Value, json};

use super::{Local, data, folder, store};
use crate::VaultError;

/// A backup whose manifest was changed in the storage.
async fn changed(change: impl FnOnce(&mut Value)) -> (Local, Result<domain::manifest::Manifest, VaultError>) {
    let local = Local::new();
    store(&local.vault, 1, 1, &data(1, 150_000)).await.unwrap();
    let file = local.file(&folder(1), "manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&file, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let read = local.vault.read_manifest(&folder(1), None).await.map(|stored| stored.manifest);
    (local, read)
}

#[tokio::test]
async fn a_missing_or_damaged_manifest_is_told_apart() {
    let local = Local::new();
    let error = local.vault.read_manifest(&folder(1), None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestMissing);
    store(&local.vault, 1, 1, b"bytes").await.unwrap();
    let file = local.file(&folder(1), "manifest.json");
    let whole = fs::read(&file).unwrap();
    for bytes in [&whole[..whole.len() / 2], b"", b"[]", b"{\"format_version\": 1}"] {
        fs::write(&file, bytes).unwrap();
        let error = local.vault.read_manifest(&folder(1), None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ManifestInvalid, "{error}");
    }
}

#[tokio::test]
async fn f65_a_newer_format_names_the_version_that_wrote_it() {
    // Nothing else of a newer format need be as we know it.
    let newer = json!({ "format_version": 3, "written_by": "3.1.4", "streams": "elsewhere" });
    let (_local, read) = changed(|manifest| *manifest = newer).await;
    let error = read.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ManifestTooNew);
    assert!(error.to_string().contains("Holdfast 3.1.4 or newer is needed"), "{error}");
}

#[tokio::test]
async fn f65_unknown_fields_are_kept() {
    let (_local, read) = changed(|manifest| manifest["colour"] = json!({ "red": 1 })).await;
    let manifest = read.unwrap();
    assert_eq!(manifest.unknown["colour"], json!({ "red": 1 }));
    assert_eq!(serde_json::to_value(&manifest).unwrap()["colour"], json!({ "red": 1 }));
}

#[tokio::test]
async fn f65_a_manifest_from_before_there_were_increments_reads() {
    let (_local, read) = changed(|manifest| {
        manifest["format_version"] = json!(1);
        assert!(manifest.as_object().unwrap().get("continuation").is_none());
    })
    .await;
    let manifest = read.unwrap();
    assert_eq!((manifest.parent_id, manifest.continuation.clone(), manifest.oldest_format()), (None, None, 1));
    let increment = domain::Manifest { parent_id: Some(uuid::Uuid::from_u128(1)), ..manifest.clone() };
    assert_eq!(increment.oldest_format(), 2, "an older program would take it for a full backup");
    let continued = domain::Manifest { continuation: Some("base".into()), ..manifest };
    assert_eq!(continued.oldest_format(), 2);
    assert!(continued.for_restore().streams.is_empty());
}

type Forgery = fn(&mut Value);

#[tokio::test]
async fn f83_forged_manifests_are_refused() {
    let forgeries: [(&str, Forgery); 10] = [
        ("another backup's", |m| m["backup_id"] = json!(uuid::Uuid::from_u128(9))),
        ("key leads out", |m| m["streams"][0]["objects"][0]["key"] = json!("../../../etc/shadow")),
        ("absolute key", |m| m["streams"][0]["objects"][0]["key"] = json!("/etc/shadow")),
        ("key of the manifest", |m| m["streams"][0]["objects"][0]["key"] = json!("manifest.json")),
        ("object twice", |m| m["streams"][0]["objects"][1]["key"] = json!("base.000.tar.zst")),
        ("wrong sum", |m| m["original_size_bytes"] = json!(7)),
        ("overflowing sum", |m| m["streams"][0]["objects"][0]["original_size_bytes"] = json!(u64::MAX)),
        ("no checksum", |m| m["streams"][0]["objects"][0]["sha256"] = json!("")),
        ("no stream", |m| m["streams"] = json!([])),
        ("continued by nothing", |m| m["continuation"] = json!("backup_manifest")),
    ];
    for (name, forge) in forgeries {
        let (_local, read) = changed(forge).await;
        assert_eq!(read.unwrap_err().code(), ErrorCode::ManifestInvalid, "{name}");
    }
}

#[tokio::test]
async fn f24_the_catalog_is_listed_from_the_storage_alone() {
    let local = Local::new();
    assert!(local.vault.list_manifests().await.unwrap().is_empty());
    local.vault.check().await.unwrap();
    let one = store(&local.vault, 1, 1, &data(1, 10)).await.unwrap();
    let two = store(&local.vault, 2, 3, &data(2, 10)).await.unwrap();
    store(&local.vault, 3, 1, &data(3, 10)).await.unwrap();
    fs::write(local.file(&folder(3), "manifest.json"), "{").unwrap();
    // Interrupted: no manifest, no backup.
    store(&local.vault, 4, 1, &data(4, 10)).await.unwrap();
    fs::remove_file(local.file(&folder(4), "manifest.json")).unwrap();
    fs::create_dir_all(local.directory.path().join("somebody/backups/else")).unwrap();

    let mut found = local.vault.list_manifests().await.unwrap();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let folders: Vec<_> = found.iter().map(|(folder, _)| folder.clone()).collect();
    assert_eq!(folders, [folder(1), folder(2), folder(3)]);
    let mut manifests = found.into_iter().map(|(_, manifest)| manifest);
    assert_eq!(manifests.next().unwrap().unwrap().manifest, one);
    assert_eq!(manifests.next().unwrap().unwrap().manifest, two);
    assert_eq!(manifests.next().unwrap().unwrap_err().code(), ErrorCode::ManifestInvalid);
}

#[tokio::test]
async fn f90_another_manifest_than_the_known_one_is_refused_before_it_is_read() {
    let local = Local::new();
    store(&local.vault, 1, 1, b"bytes").await.unwrap();
    let known = local.vault.read_manifest(&folder(1), None).await.unwrap();
    assert_eq!(local.vault.read_manifest(&folder(1), Some(&known.sha256)).await.unwrap(), known);
    let file = local.file(&folder(1), "manifest.json");
    let mut bytes = fs::read(&file).unwrap();
    for change in [b"\n".as_slice(), b"{"] {
        bytes.extend_from_slice(change);
        fs::write(&file, &bytes).unwrap();
        let error = local.vault.read_manifest(&folder(1), Some(&known.sha256)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ManifestChanged, "{error}");
    }
}
