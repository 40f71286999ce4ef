//! Looking through archived log for what a person may want to take back.

use domain::assignment::TaskResult;
use domain::log_archive::{LogScanCreate, SCAN_LIMIT, StoredLogs};
use domain::{Engine, ErrorCode, JobError, format};
use engines::LogScanRequest;
use uuid::Uuid;

use super::fetch_logs;
use crate::context::{JobContext, JobFailure, driver_of};

/// The most log that one scan looks through, in bytes before compression.
const SCAN_BYTES_MAX: u64 = 4 << 30;

/// Lists what transactions did in a span of log.
///
/// # Errors
/// `validation_failed` for a span that holds more log than one look takes.
pub async fn scan_logs(
    context: &JobContext,
    datastore: Uuid,
    (engine, engine_version): (Engine, String),
    scan: &LogScanCreate,
    logs: &[StoredLogs],
) -> Result<TaskResult, JobFailure> {
    let bytes = logs.iter().flat_map(|logs| &logs.segments).map(domain::LogSegment::original_size_bytes).sum();
    if bytes > SCAN_BYTES_MAX {
        let (has, most) = (format::bytes(bytes), format::bytes(SCAN_BYTES_MAX));
        let detail =
            format!("The span holds {has} of log; {most} can be looked through at once. Choose a shorter one.");
        return Err(JobError::new(ErrorCode::ValidationFailed, detail).into());
    }
    context.progress.begin("fetching", Some(bytes));
    let directory = tempfile::Builder::new()
        .prefix("backup-scan-")
        .tempdir_in(&context.state_directory)
        .map_err(|error| JobError::new(ErrorCode::Internal, format!("No directory for the logs: {error}")))?;
    let progress = context.progress.clone();
    let on_file = move |bytes| progress.set_bytes(bytes);
    let segments = fetch_logs(context, datastore, logs, directory.path(), &on_file).await?;
    context.progress.begin("looking", None);
    let found = driver_of(engine)?
        .scan_logs(&LogScanRequest {
            engine,
            engine_version,
            directory: directory.path().to_owned(),
            segments,
            from: scan.from,
            to: scan.to,
            all_transactions: scan.all_transactions,
            limit: SCAN_LIMIT,
            cancel: context.stop.clone(),
        })
        .await?;
    Ok(TaskResult::ScanLogs { scan: found })
}
