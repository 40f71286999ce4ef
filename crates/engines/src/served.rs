//! Restores that go through the running server: dumps, and backups that the server itself reads. No directory is replaced, so
//! neither the server's files nor a way to stop it are needed.
//!
//! The order of the calls is the worker's: [`ServedRestore::check`] touches nothing; [`ServedRestore::stage`] does all that
//! can be done while people go on using the data; then the worker writes the state down, durably, and calls
//! [`ServedRestore::switch`]. From there on only [`ServedRestore::take_back`] leads back, and it can be called by another
//! process, after a power cut, and twice. [`ServedRestore::discard`] removes what an undo would need.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use domain::assignment::{DatastoreAccess, ReachedStop};
use domain::{DatabaseCopy, ErrorCode, Manifest, Obstacle, RecoveryStop, RestoreTarget};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{EngineError, LogSink, Probe};

/// Is told how many bytes of the backup's streams are done.
pub type ServedProgress = Arc<dyn Fn(u64) + Send + Sync>;

/// Gives the stored streams of the backups that are restored.
#[async_trait]
pub trait StreamSource: Send + Sync {
    /// The stream `stream` of the `link`-th manifest of the chain, decoded, from its beginning. What is read is worth something
    /// only once the end was reached without an error: a checksum is known at an object's end.
    async fn open(&self, link: usize, stream: &str) -> Result<Box<dyn AsyncRead + Send + Unpin>, EngineError>;
}

/// Where a restore takes place; all that going back needs.
#[derive(Clone)]
pub struct ServedPlace {
    pub restore_id: Uuid,
    pub datastore: DatastoreAccess,
    /// Private, and kept until the time of the undo is over.
    pub keep_directory: PathBuf,
    /// Private, and removed when the restore has ended.
    pub work_directory: PathBuf,
    pub log: LogSink,
    /// Never cancelled in a switch and on the way back.
    pub cancel: CancellationToken,
}

/// A restore to do.
pub struct ServedRequest {
    pub place: ServedPlace,
    /// The server that the backup is of; one that is registered by this restore and has to be empty; or new databases.
    pub target: RestoreTarget,
    /// In the order in which they are applied; a full backup alone, for most methods.
    pub chain: Vec<Manifest>,
    pub source: Arc<dyn StreamSource>,
    pub stop: Option<RecoveryStop>,
    pub progress: ServedProgress,
}

/// A database of a backup that is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredDatabase {
    /// Where it stands among the backup's databases.
    pub index: usize,
    /// The name that it gets.
    pub name: String,
}

impl ServedRequest {
    /// Whether the server has to be empty.
    pub fn needs_empty_server(&self) -> bool {
        matches!(self.target, RestoreTarget::NewDatastore { .. })
    }

    /// Whether databases that are there may be replaced.
    pub fn may_replace(&self) -> bool {
        !matches!(self.target, RestoreTarget::NewDatabases { .. })
    }

    /// All streams of the chain, by the link.
    pub fn all_streams(&self) -> Vec<(usize, String)> {
        let of_link = |(link, manifest): (usize, &Manifest)| {
            manifest.streams.iter().map(|stream| (link, stream.name.clone())).collect::<Vec<_>>()
        };
        self.chain.iter().enumerate().flat_map(of_link).collect()
    }

    /// Which of the databases that the backup holds are restored: all under their own names, or those that were asked for.
    ///
    /// # Errors
    /// `not_found` when the backup does not hold one.
    pub fn restored(&self, held: &[&str]) -> Result<Vec<RestoredDatabase>, EngineError> {
        let RestoreTarget::NewDatabases { databases } = &self.target else {
            let all = held.iter().enumerate();
            return Ok(all.map(|(index, name)| RestoredDatabase { index, name: (*name).to_owned() }).collect());
        };
        let place = |copy: &DatabaseCopy| {
            let index = held.iter().position(|name| *name == copy.name).ok_or_else(|| {
                let detail = format!("The backup holds no database {:?}. It holds {}.", copy.name, held.join(", "));
                EngineError::known(ErrorCode::NotFound, detail)
            })?;
            Ok(RestoredDatabase { index, name: copy.new_name.clone() })
        };
        databases.iter().map(place).collect()
    }

    /// Says that a database that may not be replaced is there.
    pub fn name_taken(name: &str) -> EngineError {
        let detail = format!("The server has a database {name:?} already. Choose another name for the copy.");
        EngineError::known(ErrorCode::NameTaken, detail)
    }
}

/// What a restore would do, and everything that stands in its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServedPlan {
    /// Databases that are there and will hold what the backup holds: what they hold now is lost once the undo's time is over.
    pub replaced: Vec<String>,
    /// Databases that will be made.
    pub created: Vec<String>,
    /// Databases of the server that the backup does not hold: they stay as they are.
    pub untouched: Vec<String>,
    /// What the restore occupies on the worker's disk, in bytes.
    pub needed_bytes: u64,
    /// The streams that it reads, by the link of the chain.
    pub streams: Vec<(usize, String)>,
    pub obstacles: Vec<Obstacle>,
}

impl ServedPlan {
    /// Nothing more could be found out.
    pub fn impossible(error: &EngineError) -> Self {
        Self { obstacles: vec![error.to_obstacle()], ..Self::default() }
    }
}

/// What a restore has made beside the live data; in the journal before the switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedState(pub BTreeMap<String, String>);

/// A restore that is ready to be put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    pub state: ServedState,
    /// Where the replay of logs stopped, for a restore to a stop.
    pub reached: Option<ReachedStop>,
}

/// How backups of a method are put back through the server.
#[async_trait]
pub trait ServedRestore: Send + Sync {
    /// Looks and touches nothing. Never fails: what went wrong is an obstacle.
    async fn check(&self, request: &ServedRequest) -> ServedPlan;

    /// Does what can be done while people go on using the data. What a stage that failed or was killed leaves is removed by
    /// [`ServedRestore::discard`] without a state.
    async fn stage(&self, request: &ServedRequest) -> Result<Staged, EngineError>;

    /// Puts it in place, and asks the server what it holds.
    ///
    /// # Errors
    /// The caller then calls [`ServedRestore::take_back`].
    async fn switch(&self, request: &ServedRequest, state: &ServedState) -> Result<Probe, EngineError>;

    /// Back to what was before the switch, from any point in it and after it: this is the undo, too. Asking again changes
    /// nothing.
    async fn take_back(&self, place: &ServedPlace, state: &ServedState) -> Result<Probe, EngineError>;

    /// Removes from the server what a restore keeps there beside the data in use: what an undo would need, what was undone,
    /// and, without a state, what a stage left. The directories are the caller's to remove. Asking again changes nothing.
    async fn discard(&self, place: &ServedPlace, state: Option<&ServedState>) -> Result<(), EngineError>;
}
