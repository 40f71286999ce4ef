//! Storages: where artifacts live.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Secret;
use crate::name::validate_name;
use crate::problem::FieldError;

/// The name of the storage that exists from the start.
pub const DEFAULT_STORAGE_NAME: &str = "default";

/// How a storage is reached, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StorageConfig {
    /// A directory on the worker's machine.
    Local {
        /// Absolute.
        path: String,
    },
    /// A bucket of any S3-compatible service.
    S3 {
        bucket: String,
        #[serde(default)]
        region: Option<String>,
        /// The service's URL; Amazon's own when left out.
        #[serde(default)]
        endpoint: Option<String>,
        #[serde(default)]
        prefix: Option<String>,
        access_key_id: String,
    },
}

/// A storage, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Storage {
    pub id: Uuid,
    pub name: String,
    #[serde(flatten)]
    pub config: StorageConfig,
    pub created_at: DateTime<Utc>,
}

/// A new storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageCreate {
    pub name: String,
    #[serde(flatten)]
    pub config: StorageConfig,
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
}

impl StorageCreate {
    /// Checks all fields. An empty list means that nothing is wrong.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Err(error) = validate_name(&self.name) {
            errors.push(FieldError::new("/name", error.to_string()));
        }
        match &self.config {
            StorageConfig::Local { path } => {
                if !path.starts_with('/') || path.contains('\0') || path.split('/').any(|part| part == "..") {
                    errors.push(FieldError::new("/path", "must be an absolute path without \"..\""));
                }
            }
            StorageConfig::S3 { bucket, .. } => {
                if bucket.len() < 3 {
                    errors.push(FieldError::new("/bucket", "must have at least 3 characters"));
                }
            }
        }
        errors
    }
}

/// What may be changed of a storage: its place stays, since backups are in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoragePatch {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub access_key_id: Option<String>,
    #[serde(default)]
    pub secret_access_key: Option<Secret>,
}

/// All that a worker needs to open a storage. Only the worker protocol carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageAccess {
    pub id: Uuid,
    pub config: StorageConfig,
    pub secret_access_key: Option<Secret>,
}
