//! Taking into the catalog what a storage holds. // F-24

use std::collections::BTreeMap;

use domain::manifest::FORMAT_VERSION;
use domain::{BackupType, DatastoreStatus, Engine, JobStatus, Manifest, Method, StoredManifest};
use store::{BackupFilter, PageRequest};
use uuid::Uuid;

use crate::fixture::{after, now};
use crate::on_both;

fn manifest(datastore: u128, number: i64, parent: Option<&StoredManifest>) -> StoredManifest {
    let sha256 = format!("{datastore:032x}{number:032x}");
    let (parent, parent_sha256) = parent.map(|parent| (&parent.manifest, parent.sha256.clone())).unzip();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        written_by: "1.0".into(),
        backup_id: Uuid::from_u128(datastore << 32 | u128::try_from(number).unwrap()),
        number,
        datastore_id: Uuid::from_u128(datastore),
        datastore_name: "shop".into(),
        engine: Engine::Mariadb,
        engine_version: "10.11.19-MariaDB".into(),
        server_identity: Some("identity".into()),
        method: Method::Mariabackup,
        backup_type: if parent.is_some() { BackupType::Incremental } else { BackupType::Full },
        parent_id: parent.map(|parent| parent.backup_id),
        parent_sha256,
        created_at: after(number * 100),
        started_at: after(number * 100 + 1),
        ended_at: after(number * 100 + 31),
        log_position: Some("binlog.1:4".into()),
        log_point: None,
        log_ranges: Vec::new(),
        command_line: Vec::new(),
        completion_mark: "completed OK!".into(),
        streams: Vec::new(),
        size_bytes: 1000,
        original_size_bytes: 4000,
        unpacked_size_bytes: 4000,
        restore_commands: Vec::new(),
        engine_facts: BTreeMap::new(),
        continuation: None,
        unknown: BTreeMap::new(),
    };
    StoredManifest { manifest, sha256 }
}

on_both! {
    fn f24_backups_come_back_as_they_were(fixture) {
        let storage = fixture.storage();
        let full = manifest(1, 7, None);
        let increment = manifest(1, 9, Some(&full));
        let found = fixture.store.catalog_adopt(storage.id, &[increment.clone(), full.clone()], &[], now()).unwrap();
        assert_eq!((found.datastores.as_slice(), found.backups, found.known), (["shop".to_owned()].as_slice(), 2, 0));
        let datastore = fixture.store.datastore_get(full.manifest.datastore_id, now()).unwrap();
        assert_eq!((datastore.status, datastore.created_at), (DatastoreStatus::Unknown, full.manifest.created_at));
        let backup = fixture.store.backup_get(increment.manifest.backup_id).unwrap();
        assert_eq!((backup.status, backup.number, backup.parent_id), (JobStatus::Completed, 9, Some(full.manifest.backup_id)));
        assert_eq!((backup.ended_at, backup.duration_seconds), (Some(increment.manifest.ended_at), Some(30.0)));
        let page = PageRequest::default();
        let listed = fixture.store.backup_list(full.manifest.datastore_id, &BackupFilter::default(), &page).unwrap();
        assert_eq!(listed.total, 2);
        assert_eq!(fixture.backup(full.manifest.datastore_id).number, 10, "numbers go on");

        let again = fixture.store.catalog_adopt(storage.id, &[full, increment], &[], after(5)).unwrap();
        assert_eq!((again.datastores.len(), again.backups, again.known), (0, 0, 2));
    }

    fn f24_names_and_numbers_that_are_taken_are_not_given_twice(fixture) {
        let other = fixture.datastore("shop");
        let taken = fixture.completed_backup(other.id, 5);
        let found = manifest(2, taken.number, None);
        let adoption = fixture.store.catalog_adopt(fixture.storage().id, std::slice::from_ref(&found), &[], now()).unwrap();
        assert_eq!(adoption.datastores, ["shop 00000000".to_owned()]);
        let backup = fixture.store.backup_get(found.manifest.backup_id).unwrap();
        assert_eq!(backup.number, taken.number + 1);
    }

    fn f24_an_increment_without_its_parent_is_left_out(fixture) {
        let full = manifest(1, 1, None);
        let orphan = manifest(1, 2, Some(&full));
        let next = manifest(1, 3, Some(&orphan));
        let storage = fixture.storage();
        let adoption = fixture.store.catalog_adopt(storage.id, &[orphan.clone(), next.clone()], &[], now()).unwrap();
        assert_eq!((adoption.backups, adoption.without_parent), (0, vec![orphan.manifest.backup_id, next.manifest.backup_id]));
        assert!(fixture.store.catalog_adopt(Uuid::nil(), &[full], &[], now()).is_err(), "no such storage");
    }

    fn f90_a_manifest_that_was_changed_is_told_of(fixture) {
        let storage = fixture.storage();
        let full = manifest(1, 1, None);
        let increment = manifest(1, 2, Some(&full));
        fixture.store.catalog_adopt(storage.id, std::slice::from_ref(&full), &[], now()).unwrap();
        let known = fixture.store.backup_get(full.manifest.backup_id).unwrap();
        assert_eq!(known.manifest_sha256.as_ref(), Some(&full.sha256));

        let changed = StoredManifest { sha256: "c".repeat(64), ..full.clone() };
        let built_on_it = manifest(1, 3, Some(&changed));
        let found = [changed, increment.clone(), built_on_it.clone()];
        let adoption = fixture.store.catalog_adopt(storage.id, &found, &[], now()).unwrap();
        assert_eq!((adoption.known, adoption.changed), (1, vec![full.manifest.backup_id]));
        assert_eq!((adoption.backups, adoption.without_parent), (1, vec![built_on_it.manifest.backup_id]));
    }
}
