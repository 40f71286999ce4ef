//! What is stored comes back, with this program and without it.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Local, SMALL, data, folder, ids, load, manifest_of, store, write};
use crate::{Vault, WriteOptions};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the sizes of stream and volumes, at their borders too.
    #[test]
    fn any_stream_comes_back(volume in 1_000u64..50_000, volumes in 0u64..3, more in -1i64..2, seed: u64, threads in 1u32..4) {
        let size = usize::try_from((volume * volumes).saturating_add_signed(more).max(1)).unwrap();
        let bytes = data(seed, size);
        let (read, manifest) = runtime().block_on(async {
            let local = Local::new();
            let options = WriteOptions { volume_bytes: volume, threads, ..SMALL };
            let mut writer = local.vault.begin_backup(&folder(1), 1, options);
            write(&mut writer, "base", &bytes).await.unwrap();
            let manifest = manifest_of(1, writer.streams());
            writer.commit(manifest.clone()).await.unwrap();
            assert!(local.vault.check_objects(&folder(1), &manifest).await.unwrap().is_empty());
            let problems = local.vault.verify(&folder(1), &manifest, |_| {}, &CancellationToken::new()).await.unwrap();
            assert_eq!(problems, vec![]);
            (load(&local.vault, 1, "base").await.unwrap(), local.vault.read_manifest(&folder(1), None).await.unwrap().manifest)
        });
        prop_assert!(read == bytes);
        let stream = &manifest.streams[0];
        prop_assert_eq!(stream.original_size_bytes, size as u64);
        prop_assert_eq!(stream.objects.len() as u64, (size as u64).div_ceil(volume));
        let (last, full) = stream.objects.split_last().unwrap();
        prop_assert!(full.iter().all(|object| object.original_size_bytes == volume));
        prop_assert!(last.original_size_bytes <= volume);
    }
}

/// Several parts in an object, several ranges when it is read, and more than all buffers hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_streams_come_back_in_parts() {
    let local = Local::new();
    let (base, extra) = (data(1, 60_000_000), data(2, 300_000));
    let mut writer = local.vault.begin_backup(&folder(1), 1, WriteOptions { volume_bytes: 40_000_000, ..SMALL });
    let seen = Mutex::new(Vec::new());
    let cancel = CancellationToken::new();
    let on_progress = |progress| seen.lock().unwrap().push(progress);
    let record = writer.write_stream("base", "tar", base.as_slice(), &on_progress, &cancel).await.unwrap();
    assert_eq!(record.objects.len(), 2);
    assert!(record.objects[0].size_bytes > 3 * (5 << 20), "{record:?}");
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by_key(|progress| (progress.original_bytes, progress.stored_bytes)));
    let last = seen.last().unwrap();
    assert_eq!(last.original_bytes, 60_000_000);
    assert_eq!(last.stored_bytes, record.objects.iter().map(|object| object.size_bytes).sum::<u64>());

    write(&mut writer, "extra", &extra).await.unwrap();
    let manifest = manifest_of(1, writer.streams());
    writer.commit(manifest.clone()).await.unwrap();
    assert!(load(&local.vault, 1, "base").await.unwrap() == base);
    assert!(load(&local.vault, 1, "extra").await.unwrap() == extra);
    let read = Mutex::new(0);
    let on_progress = |bytes| *read.lock().unwrap() = bytes;
    assert_eq!(local.vault.verify(&folder(1), &manifest, on_progress, &cancel).await.unwrap(), vec![]);
    assert_eq!(*read.lock().unwrap(), manifest.size_bytes);
}

/// A backup outlives this program: `zstd` and `sha256sum` are enough.
#[tokio::test]
async fn a_person_restores_with_zstd_alone() {
    let local = Local::new();
    let bytes = data(7, 350_000);
    let manifest = store(&local.vault, 1, 2, &bytes).await.unwrap();
    let objects = &manifest.streams[0].objects;
    assert_eq!(objects.len(), 4);
    let files: Vec<_> = objects.iter().map(|object| local.file(&folder(1), &object.key)).collect();

    let test = Command::new("zstd").arg("-tq").args(&files).status().unwrap();
    assert!(test.success());
    let output = Command::new("zstd").arg("-dcq").args(&files).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == bytes);
    for (object, file) in objects.iter().zip(&files) {
        let stored = std::fs::read(file).unwrap();
        assert_eq!(stored.len() as u64, object.size_bytes);
        assert_eq!(hex::encode(Sha256::digest(&stored)), object.sha256);
        // zstd's own checksum of the data is in each frame: bit 2 of the frame header descriptor (RFC 8878, 3.1.1.1.1).
        assert_ne!(stored[4] & 0b100, 0);
    }
}

/// What the worker does with all of them: run on any thread of the runtime.
#[test]
fn every_operation_can_be_spawned() {
    fn movable<T: Send>(_: impl FnOnce(Vault) -> T) {}
    async fn everything(vault: Vault) {
        let cancel = CancellationToken::new();
        vault.check().await.unwrap();
        let manifest = store(&vault, 1, 1, b"bytes").await.unwrap();
        load_all(&vault, &manifest).await;
        vault.check_objects(&folder(1), &manifest).await.unwrap();
        vault.verify(&folder(1), &manifest, |_| {}, &cancel).await.unwrap();
        vault.list_manifests().await.unwrap();
        vault.delete_backup(&folder(1)).await.unwrap();
        vault.sweep(ids(1).0, &|_| false, std::time::Duration::ZERO, chrono::Utc::now()).await.unwrap();
    }
    async fn load_all(vault: &Vault, manifest: &domain::manifest::Manifest) {
        super::load_by(vault, 1, manifest, "base").await.unwrap();
    }
    movable(everything);
    let local = Local::new();
    runtime().block_on(runtime().spawn(everything(local.vault.clone()))).unwrap();
}
