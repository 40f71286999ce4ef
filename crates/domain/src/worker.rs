//! Workers as people see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Job;

/// After how many seconds of silence a worker counts as gone.
pub const WORKER_SILENT_SECONDS: i64 = 60;

/// What a worker tells about itself with each claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkerIdentity {
    /// Unique among workers.
    pub name: String,
    pub version: String,
    pub labels: BTreeMap<String, String>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Worker {
    pub id: Uuid,
    pub name: String,
    pub version: String,
    pub labels: BTreeMap<String, String>,
    pub last_seen_at: DateTime<Utc>,
    /// Whether it was heard of within the last minute.
    pub online: bool,
    /// What it runs now.
    pub running: Vec<Job>,
}
