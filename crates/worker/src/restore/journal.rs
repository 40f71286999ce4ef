//! The journal of a switch: what it is about to do, durable before it does it. It lies beside the data directory; the
//! worker's state directory holds a pointer to it, written first, so that the next start finds it without asking anybody.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domain::assignment::{DatastoreAccess, ReachedStop};
use domain::{Engine, ErrorCode, JobError, Service};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layout::{Layout, PREFIX, exists, side_folder, sync_directory};

/// What a switch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Restore,
    Undo,
}

/// How far a switch has come: each is written before what it names is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The new data is being put together; the live server is untouched. For an undo: nothing was done yet.
    Staging,
    /// The server is being stopped.
    Stopping,
    /// Directories are being renamed.
    Switching,
    /// The new data is in place, the server is being started on it.
    Starting,
    /// The new data is in place and answers.
    Committed,
}

/// What the journal's file holds. No secret: it lies on the database's own disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub format_version: u32,
    /// The file in the worker's state directory that names this journal.
    pub pointer: PathBuf,
    pub operation: Operation,
    pub restore_id: Uuid,
    pub datastore_id: Uuid,
    pub engine: Engine,
    pub service: Service,
    pub host: String,
    pub port: u16,
    pub step: Step,
    pub layout: Layout,
    /// Whether the server ran when the switch began.
    pub server_was_running: bool,
    pub began_at: DateTime<Utc>,
    /// Until when the replaced data is kept.
    pub keep_until: DateTime<Utc>,
    /// How long the server was stopped, in seconds, once committed.
    pub downtime_seconds: f64,
    /// Who the server is since then, once committed.
    #[serde(default)]
    pub server_identity: Option<String>,
    /// Where the replay of logs stopped, if there was one.
    #[serde(default)]
    pub reached: Option<ReachedStop>,
}

/// An open journal.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    pub record: Record,
}

impl Journal {
    /// Begins a restore's journal: pointer first, then the journal at [`Step::Staging`].
    pub fn begin(
        state_directory: &Path,
        operation: Operation,
        restore_id: Uuid,
        data_directory: &Path,
        datastore: &DatastoreAccess,
        keep_until: DateTime<Utc>,
    ) -> Result<Self, JobError> {
        let failed = |error: io::Error| journal_error("begin", data_directory, &error);
        let side = side_folder(data_directory).map_err(failed)?;
        let layout = Layout::new(
            data_directory,
            side.join(format!("{PREFIX}{restore_id}-staged")),
            side.join(format!("{PREFIX}{restore_id}-replaced")),
        )
        .map_err(failed)?;
        Self::create(state_directory, &side, operation, restore_id, datastore, layout, keep_until).map_err(failed)
    }

    /// Begins the journal of the undo of a committed restore: what it replaced comes in, what it brought goes out.
    pub fn begin_undo(state_directory: &Path, done: &Self, datastore: &DatastoreAccess) -> Result<Self, JobError> {
        let record = &done.record;
        let data_directory = &record.layout.data_directory;
        let failed = |error: io::Error| journal_error("begin", data_directory, &error);
        let side = side_folder(data_directory).map_err(failed)?;
        let layout = Layout::new(
            data_directory,
            record.layout.outgoing.clone(),
            side.join(format!("{PREFIX}{}-undone", record.restore_id)),
        )
        .map_err(failed)?;
        let (restore_id, keep_until) = (record.restore_id, record.keep_until);
        Self::create(state_directory, &side, Operation::Undo, restore_id, datastore, layout, keep_until).map_err(failed)
    }

    fn create(
        state_directory: &Path,
        side: &Path,
        operation: Operation,
        restore_id: Uuid,
        datastore: &DatastoreAccess,
        layout: Layout,
        keep_until: DateTime<Utc>,
    ) -> io::Result<Self> {
        let path = path_of(side, restore_id, operation);
        let pointer = pointer_of(state_directory, restore_id, operation);
        write_durably(&pointer, path.to_string_lossy().as_bytes())?;
        let journal = Self {
            path,
            record: Record {
                format_version: 1,
                pointer,
                operation,
                restore_id,
                datastore_id: datastore.id,
                engine: datastore.engine,
                service: datastore.service.clone(),
                host: datastore.host.clone(),
                port: datastore.port,
                step: Step::Staging,
                layout,
                server_was_running: false,
                began_at: Utc::now(),
                keep_until,
                downtime_seconds: 0.0,
                server_identity: None,
                reached: None,
            },
        };
        journal.write()?;
        Ok(journal)
    }

    /// Reads a journal; null when there is none at the path.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let record = serde_json::from_slice(&bytes)?;
        Ok(Some(Self { path: path.to_owned(), record }))
    }

    /// Reads the journal that a pointer in the state directory names.
    pub fn read_by_pointer(pointer: &Path) -> io::Result<Option<Self>> {
        Self::read(Path::new(&fs::read_to_string(pointer)?))
    }

    /// Writes down what is about to be done, and only returns when it would survive a power cut. // F-42
    pub fn advance(&mut self, step: Step) -> Result<(), JobError> {
        self.record.step = step;
        self.write().map_err(|error| journal_error("write", &self.path, &error))
    }

    /// Where the links of a chain are unpacked until they are joined.
    pub fn links_directory(&self) -> PathBuf {
        let Record { restore_id, layout, .. } = &self.record;
        layout.incoming.with_file_name(format!("{PREFIX}{restore_id}-links"))
    }

    /// Removes the links of a chain, where there are any.
    pub fn remove_links(&self) -> Result<(), JobError> {
        let directory = self.links_directory();
        remove_tree(&directory).map_err(|error| journal_error("remove", &directory, &error))
    }

    /// Where archived log is put until it is replayed.
    pub fn logs_directory(&self) -> PathBuf {
        let Record { restore_id, layout, .. } = &self.record;
        layout.incoming.with_file_name(format!("{PREFIX}{restore_id}-logs"))
    }

    /// Removes archived log that was or was to be replayed.
    pub fn remove_logs(&self) -> Result<(), JobError> {
        let directory = self.logs_directory();
        remove_tree(&directory).map_err(|error| journal_error("remove", &directory, &error))
    }

    /// Removes the incoming data and the journal: the switch never began, or was taken back.
    pub fn discard(&self) -> Result<(), JobError> {
        // What an undo would bring in is the data that the restore replaced: never removed here.
        if self.record.operation == Operation::Restore {
            remove_tree(&self.record.layout.incoming)
                .map_err(|error| journal_error("remove", &self.record.layout.incoming, &error))?;
            self.remove_links()?;
            self.remove_logs()?;
        }
        self.remove_files().map_err(|error| journal_error("remove", &self.path, &error))
    }

    /// Removes the replaced data and the journal: nothing can be undone any more.
    pub fn expire(&self) -> io::Result<()> {
        remove_tree(&self.record.layout.outgoing)?;
        self.remove_files()
    }

    /// Removes the journal alone.
    pub fn forget(&self) -> Result<(), JobError> {
        self.remove_files().map_err(|error| journal_error("remove", &self.path, &error))
    }

    /// Until when the replaced data is kept.
    pub fn keep_until(&self) -> DateTime<Utc> {
        self.record.keep_until
    }

    fn write(&self) -> io::Result<()> {
        write_durably(&self.path, &serde_json::to_vec_pretty(&self.record)?)
    }

    fn remove_files(&self) -> io::Result<()> {
        remove_file(&self.path)?;
        remove_file(&self.record.pointer)
    }
}

/// Where the journal of a restore lies.
pub fn path_of(side: &Path, restore_id: Uuid, operation: Operation) -> PathBuf {
    side.join(match operation {
        Operation::Restore => format!("{PREFIX}{restore_id}.journal"),
        Operation::Undo => format!("{PREFIX}{restore_id}-undo.journal"),
    })
}

fn pointer_of(state_directory: &Path, restore_id: Uuid, operation: Operation) -> PathBuf {
    state_directory.join(match operation {
        Operation::Restore => format!("switch-{restore_id}"),
        Operation::Undo => format!("switch-{restore_id}-undo"),
    })
}

/// Replaces a file by write, fsync, rename and fsync of the folder, readable by its owner alone.
pub fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_directory(path.parent().unwrap_or(path))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory with all that is in it, where it is there.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    if exists(path)? { fs::remove_dir_all(path) } else { Ok(()) }
}

pub fn journal_error(what: &str, path: &Path, error: &io::Error) -> JobError {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::InsufficientDiskSpace,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorCode::DataDirectoryInaccessible,
        _ => ErrorCode::Internal,
    };
    JobError::new(code, format!("Could not {what} the restore's files at {}: {error}", path.display()))
}
