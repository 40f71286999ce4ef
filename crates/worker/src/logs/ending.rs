//! The end of archiving: what the server keeps for a receiver is taken back.

use domain::assignment::{DatastoreAccess, TaskResult};

use super::spool_of;
use crate::context::{JobContext, JobFailure, driver_of};

/// Takes back what the server keeps, such as a replication slot, which would fill its disk. // F-52
///
/// # Errors
/// When the server can't be reached: the log names what is left there.
pub async fn end_archiving(context: &JobContext, datastore: &DatastoreAccess) -> Result<TaskResult, JobFailure> {
    context.progress.begin("ending", None);
    driver_of(datastore.engine)?.end_receiving(datastore, &context.stop).await?;
    if let Err(error) = std::fs::remove_dir_all(spool_of(&context.state_directory, datastore.id))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        context.log.warning(format!("Could not remove what was received: {error}"));
    }
    Ok(TaskResult::EndLogArchiving)
}
