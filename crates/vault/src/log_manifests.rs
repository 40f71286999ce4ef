//! What is known of a stored segment of log lies beside its pieces, so that the catalog can be rebuilt from the storage. // F-24
//!
//! Of a closed segment that is `<segment>.json`. Of a growing one it is `<segment>.<bytes>.json`, since nothing is written over;
//! the one before goes once the catalog knows the new one.

use std::collections::{BTreeMap, BTreeSet};

use domain::LogSegment;
use domain::log_archive::log_folder;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use uuid::Uuid;

use crate::error::VaultError;
use crate::key::object_path;
use crate::open::Vault;

/// What lies beside segments on their way at once.
const READ_AT_ONCE: usize = 8;

/// The key under which what is known of a segment is kept, in the folder of its incarnation.
pub fn log_manifest_key(segment: &LogSegment) -> String {
    match segment.closed {
        true => format!("{}.json", segment.name),
        false => format!("{}.{:012}.json", segment.name, segment.original_size_bytes()),
    }
}

impl Vault {
    /// Writes what is known of a segment beside it.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn write_log_manifest(&self, folder: &str, segment: &LogSegment) -> Result<(), VaultError> {
        let path = object_path(folder, &log_manifest_key(segment))?;
        let bytes = serde_json::to_vec_pretty(segment).map_err(|error| invalid(folder, error.to_string()))?;
        match self.create(&path, bytes).await {
            Ok(()) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(VaultError::from_store("create", path.as_ref(), error)),
        }
    }

    /// The segments of a datastore's log whose pieces are all there, and what is wrong with others.
    ///
    /// # Errors
    /// What the storage says while it is listed or read.
    pub async fn list_log_segments(&self, datastore: Uuid) -> Result<(Vec<LogSegment>, Vec<VaultError>), VaultError> {
        let (mut segments, mut problems) = (Vec::new(), Vec::new());
        for incarnation in self.folders_below(Some(&Path::from(datastore.to_string()).join("logs"))).await? {
            let incarnation = incarnation.filename().unwrap_or_default().to_owned();
            let folder = log_folder(datastore, &incarnation);
            let keys = self.log_keys(&folder).await?;
            let manifests: Vec<String> = keys.iter().filter(|key| key.ends_with(".json")).cloned().collect();
            let read: Vec<Result<LogSegment, VaultError>> = stream::iter(manifests)
                .map(|key| self.read_log_manifest(&folder, &incarnation, key))
                .buffered(READ_AT_ONCE)
                .try_collect()
                .await?;
            let mut known: BTreeMap<String, Vec<LogSegment>> = BTreeMap::new();
            for segment in read {
                match segment {
                    Ok(segment) => known.entry(segment.name.clone()).or_default().push(segment),
                    Err(problem) => problems.push(problem),
                }
            }
            for (name, states) in known {
                match newest_whole(states, &keys) {
                    Some(segment) => segments.push(segment),
                    None => problems.push(invalid(&folder, format!("pieces of {name} are missing"))),
                }
            }
        }
        Ok((segments, problems))
    }

    /// Inside, what is wrong with the manifest itself.
    async fn read_log_manifest(
        &self,
        folder: &str,
        incarnation: &str,
        key: String,
    ) -> Result<Result<LogSegment, VaultError>, VaultError> {
        let path = object_path(folder, &key)?;
        let bytes =
            self.read_small(&path).await.map_err(|error| VaultError::from_store("read", path.as_ref(), error))?;
        let segment = match serde_json::from_slice::<LogSegment>(&bytes.unwrap_or_default()) {
            Ok(segment) => segment,
            Err(error) => return Ok(Err(invalid(folder, format!("{key}: {error}")))),
        };
        let is_ours = segment.incarnation == incarnation
            && key == log_manifest_key(&segment)
            && segment.objects.iter().all(|object| object_path(folder, &object.key).is_ok());
        Ok(if is_ours { Ok(segment) } else { Err(invalid(folder, format!("{key} is of another segment"))) })
    }
}

/// A writer that was killed may have left an older state of a segment, whose pieces are gone.
fn newest_whole(mut states: Vec<LogSegment>, keys: &BTreeSet<String>) -> Option<LogSegment> {
    states.retain(|segment| segment.objects.iter().all(|object| keys.contains(&object.key)));
    states.into_iter().max_by_key(|segment| (segment.closed, segment.original_size_bytes()))
}

fn invalid(folder: &str, reason: String) -> VaultError {
    VaultError::ManifestInvalid { folder: folder.to_owned(), reason }
}
