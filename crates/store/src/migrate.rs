//! Bringing the database to this version's tables. All new migrations happen in one transaction, so an interrupted start
//! leaves the old tables; a database that a newer version has changed is left alone. // F-27

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::StoreError;
use crate::connection::AnyConnection;
use crate::master_key::MasterKey;
use crate::schema::meta;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRESQL: EmbeddedMigrations = embed_migrations!("migrations/postgresql");
/// Keeps two processes that start at once from migrating a PostgreSQL together.
const MIGRATION_LOCK: i64 = 0x686f_6c64_6d69_6772;

/// Runs what is missing.
///
/// # Errors
/// [`StoreError::NewerSchema`] when the database knows a migration that this program does not.
pub fn migrate(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Sqlite(sqlite) => {
            check_health(sqlite)?;
            sqlite.exclusive_transaction(|sqlite| run(sqlite, SQLITE))
        }
        AnyConnection::Postgres(postgres) => postgres.transaction(|postgres| {
            postgres.batch_execute(&format!("select pg_advisory_xact_lock({MIGRATION_LOCK})"))?;
            run(postgres, POSTGRESQL)
        }),
    }
}

fn run<C>(connection: &mut C, known: EmbeddedMigrations) -> Result<(), StoreError>
where
    C: MigrationHarness<C::Backend> + Connection,
    C::Backend: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<C::Backend>,
{
    let mine: Vec<MigrationVersion<'static>> = MigrationSource::<C::Backend>::migrations(&known)
        .map_err(StoreError::Migrate)?
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let applied = connection.applied_migrations().map_err(StoreError::Migrate)?;
    if let Some(unknown) = applied.iter().find(|version| !mine.contains(version)) {
        return Err(StoreError::NewerSchema { migration: unknown.to_string() });
    }
    connection.run_pending_migrations(known).map(|_| ()).map_err(StoreError::Migrate)
}

#[derive(diesel::QueryableByName)]
struct Finding {
    #[diesel(sql_type = diesel::sql_types::Text)]
    quick_check: String,
}

/// Asks SQLite whether the file is sound. // F-26
fn check_health(sqlite: &mut diesel::SqliteConnection) -> Result<(), StoreError> {
    let findings: Vec<Finding> = diesel::sql_query("pragma quick_check(1)").load(sqlite)?;
    match findings.into_iter().find(|finding| finding.quick_check != "ok") {
        Some(finding) => Err(StoreError::Damaged { detail: finding.quick_check }),
        None => Ok(()),
    }
}

/// What is sealed in `meta` to know the key again.
const KEY_CHECK: &str = "key_check";

/// Compares the key with the one that the database was made with; the first key becomes that one.
///
/// # Errors
/// [`StoreError::WrongMasterKey`].
pub fn check_key(connection: &mut AnyConnection, key: &MasterKey) -> Result<(), StoreError> {
    let find = |connection: &mut AnyConnection| {
        meta::table.find(KEY_CHECK).select(meta::value).first::<String>(connection).optional()
    };
    let sealed = match find(connection)? {
        Some(sealed) => sealed,
        None => {
            let made = diesel::insert_into(meta::table)
                .values((meta::key.eq(KEY_CHECK), meta::value.eq(key.seal(KEY_CHECK, KEY_CHECK.as_bytes())?)))
                .execute(connection);
            match made {
                // Another process was first: its key counts.
                Err(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _)) => {}
                made => {
                    made?;
                }
            }
            find(connection)?.ok_or(StoreError::WrongMasterKey)?
        }
    };
    key.open(KEY_CHECK, &sealed).map(|_| ())
}
