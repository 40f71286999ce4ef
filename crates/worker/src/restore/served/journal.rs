//! The journal of a restore through the server: what it is about to do, durable before it does it. One folder of the worker's
//! state directory per restore holds it and what an undo needs.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domain::assignment::{DatastoreAccess, ReachedStop};
use domain::{Engine, ErrorCode, JobError, Method};
use engines::{ServedRestore, ServedState};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::context::driver_of;
use crate::restore::journal::{journal_error, remove_tree, write_durably};

/// The beginning of the folders' names.
const PREFIX: &str = "served-";
const FILE: &str = "journal.json";

/// How far a restore has come: each is written before what it names is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The data in use is untouched.
    Staging,
    /// The restored data is being put in place.
    Switching,
    /// It is in place.
    Committed,
    /// The earlier data is being put back, because somebody asked.
    TakingBack,
    /// The earlier data is in place again.
    Undone,
}

/// What the journal's file holds. No secret: it outlives the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub format_version: u32,
    pub restore_id: Uuid,
    pub datastore_id: Uuid,
    pub engine: Engine,
    pub method: Method,
    pub step: Step,
    /// What the engine made beside the data in use; from [`Step::Switching`] on.
    pub state: Option<ServedState>,
    pub began_at: DateTime<Utc>,
    /// Until when the replaced data is kept.
    pub keep_until: DateTime<Utc>,
    /// How long the newest switch took.
    pub downtime_seconds: f64,
    pub server_identity: Option<String>,
    pub reached: Option<ReachedStop>,
}

/// A journal and its folder.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: PathBuf,
    pub record: Record,
}

impl Journal {
    /// Makes the folder of a restore, with the journal at [`Step::Staging`].
    pub fn begin(
        state_directory: &Path,
        restore_id: Uuid,
        datastore: &DatastoreAccess,
        method: Method,
        keep_until: DateTime<Utc>,
    ) -> Result<Self, JobError> {
        let directory = folder_of(state_directory, restore_id);
        let record = Record {
            format_version: 1,
            restore_id,
            datastore_id: datastore.id,
            engine: datastore.engine,
            method,
            step: Step::Staging,
            state: None,
            began_at: Utc::now(),
            keep_until,
            downtime_seconds: 0.0,
            server_identity: None,
            reached: None,
        };
        let journal = Self { directory, record };
        journal.make().map_err(|error| journal_error("begin", &journal.directory, &error))?;
        Ok(journal)
    }

    fn make(&self) -> io::Result<()> {
        // A folder without a journal is what a killed worker was about to begin.
        remove_tree(&self.directory)?;
        for directory in [self.directory.clone(), self.keep_directory(), self.work_directory()] {
            fs::DirBuilder::new().mode(0o700).create(directory)?;
        }
        self.write()
    }

    /// The journal of a restore, where this worker has one.
    pub fn find(state_directory: &Path, restore_id: Uuid) -> Result<Option<Self>, JobError> {
        let directory = folder_of(state_directory, restore_id);
        Self::read(&directory).map_err(|error| journal_error("read", &directory, &error))
    }

    /// The journals of a datastore, the oldest first.
    pub fn of_datastore(state_directory: &Path, datastore_id: Uuid) -> Result<Vec<Self>, JobError> {
        let failed = |error: io::Error| journal_error("read", state_directory, &error);
        let mut journals = Vec::new();
        for entry in fs::read_dir(state_directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            journals.extend(Self::read(&entry.path()).map_err(failed)?);
        }
        journals.retain(|journal| journal.record.datastore_id == datastore_id);
        journals.sort_by_key(|journal| journal.record.began_at);
        Ok(journals)
    }

    fn read(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(directory.join(FILE)) {
            Ok(bytes) => Ok(Some(Self { directory: directory.to_owned(), record: serde_json::from_slice(&bytes)? })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes down what is about to be done, and only returns when it would survive a power cut. // F-42
    pub fn advance(&mut self, step: Step) -> Result<(), JobError> {
        self.record.step = step;
        self.write().map_err(|error| journal_error("write", &self.directory, &error))
    }

    pub fn is_at(&self, step: Step) -> bool {
        self.record.step == step
    }

    /// How its backups are put back.
    pub fn engine(&self) -> Result<&'static dyn ServedRestore, JobError> {
        let Record { engine, method, .. } = self.record;
        let unknown =
            || JobError::new(ErrorCode::UnsupportedMethod, format!("{method} is not restored by this worker."));
        driver_of(engine)?.served(method).ok_or_else(unknown)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What an undo needs.
    pub fn keep_directory(&self) -> PathBuf {
        self.directory.join("keep")
    }

    /// What only the restore itself needs.
    pub fn work_directory(&self) -> PathBuf {
        self.directory.join("work")
    }

    pub fn remove_work(&self) -> Result<(), JobError> {
        let work = self.work_directory();
        remove_tree(&work).map_err(|error| journal_error("remove", &work, &error))
    }

    /// Removes the folder with all that is in it.
    pub fn remove(self) -> Result<(), JobError> {
        remove_tree(&self.directory).map_err(|error| journal_error("remove", &self.directory, &error))
    }

    fn write(&self) -> io::Result<()> {
        write_durably(&self.directory.join(FILE), &serde_json::to_vec_pretty(&self.record)?)
    }
}

fn folder_of(state_directory: &Path, restore_id: Uuid) -> PathBuf {
    state_directory.join(format!("{PREFIX}{restore_id}"))
}
