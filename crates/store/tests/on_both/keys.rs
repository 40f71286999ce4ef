//! Envelope encryption: databases of before it are taken over, and the master key is replaced without a moment at which
//! neither key would open the database.

use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use domain::{ActorKind, Secret, StorageConfig, StorageCreate};
use store::{AuditFilter, AuditFinding, KeyFile, KeyRotation, MasterKey, Store, StoreError};
use uuid::Uuid;

use crate::fixture::{Fixture, after, now, raw};
use crate::on_both;

const SECRET: &str = "canary-s3-secret";

fn file(fixture: &Fixture) -> KeyFile {
    KeyFile::new(fixture.directory.path().join("master.key"))
}

fn add_storage(store: &Store, name: &str) -> Uuid {
    let config = StorageConfig::Local { path: "/srv".into() };
    let create = StorageCreate { name: name.into(), config, secret_access_key: Some(Secret::new(SECRET)) };
    store.storage_create(&create, now()).unwrap().id
}

fn opens(store: &Store, storage: Uuid) -> bool {
    store.storage_access(storage).is_ok_and(|access| access.secret_access_key.unwrap().expose() == SECRET)
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn execute(url: &str, sql: &str) {
    use diesel::connection::SimpleConnection;
    raw(url, |sqlite| sqlite.batch_execute(sql), |postgres| postgres.batch_execute(sql)).unwrap();
}

/// Seals as versions before the data keys did: with the master key itself.
fn seal_as_before(key: &[u8], context: &str, plain: &[u8]) -> String {
    let (cipher, nonce) = (XChaCha20Poly1305::new_from_slice(key).unwrap(), [7_u8; 24]);
    let payload = Payload { msg: plain, aad: context.as_bytes() };
    format!("{}{}", hex::encode(nonce), hex::encode(cipher.encrypt(XNonce::from_slice(&nonce), payload).unwrap()))
}

/// Makes the tables of the last version before the data keys, by its own migrations.
fn make_old_tables(url: &str) {
    let dialect = if url.starts_with("sqlite") { "sqlite" } else { "postgresql" };
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
    let mut names: Vec<String> = std::fs::read_dir(directory.clone())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.as_str() < "2026-05")
        .collect();
    names.sort();
    assert_eq!(names.len(), 4);
    execute(
        url,
        "create table __diesel_schema_migrations (version varchar(50) primary key not null, \
         run_on timestamp not null default current_timestamp)",
    );
    for name in names {
        execute(url, &std::fs::read_to_string(directory.join(&name).join("up.sql")).unwrap());
        let version: String = name.split('_').next().unwrap().chars().filter(char::is_ascii_digit).collect();
        execute(url, &format!("insert into __diesel_schema_migrations (version) values ('{version}')"));
    }
}

/// A database as the version before the data keys left it: a storage, a datastore and a key that was being used.
fn old_database(url: &str, key: &[u8]) -> (Uuid, Uuid) {
    make_old_tables(url);
    let (storage, datastore) = (Uuid::now_v7(), Uuid::now_v7());
    let sealed = |context: &str, plain: &str| seal_as_before(key, context, plain.as_bytes());
    let columns = "id, name, engine, host, port, password_sealed, service, storage_id, status, capabilities, findings, created_at, updated_at";
    execute(
        url,
        &format!(
            "insert into meta (key, value) values ('key_check', '{}');
             insert into storages (id, name, config, secret_sealed, created_at)
                values ('{storage}', 's3', '{{\"kind\":\"local\",\"path\":\"/srv\"}}', '{}', 1);
             insert into datastores ({columns}) values ('{datastore}', 'shop', 'postgresql', '127.0.0.1', 5432, '{}',
                '{{\"kind\":\"none\"}}', '{storage}', 'unknown',
                '{{\"methods\":[],\"point_in_time_recovery\":false,\"point_in_time_recovery_reason\":null,\"restore_in_place\":false,\"restore_in_place_reason\":null}}',
                '[]', 1, 1);
             insert into idempotency_keys (key, request_sealed, created_at) values ('k', '{}', {});",
            sealed("key_check", "key_check"),
            sealed(&format!("storages.secret:{storage}"), SECRET),
            sealed(&format!("datastores.password:{datastore}"), "canary-password"),
            seal_as_before(key, "idempotency_keys.request:k", &sha256(b"request")),
            now().timestamp_micros(),
        ),
    );
    (storage, datastore)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).to_vec()
}

fn with_old_database(url: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    MasterKey::load_or_create(&path).unwrap();
    let (storage, datastore) = old_database(url, &bytes(&path));
    let other = MasterKey::load_or_create(&directory.path().join("other.key")).unwrap();
    let refused = Store::open(url, other);
    assert!(matches!(refused, Err(StoreError::WrongMasterKey)), "{refused:?}");
    let file = KeyFile::new(&path);
    for _ in 0..2 {
        let store = Store::open_with(url, &file).unwrap();
        assert!(opens(&store, storage));
        let access = store.datastore_access(datastore).unwrap();
        assert_eq!(access.password.unwrap().expose(), "canary-password");
        assert_eq!(store.idempotency_begin("k", b"request", now()).unwrap(), store::Idempotency::InProgress);
        let report = store.secrets_verify().unwrap();
        assert!(report.open >= 4 && report.closed.is_empty(), "{report:?}");
    }
    rotate(url, &file);
    let store = Store::open_with(url, &file).unwrap();
    assert!(opens(&store, storage));
}

fn rotate(url: &str, file: &KeyFile) {
    let rotation = KeyRotation::begin(url, file).unwrap();
    rotation.seal_anew(after(1)).unwrap();
    assert_eq!(rotation.verify().unwrap().closed, Vec::<String>::new());
    rotation.finish().unwrap();
}

#[test]
fn a_database_of_before_the_data_keys_is_taken_over_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    std::fs::write(&path, "").unwrap();
    with_old_database(&format!("sqlite://{}", path.display()));
}

#[test]
fn a_database_of_before_the_data_keys_is_taken_over_on_postgresql() {
    let control = testkit::control_database();
    with_old_database(&control.url);
}

on_both! {
    fn a_rotation_that_ends_after_any_step_loses_nothing_and_can_be_done_again(fixture) {
        let storage = add_storage(&fixture.store, "s3");
        let file = file(fixture);
        let mut sealed = 0;
        for steps in 0..=4 {
            let before = bytes(file.path());
            if steps >= 1 {
                let rotation = KeyRotation::begin(&fixture.url, &file).unwrap();
                if steps >= 2 {
                    assert_eq!(rotation.seal_anew(after(1)).unwrap(), 1);
                    sealed += 1;
                }
                if steps >= 3 {
                    assert_eq!(rotation.verify().unwrap().closed, Vec::<String>::new());
                }
                if steps >= 4 {
                    rotation.finish().unwrap();
                }
            }
            // The process is gone. The next one opens it, whichever key is the right one now.
            let store = Store::open_with(&fixture.url, &file).unwrap();
            assert!(opens(&store, storage), "after {steps} steps");
            assert_eq!(before != bytes(file.path()), steps >= 2, "after {steps} steps the file is the database's key");
            assert_eq!(file.next_path().exists(), steps == 1, "after {steps} steps");
        }
        let rows = fixture.store.audit_after(&AuditFilter::default(), 0, 100).unwrap();
        assert_eq!(rows.iter().filter(|row| row.action == "keys_rotate").count(), sealed);
        assert!(rows.iter().all(|row| row.actor.kind == ActorKind::CommandLine));
        assert!(matches!(fixture.store.audit_verify().unwrap(), AuditFinding::Whole(_)));
    }

    fn the_old_key_opens_nothing_after_a_rotation(fixture) {
        add_storage(&fixture.store, "s3");
        let file = file(fixture);
        let old = fixture.directory.path().join("kept.key");
        std::fs::copy(file.path(), &old).unwrap();
        rotate(&fixture.url, &file);
        let refused = Store::open(&fixture.url, MasterKey::load(&old).unwrap());
        assert!(matches!(refused, Err(StoreError::WrongMasterKey)), "{refused:?}");
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
    }

    fn a_service_that_runs_goes_on_during_and_after_a_rotation(fixture) {
        let running = &fixture.store;
        let before = add_storage(running, "before");
        let file = file(fixture);
        let rotation = KeyRotation::begin(&fixture.url, &file).unwrap();
        rotation.seal_anew(after(1)).unwrap();
        let during = add_storage(running, "during");
        rotation.finish().unwrap();
        let later = add_storage(running, "later");
        let restarted = Store::open_with(&fixture.url, &file).unwrap();
        for storage in [before, during, later] {
            assert!(opens(running, storage) && opens(&restarted, storage));
        }
    }

    fn two_rotations_at_once_end_with_one_key_that_fits(fixture) {
        let storage = add_storage(&fixture.store, "s3");
        let file = file(fixture);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    rotate(&fixture.url, &file);
                    // A service that starts meanwhile waits for the end.
                    assert!(opens(&Store::open_with(&fixture.url, &file).unwrap(), storage));
                });
            }
        });
        assert!(opens(&Store::open_with(&fixture.url, &file).unwrap(), storage));
        rotate(&fixture.url, &file);
        assert!(opens(&Store::open_with(&fixture.url, &file).unwrap(), storage));
    }

    fn a_value_that_does_not_open_is_named_and_stops_no_rotation(fixture) {
        let storage = add_storage(&fixture.store, "s3");
        let damaged = add_storage(&fixture.store, "damaged");
        execute(&fixture.url, &format!("update storages set secret_sealed = 'x:00' where id = '{damaged}'"));
        let file = file(fixture);
        let rotation = KeyRotation::begin(&fixture.url, &file).unwrap();
        rotation.seal_anew(after(1)).unwrap();
        assert_eq!(rotation.verify().unwrap().closed, [format!("storages.secret:{damaged}")]);
        rotation.finish().unwrap();
        assert!(opens(&Store::open_with(&fixture.url, &file).unwrap(), storage));
    }

    fn what_the_master_key_sealed_itself_no_longer_counts(fixture) {
        // Whoever has the file but not the database's data key can't plant a secret.
        let storage = add_storage(&fixture.store, "s3");
        let place = format!("storages.secret:{storage}");
        let planted = seal_as_before(&bytes(file(fixture).path()), &place, b"planted");
        execute(&fixture.url, &format!("update storages set secret_sealed = '{planted}' where id = '{storage}'"));
        assert!(matches!(fixture.store.storage_access(storage), Err(StoreError::WrongMasterKey)));
    }

    fn looking_at_a_database_makes_nothing(fixture) {
        add_storage(&fixture.store, "s3");
        let file = file(fixture);
        Store::open_existing(&fixture.url, &file).unwrap();
        let nowhere = KeyFile::new(fixture.directory.path().join("no.key"));
        assert!(matches!(Store::open_existing(&fixture.url, &nowhere), Err(StoreError::MasterKey(_))));
        assert!(!nowhere.path().exists());
        let missing = format!("sqlite://{}", fixture.directory.path().join("no.db").display());
        assert!(matches!(Store::open_existing(&missing, &file), Err(StoreError::Unavailable { .. })));
        assert!(!fixture.directory.path().join("no.db").exists());
        execute(&fixture.url, "delete from __diesel_schema_migrations where version = '20260503000000'");
        assert!(matches!(Store::open_existing(&fixture.url, &file), Err(StoreError::OlderSchema { .. })));
    }
}
