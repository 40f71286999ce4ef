//! What interrupted work leaves is swept, and nothing else. // I5, F-34

use std::fs;
use std::time::Duration;

use chrono::Utc;

use super::{Local, SMALL, data, folder, ids, load, store, write};

const GRACE: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn f37_only_old_orphans_of_finished_jobs_are_swept() {
    let local = Local::new();
    local.vault.check().await.unwrap();
    let kept = data(1, 250_000);
    store(&local.vault, 1, 2, &kept).await.unwrap();
    // A stale first attempt at the same backup, two backups that never were, and a probe.
    let mut stale = local.vault.begin_backup(&folder(1), 1, SMALL);
    write(&mut stale, "base", &data(2, 250_000)).await.unwrap();
    let mut dead = local.vault.begin_backup(&folder(2), 1, SMALL);
    write(&mut dead, "base", &data(3, 250_000)).await.unwrap();
    fs::write(local.file(&folder(2), "base.003.tar.zst#1"), "half an upload").unwrap();
    let mut running = local.vault.begin_backup(&folder(3), 1, SMALL);
    write(&mut running, "base", &data(4, 250_000)).await.unwrap();
    fs::write(local.directory.path().join("holdfast-probe-1"), "x").unwrap();
    let before = local.tree();
    let (_, running_id) = ids(3);
    let in_progress = |id| id == running_id;

    // Too young: it may belong to a job that nobody knows of yet.
    let report = local.vault.sweep(ids(1).0, &in_progress, GRACE, Utc::now()).await.unwrap();
    assert_eq!((report.deleted, report.failed.len()), (0, 0));
    assert_eq!(local.tree(), before);

    let later = Utc::now() + chrono::Duration::hours(2);
    let report = local.vault.sweep(ids(1).0, &in_progress, GRACE, later).await.unwrap();
    assert_eq!((report.deleted, report.failed.len()), (3 + 3 + 1 + 1, 0));
    assert!(load(&local.vault, 1, "base").await.unwrap() == kept);
    let left = local.tree();
    assert!(!left.iter().any(|path| path.starts_with(&folder(2)) || path.contains("probe")), "{left:?}");
    assert_eq!(left.iter().filter(|path| path.starts_with(&folder(3))).count(), 1 + 3);
    assert!(!left.contains(&format!("{}/base.000.tar.zst", folder(1))));
}

#[tokio::test]
async fn a_backup_whose_manifest_cannot_be_read_is_left_alone() {
    let local = Local::new();
    store(&local.vault, 1, 1, &data(1, 250_000)).await.unwrap();
    for manifest in ["{", r#"{"format_version":7,"written_by":"8.0"}"#] {
        fs::write(local.file(&folder(1), "manifest.json"), manifest).unwrap();
        let before = local.tree();
        let later = Utc::now() + chrono::Duration::hours(2);
        let report = local.vault.sweep(ids(1).0, &|_| false, GRACE, later).await.unwrap();
        assert_eq!(report.deleted, 0);
        assert_eq!(local.tree(), before);
    }
}
