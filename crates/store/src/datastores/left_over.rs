//! Registrations that a restore made and put nothing into. They stay, so that the restore's error and log can be read where the
//! person is taken to; the next restore into a new datastore of that name takes them over.

use diesel::prelude::*;

use super::row::DatastoreRow;
use crate::StoreError;
use crate::connection::AnyConnection;
use crate::restores::RestoreRow;
use crate::schema::{backups, datastores, log_segments, restores, schedules};

/// The left-over registration of a name in a project; null for one that holds or may hold anything, or that somebody has begun to
/// use.
pub(super) fn find(
    connection: &mut AnyConnection,
    name: &str,
    project: Option<&str>,
) -> Result<Option<DatastoreRow>, StoreError> {
    let found: Option<DatastoreRow> =
        datastores::table.filter(datastores::name.eq(name)).first(connection).optional()?;
    let Some(row) = found.filter(|row| row.project_id.as_deref() == project && !row.restore_guard) else {
        return Ok(None);
    };
    let uses: [i64; 3] = [
        backups::table.filter(backups::datastore_id.eq(&row.id)).count().get_result(connection)?,
        schedules::table.filter(schedules::datastore_id.eq(&row.id)).count().get_result(connection)?,
        log_segments::table.filter(log_segments::datastore_id.eq(&row.id)).count().get_result(connection)?,
    ];
    let restores: Vec<RestoreRow> = restores::table.filter(restores::datastore_id.eq(&row.id)).load(connection)?;
    let is_made_by_restore = !restores.is_empty();
    for restore in restores {
        if !restore.into_restore(None)?.left_nothing() {
            return Ok(None);
        }
    }
    Ok(Some(row).filter(|_| is_made_by_restore && uses == [0; 3]))
}
