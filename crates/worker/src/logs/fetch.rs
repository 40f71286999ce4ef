//! Archived log, looked at before a restore and fetched for its replay.
//!
//! An open segment goes on growing meanwhile, and its pieces are taken in by larger ones: one whose piece is gone is asked for
//! again. What it has grown by does no harm.

use std::path::Path;

use domain::log_archive::{StoredLogs, log_folder};
use domain::{ErrorCode, JobError, LogSegment, Obstacle};
use uuid::Uuid;
use vault::{ObjectProblem, Vault, VaultError};

use crate::context::{JobContext, JobFailure, describe};

/// How often an open segment is asked for again.
const TRIES: usize = 5;

/// Looks whether all segments are there as they were stored. The first that is not is an obstacle, with what can be reached
/// without it. // F-60
pub async fn check_logs(context: &JobContext, datastore: Uuid, logs: &[StoredLogs]) -> Vec<Obstacle> {
    let mut before: Option<&LogSegment> = None;
    for StoredLogs { storage, segments } in logs {
        let vault = match Vault::open(storage) {
            Ok(vault) => vault,
            Err(error) => return vec![Obstacle::new(error.code(), describe(&error))],
        };
        for segment in segments {
            match problem_of(context, &vault, datastore, segment).await {
                Ok(None) => {}
                Ok(Some(problem)) => {
                    return vec![Obstacle::new(ErrorCode::PitrTimeNotCovered, broken(segment, before, &problem))];
                }
                Err(error) => return vec![error.into()],
            }
            before = Some(segment);
        }
    }
    Vec::new()
}

async fn problem_of(
    context: &JobContext,
    vault: &Vault,
    datastore: Uuid,
    segment: &LogSegment,
) -> Result<Option<ObjectProblem>, JobError> {
    let folder = log_folder(datastore, &segment.incarnation);
    let mut segment = segment.clone();
    let mut problem = None;
    for _ in 0..TRIES {
        let problems = vault.check_log(&folder, &segment).await;
        let problems = problems.map_err(|error| JobError::new(error.code(), describe(&error)))?;
        problem = problems.into_iter().next();
        if problem.is_none() || segment.closed {
            break;
        }
        let Some(newer) = context.lease.archived_segment(datastore, &segment).await? else { break };
        segment = newer;
    }
    Ok(problem)
}

fn broken(segment: &LogSegment, before: Option<&LogSegment>, problem: &ObjectProblem) -> String {
    let reach = before.and_then(|segment| segment.last_commit_at).map_or_else(
        || "No archived log goes on from the backup without it".to_owned(),
        |at| format!("Without it any instant up to {} can be reached", at.format("%Y-%m-%d %H:%M:%S%.f UTC")),
    );
    format!("The log segment {} can't be replayed: {problem}. {reach}.", segment.name)
}

/// Writes the segments into a directory under their own names, as they were archived, and gives them as they are by then.
/// `on_file` is called before each with the number of bytes that were written until then.
///
/// # Errors
/// What is wrong with a stored piece, and what storage and directory say.
pub async fn fetch_logs(
    context: &JobContext,
    datastore: Uuid,
    logs: &[StoredLogs],
    directory: &Path,
    on_file: &(dyn Fn(u64) + Send + Sync),
) -> Result<Vec<LogSegment>, JobFailure> {
    let mut fetched = Vec::new();
    let mut written = 0;
    for StoredLogs { storage, segments } in logs {
        let vault = Vault::open(storage)?;
        for segment in segments {
            on_file(written);
            let segment = fetch(context, &vault, datastore, segment.clone(), directory).await?;
            written += segment.original_size_bytes();
            fetched.push(segment);
        }
    }
    Ok(fetched)
}

async fn fetch(
    context: &JobContext,
    vault: &Vault,
    datastore: Uuid,
    mut segment: LogSegment,
    directory: &Path,
) -> Result<LogSegment, JobFailure> {
    let folder = log_folder(datastore, &segment.incarnation);
    for last in (0..TRIES).map(|tried| tried + 1 == TRIES) {
        let failed = |source| VaultError::Sink { stream: segment.name.clone(), source };
        let mut file = tokio::fs::File::create(directory.join(&segment.name)).await.map_err(failed)?;
        match vault.copy_log_into(&folder, &segment, &mut file, &context.stop).await {
            Ok(()) => return Ok(segment),
            Err(VaultError::Object(_)) if !segment.closed && !last => {
                let newer = context.lease.archived_segment(datastore, &segment).await?;
                segment = newer.unwrap_or(segment);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(JobError::new(ErrorCode::Internal, "A segment was neither fetched nor missing.").into())
}
