//! Storages: where artifacts live. Their place never changes, since backups are in it; their secrets are sealed.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use domain::storage::DEFAULT_STORAGE_NAME;
use domain::{EventKind, Page, Secret, Storage, StorageAccess, StorageConfig, StorageCreate, StoragePatch};
use uuid::Uuid;

use crate::columns::{from_json, micros, new_id, time, to_json, uuid};
use crate::connection::{AnyConnection, MultiBackend};
use crate::keys::Keys;
use crate::page::{PageRequest, time_and_id};
use crate::schema::{backups, datastores, storages};
use crate::transaction::Transaction;
use crate::{Store, StoreError};

#[derive(Queryable, Insertable)]
#[diesel(table_name = storages, treat_none_as_default_value = false)]
struct StorageRow {
    id: String,
    name: String,
    config: String,
    secret_sealed: Option<String>,
    created_at: i64,
}

impl StorageRow {
    fn into_domain(self) -> Result<Storage, StoreError> {
        Ok(Storage {
            id: uuid("storages.id", &self.id)?,
            name: self.name,
            config: from_json("storages.config", &self.config)?,
            created_at: time(self.created_at),
        })
    }
}

pub(crate) fn secret_place(id: &str) -> String {
    format!("storages.secret:{id}")
}

fn find(connection: &mut AnyConnection, id: &str) -> Result<StorageRow, StoreError> {
    storages::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "storage" })
}

/// All that a worker needs to open a storage.
pub(crate) fn access(connection: &mut AnyConnection, key: &Keys, id: &str) -> Result<StorageAccess, StoreError> {
    let row = find(connection, id)?;
    Ok(StorageAccess {
        id: uuid("storages.id", &row.id)?,
        config: from_json("storages.config", &row.config)?,
        secret_access_key: key.open_secret(&secret_place(&row.id), row.secret_sealed.as_deref())?,
    })
}

/// As [`access`], of a storage through which a server and its worker pass backups.
///
/// # Errors
/// [`StoreError::NotShareable`] unless there is such a storage and it is a bucket.
pub(crate) fn shared_access(connection: &mut AnyConnection, key: &Keys, id: &str) -> Result<StorageAccess, StoreError> {
    match access(connection, key, id) {
        Ok(access) if matches!(access.config, StorageConfig::S3 { .. }) => Ok(access),
        Ok(_) | Err(StoreError::NotFound { .. }) => Err(StoreError::NotShareable),
        Err(error) => Err(error),
    }
}

/// The name of a datastore that uses a storage: its backups go there, are there, or pass through it.
fn user_of(connection: &mut AnyConnection, id: &str) -> Result<Option<String>, StoreError> {
    let of_backups = backups::table.filter(backups::storage_id.eq(id)).select(backups::datastore_id);
    let with_backups: Option<String> = of_backups.first(connection).optional()?;
    let mut users = datastores::table
        .filter(datastores::storage_id.eq(id))
        .or_filter(datastores::shared_storage_id.eq(id))
        .select(datastores::name)
        .into_boxed::<MultiBackend>();
    if let Some(datastore) = with_backups {
        users = users.or_filter(datastores::id.eq(datastore));
    }
    Ok(users.first(connection).optional()?)
}

/// Refuses an id of no storage.
pub(crate) fn require(connection: &mut AnyConnection, id: Uuid) -> Result<(), StoreError> {
    find(connection, &id.to_string()).map(|_| ())
}

fn insert(
    transaction: &mut Transaction<'_>,
    name: &str,
    config: &StorageConfig,
    secret: Option<&Secret>,
) -> Result<Storage, StoreError> {
    let id = new_id(transaction.now);
    let row = StorageRow {
        id: id.to_string(),
        name: name.to_owned(),
        config: to_json("storages.config", config)?,
        secret_sealed: secret
            .map(|secret| transaction.key.seal_secret(&secret_place(&id.to_string()), secret))
            .transpose()?,
        created_at: micros(transaction.now),
    };
    name_taken(name, diesel::insert_into(storages::table).values(&row).execute(transaction.connection))?;
    transaction.changed(EventKind::Storage, id, None);
    row.into_domain()
}

/// The only unique thing that a person chooses is the name.
pub(crate) fn name_taken<T>(name: &str, outcome: Result<T, DieselError>) -> Result<T, StoreError> {
    match outcome {
        Err(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
            Err(StoreError::NameTaken { name: name.to_owned() })
        }
        outcome => Ok(outcome?),
    }
}

impl Store {
    /// Adds a storage.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`].
    pub fn storage_create(&self, create: &StorageCreate, now: DateTime<Utc>) -> Result<Storage, StoreError> {
        self.write(now, |transaction| {
            insert(transaction, &create.name, &create.config, create.secret_access_key.as_ref())
        })
    }

    /// The storage named `default`, made as a local directory at `path` where there is none.
    pub fn storage_ensure_default(&self, path: &str, now: DateTime<Utc>) -> Result<Storage, StoreError> {
        self.write(now, |transaction| match default(transaction.connection)? {
            Some(row) => row.into_domain(),
            None => insert(transaction, DEFAULT_STORAGE_NAME, &StorageConfig::Local { path: path.to_owned() }, None),
        })
    }

    /// The storage named `default`.
    pub fn storage_default(&self) -> Result<Storage, StoreError> {
        self.read(|connection| default(connection)?.ok_or(StoreError::NotFound { what: "storage" })?.into_domain())
    }

    /// The storage of this name, with its secret.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongMasterKey`].
    pub fn storage_access_by_name(&self, name: &str) -> Result<StorageAccess, StoreError> {
        self.read(|connection| {
            let id: Option<String> =
                storages::table.filter(storages::name.eq(name)).select(storages::id).first(connection).optional()?;
            access(connection, &self.key, &id.ok_or(StoreError::NotFound { what: "storage" })?)
        })
    }

    /// One storage.
    pub fn storage_get(&self, id: Uuid) -> Result<Storage, StoreError> {
        self.read(|connection| find(connection, &id.to_string())?.into_domain())
    }

    /// Storages, newest first.
    pub fn storage_list(&self, page: &PageRequest) -> Result<Page<Storage>, StoreError> {
        let after = page.after_time_and_id()?;
        self.read(|connection| {
            let mut query = storages::table
                .order((storages::created_at.desc(), storages::id.desc()))
                .limit(page.rows())
                .into_boxed::<MultiBackend>();
            if let Some((at, id)) = after {
                query =
                    query.filter(storages::created_at.lt(at).or(storages::created_at.eq(at).and(storages::id.lt(id))));
            }
            let mut rows: Vec<StorageRow> = query.load(connection)?;
            let total = storages::table.count().get_result(connection)?;
            let next_cursor = page.cut(&mut rows, |row| time_and_id(row.created_at, &row.id));
            let items = rows.into_iter().map(StorageRow::into_domain).collect::<Result<_, _>>()?;
            Ok(Page { items, total, next_cursor })
        })
    }

    /// Changes a storage's name or credentials. An access key id means nothing to a local directory and is passed over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::NameTaken`].
    pub fn storage_update(&self, id: Uuid, patch: &StoragePatch, now: DateTime<Utc>) -> Result<Storage, StoreError> {
        self.write(now, |transaction| {
            let mut row = find(transaction.connection, &id.to_string())?;
            if let Some(name) = &patch.name {
                row.name.clone_from(name);
            }
            let mut config: StorageConfig = from_json("storages.config", &row.config)?;
            if let (StorageConfig::S3 { access_key_id, .. }, Some(new)) = (&mut config, &patch.access_key_id) {
                access_key_id.clone_from(new);
            }
            row.config = to_json("storages.config", &config)?;
            if let Some(secret) = &patch.secret_access_key {
                row.secret_sealed = Some(transaction.key.seal_secret(&secret_place(&row.id), secret)?);
            }
            let update = diesel::update(storages::table.find(&row.id)).set((
                storages::name.eq(&row.name),
                storages::config.eq(&row.config),
                storages::secret_sealed.eq(&row.secret_sealed),
            ));
            name_taken(&row.name, update.execute(transaction.connection))?;
            transaction.changed(EventKind::Storage, id, None);
            row.into_domain()
        })
    }

    /// Forgets a storage; what lies in it stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::StorageInUse`].
    pub fn storage_delete(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            find(transaction.connection, &text)?;
            if let Some(name) = user_of(transaction.connection, &text)? {
                return Err(StoreError::StorageInUse { by: format!("the datastore {name:?}") });
            }
            match diesel::delete(storages::table.find(&text)).execute(transaction.connection) {
                Err(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                    return Err(StoreError::StorageInUse { by: "a datastore".to_owned() });
                }
                outcome => outcome?,
            };
            transaction.changed(EventKind::Storage, id, None);
            Ok(())
        })
    }

    /// All that a worker needs to open a storage, its secret included.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongMasterKey`].
    pub fn storage_access(&self, id: Uuid) -> Result<StorageAccess, StoreError> {
        self.read(|connection| access(connection, &self.key, &id.to_string()))
    }
}

fn default(connection: &mut AnyConnection) -> Result<Option<StorageRow>, StoreError> {
    Ok(storages::table.filter(storages::name.eq(DEFAULT_STORAGE_NAME)).first(connection).optional()?)
}
