//! Disks that are full or refuse writing.

use std::path::Path;

use domain::ErrorCode;
use nix::mount::{MsFlags, mount};
use testkit::Tmpfs;

use super::{SMALL, data, folder, open, store, write};

fn files_below(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path.display().to_string()] }).collect()
}

#[tokio::test]
async fn f40_a_full_disk_is_told_and_cleaned() {
    // From no room for anything to room for all objects but the manifest.
    for pages in [1, 2, 8, 20, 40, 60, 80, 100, 130] {
        let disk = Tmpfs::mount(pages * 4096).unwrap();
        let vault = open(disk.path()).unwrap();
        match store(&vault, 1, 1, &data(1, 650_000)).await {
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::StorageFull, "{pages} pages: {error:?}");
                assert!(files_below(disk.path()).is_empty(), "{pages} pages: {:?}", files_below(disk.path()));
            }
            Ok(manifest) => {
                assert!(pages * 4096 > manifest.size_bytes);
                assert!(vault.check_objects(&folder(1), &manifest).await.unwrap().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_read_only_disk_is_denied() {
    let disk = Tmpfs::mount(1 << 20).unwrap();
    let vault = open(disk.path()).unwrap();
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, disk.path(), None::<&str>, flags, None::<&str>).unwrap();
    assert_eq!(vault.check().await.unwrap_err().code(), ErrorCode::StorageDenied);
    let mut writer = vault.begin_backup(&folder(1), 1, SMALL);
    assert_eq!(write(&mut writer, "base", b"bytes").await.unwrap_err().code(), ErrorCode::StorageDenied);
    assert_eq!(open(&disk.path().join("new")).unwrap_err().code(), ErrorCode::StorageDenied);
}
