//! Backups in a bucket.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::Utc;
use domain::ErrorCode;
use testkit::BucketService;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::bucket_service::{BUCKET, SECRET, open, open_from_outside, open_trusting};
use super::{data, folder, ids, load, manifest_of, store, write};
use crate::{MARKER_NAME, SharedStorage, VaultError, WriteOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_in_a_bucket_comes_back_and_goes() {
    let service = BucketService::start();
    let vault = open(&service, BUCKET, Some("team/one"), SECRET);
    vault.check().await.unwrap();
    vault.check().await.unwrap();
    assert_eq!(service.files(), [format!("{BUCKET}/team/one/{MARKER_NAME}")]);

    let bytes = data(1, 40_000_000);
    let options = WriteOptions { volume_bytes: 30_000_000, ..WriteOptions::default() };
    let mut writer = vault.begin_backup(&folder(1), 1, options);
    write(&mut writer, "base", &bytes).await.unwrap();
    let manifest = manifest_of(1, writer.streams());
    assert_eq!(manifest.streams[0].objects.len(), 2);
    writer.commit(manifest.clone()).await.unwrap();
    assert!(load(&vault, 1, "base").await.unwrap() == bytes);
    let problems = vault.verify(&folder(1), &manifest, |_| {}, &CancellationToken::new()).await.unwrap();
    assert_eq!(problems, vec![]);
    // Several parts, each with its checksum. // F-32
    let (with, without) = *service.hand.parts.lock().unwrap();
    assert!(with >= 4 && without == 0, "{with} {without}");

    // Nobody replaces it. // F-11
    assert!(matches!(store(&vault, 1, 2, b"late").await, Err(VaultError::ManifestExists { .. })));
    assert_eq!(vault.list_manifests().await.unwrap().len(), 1);

    // What is damaged is found. // F-33
    let file = service.file(&format!("team/one/{}/base.001.tar.zst", folder(1)));
    let mut stored = fs::read(&file).unwrap();
    stored[3_000_000] ^= 1;
    fs::write(&file, &stored).unwrap();
    let error = load(&vault, 1, "base").await.unwrap_err();
    assert!(matches!(&error, VaultError::Object(problem) if problem.key == "base.001.tar.zst"), "{error:?}");
    fs::write(&file, &stored[..10]).unwrap();
    assert_eq!(vault.check_objects(&folder(1), &manifest).await.unwrap().len(), 1);
    assert_eq!(load(&vault, 1, "base").await.unwrap_err().code(), ErrorCode::ObjectCorrupted);
    fs::remove_file(&file).unwrap();
    assert_eq!(load(&vault, 1, "base").await.unwrap_err().code(), ErrorCode::ObjectMissing);

    let report = vault.delete_backup(&folder(1)).await.unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(service.files(), [format!("{BUCKET}/team/one/{MARKER_NAME}")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f30_requests_that_are_refused_for_a_while_are_repeated() {
    let service = BucketService::start();
    service.hand.refuse_every.store(3, Ordering::SeqCst);
    let vault = open(&service, BUCKET, None, SECRET);
    vault.check().await.unwrap();
    let bytes = data(1, 250_000);
    store(&vault, 1, 1, &bytes).await.unwrap();
    assert!(load(&vault, 1, "base").await.unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f32_a_part_that_arrives_changed_is_refused_and_nothing_is_left() {
    let service = BucketService::start();
    let vault = open(&service, BUCKET, None, SECRET);
    service.hand.corrupt_parts.store(true, Ordering::SeqCst);
    let error = store(&vault, 1, 1, &data(1, 250_000)).await.unwrap_err();
    assert!(error.code() != ErrorCode::Internal, "{error:?}");
    assert!(service.files().is_empty(), "{:?}", service.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f38_a_bucket_of_something_else_is_refused_and_a_wrong_secret_too() {
    let service = BucketService::start();
    fs::write(service.file("photo.jpg"), "x").unwrap();
    let error = open(&service, BUCKET, None, SECRET).check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageInUse);
    assert_eq!(service.files(), [format!("{BUCKET}/photo.jpg")]);
    // A prefix of its own is fine.
    open(&service, BUCKET, Some("ours"), SECRET).check().await.unwrap();

    let error = open(&service, BUCKET, None, "wrong").check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageDenied, "{error:?}");
    let error = open(&service, "no-such-bucket", None, SECRET).check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_cancelled_upload_to_a_bucket_is_aborted() {
    let service = BucketService::start();
    let vault = open(&service, BUCKET, None, SECRET);
    let cancel = CancellationToken::new();
    let mut writer = vault.begin_backup(&folder(1), 1, WriteOptions::default());
    let bytes = data(1, 60_000_000);
    let on_progress = |progress: crate::WriteProgress| {
        if progress.stored_bytes > 12_000_000 {
            cancel.cancel();
        }
    };
    let error = writer.write_stream("base", "tar", bytes.as_slice(), &on_progress, &cancel).await.unwrap_err();
    assert!(matches!(error, VaultError::Cancelled), "{error:?}");
    writer.abort().await;
    assert!(service.files().is_empty(), "{:?}", service.files());

    // What a killed worker left under its own name is swept.
    let mut dead = vault.begin_backup(&folder(2), 1, WriteOptions::default());
    write(&mut dead, "base", b"bytes").await.unwrap();
    let later = Utc::now() + chrono::Duration::hours(2);
    let report = vault.sweep(ids(1).0, &|_| false, Duration::from_secs(3600), later).await.unwrap();
    assert_eq!((report.deleted, report.failed.len()), (1, 0));
    assert!(service.files().is_empty(), "{:?}", service.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f85_an_endpoint_inside_is_refused_at_once_and_the_message_says_what_to_do() {
    let service = BucketService::start();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let error = open_from_outside(&service, host).check().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{error:?}");
        let text = chain(&error);
        assert!(text.contains("no public address") && text.contains("--allow-private-address"), "{host}: {text}");
    }
    assert_eq!(service.hand.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_endpoint_is_used_when_its_authority_is_trusted() {
    let service = BucketService::start_encrypted();
    let error = open(&service, BUCKET, None, SECRET).check().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    let policy = dial::Policy::default().trusting(testkit::authority_pem().as_bytes()).unwrap();
    open_trusting(&service, policy, BUCKET, None, SECRET).check().await.unwrap();
}

/// What a server and its worker hand to each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_any_length_are_handed_over_and_taken_away() {
    let service = BucketService::start();
    let shared = SharedStorage(open(&service, BUCKET, Some("team/exchange"), SECRET));
    let bytes = data(1, 45_000_000);
    for length in [0, 1, 20 << 20, 45_000_000] {
        let mut upload = shared.create("one-a.bak").await.unwrap();
        for part in bytes[..length].chunks(1 << 20) {
            upload.put(part).await.unwrap();
        }
        upload.finish().await.unwrap();
        let mut found = Vec::new();
        shared.read("one-a.bak").await.unwrap().read_to_end(&mut found).await.unwrap();
        assert!(found == bytes[..length], "{length}");
    }
    fs::create_dir_all(service.file("team/exchange/one-folder")).unwrap();
    fs::write(service.file("team/exchange/one-folder/x"), "x").unwrap();
    fs::write(service.file("team/exchange/two-b.bak"), "x").unwrap();
    assert_eq!(shared.names("one-").await.unwrap(), ["one-a.bak"]);
    for _ in 0..2 {
        shared.remove("one-a.bak").await.unwrap();
    }
    assert_eq!(shared.read("one-a.bak").await.err().unwrap().code(), ErrorCode::StorageUnavailable);
    assert_eq!(shared.create("../x").await.unwrap_err().code(), ErrorCode::Internal);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_an_upload_that_is_given_up_leaves_nothing() {
    let service = BucketService::start();
    let shared = SharedStorage(open(&service, BUCKET, None, SECRET));
    let mut upload = shared.create("half.bak").await.unwrap();
    for part in data(1, 45_000_000).chunks(1 << 20) {
        upload.put(part).await.unwrap();
    }
    assert!(!service.files().is_empty(), "parts are there");
    drop(upload);
    let is_empty = || service.files().is_empty();
    tokio::task::block_in_place(|| testkit::wait_until("they go", Duration::from_secs(20), is_empty));
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
