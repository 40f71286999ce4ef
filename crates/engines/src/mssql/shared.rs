//! The place through which a server and its worker pass backups: a directory that both see, or a bucket that both reach.

mod bucket;
mod directory;
mod trial;

use domain::assignment::DatastoreAccess;
use domain::{ErrorCode, Obstacle, format};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::bucket::{Bucket, Object};
use self::directory::{Directory, FileInDirectory};
use super::facts::DatabaseFacts;
use crate::EngineError;
use crate::problem::Problem;

pub(super) use trial::{server_reads, server_writes};

/// How much of a stream is copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The shared place of a datastore.
pub(super) struct Shared {
    place: Place,
    /// Of the names of all files that this datastore's jobs make.
    prefix: String,
}

enum Place {
    Directory(Directory),
    Bucket(Bucket),
}

impl Shared {
    /// # Errors
    /// `server_setting_missing` when the datastore has none, or one that servers can't use.
    pub(super) fn of(datastore: &DatastoreAccess) -> Result<Self, EngineError> {
        let place = match (&datastore.shared_directory, &datastore.shared_storage) {
            (Some(directory), _) => Place::Directory(Directory::new(directory)),
            (None, Some(storage)) => Place::Bucket(Bucket::open(storage)?),
            (None, None) => {
                return Err(EngineError::known(
                    ErrorCode::ServerSettingMissing,
                    "SQL Server writes its backups to where the worker reads them: set the datastore's shared directory, with its path \
                     as the server sees it and as the worker does, or from SQL Server 2022 on a shared storage.",
                ));
            }
        };
        Ok(Self { place, prefix: format!("holdfast-{}-", datastore.id) })
    }

    /// A new name; nothing is made.
    pub(super) fn file(&self, extension: &str) -> SharedFile {
        let name = format!("{}{}.{extension}", self.prefix, Uuid::new_v4());
        SharedFile(match &self.place {
            Place::Directory(directory) => Kind::File(directory.file(&name)),
            Place::Bucket(bucket) => Kind::Object(bucket.object(name)),
        })
    }

    /// Removes what earlier jobs of this datastore left: no two of them run at a time. // I5
    pub(super) async fn sweep(&self) {
        match &self.place {
            Place::Directory(directory) => directory.sweep(&self.prefix),
            Place::Bucket(bucket) => bucket.sweep(&self.prefix).await,
        }
    }

    /// Why backups of these databases have no room, where that can be told before they are made.
    pub(super) fn too_large(&self, databases: &[DatabaseFacts], of_logs: bool, compressed: bool) -> Option<Problem> {
        match &self.place {
            Place::Directory(_) => None,
            Place::Bucket(_) => bucket::too_large(databases, of_logs, compressed),
        }
    }

    /// How many bytes of the worker's disk a file of this size occupies.
    pub(super) fn occupied_bytes(&self, size: u64) -> u64 {
        match self.place {
            Place::Directory(_) => size,
            Place::Bucket(_) => 0,
        }
    }

    /// Why a file of this size has no room. // F-40
    pub(super) fn no_room(&self, needed: u64) -> Option<Obstacle> {
        let (place, free) = match &self.place {
            Place::Directory(directory) => {
                (format!("The shared directory {}", directory.worker_path()), directory.free_bytes()?)
            }
            Place::Bucket(_) => ("An object of the shared storage".to_owned(), vault::SharedStorage::LARGEST_OBJECT),
        };
        (free < needed).then(|| {
            let detail =
                format!("{place} has room for {}, and a backup needs {}.", format::bytes(free), format::bytes(needed));
            Obstacle::new(ErrorCode::InsufficientDiskSpace, detail)
        })
    }
}

/// A file in the shared place, which goes when this is dropped.
pub(super) struct SharedFile(Kind);

enum Kind {
    File(FileInDirectory),
    Object(Object),
}

impl SharedFile {
    /// The end of a `BACKUP`. `options` come before those that every backup has, each with a comma after it.
    pub(super) fn to(&self, options: &str, compressed: bool) -> String {
        let compression = if compressed { ", COMPRESSION" } else { "" };
        let (device, format, more) = match &self.0 {
            Kind::File(file) => (file.device(), "FORMAT, INIT", String::new()),
            // The server does not append to objects, and does not know `INIT` for them.
            Kind::Object(object) => (object.device(), "FORMAT", object.backup_options(compressed)),
        };
        format!("TO {device} WITH {options}{format}, CHECKSUM{compression}{more}, NAME = N'Holdfast'")
    }

    /// The end of a `RESTORE`, with its options.
    pub(super) fn from(&self, options: &str) -> String {
        let (device, more) = match &self.0 {
            Kind::File(file) => (file.device(), None),
            Kind::Object(object) => (object.device(), object.restore_options()),
        };
        let all: Vec<&str> = [options].into_iter().filter(|text| !text.is_empty()).chain(more.as_deref()).collect();
        match all.is_empty() {
            true => format!("FROM {device}"),
            false => format!("FROM {device} WITH {}", all.join(", ")),
        }
    }

    /// What the server wrote.
    ///
    /// # Errors
    /// What the place says.
    pub(super) async fn open(&self) -> Result<Box<dyn AsyncRead + Send + Unpin>, EngineError> {
        match &self.0 {
            Kind::File(file) => Ok(Box::new(file.open().await?)),
            Kind::Object(object) => object.open().await,
        }
    }

    /// Writes a stream for the server, and gives its size. A stream that turns out to be damaged at its end ends here, before the
    /// server has read any of it.
    ///
    /// # Errors
    /// What the place says; `object_corrupted` for a stream that can't be read to its end.
    pub(super) async fn write(
        &self,
        mut source: impl AsyncRead + Unpin,
        on_bytes: &(dyn Fn(u64) + Send + Sync),
        cancel: &CancellationToken,
    ) -> Result<u64, EngineError> {
        let mut target = match &self.0 {
            Kind::File(file) => Target::File(file, file.create().await?),
            Kind::Object(object) => Target::Object(object.create().await?),
        };
        let (mut chunk, mut copied) = (vec![0; CHUNK_BYTES], 0);
        loop {
            let read = tokio::select! {
                () = cancel.cancelled() => return Err(EngineError::Cancelled),
                read = source.read(&mut chunk) => read,
            };
            let read = read.map_err(|error| {
                EngineError::known(ErrorCode::ObjectCorrupted, format!("Reading the stored backup failed: {error}."))
            })?;
            let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
            target.put(part).await?;
            copied += part.len() as u64;
            on_bytes(copied);
        }
        target.finish().await?;
        Ok(copied)
    }

    /// Removes it now.
    pub(super) async fn remove(self) {
        match self.0 {
            Kind::File(file) => drop(file),
            Kind::Object(object) => object.remove().await,
        }
    }
}

/// What a stream is written to.
enum Target<'file> {
    File(&'file FileInDirectory, tokio::fs::File),
    Object(vault::SharedUpload),
}

impl Target<'_> {
    async fn put(&mut self, part: &[u8]) -> Result<(), EngineError> {
        match self {
            Self::File(file, target) => file.put(target, part).await,
            Self::Object(upload) => upload.put(part).await.map_err(EngineError::SharedStorage),
        }
    }

    async fn finish(self) -> Result<(), EngineError> {
        match self {
            Self::File(file, target) => file.finish(target).await,
            Self::Object(upload) => upload.finish().await.map_err(EngineError::SharedStorage),
        }
    }
}
