//! Looking at a server: the job that tests a datastore.

use domain::assignment::{DatastoreAccess, TaskResult};

use crate::context::{JobContext, JobFailure, driver_of};

/// Finds out what a server is and what is missing. What went wrong is in the inspection, not in the job.
pub async fn inspect(context: &JobContext, datastore: &DatastoreAccess) -> Result<TaskResult, JobFailure> {
    context.progress.begin("connecting", None);
    let inspection = driver_of(datastore.engine)?.inspect(datastore, &context.stop).await;
    if context.stop.is_cancelled() {
        return Err(JobFailure::Stopped);
    }
    Ok(TaskResult::Inspect { inspection })
}
