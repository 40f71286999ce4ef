//! The recovery window: the stretches of time that a datastore can be restored to.

use actix_web::get;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::Id;
use crate::problem::ApiProblem;
use crate::state::{State, now};

/// What a datastore can be restored to.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryWindow {
    /// Whether any instant between backups can be restored.
    supported: bool,
    /// Why not, when it can't.
    reason: Option<String>,
    /// Stretches without a gap.
    windows: Vec<Window>,
    gaps: Vec<Gap>,
    latest_restorable_time: Option<DateTime<Utc>>,
}

/// A stretch of time that can be restored to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Window {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// The backup that a restore into it starts from.
    backup_id: Uuid,
}

/// A stretch of time whose logs are missing.
#[derive(Serialize, ToSchema)]
pub(crate) struct Gap {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    reason: String,
}

/// Read what a datastore can be restored to
///
/// Without log archiving these are exactly its completed backups: `latest_restorable_time` is the end of the newest.
#[utoipa::path(
    tag = "datastores",
    params(("id" = Uuid, Path, description = "The datastore's id")),
    responses((status = 200, description = "The recovery window", body = RecoveryWindow))
)]
#[get("/datastores/{id}/recovery-window")]
pub(crate) async fn recovery_window(state: State, id: Id) -> Result<Json<RecoveryWindow>, ApiProblem> {
    let id = id.into_inner();
    let datastore = state.read(move |store| store.datastore_get(id, now())).await?;
    let reason = datastore.capabilities.point_in_time_recovery_reason.unwrap_or_else(|| {
        "This version of Holdfast archives no logs yet; a restore brings back exactly a backup.".to_owned()
    });
    Ok(Json(RecoveryWindow {
        supported: false,
        reason: Some(reason),
        windows: Vec::new(),
        gaps: Vec::new(),
        latest_restorable_time: datastore.overview.last_good_backup_at,
    }))
}
