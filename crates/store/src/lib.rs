//! The control database: what is registered, what was backed up and restored, which jobs wait and run.
//!
//! The only crate that speaks SQL. It stores what `domain` decides and decides nothing itself: every change of a job goes
//! through [`domain::job::JobState::apply`] inside one short transaction, and the event that tells of a change is
//! committed with it. Rows never leave it; it answers with the types of `domain`. Calls block: the service makes them on
//! its own threads for that. `now` is always given by the caller.
//!
//! SQLite by default, PostgreSQL to scale out; both behave the same, and all tests run on both.

mod access;
mod audit;
mod backups;
mod columns;
mod connection;
mod datastores;
mod error;
mod events;
mod idempotency;
mod jobs;
mod keys;
mod logs;
mod master_key;
mod migrate;
mod page;
mod restores;
mod schedules;
mod schema;
mod storages;
mod transaction;
mod upkeep;
mod workers;

use std::sync::{Arc, Mutex};

pub use access::{
    Credentials, ExternalUser, SESSION_ABSOLUTE_DAYS, SESSION_IDLE_HOURS, SessionHolder, TokenHolder, TokenOrder,
};
pub use audit::{AuditFilter, AuditFinding};
pub use backups::{Adoption, BackupFilter};
pub use columns::now;
pub use datastores::DatastoreFilter;
pub use error::StoreError;
pub use idempotency::{Idempotency, IdempotentAnswer};
pub use jobs::JobFilter;
pub use keys::{KeyFile, KeyRotation, SecretsReport};
pub use logs::RecoveryFacts;
pub use master_key::{MasterKey, MasterKeyError};
pub use page::PageRequest;
pub use restores::{RestoreFilter, RestoreRequest};
pub use schedules::Firing;
pub use upkeep::Upkeep;

use connection::{Connector, Pool};
use diesel::r2d2::ManageConnection;
use keys::Keys;

/// The control database. Clones share their connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    key: Keys,
    /// Held by the thread that writes, on SQLite: waiting here is fair and short, waiting inside SQLite is polling.
    writer: Option<Arc<Mutex<()>>>,
    /// What the next change has to leave in the audit log: see [`Store::acting`].
    acting: Option<audit::Pending>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database at `url` (`postgres://…`, `sqlite:///path`, or a path), creates the file where there is none, and
    /// brings its tables to this version.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`], [`StoreError::WrongMasterKey`], [`StoreError::Damaged`], [`StoreError::Unavailable`].
    pub fn open(url: &str, key: MasterKey) -> Result<Self, StoreError> {
        let connector = Connector::from_url(url);
        if let Some(path) = connector.sqlite_path() {
            connection::create_private_file(path)?;
        }
        // Past the pool, which would wait and hide the cause.
        let mut connection = connector.connect()?;
        migrate::migrate(&mut connection)?;
        let key = Keys::open(&mut connection, &key)?;
        audit::begin(&mut connection, &key)?;
        Ok(Self::of(connector, key))
    }

    /// Opens a database whose tables are this version's, and changes nothing.
    pub(crate) fn open_unchanged(url: &str, key: &MasterKey) -> Result<Self, StoreError> {
        let connector = Connector::from_url(url);
        if let Some(path) = connector.sqlite_path().filter(|path| !std::path::Path::new(path).exists()) {
            return Err(StoreError::Unavailable { detail: format!("there is no file {path}") });
        }
        let mut connection = connector.connect()?;
        migrate::require_current(&mut connection)?;
        let key = Keys::open(&mut connection, key)?;
        Ok(Self::of(connector, key))
    }

    fn of(connector: Connector, key: Keys) -> Self {
        let writer = connector.sqlite_path().map(|_| Arc::default());
        Self { pool: connector.into_pool(), key, writer, acting: None }
    }

    /// A handle on the same database that leaves no row in the audit log: for what is noted besides a change.
    pub(crate) fn aside(&self) -> Self {
        Self { acting: None, ..self.clone() }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn ping(&self) -> Result<(), StoreError> {
        use diesel::connection::SimpleConnection;
        self.read(|connection| Ok(connection.batch_execute("select 1")?))
    }
}
