//! Pure rules and wire types of Holdfast.
//!
//! Nothing here reads a clock, touches a file or a socket, or draws a random number: `now` and ids are parameters.
//! The crate also compiles to wasm32, so the web app validates, plans and formats with the very code that the server obeys.
//! It leaves storage of rows to `store`, HTTP to `api`, and everything that touches a database server to `engines`.

pub mod access;
pub mod approval;
pub mod assignment;
pub mod audit;
mod backup;
pub mod backup_settings;
pub mod chain;
pub mod datastore;
pub mod engine;
pub mod error_code;
pub mod event;
pub mod format;
pub mod job;
pub mod list;
pub mod log_archive;
pub mod manifest;
pub mod name;
pub mod offer;
pub mod problem;
pub mod recovery;
pub mod recurrence;
pub mod restore;
pub mod restore_plan;
pub mod retention;
pub mod schedule;
pub mod secret;
pub mod storage;
pub mod transaction_log;
pub mod version;
pub mod worker;

pub use approval::{Approval, ApprovalDecision, ApprovalStatus};
pub use audit::{Actor, ActorKind, AuditEntry, AuditEvent, AuditOutcome, Subject, SubjectKind};
pub use backup::{Backup, BackupCreate, BackupHold, Trigger, Verification, VerificationStatus};
pub use backup_settings::BackupSettings;
pub use datastore::{
    Capabilities, Datastore, DatastoreCreate, DatastoreOverview, DatastorePatch, DatastoreStatus, Finding,
    FindingSeverity, Inspection, MethodCapability, Service, SharedDirectory, UnavailableMethod,
};
pub use engine::{BackupKind, BackupType, Engine, Method};
pub use error_code::ErrorCode;
pub use event::{Event, EventKind};
pub use job::{Job, JobError, JobKind, JobStatus, LogLevel, LogLine, LogLineDraft, Progress, Step};
pub use list::Page;
pub use log_archive::{LogPoint, LogSegment, RecoveryStop, StopPosition};
pub use manifest::{Manifest, StoredManifest};
pub use problem::{FieldError, Problem};
pub use recovery::RecoveryWindow;
pub use recurrence::Recurrence;
pub use restore::{
    DatabaseCopy, NewDatastore, Restore, RestoreCreate, RestorePhase, RestoreStatus, RestoreTarget, RestoreTargetDraft,
};
pub use restore_plan::{DatabaseChanges, Obstacle, RestorePlan};
pub use retention::{
    BackupFacts, CalendarPeriod, ClockFacts, DeleteReason, KeepReason, LogRange, RetentionDecision, RetentionPlan,
    RetentionPolicy, RetentionTotals, RetentionVerdict,
};
pub use schedule::{
    Frequency, LastRun, PreviewRequest, PreviewResponse, RunStatus, Schedule, ScheduleCreate, ScheduleDraft,
    SchedulePatch, ScheduleRun, ScheduleSettings, ScheduleStatus,
};
pub use secret::Secret;
pub use storage::{Storage, StorageAccess, StorageConfig, StorageCreate, StoragePatch};
pub use worker::Worker;
