//! A datastore's row, and what becomes of it outside.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::assignment::DatastoreAccess;
use domain::{Datastore, DatastoreOverview, DatastoreStatus, EventKind, SharedDirectory};
use uuid::Uuid;

use crate::StoreError;
use crate::columns::{from_json, optional_uuid, time, uuid, word};
use crate::connection::AnyConnection;
use crate::datastores::overview::overviews;
use crate::keys::Keys;
use crate::schema::datastores;
use crate::storages;
use crate::transaction::Transaction;

#[derive(Debug, Clone, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = datastores, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct DatastoreRow {
    pub id: String,
    pub name: String,
    pub engine: String,
    pub engine_version: Option<String>,
    pub host: String,
    pub port: i32,
    pub username: Option<String>,
    pub password_sealed: Option<String>,
    /// What people said.
    pub data_directory: Option<String>,
    /// What the server said.
    pub detected_data_directory: Option<String>,
    pub service: String,
    pub worker: Option<String>,
    pub storage_id: String,
    pub status: String,
    pub capabilities: String,
    pub findings: String,
    pub inspected_at: Option<i64>,
    pub server_identity: Option<String>,
    pub data_size_bytes: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub log_branch: String,
    pub project_id: Option<String>,
    pub restore_guard: bool,
    pub shared_directory: Option<String>,
    pub shared_storage_id: Option<String>,
}

/// Where a datastore's password is sealed.
pub fn password_place(id: &str) -> String {
    format!("datastores.password:{id}")
}

pub fn find(connection: &mut AnyConnection, id: &str) -> Result<DatastoreRow, StoreError> {
    datastores::table.find(id).first(connection).optional()?.ok_or(StoreError::NotFound { what: "datastore" })
}

/// Writes what is known of the server's state; a datastore that is gone is passed over.
pub fn set_status(transaction: &mut Transaction<'_>, id: &str, status: DatastoreStatus) -> Result<(), StoreError> {
    diesel::update(datastores::table.find(id))
        .set(datastores::status.eq(status.as_str()))
        .execute(transaction.connection)?;
    let id = uuid("datastores.id", id)?;
    transaction.changed(EventKind::Datastore, id, Some(id));
    Ok(())
}

/// The server's identity after a restore or undo: the worker that switched the data vouches that it is the same server. // F-54
pub fn set_identity(transaction: &mut Transaction<'_>, id: &str, identity: &str) -> Result<(), StoreError> {
    diesel::update(datastores::table.find(id))
        .set(datastores::server_identity.eq(identity))
        .execute(transaction.connection)?;
    Ok(())
}

impl DatastoreRow {
    /// Writes the row back. The caller holds its lock.
    pub fn save(&self, connection: &mut AnyConnection) -> QueryResult<usize> {
        diesel::update(datastores::table.find(&self.id)).set(self).execute(connection)
    }

    fn port(&self) -> Result<u16, StoreError> {
        u16::try_from(self.port)
            .map_err(|_| StoreError::UnreadableColumn { column: "datastores.port", value: self.port.to_string() })
    }

    pub fn shared_directory(&self) -> Result<Option<SharedDirectory>, StoreError> {
        let column = "datastores.shared_directory";
        self.shared_directory.as_deref().map(|directory| from_json(column, directory)).transpose()
    }

    pub fn shared_storage_id(&self) -> Result<Option<Uuid>, StoreError> {
        optional_uuid("datastores.shared_storage_id", self.shared_storage_id.as_deref())
    }

    /// The datastore as people see it.
    pub fn into_datastore(self, connection: &mut AnyConnection, now: DateTime<Utc>) -> Result<Datastore, StoreError> {
        let overview = overviews(connection, std::slice::from_ref(&self.id), now)?.remove(&self.id);
        self.with_overview(overview.unwrap_or_default())
    }

    pub fn with_overview(self, overview: DatastoreOverview) -> Result<Datastore, StoreError> {
        Ok(Datastore {
            id: uuid("datastores.id", &self.id)?,
            engine: word("datastores.engine", &self.engine)?,
            port: self.port()?,
            has_password: self.password_sealed.is_some(),
            shared_directory: self.shared_directory()?,
            shared_storage_id: self.shared_storage_id()?,
            service: from_json("datastores.service", &self.service)?,
            storage_id: uuid("datastores.storage_id", &self.storage_id)?,
            project_id: optional_uuid("datastores.project_id", self.project_id.as_deref())?,
            status: word("datastores.status", &self.status)?,
            capabilities: from_json("datastores.capabilities", &self.capabilities)?,
            findings: from_json("datastores.findings", &self.findings)?,
            inspected_at: self.inspected_at.map(time),
            data_size_bytes: self.data_size_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            restore_guard: self.restore_guard,
            name: self.name,
            engine_version: self.engine_version,
            host: self.host,
            username: self.username,
            data_directory: self.data_directory.or(self.detected_data_directory),
            worker: self.worker,
            server_identity: self.server_identity,
            overview,
        })
    }

    /// All that a worker needs to reach the server.
    pub fn access(self, connection: &mut AnyConnection, key: &Keys) -> Result<DatastoreAccess, StoreError> {
        let shared_storage = self.shared_storage_id.as_deref();
        let shared_storage = shared_storage.map(|id| storages::shared_access(connection, key, id)).transpose()?;
        Ok(DatastoreAccess {
            id: uuid("datastores.id", &self.id)?,
            engine: word("datastores.engine", &self.engine)?,
            port: self.port()?,
            password: key.open_secret(&password_place(&self.id), self.password_sealed.as_deref())?,
            shared_directory: self.shared_directory()?,
            shared_storage,
            service: from_json("datastores.service", &self.service)?,
            name: self.name,
            host: self.host,
            username: self.username,
            data_directory: self.data_directory.or(self.detected_data_directory),
            server_identity: self.server_identity,
            log_branch: self.log_branch,
        })
    }
}
