//! An opened storage.

use std::path::PathBuf;
use std::sync::Arc;

use dial::Policy;
use domain::{StorageAccess, storage::StorageConfig};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::VaultError;
use crate::problem::ObjectFault;
use crate::{local, s3};

/// One opened storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The same place, reached so that a single write is on the disk when it returns.
    durable: Arc<dyn ObjectStore>,
    /// Where the objects are as files; none on an object storage.
    pub(crate) root: Option<Arc<PathBuf>>,
}

impl Vault {
    /// Opens a storage. A local one's directory is made when it does not exist, for its owner only (0700). Nothing is sent
    /// over a network: [`Vault::check`] does that.
    ///
    /// # Errors
    /// [`VaultError::Settings`] for settings that make no sense, or what the file system says.
    pub fn open(access: &StorageAccess) -> Result<Self, VaultError> {
        Self::open_under(access, dial::of_process())
    }

    /// The same, where the bucket's endpoint must be one of those that `policy` allows, and not this process's own policy.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_under(access: &StorageAccess, policy: Policy) -> Result<Self, VaultError> {
        match &access.config {
            StorageConfig::Local { path } => Self::open_local(path.as_ref()),
            StorageConfig::S3 { prefix, .. } => {
                let store = s3::open(&access.config, access.secret_access_key.as_ref(), policy)?;
                let store: Arc<dyn ObjectStore> = match prefix.as_deref().map(|prefix| prefix.trim_matches('/')) {
                    None | Some("") => Arc::new(store),
                    Some(prefix) => {
                        let prefix =
                            Path::parse(prefix).map_err(|error| VaultError::Settings { source: error.into() })?;
                        Arc::new(PrefixStore::new(store, prefix))
                    }
                };
                Ok(Self { durable: Arc::clone(&store), store, root: None })
            }
        }
    }

    fn open_local(path: &std::path::Path) -> Result<Self, VaultError> {
        let place = path.display().to_string();
        local::create_directory(path).map_err(|error| VaultError::from_io("create the directory", &place, error))?;
        let root = path.canonicalize().map_err(|error| VaultError::from_io("open the directory", &place, error))?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| VaultError::from_store("open the directory", &place, error))?;
        let durable = Arc::new(store.clone().with_fsync(true));
        Ok(Self { store: Arc::new(store), durable, root: Some(Arc::new(root)) })
    }

    /// A storage without files, as a bucket is.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        Self { durable: Arc::clone(&store), store, root: None }
    }

    /// The same storage seen through `wrap`, by which tests make operations fail.
    #[cfg(test)]
    pub(crate) fn wrapped(&self, wrap: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>) -> Self {
        Self { store: wrap(Arc::clone(&self.store)), durable: wrap(Arc::clone(&self.durable)), root: self.root.clone() }
    }

    /// Writes a small object that must not exist yet; on a local storage it is on the disk afterwards.
    pub(crate) async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<(), object_store::Error> {
        let created = self.durable.put_opts(path, bytes.clone().into(), PutOptions::from(PutMode::Create)).await;
        match created {
            // A service without conditional writes: the lease alone keeps a second writer away. // F-35
            Err(object_store::Error::NotImplemented { .. }) => match self.store.head(path).await {
                Err(object_store::Error::NotFound { .. }) => self.durable.put(path, bytes.into()).await.map(drop),
                Err(error) => Err(error),
                Ok(_) => Err(object_store::Error::AlreadyExists {
                    path: path.to_string(),
                    source: "found before it was written".into(),
                }),
            },
            other => other.map(drop),
        }
    }

    /// Makes sure that an object that was just written is there as it was meant. // F-32, F-41
    ///
    /// Local: its bytes are read back while the disk takes them, and file and directories are synced. S3: the service
    /// checked each part's SHA-256 and tells the size.
    pub(crate) async fn confirm(&self, path: &Path, key: &str, size: u64, sha256: &str) -> Result<(), VaultError> {
        let found_size = match &self.root {
            None => self.store.head(path).await.map_err(|error| VaultError::from_store("confirm", key, error))?.size,
            Some(root) => {
                let (synced, read) = tokio::join!(
                    local::in_background({
                        let (root, path) = (Arc::clone(root), path.clone());
                        move || local::sync(&root, &path)
                    }),
                    local::in_background({
                        let (root, path) = (Arc::clone(root), path.clone());
                        move || local::hash(&root, &path)
                    }),
                );
                synced.map_err(|error| VaultError::from_io("sync", key, error))?;
                let (found_size, found_sha256) = read.map_err(|error| VaultError::from_io("read back", key, error))?;
                if found_size == size && found_sha256 != sha256 {
                    return Err(VaultError::object(key, ObjectFault::Checksum));
                }
                found_size
            }
        };
        if found_size == size {
            Ok(())
        } else {
            Err(VaultError::object(key, ObjectFault::Size { expected: size, found: found_size }))
        }
    }
}
