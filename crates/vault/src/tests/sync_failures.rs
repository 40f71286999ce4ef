//! A disk that fails while data is made durable: no such error is ever ignored. // F-41
//!
//! The test runs itself again under `strace`, which makes the N-th `fsync` of each thread fail with EIO, for N = 1, 2, 3 …
//! until a run needs no failure. Each volume and the manifest are synced on threads of their own, so the two phases, the
//! stream and the commit, run in turn.

use std::path::Path;
use std::process::{Command, Output};

use domain::manifest::Manifest;
use object_store::path::Path as ObjectPath;
use tokio::runtime::Runtime;

use super::{Local, SMALL, data, folder, load, manifest_of, open, write};
use crate::{BackupWriter, Vault};

const DIRECTORY: &str = "VAULT_TEST_SYNC_DIRECTORY";
const MANIFEST: &str = "VAULT_TEST_SYNC_MANIFEST";
const THIS: &str = "tests::sync_failures::f41_a_failed_sync_is_never_a_success";

#[test]
fn f41_a_failed_sync_is_never_a_success() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let vault = open(directory.as_ref()).unwrap();
        return match std::env::var_os(MANIFEST) {
            None => drop(runtime.block_on(stored(&vault))),
            Some(manifest) => runtime.block_on(commit_again(&vault, manifest.as_ref())),
        };
    }
    // For each of two volumes its file, its three folders and the root; then the manifest's file and its folder.
    assert_eq!(syncs_none_of_which_may_fail(&runtime, false), 10);
    assert_eq!(syncs_none_of_which_may_fail(&runtime, true), 2);
}

/// Repeats one phase with ever later failures until none is met, and tells how many syncs that one had. strace counts for each
/// thread, so how many failures that takes depends on which thread does what.
fn syncs_none_of_which_may_fail(runtime: &Runtime, committing: bool) -> usize {
    for n in 1.. {
        let local = Local::new();
        let outside = tempfile::tempdir().unwrap();
        let (trace, manifest_file) = (outside.path().join("trace"), outside.path().join("manifest"));
        if committing {
            let writer = runtime.block_on(stored(&local.vault));
            let manifest = manifest_of(1, writer.streams());
            std::fs::write(&manifest_file, serde_json::to_vec(&manifest).unwrap()).unwrap();
        }
        let run = run_failing(n, &local, &trace, committing.then_some(&manifest_file));
        let traced = std::fs::read_to_string(&trace).unwrap();
        if traced.contains("INJECTED") {
            assert!(!run.status.success(), "sync {n}: {traced}");
            assert!(local.tree().is_empty(), "sync {n}: {:?}", local.tree());
            continue;
        }
        assert!(run.status.success(), "{run:?}");
        if committing {
            assert!(runtime.block_on(load(&local.vault, 1, "base")).unwrap() == data(1, 150_000));
        }
        assert!(n > 1, "no failure was injected");
        return traced.matches("fsync(").count();
    }
    unreachable!()
}

fn run_failing(n: usize, local: &Local, trace: &Path, manifest: Option<&std::path::PathBuf>) -> Output {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-e", "trace=fsync", "-e", &format!("inject=fsync:error=EIO:when={n}"), "-o"])
        .arg(trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", THIS])
        .env(DIRECTORY, local.directory.path());
    if let Some(manifest) = manifest {
        strace.env(MANIFEST, manifest);
    }
    strace.output().unwrap()
}

/// Two volumes, confirmed. Leaves nothing and panics when that fails.
async fn stored(vault: &Vault) -> BackupWriter {
    let mut writer = vault.begin_backup(&folder(1), 1, SMALL);
    if let Err(error) = write(&mut writer, "base", &data(1, 150_000)).await {
        writer.abort().await;
        panic!("{error:?}");
    }
    writer
}

/// Commits what an earlier process has stored.
async fn commit_again(vault: &Vault, manifest: &Path) {
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    let mut writer = vault.begin_backup(&folder(1), 1, SMALL);
    writer.streams = manifest.streams.clone();
    let keys = manifest.streams[0].objects.iter().map(|object| &object.key);
    writer.started = keys.map(|key| ObjectPath::from(format!("{}/{key}", folder(1)))).collect();
    writer.commit(manifest).await.unwrap();
}
