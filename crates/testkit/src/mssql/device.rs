//! Backup devices: files of the server's machine, and objects of S3 services, which the server reaches with a credential.
//!
//! What is true of the latter is in the manual's "SQL Server back up to URL for S3-compatible object storage" and its page with best
//! practices and troubleshooting. Where those tell no number, [`ServerError::unsupported`] stands for the refusal.

use std::path::Path;
use std::sync::Arc;

use super::error::ServerError;
use super::instance::Instance;
use super::object_storage::{ObjectStorage, Refused};
use super::statement::Options;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Device {
    Disk(String),
    Url(String),
}

/// The longest name of a device.
const LONGEST: usize = 259;
const PARTS: std::ops::RangeInclusive<usize> = 5_242_880..=20_971_520;
const EXPRESS: i64 = 4;

impl Device {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Disk(name) | Self::Url(name) => name,
        }
    }

    /// What can be refused before anything is written or read.
    pub(super) fn check(&self, instance: &Instance, session: i64, options: &Options) -> Result<(), ServerError> {
        let Self::Url(url) = self else { return Ok(()) };
        if instance.version[0] < 16 {
            let message = format!("A nonrecoverable I/O error occurred on file \"{url}\": The URL is not supported.");
            return Err(ServerError::new(3271, 16, message));
        }
        let login = instance.sessions.get(&session).map(|session| session.login.clone()).unwrap_or_default();
        if !instance.may(&login, None, "ALTER ANY CREDENTIAL") {
            return Err(ServerError::new(15247, 16, "User does not have permission to perform this action."));
        }
        let part = options.value("MAXTRANSFERSIZE").map(str::parse::<usize>);
        let is_bad_part = part.is_some_and(|part| {
            !options.has("COMPRESSION") || part.is_err() || part.is_ok_and(|bytes| !PARTS.contains(&bytes))
        });
        let unsupported = ["INIT", "NOINIT", "FILE", "FILE_SNAPSHOT"].iter().any(|option| options.has(option));
        if !url.starts_with("s3://")
            || url.len() > LONGEST
            || instance.engine_edition == EXPRESS
            || is_bad_part
            || unsupported
        {
            return Err(ServerError::unsupported(url));
        }
        Ok(())
    }

    /// Makes a file, without its content: a backup that is stopped leaves such a one. An object is there when it is whole.
    pub(super) fn open(&self, instance: &Instance, options: &Options) -> Result<(), ServerError> {
        match self {
            Self::Disk(path) => {
                let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
                opened.map(drop).map_err(|error| {
                    let reason = match error.kind() {
                        std::io::ErrorKind::NotFound => "3(The system cannot find the path specified.)",
                        _ => "5(Access is denied.)",
                    };
                    ServerError::device(path, reason)
                })
            }
            Self::Url(url) => match self.read(instance, options) {
                // Nothing is appended to objects, and they are written over WITH FORMAT alone.
                Ok(_) if !options.has("FORMAT") => Err(ServerError::unsupported(url)),
                Err(error) if !error.message.contains(Refused::NotFound.reason()) => Err(error),
                _ => Ok(()),
            },
        }
    }

    pub(super) fn read(&self, instance: &Instance, options: &Options) -> Result<Vec<u8>, ServerError> {
        match self {
            Self::Disk(path) => std::fs::read(path).map_err(|error| {
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => Refused::NotFound.reason(),
                    _ => "5(Access is denied.)",
                };
                ServerError::device(path, reason)
            }),
            Self::Url(url) => {
                let storage = storage(instance, url, options)?;
                storage.get(url).map_err(|refused| ServerError::device(url, refused.reason()))
            }
        }
    }

    pub(super) fn write(&self, instance: &Instance, options: &Options, content: &[u8]) -> Result<(), ServerError> {
        let failed = |why: String| ServerError::new(3202, 16, format!("Write on \"{}\" failed: {why}", self.name()));
        match self {
            Self::Disk(path) => std::fs::write(Path::new(path), content).map_err(|error| failed(error.to_string())),
            Self::Url(url) => {
                let storage = storage(instance, url, options)?;
                storage.put(url, content).map_err(|refused| failed(refused.reason().to_owned()))
            }
        }
    }
}

/// The service, with the credential whose name is the longest of those that the URL is below.
fn storage(instance: &Instance, url: &str, options: &Options) -> Result<ObjectStorage, ServerError> {
    let unsupported = || ServerError::unsupported(url);
    let parents = std::iter::successors(Some(url), |url| url.rsplit_once('/').map(|(parent, _)| parent));
    // Not the host alone: the bucket belongs to the name.
    let named = parents.take_while(|name| name.matches('/').count() >= 3);
    let credential = named.filter_map(|name| instance.credentials.get(name)).next().ok_or_else(unsupported)?;
    if credential.identity != "S3 Access Key" {
        return Err(unsupported());
    }
    let (key_id, secret) = credential.secret.split_once(':').ok_or_else(unsupported)?;
    let told = options.value("BACKUP_OPTIONS").or_else(|| options.value("RESTORE_OPTIONS"));
    let told: serde_json::Value =
        told.map_or(Ok(serde_json::Value::Null), serde_json::from_str).map_err(|_| unsupported())?;
    Ok(ObjectStorage {
        trusted: Arc::clone(&instance.trusted),
        key_id: key_id.to_owned(),
        secret: secret.to_owned(),
        region: told["s3"]["region"].as_str().unwrap_or("us-east-1").to_owned(),
    })
}
