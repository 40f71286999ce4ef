//! Has a worker look at a server and waits for what it finds. What comes back is always an inspection: when nobody could
//! look, it says so, with the status `unknown`.

use std::time::Duration;

use domain::{
    Capabilities, DatastoreCreate, DatastoreStatus, ErrorCode, Finding, FindingSeverity, Inspection, Job, JobStatus,
};
use store::{Store, StoreError};
use uuid::Uuid;

use crate::problem::ApiProblem;
use crate::state::{State, now};
use crate::waiting::{missing_worker, wait_for_end};

/// How long a request waits for a worker that looks at a server.
const LIMIT: Duration = Duration::from_secs(20);
const START_A_WORKER: &str = "holdfast worker --server URL --token-file FILE";

/// Has a worker inspect a server as `draft` describes it. Nothing is recorded.
pub(crate) async fn inspect_draft(state: &State, draft: &DatastoreCreate) -> Result<Inspection, ApiProblem> {
    let (draft, worker) = (draft.clone(), draft.worker.clone());
    inspect(state, worker.as_deref(), move |store| store.job_create_inspect_draft(&draft, now())).await
}

/// Has a worker inspect a registered server. What it finds is recorded when its job ends.
pub(crate) async fn inspect_registered(
    state: &State,
    datastore: Uuid,
    worker: Option<&str>,
) -> Result<Inspection, ApiProblem> {
    inspect(state, worker, move |store| store.job_create_inspect(datastore, now())).await
}

async fn inspect(
    state: &State,
    worker: Option<&str>,
    create: impl FnOnce(&Store) -> Result<Job, StoreError> + Send + 'static,
) -> Result<Inspection, ApiProblem> {
    if let Some(why) = missing_worker(state, worker).await? {
        return Ok(nobody_looked(ErrorCode::NoWorker, why, Some(START_A_WORKER)));
    }
    let job = state.change_aside(create).await?;
    match wait_for_end(state, job.id, LIMIT).await? {
        Some(ended) => result_of(state, &ended).await,
        None => {
            let why =
                format!("No worker answered within {} s; the workers may be busy. Test again later.", LIMIT.as_secs());
            Ok(nobody_looked(ErrorCode::NoWorker, why, None))
        }
    }
}

async fn result_of(state: &State, job: &Job) -> Result<Inspection, ApiProblem> {
    if job.status == JobStatus::Completed {
        let id = job.id;
        let value = state.read(move |store| store.job_result_value(id)).await?.unwrap_or_default();
        return serde_json::from_value(value).map_err(|error| ApiProblem::internal(&error));
    }
    Ok(match &job.error {
        Some(error) => nobody_looked(error.code, error.detail.clone(), None),
        None => nobody_looked(ErrorCode::NoWorker, "The test was cancelled.".to_owned(), None),
    })
}

/// What is known when nobody could look at the server.
fn nobody_looked(code: ErrorCode, detail: String, remedy: Option<&str>) -> Inspection {
    Inspection {
        status: DatastoreStatus::Unknown,
        engine_version: None,
        data_directory: None,
        server_identity: None,
        data_size_bytes: None,
        capabilities: Capabilities::default(),
        findings: vec![Finding {
            severity: FindingSeverity::Error,
            code: code.as_str().to_owned(),
            detail,
            remedy: remedy.map(str::to_owned),
        }],
        refusal: None,
    }
}
