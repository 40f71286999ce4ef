//! Envelope encryption: secrets are sealed with a *data key*, which lies in the database sealed with the master key, which
//! lies in a file elsewhere. A sealed value names its data key. Replacing the master key seals the data keys anew and
//! touches no secret, so that a service that runs meanwhile goes on: it keeps the opened data keys in memory.

mod convert;
mod file;
mod rotation;

pub use file::KeyFile;
pub use rotation::{KeyRotation, SecretsReport};

use std::collections::HashMap;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use domain::Secret;

use crate::StoreError;
use crate::connection::AnyConnection;
use crate::master_key::{Cipher, MasterKey};
use crate::schema::data_keys;
use crate::transaction::within;

/// Keeps two processes from making or replacing keys of a PostgreSQL together.
const KEYS_LOCK: i64 = 0x686f_6c64_6b65_7973;
/// Between a data key's id and what it sealed.
const SEPARATOR: char = ':';

#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = data_keys)]
pub(crate) struct DataKeyRow {
    pub id: String,
    pub sealed: String,
    pub sealed_by: String,
}

/// Where a data key is sealed.
pub(crate) fn key_place(id: &str) -> String {
    format!("data_keys.sealed:{id}")
}

/// The opened data keys of a database. Clones share them; they can't be printed.
#[derive(Clone)]
pub struct Keys {
    ring: Arc<HashMap<String, Cipher>>,
    /// The one that seals.
    current: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(redacted)")
    }
}

impl Keys {
    /// Opens the database's data keys; the first time, makes one, and seals with it what the master key sealed before.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`].
    pub(crate) fn open(connection: &mut AnyConnection, master: &MasterKey) -> Result<Self, StoreError> {
        let known = load(connection)?;
        if !known.is_empty() {
            return Self::of(&known, master);
        }
        within(connection, |connection| {
            lock(connection)?;
            let known = load(connection)?;
            if !known.is_empty() {
                return Self::of(&known, master);
            }
            convert::check(connection, master)?;
            let row = new_key(master)?;
            diesel::insert_into(data_keys::table).values(&row).execute(connection)?;
            let keys = Self::of(&[row], master)?;
            convert::convert(connection, master, &keys)?;
            Ok(keys)
        })
    }

    fn of(rows: &[DataKeyRow], master: &MasterKey) -> Result<Self, StoreError> {
        let mut ring = HashMap::new();
        for row in rows {
            let plain = master.open(&key_place(&row.id), &row.sealed)?;
            ring.insert(row.id.clone(), Cipher::new(&plain).ok_or(StoreError::WrongMasterKey)?);
        }
        let current = rows.last().map(|row| row.id.clone()).ok_or(StoreError::WrongMasterKey)?;
        Ok(Self { ring: Arc::new(ring), current })
    }

    /// Seals bytes for the place named by `context`, such as `datastores.password:<id>`.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<String, StoreError> {
        let key = self.ring.get(&self.current).ok_or(StoreError::Seal)?;
        Ok(format!("{}{SEPARATOR}{}", self.current, key.seal(context, plain)?))
    }

    /// Opens what [`Self::seal`] made for the same place.
    pub(crate) fn open_sealed(&self, context: &str, sealed: &str) -> Result<Vec<u8>, StoreError> {
        let (id, message) = sealed.split_once(SEPARATOR).ok_or(StoreError::WrongMasterKey)?;
        self.ring.get(id).ok_or(StoreError::WrongMasterKey)?.open(context, message)
    }

    pub(crate) fn seal_secret(&self, context: &str, secret: &Secret) -> Result<String, StoreError> {
        self.seal(context, secret.expose().as_bytes())
    }

    pub(crate) fn open_secret(&self, context: &str, sealed: Option<&str>) -> Result<Option<Secret>, StoreError> {
        let open = |sealed| {
            let bytes = self.open_sealed(context, sealed)?;
            String::from_utf8(bytes).map(Secret::new).map_err(|_| StoreError::WrongMasterKey)
        };
        sealed.map(open).transpose()
    }
}

fn new_key(master: &MasterKey) -> Result<DataKeyRow, StoreError> {
    let id = hex::encode(rand::random::<[u8; 8]>());
    let plain: [u8; 32] = rand::random();
    let sealed = master.seal(&key_place(&id), &plain)?;
    Ok(DataKeyRow { id, sealed, sealed_by: master.id().to_owned() })
}

fn load(connection: &mut AnyConnection) -> Result<Vec<DataKeyRow>, StoreError> {
    Ok(data_keys::table.order(data_keys::id.asc()).load(connection)?)
}

fn lock(connection: &mut AnyConnection) -> Result<(), StoreError> {
    if let AnyConnection::Postgres(postgres) = connection {
        postgres.batch_execute(&format!("select pg_advisory_xact_lock({KEYS_LOCK})"))?;
    }
    Ok(())
}
