//! Taking into the catalog what a storage holds: how a lost control database comes back from the manifests. // F-24

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::{
    Capabilities, DatastoreStatus, EventKind, Finding, FindingSeverity, JobKind, JobStatus, LogSegment, Manifest,
    Service, StoredManifest, Trigger, VerificationStatus,
};
use uuid::Uuid;

use crate::backups::begin::take_number;
use crate::backups::row::BackupRow;
use crate::columns::{micros, new_id, size, to_json, uuid};
use crate::datastores::row::{self as datastore_row, DatastoreRow};
use crate::jobs::create::{NewJob, row_of};
use crate::jobs::row::JobRow;
use crate::logs::segment;
use crate::schema::{backups, datastores, jobs, log_segments};
use crate::storages;
use crate::transaction::Transaction;
use crate::{Store, StoreError, logs};

/// Where a datastore is until a person says where it really is: no manifest tells.
const UNKNOWN_HOST: &str = "localhost";

/// What was taken into the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adoption {
    /// The names of datastores that were not known. They have neither address nor account yet.
    pub datastores: Vec<String>,
    /// How many backups were not known.
    pub backups: u64,
    /// How many were known already.
    pub known: u64,
    /// How many segments of archived log were not known.
    pub log_segments: u64,
    /// Increments whose parent is neither known nor in the storage, or not what it was when they were built on it: they can't
    /// be restored.
    pub without_parent: Vec<Uuid>,
    /// Known backups whose manifest in the storage is not the one that was written. // F-90
    pub changed: Vec<Uuid>,
}

impl Store {
    /// Adds the backups of these manifests, found in a storage, the datastores that they are of, and the segments of those
    /// datastores' logs, by the datastore's id, unless they are known.
    /// Nothing that is known is changed, so doing it again does no harm. A number that another backup has meanwhile is not
    /// given twice: the backup gets a new one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the storage. Nothing is added then.
    pub fn catalog_adopt(
        &self,
        storage_id: Uuid,
        manifests: &[StoredManifest],
        logs: &[(Uuid, Vec<LogSegment>)],
        now: DateTime<Utc>,
    ) -> Result<Adoption, StoreError> {
        let mut in_order: Vec<&StoredManifest> = manifests.iter().collect();
        // A parent is older than its increments.
        in_order.sort_by_key(|stored| (stored.manifest.started_at, stored.manifest.number));
        self.write(now, |transaction| {
            storages::require(transaction.connection, storage_id)?;
            let mut adoption = Adoption::default();
            for (id, of_datastore) in by_datastore(&in_order) {
                adopt_datastore(transaction, id, &of_datastore, storage_id, &mut adoption)?;
                let mut known: Digests = backups::table
                    .filter(backups::datastore_id.eq(id.to_string()))
                    .select((backups::id, backups::manifest_sha256))
                    .load::<(String, Option<String>)>(transaction.connection)?
                    .into_iter()
                    .collect();
                for stored in of_datastore {
                    let backup = stored.manifest.backup_id.to_string();
                    if known.contains_key(&backup) {
                        adoption.known += 1;
                        if !is(&known, &backup, Some(&stored.sha256)) {
                            adoption.changed.push(stored.manifest.backup_id);
                        }
                    } else if lacks_parent(&stored.manifest, &known) {
                        adoption.without_parent.push(stored.manifest.backup_id);
                    } else {
                        adopt_backup(transaction, stored, storage_id)?;
                        known.insert(backup, Some(stored.sha256.clone()));
                        adoption.backups += 1;
                    }
                }
            }
            for (datastore, segments) in logs {
                adopt_log(transaction, *datastore, segments, storage_id, &mut adoption)?;
            }
            Ok(adoption)
        })
    }
}

/// Adds segments of a known datastore's log. Its server writes another branch from now on, whatever it did since.
fn adopt_log(
    transaction: &mut Transaction<'_>,
    datastore: Uuid,
    segments: &[LogSegment],
    storage_id: Uuid,
    adoption: &mut Adoption,
) -> Result<(), StoreError> {
    let (id, storage) = (datastore.to_string(), storage_id.to_string());
    if datastores::table.find(&id).count().get_result::<i64>(transaction.connection)? == 0 {
        return Ok(());
    }
    for of in segments {
        let known = log_segments::table.find((&id, &of.incarnation, &of.name));
        if known.count().get_result::<i64>(transaction.connection)? == 0 {
            segment::save(transaction, &id, &storage, of)?;
            adoption.log_segments += 1;
        }
    }
    Ok(())
}

/// The digests of known backups' manifests by the backup's id; none where it is not known.
type Digests = BTreeMap<String, Option<String>>;

/// Whether the backup is known, and its manifest, where that too is known on both sides, is this one.
fn is(known: &Digests, backup: &str, sha256: Option<&String>) -> bool {
    match (known.get(backup), sha256) {
        (None, _) => false,
        (Some(Some(known)), Some(found)) => known == found,
        (Some(_), _) => true,
    }
}

fn lacks_parent(manifest: &Manifest, known: &Digests) -> bool {
    manifest.parent_id.is_some_and(|parent| !is(known, &parent.to_string(), manifest.parent_sha256.as_ref()))
}

fn by_datastore<'a>(manifests: &[&'a StoredManifest]) -> BTreeMap<Uuid, Vec<&'a StoredManifest>> {
    let mut found: BTreeMap<Uuid, Vec<&StoredManifest>> = BTreeMap::new();
    for stored in manifests {
        found.entry(stored.manifest.datastore_id).or_default().push(stored);
    }
    found
}

/// Registers the datastore of these backups as its newest one tells of it, unless it is known.
fn adopt_datastore(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    manifests: &[&StoredManifest],
    storage_id: Uuid,
    adoption: &mut Adoption,
) -> Result<(), StoreError> {
    let text = id.to_string();
    let (Some(StoredManifest { manifest: oldest, .. }), Some(StoredManifest { manifest: newest, .. })) =
        (manifests.first(), manifests.last())
    else {
        return Ok(());
    };
    if datastores::table.find(&text).count().get_result::<i64>(transaction.connection)? > 0 {
        return Ok(());
    }
    let is_taken = |connection: &mut _, name: &str| {
        datastores::table.filter(datastores::name.eq(name)).count().get_result::<i64>(connection).map(|count| count > 0)
    };
    let mut name = newest.datastore_name.clone();
    if is_taken(transaction.connection, &name)? {
        name = format!("{name} {}", text.get(..8).unwrap_or(&text));
    }
    let to_do = Finding {
        severity: FindingSeverity::Warning,
        code: "catalog_rebuilt".to_owned(),
        detail: "This datastore is known from its backups alone: enter its address, its account and how it is started in its settings, and test the connection.".to_owned(),
        remedy: None,
    };
    let row = DatastoreRow {
        id: text,
        name: name.clone(),
        engine: newest.engine.as_str().to_owned(),
        engine_version: Some(newest.engine_version.clone()),
        host: UNKNOWN_HOST.to_owned(),
        port: i32::from(newest.engine.default_port()),
        username: None,
        password_sealed: None,
        data_directory: None,
        detected_data_directory: None,
        service: to_json("datastores.service", &Service::None)?,
        worker: None,
        storage_id: storage_id.to_string(),
        status: DatastoreStatus::Unknown.as_str().to_owned(),
        capabilities: to_json("datastores.capabilities", &Capabilities::default())?,
        findings: to_json("datastores.findings", &[to_do])?,
        inspected_at: None,
        // Another server at the address that a person enters is noticed. // F-54
        server_identity: newest.server_identity.clone(),
        data_size_bytes: None,
        created_at: micros(oldest.created_at),
        updated_at: micros(transaction.now),
        // What was archived of its log is not known here.
        log_branch: new_id(transaction.now).simple().to_string(),
        project_id: None,
        restore_guard: false,
        shared_directory: None,
        shared_storage_id: None,
    };
    diesel::insert_into(datastores::table).values(&row).execute(transaction.connection)?;
    transaction.changed(EventKind::Datastore, id, Some(id));
    adoption.datastores.push(name);
    Ok(())
}

/// Adds a completed backup, and the job that made it as far as it is known.
fn adopt_backup(
    transaction: &mut Transaction<'_>,
    StoredManifest { manifest, sha256 }: &StoredManifest,
    storage_id: Uuid,
) -> Result<(), StoreError> {
    let (id, datastore_id) = (manifest.backup_id.to_string(), manifest.datastore_id.to_string());
    let datastore = datastore_row::find(transaction.connection, &datastore_id)?;
    let number = take_number(transaction, manifest.number)?;
    let new = NewJob {
        kind: JobKind::Backup,
        datastore: Some(&datastore),
        backup_id: Some(id.clone()),
        backup_number: Some(number),
        restore_id: None,
    };
    let job = JobRow {
        status: JobStatus::Completed.as_str().to_owned(),
        attempt: 1,
        pinned_worker: None,
        started_at: Some(micros(manifest.started_at)),
        ended_at: Some(micros(manifest.ended_at)),
        ..row_of(new, manifest.created_at)
    };
    diesel::insert_into(jobs::table).values(&job).execute(transaction.connection)?;
    let row = BackupRow {
        id,
        number,
        datastore_id,
        storage_id: storage_id.to_string(),
        parent_id: manifest.parent_id.map(|parent| parent.to_string()),
        method: manifest.method.as_str().to_owned(),
        backup_type: manifest.backup_type.as_str().to_owned(),
        status: JobStatus::Completed.as_str().to_owned(),
        trigger: Trigger::Manual.as_str().to_owned(),
        schedule_id: None,
        job_id: job.id,
        created_at: micros(manifest.created_at),
        started_at: Some(micros(manifest.started_at)),
        ended_at: Some(micros(manifest.ended_at)),
        size_bytes: Some(size(manifest.size_bytes)),
        original_size_bytes: Some(size(manifest.original_size_bytes)),
        engine_version: Some(manifest.engine_version.clone()),
        log_position: manifest.log_position.clone(),
        log_point: manifest.log_point.as_ref().map(|point| to_json("backups.log_point", point)).transpose()?,
        log_ranges: logs::column(&manifest.log_ranges)?,
        server_identity: manifest.server_identity.clone(),
        encrypted: false,
        verification: VerificationStatus::Never.as_str().to_owned(),
        verified_at: None,
        deleting: false,
        error_code: None,
        error_detail: None,
        held: None,
        manifest_sha256: Some(sha256.clone()),
    };
    diesel::insert_into(backups::table).values(&row).execute(transaction.connection)?;
    transaction.changed(EventKind::Backup, uuid("backups.id", &row.id)?, Some(manifest.datastore_id));
    Ok(())
}
