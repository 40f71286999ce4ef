//! Secrets at rest, and the key that seals them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::{Secret, StorageConfig, StorageCreate};
use store::{MasterKey, MasterKeyError, Store, StoreError};

use crate::fixture::{Fixture, now};
use crate::on_both;

/// Whether any file below a directory holds the bytes.
fn found_below(directory: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found_below(&path, needle)
        } else {
            std::fs::read(&path).unwrap().windows(needle.len()).any(|at| at == needle)
        }
    })
}

fn plant(fixture: &Fixture) {
    fixture.datastore("shop");
    fixture.store.job_create_inspect_draft(&fixture.draft("draft"), now()).unwrap();
    let config = StorageConfig::Local { path: "/srv".into() };
    let create = StorageCreate { name: "s3".into(), config, secret_access_key: Some(Secret::new("canary-s3-secret")) };
    fixture.store.storage_create(&create, now()).unwrap();
    fixture.store.idempotency_begin("key", b"{\"password\":\"canary-password\"}", now()).unwrap();
}

#[test]
fn i9_no_secret_is_in_the_files_of_sqlite() {
    let fixture = Fixture::sqlite();
    plant(&fixture);
    let directory = fixture.directory.path();
    assert!(directory.join("holdfast.db-wal").exists(), "the write-ahead log is searched too");
    assert!(found_below(directory, b"shop"), "what is not secret can be found, so the search works");
    for secret in ["canary-password", "canary-s3-secret"] {
        assert!(!found_below(directory, secret.as_bytes()), "{secret}");
        assert!(!found_below(directory, hex::encode(secret).as_bytes()), "{secret} in hexadecimal");
    }
    let mode = std::fs::metadata(directory.join("holdfast.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads the database");
}

#[test]
fn i9_no_secret_is_in_postgresql() {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let fixture = Fixture::postgresql();
    plant(&fixture);
    let count = |needle: &str| -> i64 {
        let mut postgres = diesel::PgConnection::establish(&fixture.url).unwrap();
        let tables: Vec<Name> =
            diesel::sql_query("select tablename::text as name from pg_tables where schemaname = 'public'")
                .load(&mut postgres)
                .unwrap();
        assert!(tables.len() > 10);
        tables
            .iter()
            .map(|table| {
                let rows = format!("(select count(*) from {} as row where row::text like '%{needle}%')", table.name);
                diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&rows))
                    .get_result::<i64>(&mut postgres)
                    .unwrap()
            })
            .sum()
    };
    assert!(count("shop") > 0, "what is not secret can be found, so the search works");
    assert_eq!((count("canary"), count(&hex::encode("canary"))), (0, 0));
}

on_both! {
    fn another_master_key_is_refused(fixture) {
        let other = MasterKey::load_or_create(&fixture.directory.path().join("other.key")).unwrap();
        let refused = Store::open(&fixture.url, other);
        assert!(matches!(refused, Err(StoreError::WrongMasterKey)), "{refused:?}");
        Store::open(&fixture.url, fixture.key()).unwrap();
    }

    fn a_sealed_password_opens_in_no_other_row(fixture) {
        use diesel::connection::SimpleConnection;
        let shop = fixture.datastore("shop");
        let other = fixture.datastore("other");
        let swap = format!(
            "update datastores set password_sealed = (select password_sealed from datastores where id = '{}') where id = '{}'",
            shop.id, other.id
        );
        crate::fixture::raw(&fixture.url, |sqlite| sqlite.batch_execute(&swap), |postgres| postgres.batch_execute(&swap)).unwrap();
        assert_eq!(fixture.store.datastore_access(shop.id).unwrap().password.unwrap().expose(), "canary-password");
        assert!(matches!(fixture.store.datastore_access(other.id), Err(StoreError::WrongMasterKey)));
    }

    fn a_drafts_password_goes_with_the_end_of_its_job(fixture) {
        let sealed = |job| {
            use diesel::prelude::*;
            #[derive(QueryableByName)]
            struct Sealed {
                #[diesel(sql_type = diesel::sql_types::BigInt)]
                count: i64,
            }
            let query = format!("select count(*) as count from jobs where id = '{job}' and input_sealed is not null");
            let found: Vec<Sealed> = crate::fixture::raw(
                &fixture.url,
                |sqlite| diesel::sql_query(&query).load(sqlite),
                |postgres| diesel::sql_query(&query).load(postgres),
            ).unwrap();
            found[0].count
        };
        let job = fixture.store.job_create_inspect_draft(&fixture.draft("draft"), now()).unwrap();
        assert_eq!(sealed(job.id), 1);
        fixture.store.job_cancel(job.id, now()).unwrap();
        assert_eq!(sealed(job.id), 0);
    }
}

#[test]
fn the_key_is_made_once_and_only_for_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| MasterKey::load_or_create(&path).unwrap());
        }
    });
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left behind");
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    MasterKey::load_or_create(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    for mode in [0o640, 0o604, 0o644] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = MasterKey::load_or_create(&path).unwrap_err();
        assert!(matches!(refused, MasterKeyError::ReadableByOthers { .. }));
        assert!(refused.to_string().contains("chmod 600"));
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for wrong in [&bytes[..31], &[bytes.as_slice(), b"x"].concat(), b""] {
        std::fs::write(&path, wrong).unwrap();
        assert!(matches!(MasterKey::load_or_create(&path), Err(MasterKeyError::WrongLength { .. })));
    }
    let nowhere = directory.path().join("no/such/directory/master.key");
    assert!(matches!(MasterKey::load_or_create(&nowhere), Err(MasterKeyError::Create { .. })));
}

#[test]
fn f81_a_key_does_not_print() {
    let directory = tempfile::tempdir().unwrap();
    let key = MasterKey::load_or_create(&directory.path().join("master.key")).unwrap();
    assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
}

static_assertions::assert_not_impl_any!(MasterKey: std::fmt::Display, serde::Serialize);
