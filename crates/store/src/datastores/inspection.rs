//! Recording what a worker found out about a server.

use domain::{DatastoreStatus, EventKind, Inspection};

use crate::StoreError;
use crate::columns::{micros, size, to_json, uuid};
use crate::datastores::row;
use crate::transaction::Transaction;

/// Records an inspection. What a server that did not answer could not tell stays as it was known. A datastore that a job
/// is restoring stays so: the job says what comes after. The caller holds the datastore's lock.
pub fn record(transaction: &mut Transaction<'_>, id: &str, inspection: &Inspection) -> Result<(), StoreError> {
    let mut row = row::find(transaction.connection, id)?;
    if row.status != DatastoreStatus::Restoring.as_str() {
        row.status = inspection.status.as_str().to_owned();
    }
    row.findings = to_json("datastores.findings", &inspection.findings)?;
    row.inspected_at = Some(micros(transaction.now));
    if inspection.status == DatastoreStatus::Online {
        row.capabilities = to_json("datastores.capabilities", &inspection.capabilities)?;
    }
    row.engine_version = inspection.engine_version.clone().or(row.engine_version);
    row.detected_data_directory = inspection.data_directory.clone().or(row.detected_data_directory);
    row.data_size_bytes = inspection.data_size_bytes.map(size).or(row.data_size_bytes);
    // The first identity stays: another one later means another server, which the worker has to refuse. // F-54
    row.server_identity = row.server_identity.or_else(|| inspection.server_identity.clone());
    row.save(transaction.connection)?;
    let id = uuid("datastores.id", id)?;
    transaction.changed(EventKind::Datastore, id, Some(id));
    Ok(())
}
