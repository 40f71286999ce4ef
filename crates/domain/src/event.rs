//! Changes that the event stream tells of. An event names what changed; whoever cares reads it again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::named_enum;

named_enum! {
    /// What sort of thing changed.
    EventKind {
        Backup => "backup",
        Restore => "restore",
        Schedule => "schedule",
        Datastore => "datastore",
        Worker => "worker",
        Job => "job",
        Storage => "storage",
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Grows; sent back as `Last-Event-ID` to go on from here.
    pub id: i64,
    pub kind: EventKind,
    /// The thing that changed.
    pub resource_id: Uuid,
    pub datastore_id: Option<Uuid>,
    pub at: DateTime<Utc>,
}
