//! Bringing the database to this version's tables. All new migrations happen in one transaction, so an interrupted start
//! leaves the old tables; a database that a newer version has changed is left alone. // F-27

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::StoreError;
use crate::connection::AnyConnection;

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
    let mine = versions::<C>(&known)?;
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

/// Refuses a database that lacks a migration, or knows one that this program does not.
///
/// # Errors
/// [`StoreError::OlderSchema`], [`StoreError::NewerSchema`].
pub fn require_current(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Sqlite(sqlite) => compare(sqlite, SQLITE),
        AnyConnection::Postgres(postgres) => compare(postgres, POSTGRESQL),
    }
}

fn compare<C>(connection: &mut C, known: EmbeddedMigrations) -> Result<(), StoreError>
where
    C: MigrationHarness<C::Backend> + Connection,
    C::Backend: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<C::Backend>,
{
    let applied = connection.applied_migrations().map_err(StoreError::Migrate)?;
    let mine = versions::<C>(&known)?;
    if let Some(unknown) = applied.iter().find(|version| !mine.contains(version)) {
        return Err(StoreError::NewerSchema { migration: unknown.to_string() });
    }
    match mine.iter().find(|version| !applied.contains(version)) {
        Some(missing) => Err(StoreError::OlderSchema { migration: missing.to_string() }),
        None => Ok(()),
    }
}

fn versions<C>(known: &EmbeddedMigrations) -> Result<Vec<MigrationVersion<'static>>, StoreError>
where
    C: Connection,
    C::Backend: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<C::Backend>,
{
    let migrations = MigrationSource::<C::Backend>::migrations(known).map_err(StoreError::Migrate)?;
    Ok(migrations.iter().map(|migration| migration.name().version().as_owned()).collect())
}
