//! `holdfast keys rotate`, killed at every step that reaches the disk, and beside a service that runs.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use domain::{Secret, StorageConfig, StorageCreate, StoragePatch};
use store::{KeyFile, Store};
use uuid::Uuid;

use crate::plane::Plane;

const SECRET: &str = "canary-s3-secret";

fn rotate(wrapper: &[&str], directory: &Path) -> Output {
    let mut arguments: Vec<&str> = wrapper.to_vec();
    arguments.extend([env!("CARGO_BIN_EXE_holdfast"), "keys", "rotate", "--data-dir"]);
    Command::new(arguments[0]).args(&arguments[1..]).arg(directory).output().expect("it runs")
}

fn create(name: &str) -> StorageCreate {
    let config = StorageConfig::S3 {
        bucket: "holdfast".into(),
        region: Some("eu-central-1".into()),
        endpoint: Some("https://s3.example.test".into()),
        prefix: None,
        access_key_id: "AKIA".into(),
    };
    StorageCreate { name: name.into(), config, secret_access_key: Some(Secret::new(SECRET)) }
}

fn secret_of(directory: &Path, storage: Uuid) -> String {
    let file = KeyFile::new(directory.join("master.key"));
    let url = directory.join("holdfast.db");
    let store = Store::open_with(url.to_str().expect("UTF-8"), &file).expect("it opens with the key that is there");
    let access = store.storage_access(storage).expect("the storage is there");
    access.secret_access_key.expect("it has a secret").expose().to_owned()
}

#[test]
fn a_rotation_that_is_killed_at_any_step_loses_no_secret() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = KeyFile::new(directory.path().join("master.key"));
    let url = directory.path().join("holdfast.db");
    let store = Store::open_with(url.to_str().expect("UTF-8"), &file).expect("it is made");
    let storage = store.storage_create(&create("s3"), chrono::Utc::now()).expect("it is added").id;
    drop(store);
    let mut kills = 0;
    for syscalls in ["fsync,fdatasync", "rename,renameat,renameat2,link,linkat,unlink,unlinkat", "pwrite64"] {
        for nth in 1..400 {
            let inject = format!("inject={syscalls}:signal=SIGKILL:when={nth}");
            let output = rotate(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject], directory.path());
            assert_eq!(secret_of(directory.path(), storage), SECRET, "killed at {syscalls} {nth}");
            if output.status.success() {
                break;
            }
            assert_eq!(output.status.signal(), Some(9), "{}", String::from_utf8_lossy(&output.stderr));
            kills += 1;
        }
    }
    assert!(kills > 10, "it was killed {kills} times only");
    let output = rotate(&[], directory.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!file.next_path().exists(), "nothing is left over");
    assert_eq!(secret_of(directory.path(), storage), SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_on_while_its_master_key_is_replaced_and_starts_with_the_new_one() {
    let mut plane = Plane::start();
    let storage = plane.client.storage_create(&create("s3")).await.expect("it is added");
    let before = std::fs::read(plane.directory.path().join("master.key")).expect("the key");
    let output = rotate(&[], plane.directory.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_ne!(std::fs::read(plane.directory.path().join("master.key")).expect("the key"), before);
    let later = plane.client.storage_create(&create("later")).await.expect("the running service seals");
    plane.stop();
    plane.start_again(&[]);
    let patch = StoragePatch { name: Some("renamed".into()), ..StoragePatch::default() };
    plane.client.storage_patch(storage.id, &patch).await.expect("the service runs on the new key");
    plane.stop();
    for storage in [storage.id, later.id] {
        assert_eq!(secret_of(plane.directory.path(), storage), SECRET);
    }
}

#[test]
fn there_is_nothing_to_replace_where_there_is_no_database() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = rotate(&[], directory.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0, "and nothing was made");
}
