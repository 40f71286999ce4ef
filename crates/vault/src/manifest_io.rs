//! Reading manifests with distrust: whatever stands in the storage may be newer, damaged, or somebody's forgery.

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::manifest::{FORMAT_VERSION, MANIFEST_NAME, Manifest, ObjectRecord, StoredManifest, backup_folder};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::VaultError;
use crate::key::object_path;
use crate::open::Vault;

/// More than any manifest has: one of 64 TiB in volumes of 1 GiB takes 16 MiB.
const MOST_MANIFEST_BYTES: u64 = 32 << 20;

/// What is read first, since the rest of a newer format may look like anything. // F-65
#[derive(Deserialize)]
struct Format {
    format_version: u64,
    #[serde(default)]
    written_by: String,
}

impl Vault {
    /// The manifest of the backup in `folder`. Fields that this version does not know are kept in it. // F-65
    ///
    /// `known_sha256`: what [`StoredManifest::sha256`] must be, where somebody knows it. // F-90
    ///
    /// # Errors
    /// [`VaultError::ManifestMissing`], [`VaultError::ManifestChanged`], [`VaultError::ManifestInvalid`],
    /// [`VaultError::ManifestTooNew`], or what the storage says.
    pub async fn read_manifest(&self, folder: &str, known_sha256: Option<&str>) -> Result<StoredManifest, VaultError> {
        let path = object_path(folder, MANIFEST_NAME)?;
        let bytes = match self.read_small(&path).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(VaultError::ManifestMissing { folder: folder.to_owned() }),
            Err(error) => return Err(VaultError::from_store("read", path.as_ref(), error)),
        };
        let sha256 = digest(&bytes);
        match known_sha256 {
            Some(known) if known != sha256 => {
                Err(VaultError::ManifestChanged { folder: folder.to_owned(), known: known.to_owned(), found: sha256 })
            }
            _ => Ok(StoredManifest { manifest: parse(folder, &bytes)?, sha256 }),
        }
    }

    /// Every backup in the storage by its folder, with its manifest or what is wrong with it. Folders without a manifest
    /// are no backups and are left out. The catalog can be rebuilt from this. // F-24
    ///
    /// # Errors
    /// What the storage says while it is listed.
    pub async fn list_manifests(&self) -> Result<Vec<(String, Result<StoredManifest, VaultError>)>, VaultError> {
        let mut found = Vec::new();
        for folder in self.backup_folders().await? {
            match self.read_manifest(&folder, None).await {
                Err(VaultError::ManifestMissing { .. }) => {}
                manifest => found.push((folder, manifest)),
            }
        }
        Ok(found)
    }

    /// The folders `<datastore>/backups/<backup>`, with or without a manifest.
    async fn backup_folders(&self) -> Result<Vec<String>, VaultError> {
        let mut folders = Vec::new();
        for datastore in self.folders_below(None).await? {
            if last_part(&datastore).is_none() {
                continue;
            }
            folders.extend(self.folders_in(&datastore).await?);
        }
        Ok(folders)
    }

    /// Those of one datastore.
    pub(crate) async fn folders_of(&self, datastore: Uuid) -> Result<Vec<String>, VaultError> {
        self.folders_in(&Path::from(datastore.to_string())).await
    }

    async fn folders_in(&self, datastore: &Path) -> Result<Vec<String>, VaultError> {
        let backups = self.folders_below(Some(&datastore.clone().join("backups"))).await?;
        Ok(backups.iter().filter(|backup| last_part(backup).is_some()).map(ToString::to_string).collect())
    }

    /// Whether the backup in `folder` has a manifest, readable or not.
    ///
    /// # Errors
    /// What the storage says, other than that it is not there.
    pub async fn has_manifest(&self, folder: &str) -> Result<bool, VaultError> {
        let path = object_path(folder, MANIFEST_NAME)?;
        match self.store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(VaultError::from_store("look for", path.as_ref(), error)),
        }
    }

    pub(crate) async fn folders_below(&self, prefix: Option<&Path>) -> Result<Vec<Path>, VaultError> {
        match self.store.list_with_delimiter(prefix).await {
            Ok(listing) => Ok(listing.common_prefixes),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(VaultError::from_store("list", prefix.map_or("", |prefix| prefix.as_ref()), error)),
        }
    }

    /// The bytes of a small object, if it is there.
    pub(crate) async fn read_small(&self, path: &Path) -> Result<Option<Bytes>, object_store::Error> {
        match self.store.get(path).await {
            Ok(object) if object.meta.size > MOST_MANIFEST_BYTES => {
                Err(object_store::Error::Generic { store: "Holdfast", source: "too large to be ours".into() })
            }
            Ok(object) => object.bytes().await.map(Some),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What [`StoredManifest::sha256`] holds.
pub(crate) fn digest(manifest: &[u8]) -> String {
    hex::encode(Sha256::digest(manifest))
}

/// The id at the end of a folder's path.
fn last_part(folder: &Path) -> Option<Uuid> {
    folder.filename().and_then(|name| Uuid::parse_str(name).ok())
}

fn parse(folder: &str, bytes: &[u8]) -> Result<Manifest, VaultError> {
    let invalid =
        |error: serde_json::Error| VaultError::ManifestInvalid { folder: folder.to_owned(), reason: error.to_string() };
    let format: Format = serde_json::from_slice(bytes).map_err(invalid)?;
    if format.format_version > u64::from(FORMAT_VERSION) {
        return Err(VaultError::ManifestTooNew {
            folder: folder.to_owned(),
            format_version: format.format_version,
            written_by: format.written_by,
        });
    }
    let manifest = serde_json::from_slice(bytes).map_err(invalid)?;
    validate(folder, &manifest)?;
    Ok(manifest)
}

/// Whether a manifest is consistent in itself and belongs into its folder.
pub(crate) fn validate(folder: &str, manifest: &Manifest) -> Result<(), VaultError> {
    check(folder, manifest)
        .map_err(|reason| VaultError::ManifestInvalid { folder: folder.to_owned(), reason: reason.to_owned() })
}

fn check(folder: &str, manifest: &Manifest) -> Result<(), &'static str> {
    if folder != backup_folder(manifest.datastore_id, manifest.backup_id) {
        return Err("it belongs to another backup");
    }
    if manifest.streams.is_empty() {
        return Err("it names no stream");
    }
    if let Some(name) = &manifest.continuation
        && !manifest.streams.iter().any(|stream| stream.name == *name)
    {
        return Err("it names a stream for increments that it does not have");
    }
    let (mut keys, mut names) = (BTreeSet::new(), BTreeSet::new());
    let (mut stored, mut original) = (Some(0), Some(0));
    for stream in &manifest.streams {
        if !names.insert(&stream.name) {
            return Err("it names a stream twice");
        }
        if stream.objects.is_empty() {
            return Err("a stream has no objects");
        }
        if sum(stream.objects.iter().map(|object| object.original_size_bytes)) != Some(stream.original_size_bytes) {
            return Err("the sizes of a stream's objects don't add up to the stream's");
        }
        for object in &stream.objects {
            check_object(folder, object)?;
            if !keys.insert(&object.key) {
                return Err("it names an object twice");
            }
            stored = add(stored, object.size_bytes);
        }
        original = add(original, stream.original_size_bytes);
    }
    if stored != Some(manifest.size_bytes) || original != Some(manifest.original_size_bytes) {
        return Err("the sizes of its streams don't add up");
    }
    Ok(())
}

fn check_object(folder: &str, object: &ObjectRecord) -> Result<(), &'static str> {
    if object_path(folder, &object.key).is_err() || object.key == MANIFEST_NAME {
        return Err("an object's name leads elsewhere");
    }
    if object.size_bytes == 0 || object.original_size_bytes == 0 {
        return Err("an object is empty");
    }
    if object.sha256.len() != 64 || !object.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("a checksum is none");
    }
    Ok(())
}

fn add(sum: Option<u64>, size: u64) -> Option<u64> {
    sum?.checked_add(size)
}

fn sum(sizes: impl Iterator<Item = u64>) -> Option<u64> {
    sizes.fold(Some(0), add)
}
