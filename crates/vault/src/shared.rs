//! A bucket as a place through which a database server and its worker hand objects to each other. They are no backups: each is gone
//! when the other side has read it, and none is named by a manifest.
//!
//! Who uses it names the objects, plainly, at the storage's root, where listings are short.

use std::ops::Range;

use domain::StorageAccess;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use crate::error::VaultError;
use crate::fetch::{RANGES_AHEAD, ranges};
use crate::key::is_plain;
use crate::open::Vault;

/// Objects have at most 10,000 parts: those of this size make one of 200,000 MiB.
const PART_BYTES: usize = 20 << 20;
const MOST_PARTS: u64 = 10_000;
/// Parts on their way at once; each holds [`PART_BYTES`] of memory.
const PARTS_IN_FLIGHT: usize = 2;

/// The place. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedStorage(pub(crate) Vault);

impl SharedStorage {
    /// The largest object that is written here, in bytes.
    pub const LARGEST_OBJECT: u64 = PART_BYTES as u64 * MOST_PARTS;

    /// Opens a storage, as [`Vault::open`] does: nothing is sent yet.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open(access: &StorageAccess) -> Result<Self, VaultError> {
        Vault::open(access).map(Self)
    }

    /// Begins an object; it is there once [`SharedUpload::finish`] has succeeded. Dropping the upload gives it up.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn create(&self, name: &str) -> Result<SharedUpload, VaultError> {
        let path = path(name)?;
        let upload = self.0.store.put_multipart(&path).await;
        let upload = upload.map_err(|error| VaultError::from_store("create", name, error))?;
        let upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        Ok(SharedUpload { name: name.to_owned(), upload: Some(upload) })
    }

    /// The bytes of an object, in ranges ahead of who reads them.
    ///
    /// # Errors
    /// What the storage says; later errors are the reader's.
    pub async fn read(&self, name: &str) -> Result<impl AsyncRead + Send + Unpin + use<>, VaultError> {
        let path = path(name)?;
        let found = self.0.store.head(&path).await.map_err(|error| VaultError::from_store("read", name, error))?;
        let store = self.0.store.clone();
        let read = move |range: Range<u64>| {
            let (store, path) = (store.clone(), path.clone());
            async move {
                let wanted = range.end - range.start;
                let bytes = store.get_range(&path, range).await.map_err(std::io::Error::other)?;
                let is_whole = bytes.len() as u64 == wanted;
                is_whole.then_some(bytes).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
            }
        };
        let parts = stream::iter(ranges(found.size)).map(read).buffered(RANGES_AHEAD);
        Ok(StreamReader::new(Box::pin(parts)))
    }

    /// Removes an object. One that is not there is no error.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn remove(&self, name: &str) -> Result<(), VaultError> {
        match self.0.store.delete(&path(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(VaultError::from_store("delete", name, error)),
        }
    }

    /// The names of the objects at the storage's root that begin so.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn names(&self, beginning: &str) -> Result<Vec<String>, VaultError> {
        let listed = self.0.store.list_with_delimiter(None).await;
        let listed = listed.map_err(|error| VaultError::from_store("list", "the bucket", error))?;
        let names = listed.objects.into_iter().map(|object| object.location.to_string());
        Ok(names.filter(|name| name.starts_with(beginning)).collect())
    }
}

/// An object on its way.
#[derive(Debug)]
pub struct SharedUpload {
    name: String,
    upload: Option<WriteMultipart>,
}

impl SharedUpload {
    /// Takes the next bytes; waits while too many are on their way.
    ///
    /// # Errors
    /// What the storage says of parts before.
    pub async fn put(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let waited = upload.wait_for_capacity(PARTS_IN_FLIGHT).await;
        waited.map_err(|error| VaultError::from_store("write", &self.name, error))?;
        upload.write(bytes);
        Ok(())
    }

    /// Makes an object of what was put.
    ///
    /// # Errors
    /// What the storage says; there is no object then.
    pub async fn finish(mut self) -> Result<(), VaultError> {
        let Some(upload) = self.upload.take() else { return Ok(()) };
        upload.finish().await.map(drop).map_err(|error| VaultError::from_store("complete", &self.name, error))
    }
}

impl Drop for SharedUpload {
    /// The parts of an upload that is given up occupy room until somebody removes them.
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.upload.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "could not abort an upload; the bucket's lifecycle rule will remove it");
                }
            });
        }
    }
}

fn path(name: &str) -> Result<Path, VaultError> {
    if is_plain(name) { Ok(Path::from(name)) } else { Err(VaultError::InvalidName { name: name.to_owned() }) }
}
