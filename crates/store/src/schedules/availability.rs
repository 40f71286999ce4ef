//! Whether a schedule's datastore could be backed up now.

use domain::Capabilities;
use domain::schedule::decision::Availability;

use crate::StoreError;
use crate::columns::from_json;
use crate::connection::AnyConnection;
use crate::datastores::row as datastore_row;
use crate::jobs::create::changing;
use crate::schedules::row::ScheduleRow;

/// Looks at what changes the datastore, and at what it can do. Where nothing is known of that, the backup is tried and
/// its own failure tells why. The caller holds the datastore's lock.
pub fn of(connection: &mut AnyConnection, schedule: &ScheduleRow) -> Result<Availability, StoreError> {
    let datastore = datastore_row::find(connection, &schedule.datastore_id)?;
    let draft = schedule.draft()?;
    let known: Capabilities = from_json("datastores.capabilities", &datastore.capabilities)?;
    let makes = known
        .methods
        .iter()
        .any(|capability| capability.method == draft.method && capability.types.contains(&draft.backup_type));
    if !known.methods.is_empty() && !makes {
        return Ok(Availability::Unable(format!(
            "{} makes no {} backups on this datastore any more; edit the schedule, or test the datastore",
            draft.method, draft.backup_type
        )));
    }
    Ok(match changing(connection, &datastore.id)? {
        None => Availability::Free,
        Some(job) => Availability::Busy(match job.backup_number {
            Some(number) => format!("{} of backup {number} is {}", job.kind, job.status),
            None => format!("{} is {}", job.kind, job.status),
        }),
    })
}
