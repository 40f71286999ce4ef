//! The workers.

use actix_web::get;
use actix_web::web::Json;
use domain::{Page, Worker};

use crate::access::{Allowed, operation};
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// List the workers
///
/// All of them, by name, each with what it runs now. A worker that was silent for a minute is not `online`.
#[utoipa::path(tag = "workers", responses((status = 200, description = "The workers", body = Page<Worker>)))]
#[get("/workers")]
pub(crate) async fn worker_list(
    _: Allowed<operation::WorkerList>,
    state: State,
) -> Result<Json<Page<Worker>>, ApiProblem> {
    Ok(Json(state.read(|store| store.worker_list(now())).await?))
}
