//! Stored files that were damaged: the restore refuses before it touches anything, and names the file. // F-33

use std::fs;
use std::path::PathBuf;

use domain::{Backup, ErrorCode, RestoreStatus, VerificationStatus};

use crate::plane::{Plane, files_below};
use crate::servers::{self, TestServer};

fn objects(plane: &Plane, backup: &Backup) -> Vec<PathBuf> {
    files_below(&plane.folder(backup)).into_iter().filter(|path| !path.ends_with("manifest.json")).collect()
}

/// What is done to a stored file, and the code of the refusal.
type Damage<'a> = (&'a str, Box<dyn Fn() + 'a>, ErrorCode);

#[tokio::test(flavor = "multi_thread")]
async fn f33_a_damaged_backup_is_refused_and_the_live_data_untouched() {
    let server = servers::postgres();
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 200);
    let datastore = plane.register(&server).await;
    let first = plane.back_up(datastore.id).await;
    let second = plane.back_up(datastore.id).await;
    server.write(201, 100);
    let now = server.fingerprint();
    let object = objects(&plane, &first).remove(0);
    let other = objects(&plane, &second).remove(0);
    let whole = fs::read(&object).expect("the object");

    let flipped = || {
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    };
    let damages: [Damage<'_>; 5] = [
        (
            "truncated",
            Box::new(|| fs::write(&object, &whole[..whole.len() / 2]).expect("written")),
            ErrorCode::ObjectCorrupted,
        ),
        ("flipped", Box::new(|| fs::write(&object, flipped()).expect("written")), ErrorCode::ObjectCorrupted),
        ("deleted", Box::new(|| fs::remove_file(&object).expect("removed")), ErrorCode::ObjectMissing),
        (
            "swapped",
            Box::new(|| fs::write(&object, fs::read(&other).expect("the other")).expect("written")),
            ErrorCode::ObjectCorrupted,
        ),
        ("emptied", Box::new(|| fs::write(&object, b"").expect("written")), ErrorCode::ObjectCorrupted),
    ];
    for (what, damage, code) in &damages {
        damage();
        let restore = plane.start_restore(first.id, &datastore.name).await;
        let restore = plane.restore_end(restore.id).await;
        assert_eq!(restore.status, RestoreStatus::Failed, "{what}");
        let error = restore.error.expect("a failed restore has an error");
        assert_eq!(error.code, *code, "{what}: {error}");
        assert!(error.detail.contains("base.000"), "{what}: the file is named: {error}");
        assert_eq!(server.fingerprint(), now, "{what}: the live data is untouched");
        assert_eq!(leftovers(&server), Vec::<PathBuf>::new(), "{what}: nothing is left beside the data directory");

        let job = plane.client.backup_verify(first.id).await.expect("the verification starts");
        plane.job_end(job.id).await;
        let verified = plane.client.backup_get(first.id).await.expect("the backup is there");
        assert_eq!(verified.verification.status, VerificationStatus::Failed, "{what}");
        fs::write(&object, &whole).expect("mended");
    }
    // Mended, it restores.
    plane.restore(first.id, &datastore.name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f65_a_manifest_of_a_newer_format_is_refused_with_the_version_needed() {
    let server = testkit::Redis::start().expect("Redis starts");
    let (plane, _worker) = Plane::with_worker();
    server.write(1, 10);
    let datastore = plane.register(&server).await;
    let backup = plane.back_up(datastore.id).await;
    let path = plane.folder(&backup).join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("a manifest")).expect("JSON");
    manifest["format_version"] = 99.into();
    manifest["written_by"] = "7.3.1".into();
    fs::write(&path, manifest.to_string()).expect("written");
    // What a newer version wrote would be known by its digest; what was changed since is another refusal.
    plane.edit_database("update backups set manifest_sha256 = null");
    let plan = plane.client.backup_restore_plan(backup.id, &client::PlanQuery::default()).await.expect("a plan");
    let obstacle = plan.obstacles.iter().find(|obstacle| obstacle.code == ErrorCode::ManifestTooNew);
    assert!(obstacle.is_some_and(|obstacle| obstacle.detail.contains("7.3.1")), "{:?}", plan.obstacles);
    let restore = plane.start_restore(backup.id, &datastore.name).await;
    let restore = plane.restore_end(restore.id).await;
    assert_eq!(restore.error.map(|error| error.code), Some(ErrorCode::ManifestTooNew));
    fs::remove_file(&path).expect("removed");
    let plan = plane.client.backup_restore_plan(backup.id, &client::PlanQuery::default()).await.expect("a plan");
    assert!(plan.obstacles.iter().any(|obstacle| obstacle.code == ErrorCode::ManifestMissing));
}

/// What restores left beside a data directory.
pub fn leftovers(server: &dyn TestServer) -> Vec<PathBuf> {
    let parent = server.data_directory().parent().expect("a parent").to_owned();
    fs::read_dir(parent)
        .expect("readable")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(".holdfast-"))
        .map(|entry| entry.path())
        .collect()
}
