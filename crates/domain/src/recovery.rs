//! Recovery windows: the stretches of time that a datastore can be restored to, from its backups and its archived logs.
//!
//! A window begins at the *end* of a backup, since before that its data is not consistent, and ends where the log ends that
//! goes on from it without a gap. Logs of different incarnations never join: after a failover or a restore the same positions
//! come again with other content. A gap cuts what needs the missing part and nothing else. // F-60, F-61

mod axis;
mod choice;
mod stop;
mod windows;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Engine;
use crate::log_archive::{LogArchiving, LogPoint, LogSegment};

pub use axis::Axis;
pub use choice::{has_log, instants_of};
pub use stop::{StopRefusal, logs_for};

/// A backup that log can be replayed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPoint {
    pub id: Uuid,
    pub number: i64,
    pub ended_at: DateTime<Utc>,
    pub point: LogPoint,
}

/// Up to where the log that is being archived is known to be complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    pub incarnation: String,
    pub complete_until: DateTime<Utc>,
}

/// What a datastore can be restored to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryWindow {
    /// Whether any instant between backups can be restored.
    pub supported: bool,
    /// Why not, when it can't.
    pub reason: Option<String>,
    /// Stretches without a gap, oldest first. Those of different branches may overlap.
    pub windows: Vec<Window>,
    pub gaps: Vec<Gap>,
    pub latest_restorable_time: Option<DateTime<Utc>>,
    /// The smallest step between stop times that the log tells apart, in seconds: 0.000001 or 1.
    pub precision_seconds: f64,
    pub log_archiving: LogArchiving,
    /// The lines of history, oldest first: one that nothing was restored into, and one for each restore.
    pub branches: Vec<Branch>,
}

/// The smallest step between stop times that an engine's log tells apart, in seconds: the finest of all where it keeps none.
pub fn precision_seconds(engine: Engine) -> f64 {
    engine.log_precision_seconds().unwrap_or(0.000_001)
}

/// A stretch of time that can be restored to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// The backup that reaches all of it. A later one that ended before the stop time gets there sooner.
    pub backup_id: Uuid,
    /// The branch that it lies on.
    pub branch: String,
}

/// A stretch of time whose logs are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gap {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub reason: String,
    pub branch: String,
}

/// A line of history: what a server held from the start or from a restore on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Branch {
    pub branch: String,
    /// The restore that began it; null for the first.
    pub restore_id: Option<Uuid>,
    /// The branch that it replaced.
    pub parent: Option<String>,
    /// When it began.
    pub from: DateTime<Utc>,
    /// When a restore replaced it; null while it is the server's.
    pub to: Option<DateTime<Utc>>,
    /// The instant of its parent whose data it began with, where known.
    pub restored_to: Option<DateTime<Utc>>,
    /// Whether the server is on it now.
    pub is_current: bool,
}

/// All windows and gaps of a datastore, oldest first. `segments` and `backups` in any order; those that are being deleted are
/// left out by the caller, those whose objects are missing are not in `segments` either, but in `missing`.
pub fn windows(
    backups: &[BackupPoint],
    segments: &[LogSegment],
    missing: &[LogSegment],
    frontier: Option<&Frontier>,
) -> (Vec<Window>, Vec<Gap>) {
    windows::find(backups, segments, missing, frontier)
}

#[cfg(test)]
mod tests;
