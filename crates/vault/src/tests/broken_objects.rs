//! Objects that are not what was written are found, named, and never handed on as good. // F-33, F-84

use std::fs;
use std::io::Read;
use std::path::Path;

use domain::ErrorCode;
use domain::manifest::{Manifest, ObjectRecord, StreamRecord};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Local, data, folder, load_by, manifest_of, store};
use crate::{ObjectFault, ObjectProblem, VaultError};

/// A way to break the file of the second object, given the third's.
type Break = fn(&Path, &Path);

const BREAKS: [(&str, Break); 9] = [
    ("first byte flipped", |file, _| change(file, |bytes| bytes[0] ^= 1)),
    ("byte in the middle flipped", |file, _| change(file, |bytes| *bytes.get_mut(30_000).unwrap() ^= 0x40)),
    ("last byte flipped", |file, _| change(file, |bytes| *bytes.last_mut().unwrap() ^= 0x80)),
    ("truncated by one", |file, _| change(file, |bytes| bytes.truncate(bytes.len() - 1))),
    ("truncated to one", |file, _| change(file, |bytes| bytes.truncate(1))),
    ("emptied", |file, _| change(file, Vec::clear)),
    ("byte appended", |file, _| change(file, |bytes| bytes.push(0))),
    ("deleted", |file, _| fs::remove_file(file).unwrap()),
    ("swapped", |file, other| {
        let bytes = fs::read(file).unwrap();
        fs::copy(other, file).unwrap();
        fs::write(other, bytes).unwrap();
    }),
];

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn f33_each_kind_of_damage_is_found_and_named() {
    for (name, break_it) in BREAKS {
        let local = Local::new();
        let bytes = data(3, 350_000);
        let manifest = store(&local.vault, 1, 1, &bytes).await.unwrap();
        let file = |index| local.file(&folder(1), &manifest.streams[0].objects[index as usize].key);
        break_it(&file(1), &file(2));

        let error = load_by(&local.vault, 1, &manifest, "base").await.unwrap_err();
        let VaultError::Object(problem) = &error else { panic!("{name}: {error:?}") };
        assert_eq!(problem.key, "base.001.tar.zst", "{name}");
        let code = if name == "deleted" { ErrorCode::ObjectMissing } else { ErrorCode::ObjectCorrupted };
        assert_eq!(error.code(), code, "{name}");

        let damaged =
            if name == "swapped" { vec!["base.001.tar.zst", "base.002.tar.zst"] } else { vec!["base.001.tar.zst"] };
        let found = local.vault.verify(&folder(1), &manifest, |_| {}, &CancellationToken::new()).await.unwrap();
        let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, damaged, "{name}: {found:?}");
        // What verify says and what a restore says is the same.
        assert_eq!(found[0].code(), code, "{name}");

        let same_size = name.contains("flipped");
        let looked = local.vault.check_objects(&folder(1), &manifest).await.unwrap();
        assert_eq!(looked.is_empty(), same_size, "{name}: {looked:?}");
    }
}

#[tokio::test]
async fn f33_all_problems_of_a_backup_are_told() {
    let local = Local::new();
    let manifest = store(&local.vault, 1, 1, &data(3, 500_000)).await.unwrap();
    let file = |index| local.file(&folder(1), &format!("base.00{index}.tar.zst"));
    change(&file(0), |bytes| bytes[5_000] ^= 1);
    fs::remove_file(file(2)).unwrap();
    change(&file(4), |bytes| bytes.truncate(10));
    let mut found = local.vault.verify(&folder(1), &manifest, |_| {}, &CancellationToken::new()).await.unwrap();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    let expected = [
        ObjectFault::Checksum,
        ObjectFault::Missing,
        ObjectFault::Size { expected: manifest.streams[0].objects[4].size_bytes, found: 10 },
    ];
    let expected: Vec<_> = [0, 2, 4]
        .into_iter()
        .zip(expected)
        .map(|(index, fault)| ObjectProblem { key: format!("base.00{index}.tar.zst"), fault })
        .collect();
    assert_eq!(found, expected);
}

/// Puts `stored` in place of a backup's only object, with a manifest that fits but for `original_size`.
async fn forge(local: &Local, stored: &[u8], original_size: u64) -> Manifest {
    store(&local.vault, 1, 1, b"a small honest backup").await.unwrap();
    fs::write(local.file(&folder(1), "base.000.tar.zst"), stored).unwrap();
    manifest_of(
        1,
        &[StreamRecord {
            name: "base".to_owned(),
            extension: "tar".to_owned(),
            original_size_bytes: original_size,
            objects: vec![ObjectRecord {
                key: "base.000.tar.zst".to_owned(),
                size_bytes: stored.len() as u64,
                sha256: hex::encode(Sha256::digest(stored)),
                original_size_bytes: original_size,
            }],
        }],
    )
}

fn fault(error: VaultError) -> ObjectFault {
    match error {
        VaultError::Object(problem) => problem.fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn f84_a_bomb_is_not_decompressed_beyond_the_declared_size() {
    let local = Local::new();
    let bomb = zstd::encode_all(std::io::repeat(0).take(1 << 30), 3).unwrap();
    assert!(bomb.len() < 200_000);
    let manifest = forge(&local, &bomb, 3_000_000).await;
    let mut sink = Vec::new();
    let cancel = CancellationToken::new();
    let error =
        local.vault.copy_stream_into(&folder(1), &manifest, "base", &mut sink, &|_| {}, &cancel).await.unwrap_err();
    assert!(matches!(fault(error), ObjectFault::OriginalSize { expected: 3_000_000, .. }));
    assert!(sink.len() <= 3_000_000, "{}", sink.len());
}

#[tokio::test]
async fn f84_a_frame_that_wants_much_memory_is_refused() {
    let local = Local::new();
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(27)).unwrap();
    std::io::copy(&mut std::io::repeat(7).take(200_000_000), &mut encoder).unwrap();
    let manifest = forge(&local, &encoder.finish().unwrap(), 200_000_000).await;
    let error = load_by(&local.vault, 1, &manifest, "base").await.unwrap_err();
    assert!(matches!(fault(error), ObjectFault::Compression { .. }));
}

#[tokio::test]
async fn f33_objects_that_decompress_to_less_or_not_at_all_are_refused() {
    let whole = zstd::encode_all(&data(1, 50_000)[..], 3).unwrap();
    let local = Local::new();
    let manifest = forge(&local, &whole, 50_001).await;
    let error = load_by(&local.vault, 1, &manifest, "base").await.unwrap_err();
    assert_eq!(fault(error), ObjectFault::OriginalSize { expected: 50_001, at_least: 50_000 });

    for stored in [&whole[..whole.len() - 3], b"this is no frame of zstd"] {
        let local = Local::new();
        let manifest = forge(&local, stored, 50_000).await;
        let error = load_by(&local.vault, 1, &manifest, "base").await.unwrap_err();
        assert!(matches!(fault(error), ObjectFault::Compression { .. }));
    }
}
