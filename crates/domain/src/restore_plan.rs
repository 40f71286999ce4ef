//! The plan of a restore: what it would do, and everything that stands in its way. A worker gathers the facts, this
//! module judges them, people see the result before they confirm, and the executor asks again before it begins.

use serde::{Deserialize, Serialize};

use crate::version::{can_load, can_take};
use crate::{Engine, ErrorCode, JobError, JobStatus};

/// Something that makes a restore impossible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Obstacle {
    pub code: ErrorCode,
    /// What it is and what to do about it.
    pub detail: String,
}

impl Obstacle {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl From<JobError> for Obstacle {
    fn from(error: JobError) -> Self {
        Self::new(error.code, error.detail)
    }
}

/// What is known before a restore in place begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreFacts {
    pub backup_engine: Engine,
    pub backup_version: String,
    pub backup_status: JobStatus,
    pub target_engine: Engine,
    /// Null when the server could not be asked.
    pub target_version: Option<String>,
    /// The numbers of the backups that are joined, the full one first: one number for a full backup.
    pub chain: Vec<i64>,
    /// Sum of the stored objects' sizes of the whole chain in bytes.
    pub fetch_bytes: u64,
    /// The size of the unpacked data in bytes.
    pub unpacked_bytes: u64,
    /// What the links of a chain occupy beside that data until they are joined, in bytes.
    pub links_bytes: u64,
    /// How many segments of archived log are replayed, and their size before compression in bytes.
    pub log_segments: u64,
    pub log_bytes: u64,
    /// What the data directory's file system has free, in bytes.
    pub free_bytes: u64,
    /// Set when the data is put back through the running server: what that does to its databases.
    pub databases: Option<DatabaseChanges>,
    /// Obstacles that only looking at files and objects can find: missing objects, a wrong directory, no way to stop the server.
    pub found: Vec<Obstacle>,
}

/// What a restore through the running server does to the server's databases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabaseChanges {
    /// Those that will hold what the backup holds; what they hold now is lost when the time of the undo is over.
    pub replaced: Vec<String>,
    /// Those that are not there yet.
    pub created: Vec<String>,
    /// Those that the backup does not hold: they stay as they are.
    pub untouched: Vec<String>,
}

/// What a restore would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RestorePlan {
    /// The numbers of the backups that are joined, the full one first.
    #[serde(default)]
    pub chain: Vec<i64>,
    /// What is read from the storage.
    pub fetch_bytes: u64,
    /// What the data occupies when unpacked.
    pub unpacked_bytes: u64,
    /// What the unpacked links of a chain occupy beside that data until they are joined; 0 for a full backup.
    #[serde(default)]
    pub links_bytes: u64,
    /// How many segments of archived log are replayed.
    #[serde(default)]
    pub log_segments: u64,
    /// What they occupy beside the data until they are replayed.
    #[serde(default)]
    pub log_bytes: u64,
    /// Free space that the restore needs beside the data directory.
    pub needed_bytes: u64,
    pub free_bytes: u64,
    /// Which databases of the server it replaces, makes and leaves alone; null where it replaces all of the server's data.
    #[serde(default)]
    pub databases: Option<DatabaseChanges>,
    /// How long it will take, from earlier jobs of this datastore; null without any.
    pub estimated_seconds: Option<u64>,
    /// How long the server will be stopped, from earlier restores; null without any.
    pub estimated_downtime_seconds: Option<u64>,
    /// All that stands in the way; empty when the restore can begin.
    pub obstacles: Vec<Obstacle>,
}

/// Free space demanded beyond the unpacked data, in bytes: logs that the staged server writes while it recovers.
const HEADROOM_BYTES: u64 = 64 << 20;

/// Judges the facts. Never refuses early: all obstacles are in the plan.
pub fn plan_restore(facts: RestoreFacts) -> RestorePlan {
    let mut obstacles = Vec::new();
    if facts.backup_status != JobStatus::Completed {
        obstacles.push(Obstacle::new(
            ErrorCode::BackupNotRestorable,
            format!("The backup is {}; only completed backups can be restored.", facts.backup_status),
        ));
    }
    if facts.backup_engine != facts.target_engine {
        obstacles.push(Obstacle::new(
            ErrorCode::IncompatibleEngineVersion,
            format!("The backup is of {}, the server is {}.", facts.backup_engine.title(), facts.target_engine.title()),
        ));
    } else if let Some(target) = &facts.target_version
        && !fits(&facts, target)
    {
        obstacles.push(Obstacle::new(
            ErrorCode::IncompatibleEngineVersion,
            format!(
                "The backup was made with {} {}, the server runs {target}. Install the backup's version to restore it.",
                facts.backup_engine.title(),
                facts.backup_version
            ),
        ));
    }
    let place = if facts.databases.is_some() { "on the worker's disk" } else { "beside the data directory" };
    // The private server that replays logs writes them once more into its own.
    let replay_bytes = facts.log_bytes.saturating_mul(2);
    let unpacked_bytes = facts.unpacked_bytes.saturating_add(facts.links_bytes).saturating_add(replay_bytes);
    let needed_bytes = unpacked_bytes.saturating_add(unpacked_bytes / 20).saturating_add(HEADROOM_BYTES);
    if facts.free_bytes < needed_bytes {
        obstacles.push(Obstacle::new(
            ErrorCode::InsufficientDiskSpace,
            format!(
                "The restore needs {} free {place}; there are {}.",
                crate::format::bytes(needed_bytes),
                crate::format::bytes(facts.free_bytes)
            ),
        ));
    }
    obstacles.extend(facts.found);
    RestorePlan {
        chain: facts.chain,
        fetch_bytes: facts.fetch_bytes,
        unpacked_bytes: facts.unpacked_bytes,
        links_bytes: facts.links_bytes,
        log_segments: facts.log_segments,
        log_bytes: facts.log_bytes,
        needed_bytes,
        free_bytes: facts.free_bytes,
        databases: facts.databases,
        estimated_seconds: None,
        estimated_downtime_seconds: None,
        obstacles,
    }
}

/// Whether the server can take the backup: as files, or as statements where the data goes through it.
fn fits(facts: &RestoreFacts, target: &str) -> bool {
    let can = if facts.databases.is_some() { can_load } else { can_take };
    can(facts.backup_engine, &facts.backup_version, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> RestoreFacts {
        RestoreFacts {
            backup_engine: Engine::Postgresql,
            backup_version: "15.18".into(),
            backup_status: JobStatus::Running,
            target_engine: Engine::Postgresql,
            target_version: Some("16.1".into()),
            chain: vec![1],
            fetch_bytes: 10,
            unpacked_bytes: 1 << 30,
            links_bytes: 0,
            log_segments: 0,
            log_bytes: 0,
            free_bytes: 1 << 20,
            databases: None,
            found: vec![Obstacle::new(ErrorCode::ObjectMissing, "base.000.tar.zst is missing")],
        }
    }

    #[test]
    fn the_links_of_a_chain_need_room_beside_the_data() {
        let full = plan_restore(facts());
        let chain = plan_restore(RestoreFacts { chain: vec![1, 2], links_bytes: 100 << 20, ..facts() });
        assert_eq!((chain.chain.as_slice(), chain.links_bytes), ([1, 2].as_slice(), 100 << 20));
        assert_eq!(chain.needed_bytes - full.needed_bytes, 105 << 20);
    }

    #[test]
    fn all_obstacles_are_told_at_once() {
        let plan = plan_restore(facts());
        let codes: Vec<_> = plan.obstacles.iter().map(|obstacle| obstacle.code).collect();
        assert_eq!(
            codes,
            [
                ErrorCode::BackupNotRestorable,
                ErrorCode::IncompatibleEngineVersion,
                ErrorCode::InsufficientDiskSpace,
                ErrorCode::ObjectMissing
            ]
        );
    }
}
