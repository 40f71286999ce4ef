//! The N-th operation of the storage fails, for N = 1, 2, 3 … until a run needs no failure; before the operation was done,
//! and after it, with only the answer lost. Whatever happens, no manifest names a missing object (I2) and nothing outlives
//! the sweep (I5). On a directory, and on a storage without files as a bucket is.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures::TryStreamExt;
use object_store::ObjectStore;
use tokio_util::sync::CancellationToken;

use super::failing_store::Failing;
use super::{Local, SMALL, data, folder, ids, load, store, write};
use crate::{MARKER_NAME, Vault};

/// More operations than any of these runs has.
const MOST: usize = 200;

/// A storage that does not fail, and the same with a failing operation.
struct Place {
    vault: Vault,
    local: Option<Local>,
    broken: Vault,
    fault: Arc<Failing>,
}

impl Place {
    fn new(in_memory: bool, n: usize, answer_lost: bool) -> Self {
        assert!(n < MOST);
        let fault = Failing::nth(n, answer_lost);
        let local = (!in_memory).then(Local::new);
        let vault = local.as_ref().map_or_else(Vault::in_memory, |local| local.vault.clone());
        let broken = vault.wrapped(|store: Arc<dyn ObjectStore>| fault.wrap(store));
        Self { vault, local, broken, fault }
    }

    /// All that is there: objects, and on a directory every file and folder.
    async fn left(&self) -> Vec<String> {
        match &self.local {
            Some(local) => local.tree(),
            None => {
                let objects: Vec<_> = self.vault.store.list(None).try_collect().await.unwrap();
                objects.into_iter().map(|object| object.location.to_string()).collect()
            }
        }
    }

    /// Every manifest in the storage names only objects that are as it says.
    async fn assert_i2(&self) {
        for (folder, manifest) in self.vault.list_manifests().await.unwrap() {
            let cancel = CancellationToken::new();
            let problems = self.vault.verify(&folder, &manifest.unwrap().manifest, |_| {}, &cancel).await.unwrap();
            assert_eq!(problems, vec![], "{folder}");
        }
    }

    async fn sweep(&self) {
        let later = Utc::now() + chrono::Duration::hours(1);
        let report = self.vault.sweep(ids(1).0, &|_| false, Duration::from_secs(60), later).await.unwrap();
        assert!(report.failed.is_empty(), "{report:?}");
    }
}

/// Both places, with the failure before the operation or after it.
const CASES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[tokio::test]
async fn f01_a_backup_whose_nth_operation_fails_leaves_nothing_or_is_whole() {
    let bytes = data(1, 250_000);
    for (in_memory, answer_lost) in CASES {
        let mut committed_despite_failure = false;
        for n in 1.. {
            let place = Place::new(in_memory, n, answer_lost);
            let stored = store(&place.broken, 1, 1, &bytes).await;
            place.assert_i2().await;
            place.sweep().await;
            place.assert_i2().await;
            match stored {
                Ok(_) => {
                    assert!(load(&place.vault, 1, "base").await.unwrap() == bytes);
                    committed_despite_failure |= place.fault.has_failed();
                }
                Err(_) => assert!(place.left().await.is_empty(), "operation {n}: {:?}", place.left().await),
            }
            if !place.fault.has_failed() {
                break;
            }
        }
        // The manifest's write is among them: over a network it counts when only its answer was lost (F-23), while a disk
        // that reports a failure has lost data (F-41).
        assert_eq!(committed_despite_failure, in_memory && answer_lost);
    }
}

#[tokio::test]
async fn f01_an_aborted_backup_leaves_nothing_whatever_fails() {
    for (in_memory, answer_lost) in CASES {
        for n in 1.. {
            let place = Place::new(in_memory, n, answer_lost);
            let mut writer = place.broken.begin_backup(&folder(1), 2, SMALL);
            let _ = write(&mut writer, "base", &data(1, 250_000)).await;
            writer.abort().await;
            place.sweep().await;
            assert!(place.left().await.is_empty(), "operation {n}: {:?}", place.left().await);
            if !place.fault.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn f73_a_deletion_whose_nth_operation_fails_is_finished_by_the_next() {
    for (in_memory, answer_lost) in CASES {
        for n in 1.. {
            let place = Place::new(in_memory, n, answer_lost);
            store(&place.vault, 1, 1, &data(1, 250_000)).await.unwrap();
            let deleted = place.broken.delete_backup(&folder(1)).await;
            place.assert_i2().await;
            let complete = deleted.is_ok_and(|report| report.failed.is_empty());
            assert!(!complete || place.left().await.is_empty(), "operation {n}: {:?}", place.left().await);
            place.vault.delete_backup(&folder(1)).await.unwrap();
            assert!(place.left().await.is_empty(), "operation {n}: {:?}", place.left().await);
            if !place.fault.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn f30_a_restore_whose_nth_operation_fails_is_told() {
    let bytes = data(1, 250_000);
    for in_memory in [false, true] {
        for n in 1.. {
            let place = Place::new(in_memory, n, false);
            store(&place.vault, 1, 1, &bytes).await.unwrap();
            let loaded = load(&place.broken, 1, "base").await;
            if !place.fault.has_failed() {
                assert!(loaded.unwrap() == bytes);
                break;
            }
            assert_eq!(loaded.unwrap_err().code(), domain::ErrorCode::StorageUnavailable);
        }
    }
}

#[tokio::test]
async fn f38_a_check_whose_nth_operation_fails_can_be_repeated() {
    for (in_memory, answer_lost) in CASES {
        for n in 1.. {
            let place = Place::new(in_memory, n, answer_lost);
            let _ = place.broken.check().await;
            place.vault.check().await.unwrap();
            place.sweep().await;
            assert_eq!(place.left().await, [MARKER_NAME]);
            if !place.fault.has_failed() {
                break;
            }
        }
    }
}
