//! Archived log, looked at before a restore and fetched for its replay.

use std::path::Path;

use domain::log_archive::{StoredLogs, log_folder};
use domain::{ErrorCode, LogSegment, Obstacle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vault::{Vault, VaultError};

use crate::context::describe;

/// Looks whether all segments are there as they were stored. The first that is not is an obstacle, with what can be reached
/// without it. // F-60
pub async fn check_logs(datastore: Uuid, logs: &[StoredLogs]) -> Vec<Obstacle> {
    let mut before: Option<&LogSegment> = None;
    for StoredLogs { storage, segments } in logs {
        let vault = match Vault::open(storage) {
            Ok(vault) => vault,
            Err(error) => return vec![Obstacle::new(error.code(), describe(&error))],
        };
        for segment in segments {
            match vault.check_log(&log_folder(datastore, &segment.incarnation), segment).await {
                Ok(problems) => {
                    if let Some(problem) = problems.first() {
                        return vec![Obstacle::new(ErrorCode::PitrTimeNotCovered, broken(segment, before, problem))];
                    }
                }
                Err(error) => return vec![Obstacle::new(error.code(), describe(&error))],
            }
            before = Some(segment);
        }
    }
    Vec::new()
}

fn broken(segment: &LogSegment, before: Option<&LogSegment>, problem: &vault::ObjectProblem) -> String {
    let reach = before.and_then(|segment| segment.last_commit_at).map_or_else(
        || "No archived log goes on from the backup without it".to_owned(),
        |at| format!("Without it any instant up to {} can be reached", at.format("%Y-%m-%d %H:%M:%S%.f UTC")),
    );
    format!("The log segment {} can't be replayed: {problem}. {reach}.", segment.name)
}

/// Writes the segments into a directory under their own names, as they were archived. `on_file` is called before each with
/// the number of bytes that were written until then.
///
/// # Errors
/// What is wrong with a stored piece, and what storage and directory say.
pub async fn fetch_logs(
    datastore: Uuid,
    logs: &[StoredLogs],
    directory: &Path,
    on_file: &(dyn Fn(u64) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<(), VaultError> {
    let mut written = 0;
    for StoredLogs { storage, segments } in logs {
        let vault = Vault::open(storage)?;
        for segment in segments {
            on_file(written);
            let failed = |source| VaultError::Sink { stream: segment.name.clone(), source };
            let mut file = tokio::fs::File::create(directory.join(&segment.name)).await.map_err(failed)?;
            vault.copy_log_into(&log_folder(datastore, &segment.incarnation), segment, &mut file, cancel).await?;
            written += segment.original_size_bytes();
        }
    }
    Ok(())
}
