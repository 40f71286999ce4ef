//! The replication slot that keeps the server from throwing away log that was not received yet. // F-52

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use process::Command;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Unanswered};
use super::{binaries, lsn};
use crate::EngineError;
use crate::problem::Problem;

pub(super) const TOOL: &str = "pg_receivewal";
/// A slot that is dropped must not be in use; a receiver that was just stopped lets go of it soon.
const DROP_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
const DROP_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
/// From how much on it is said that a slot keeps log back, in bytes.
const MUCH: u64 = 1 << 30;

/// Any role may ask for all of it.
const QUESTION: &str = "\
select json_build_object(
    'flushed', case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_current_wal_flush_lsn()::text end,
    'segment_bytes', (select setting::bigint from pg_catalog.pg_settings where name = 'wal_segment_size'),
    'keep_limit', current_setting('max_slot_wal_keep_size', true),
    'slots', (select coalesce(json_agg(json_build_object('name', slot_name, 'active', active,
        'restart', restart_lsn::text, 'status', wal_status)), '[]') from pg_catalog.pg_replication_slots)
)";

/// The server's log and what it keeps of it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LogState {
    flushed: Option<String>,
    pub segment_bytes: u64,
    keep_limit: Option<String>,
    slots: Vec<Slot>,
}

/// A replication slot.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Slot {
    name: String,
    pub active: bool,
    restart: Option<String>,
    status: Option<String>,
}

impl Slot {
    /// Up to where the receiver has confirmed that it has the log on its disk.
    pub(super) fn confirmed(&self) -> Option<u64> {
        self.restart.as_deref().and_then(lsn::parse)
    }

    /// Whether the server has thrown away log that it was to keep.
    pub(super) fn is_lost(&self) -> bool {
        self.status.as_deref() == Some("lost")
    }
}

impl LogState {
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        let connection = Connection::to(datastore);
        let answer = match connection.ask("postgres", QUESTION, cancel).await {
            Err(Unanswered::NotConnected(_)) => connection.ask("template1", QUESTION, cancel).await,
            answer => answer,
        };
        if cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let answer = answer.map_err(|unanswered| Problem::of_login(datastore, unanswered).into_error())?;
        serde_json::from_str(&answer).map_err(|error| {
            EngineError::known(ErrorCode::EngineToolFailed, format!("The server's answer can't be understood: {error}"))
        })
    }

    /// Up to where the server's log is on its disk; none for a standby.
    pub(super) fn flushed(&self) -> Option<u64> {
        self.flushed.as_deref().and_then(lsn::parse)
    }

    pub(super) fn slot(&self, name: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.name == name)
    }

    /// What people should know of what the slot keeps back.
    pub(super) fn warnings(&self, name: &str) -> Vec<String> {
        let Some(slot) = self.slot(name) else { return Vec::new() };
        let mut warnings = Vec::new();
        let kept = self.flushed().zip(slot.confirmed()).map_or(0, |(flushed, from)| flushed.saturating_sub(from));
        if kept > MUCH {
            warnings.push(format!(
                "The server keeps {} of log for the slot {name} that was not received yet; they fill its disk.",
                domain::format::bytes(kept)
            ));
        }
        match slot.status.as_deref() {
            Some("unreserved") => warnings.push(format!(
                "The server is about to throw away log that the slot {name} still needs: max_slot_wal_keep_size is reached."
            )),
            Some("lost") => warnings.push(format!("The server has thrown away log that the slot {name} still needed.")),
            _ => {}
        }
        if self.keep_limit.as_deref() == Some("-1") && kept > MUCH / 4 {
            warnings.push(
                "Nothing limits what slots keep back: ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// The name of a datastore's slot.
pub(super) fn name_of(datastore: &DatastoreAccess) -> String {
    format!("holdfast_{}", datastore.id.simple())
}

/// Makes the slot where there is none.
pub(super) async fn create(
    datastore: &DatastoreAccess,
    major: u32,
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    run(datastore, major, &["--create-slot", "--if-not-exists"], cancel).await
}

/// Drops the slot; one that is not there is fine.
///
/// # Errors
/// `datastore_busy` when something still uses it; what the server says.
pub(super) async fn drop_slot(
    datastore: &DatastoreAccess,
    major: u32,
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    let name = name_of(datastore);
    let deadline = tokio::time::Instant::now() + DROP_LIMIT;
    loop {
        match LogState::ask(datastore, cancel).await?.slot(&name) {
            None => return Ok(()),
            Some(slot) if !slot.active => return run(datastore, major, &["--drop-slot"], cancel).await,
            Some(_) if tokio::time::Instant::now() >= deadline => {
                let detail = format!("Something still receives log by the slot {name}; it was not dropped.");
                return Err(EngineError::known(ErrorCode::DatastoreBusy, detail));
            }
            Some(_) => tokio::time::sleep(DROP_INTERVAL).await,
        }
    }
}

async fn run(
    datastore: &DatastoreAccess,
    major: u32,
    action: &[&str],
    cancel: &CancellationToken,
) -> Result<(), EngineError> {
    let programs = binaries::client(TOOL, major).await.ok_or_else(|| missing_tool(TOOL, major).into_error())?;
    let command = Command::new(TOOL)
        .search_dir(programs.directory)
        .args(action)
        .arg(format!("--slot={}", name_of(datastore)))
        .arg("--no-password");
    let done = Connection::to(datastore).apply(command).output(cancel).await;
    done.map(drop).map_err(|source| EngineError::process("pg_receivewal, which makes and drops the slot,", source))
}

/// The worker lacks a program that fits.
pub(super) fn missing_tool(tool: &str, server_major: u32) -> Problem {
    let detail = format!("{} (version {server_major})", crate::error::missing_tool(tool));
    Problem::new(ErrorCode::MissingTool, detail).remedy(format!("apt-get install postgresql-{server_major}"))
}
