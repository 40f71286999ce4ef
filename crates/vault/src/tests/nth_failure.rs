//! The N-th operation of the storage fails, for N = 1, 2, 3 … until a run needs no failure; before the operation was done,
//! and after it, with only the answer lost. Whatever happens, no manifest names a missing object (I2) and nothing outlives
//! the sweep (I5).

use std::time::Duration;

use chrono::Utc;
use object_store::ObjectStore;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::failing_store::Failing;
use super::{Local, SMALL, data, folder, load, store};
use crate::Vault;

/// More operations than any of these runs has.
const MOST: usize = 200;

/// The storage through a wrapper whose `n`-th operation fails.
fn failing(local: &Local, n: usize, answer_lost: bool) -> (Vault, Arc<Failing>) {
    let failing = Failing::nth(n, answer_lost);
    (local.vault.wrapped(|store: Arc<dyn ObjectStore>| failing.wrap(store)), failing)
}

/// Every manifest in the storage names only objects that are as it says.
async fn assert_i2(local: &Local) {
    for (folder, manifest) in local.vault.list_manifests().await.unwrap() {
        let problems =
            local.vault.verify(&folder, &manifest.unwrap(), |_| {}, &CancellationToken::new()).await.unwrap();
        assert_eq!(problems, vec![], "{folder}");
    }
}

async fn sweep(local: &Local) {
    let later = Utc::now() + chrono::Duration::hours(1);
    let report = local.vault.sweep(&|_| false, Duration::from_secs(60), later).await.unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
}

#[tokio::test]
async fn f01_a_backup_whose_nth_operation_fails_leaves_nothing_or_is_whole() {
    for answer_lost in [false, true] {
        let bytes = data(1, 250_000);
        let mut committed_despite_failure = false;
        for n in 1.. {
            assert!(n < MOST);
            let local = Local::new();
            let (vault, fault) = failing(&local, n, answer_lost);
            let stored = store(&vault, 1, 1, &bytes).await;
            assert_i2(&local).await;
            sweep(&local).await;
            assert_i2(&local).await;
            match stored {
                Ok(_) => {
                    assert!(load(&local.vault, 1, "base").await.unwrap() == bytes);
                    committed_despite_failure |= fault.has_failed();
                }
                Err(_) => assert!(local.tree().is_empty(), "operation {n}: {:?}", local.tree()),
            }
            if !fault.has_failed() {
                break;
            }
        }
        // The manifest's write is among them: when only its answer is lost the backup counts. // F-23
        assert_eq!(committed_despite_failure, answer_lost);
    }
}

#[tokio::test]
async fn f01_an_aborted_backup_leaves_nothing_whatever_fails() {
    for n in 1.. {
        assert!(n < MOST);
        let local = Local::new();
        let (vault, fault) = failing(&local, n, false);
        let mut writer = vault.begin_backup(&folder(1), 2, SMALL);
        let _ = super::write(&mut writer, "base", &data(1, 250_000)).await;
        writer.abort().await;
        sweep(&local).await;
        assert!(local.tree().is_empty(), "operation {n}: {:?}", local.tree());
        if !fault.has_failed() {
            break;
        }
    }
}

#[tokio::test]
async fn f73_a_deletion_whose_nth_operation_fails_is_finished_by_the_next() {
    for answer_lost in [false, true] {
        for n in 1.. {
            assert!(n < MOST);
            let local = Local::new();
            store(&local.vault, 1, 1, &data(1, 250_000)).await.unwrap();
            let (vault, fault) = failing(&local, n, answer_lost);
            let deleted = vault.delete_backup(&folder(1)).await;
            assert_i2(&local).await;
            let complete = deleted.is_ok_and(|report| report.failed.is_empty());
            assert!(!complete || local.tree().is_empty(), "operation {n}: {:?}", local.tree());
            local.vault.delete_backup(&folder(1)).await.unwrap();
            assert!(local.tree().is_empty(), "operation {n}: {:?}", local.tree());
            if !fault.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn f30_a_restore_whose_nth_operation_fails_is_told() {
    for n in 1.. {
        assert!(n < MOST);
        let local = Local::new();
        let bytes = data(1, 250_000);
        store(&local.vault, 1, 1, &bytes).await.unwrap();
        let (vault, fault) = failing(&local, n, false);
        let loaded = load(&vault, 1, "base").await;
        if !fault.has_failed() {
            assert!(loaded.unwrap() == bytes);
            break;
        }
        assert_eq!(loaded.unwrap_err().code(), domain::ErrorCode::StorageUnavailable);
    }
}

#[tokio::test]
async fn f38_a_check_whose_nth_operation_fails_can_be_repeated() {
    for answer_lost in [false, true] {
        for n in 1.. {
            assert!(n < MOST);
            let local = Local::new();
            let (vault, fault) = failing(&local, n, answer_lost);
            let _ = vault.check().await;
            local.vault.check().await.unwrap();
            sweep(&local).await;
            assert_eq!(local.tree(), [crate::MARKER_NAME]);
            if !fault.has_failed() {
                break;
            }
        }
    }
}
