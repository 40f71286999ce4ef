//! Datastores: the registered database servers. Passwords are sealed; what a list shows of backups is gathered for the
//! whole page at once.

pub(crate) mod inspection;
mod left_over;
mod list;
mod overview;
mod remove;
pub(crate) mod row;

pub use list::DatastoreFilter;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::assignment::DatastoreAccess;
use domain::log_archive::FIRST_BRANCH;
use domain::{
    Capabilities, Datastore, DatastoreCreate, DatastorePatch, DatastoreStatus, EventKind, Inspection, JobStatus,
    ScheduleDraft, ScheduleSettings, Service, SharedDirectory,
};
use uuid::Uuid;

use crate::columns::{micros, new_id, to_json, uuid};
use crate::restores::guard;
use crate::schema::{datastores, jobs};
use crate::storages::{self, name_taken};
use crate::transaction::Transaction;
use crate::{Store, StoreError, access, schedules};
use row::DatastoreRow;

/// Registers a server of which nothing is known yet.
///
/// # Errors
/// [`StoreError::NameTaken`]; [`StoreError::NotFound`] for the storage or the project; [`StoreError::NotShareable`].
pub(crate) fn insert(
    transaction: &mut Transaction<'_>,
    create: &DatastoreCreate,
    storage_id: Uuid,
) -> Result<DatastoreRow, StoreError> {
    let id = new_id(transaction.now);
    let row = fresh_row(transaction, id, create, storage_id)?;
    let insert = diesel::insert_into(datastores::table).values(&row);
    name_taken(&create.name, insert.execute(transaction.connection))?;
    transaction.changed(EventKind::Datastore, id, Some(id));
    Ok(row)
}

/// Registers a server for a restore to make, in the place of what an earlier one left of the name.
///
/// # Errors
/// As [`insert`].
pub(crate) fn insert_for_restore(
    transaction: &mut Transaction<'_>,
    create: &DatastoreCreate,
    storage_id: Uuid,
) -> Result<DatastoreRow, StoreError> {
    let project = create.project_id.map(|id| id.to_string());
    let find =
        |transaction: &mut Transaction<'_>| left_over::find(transaction.connection, &create.name, project.as_deref());
    let Some(seen) = find(transaction)? else { return insert(transaction, create, storage_id) };
    transaction.lock_datastore(&seen.id)?;
    // Somebody else may have come first.
    let Some(left) = find(transaction)? else { return insert(transaction, create, storage_id) };
    let id = uuid("datastores.id", &left.id)?;
    let row = DatastoreRow { created_at: left.created_at, ..fresh_row(transaction, id, create, storage_id)? };
    diesel::update(datastores::table.find(&row.id)).set(&row).execute(transaction.connection)?;
    transaction.changed(EventKind::Datastore, id, Some(id));
    Ok(row)
}

/// A datastore of whose server nothing is known.
fn fresh_row(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    create: &DatastoreCreate,
    storage_id: Uuid,
) -> Result<DatastoreRow, StoreError> {
    let now = transaction.now;
    storages::require(transaction.connection, storage_id)?;
    access::require_project(transaction.connection, create.project_id)?;
    let text = id.to_string();
    Ok(DatastoreRow {
        name: create.name.clone(),
        engine: create.engine.as_str().to_owned(),
        engine_version: None,
        host: create.host.clone(),
        port: i32::from(create.port.unwrap_or(create.engine.default_port())),
        username: create.username.clone(),
        password_sealed: create
            .password
            .as_ref()
            .map(|password| transaction.key.seal_secret(&row::password_place(&text), password))
            .transpose()?,
        data_directory: create.data_directory.clone(),
        detected_data_directory: None,
        service: to_json("datastores.service", create.service.as_ref().unwrap_or(&Service::None))?,
        worker: create.worker.clone(),
        storage_id: storage_id.to_string(),
        status: DatastoreStatus::Unknown.as_str().to_owned(),
        capabilities: to_json("datastores.capabilities", &Capabilities::default())?,
        findings: "[]".to_owned(),
        inspected_at: None,
        server_identity: None,
        data_size_bytes: None,
        created_at: micros(now),
        updated_at: micros(now),
        log_branch: FIRST_BRANCH.to_owned(),
        project_id: create.project_id.map(|id| id.to_string()),
        restore_guard: false,
        shared_directory: shared_directory_column(create.shared_directory.as_ref())?,
        shared_storage_id: shared_storage_column(transaction, create.shared_storage_id)?,
        id: text,
    })
}

fn shared_directory_column(directory: Option<&SharedDirectory>) -> Result<Option<String>, StoreError> {
    directory.map(|directory| to_json("datastores.shared_directory", directory)).transpose()
}

/// Only buckets are reached from servers.
fn shared_storage_column(transaction: &mut Transaction<'_>, id: Option<Uuid>) -> Result<Option<String>, StoreError> {
    let Some(id) = id.map(|id| id.to_string()) else { return Ok(None) };
    storages::shared_access(transaction.connection, transaction.key, &id)?;
    Ok(Some(id))
}

impl Store {
    /// Registers a server, with what a worker has found out about it where one has, and its first schedule where it gets one.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`]; [`StoreError::NotFound`] for the storage or the project; [`StoreError::NotShareable`].
    pub fn datastore_create(
        &self,
        create: &DatastoreCreate,
        storage_id: Uuid,
        inspection: Option<&Inspection>,
        schedule: Option<(&ScheduleDraft, &ScheduleSettings)>,
        now: DateTime<Utc>,
    ) -> Result<Datastore, StoreError> {
        self.write(now, |transaction| {
            let row = insert(transaction, create, storage_id)?;
            if let Some(inspection) = inspection {
                inspection::record(transaction, &row.id, inspection)?;
            }
            if let Some((draft, settings)) = schedule {
                schedules::insert(transaction, &row.id, draft, settings)?;
            }
            row::find(transaction.connection, &row.id)?.into_datastore(transaction.connection, now)
        })
    }

    /// One datastore; `now` is for what it shows of the last 24 hours.
    pub fn datastore_get(&self, id: Uuid, now: DateTime<Utc>) -> Result<Datastore, StoreError> {
        self.read(|connection| row::find(connection, &id.to_string())?.into_datastore(connection, now))
    }

    /// Changes the fields that the patch holds. Jobs that wait follow a change of the worker.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also for the storage or the project; [`StoreError::NameTaken`]; [`StoreError::NotShareable`];
    /// [`StoreError::RequestOpen`].
    pub fn datastore_update(
        &self,
        id: Uuid,
        patch: &DatastorePatch,
        now: DateTime<Utc>,
    ) -> Result<Datastore, StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&text)?;
            let mut row = row::find(transaction.connection, &text)?;
            let set = |field: &mut Option<String>, new: &Option<String>| {
                if new.is_some() {
                    field.clone_from(new);
                }
            };
            row.name = patch.name.clone().unwrap_or(row.name);
            row.host = patch.host.clone().unwrap_or(row.host);
            row.port = patch.port.map_or(row.port, i32::from);
            set(&mut row.username, &patch.username);
            set(&mut row.data_directory, &patch.data_directory);
            set(&mut row.worker, &patch.worker);
            if let Some(password) = &patch.password {
                row.password_sealed = Some(transaction.key.seal_secret(&row::password_place(&text), password)?);
            }
            let (directory, storage) = patch.shared_place(row.shared_directory()?, row.shared_storage_id()?);
            row.shared_directory = shared_directory_column(directory.as_ref())?;
            row.shared_storage_id = shared_storage_column(transaction, storage)?;
            if let Some(service) = &patch.service {
                row.service = to_json("datastores.service", service)?;
            }
            if let Some(storage) = patch.storage_id {
                storages::require(transaction.connection, storage)?;
                row.storage_id = storage.to_string();
            }
            if let Some(project) = patch.project_id {
                access::require_project(transaction.connection, project)?;
                row.project_id = project.map(|id| id.to_string());
            }
            if let Some(guard) = patch.restore_guard {
                if !guard && guard::open_request(transaction.connection, &text)?.is_some() {
                    return Err(StoreError::RequestOpen);
                }
                row.restore_guard = guard;
            }
            row.updated_at = micros(now);
            name_taken(&row.name, row.save(transaction.connection))?;
            if patch.worker.is_some() {
                let waiting = jobs::table
                    .filter(jobs::datastore_id.eq(&text))
                    .filter(jobs::status.eq(JobStatus::Pending.as_str()));
                diesel::update(waiting).set(jobs::pinned_worker.eq(&row.worker)).execute(transaction.connection)?;
            }
            transaction.changed(EventKind::Datastore, id, Some(id));
            row.into_datastore(transaction.connection, now)
        })
    }

    /// Records what a worker found out about a server.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn datastore_record_inspection(
        &self,
        id: Uuid,
        inspection: &Inspection,
        now: DateTime<Utc>,
    ) -> Result<Datastore, StoreError> {
        let text = id.to_string();
        self.write(now, |transaction| {
            transaction.lock_datastore(&text)?;
            row::find(transaction.connection, &text)?;
            inspection::record(transaction, &text, inspection)?;
            row::find(transaction.connection, &text)?.into_datastore(transaction.connection, now)
        })
    }

    /// All that a worker needs to reach a server, its password included.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::WrongMasterKey`].
    pub fn datastore_access(&self, id: Uuid) -> Result<DatastoreAccess, StoreError> {
        self.read(|connection| row::find(connection, &id.to_string())?.access(connection, &self.key))
    }
}
