//! A bucket that the server reaches by a URL, with a credential of its own: no secret of the storage is ever in a statement.
//!
//! The rules are those of the manual, "SQL Server back up to URL for S3-compatible object storage", and of its page with best
//! practices and troubleshooting.

use domain::{ErrorCode, StorageAccess, StorageConfig, format};
use tokio::io::AsyncRead;
use vault::{SharedStorage, SharedUpload};

use super::super::client::Session;
use super::super::facts::{DatabaseFacts, ServerFacts};
use super::super::names::{identifier, literal};
use crate::EngineError;
use crate::problem::Problem;

/// SQL Server 2022.
const OLDEST_MAJOR: u32 = 16;
/// What the server takes as a URL, and as the name of a credential.
const LONGEST_URL: usize = 259;
const LONGEST_CREDENTIAL: usize = 128;
/// `holdfast-<datastore>-<file>.probe`, and the slash before it.
const NAME_CHARS: usize = 90;
/// The server makes objects of at most so many parts, each as long as one transfer. Longer transfers need compression.
const MOST_PARTS: u64 = 10_000;
const TRANSFER_BYTES: u64 = 10_485_760;
const COMPRESSED_TRANSFER_BYTES: u64 = 20_971_520;
/// The region that the server signs for unless it is told another.
const USUAL_REGION: &str = "us-east-1";
const IDENTITY: &str = "S3 Access Key";

#[derive(Clone)]
pub(super) struct Bucket {
    storage: SharedStorage,
    /// Of the bucket: `s3://host:port/bucket`.
    url: String,
    /// With a slash at its end where there is one.
    prefix: String,
    /// Where it is not the usual one.
    region: Option<String>,
    access_key_id: String,
}

impl Bucket {
    /// # Errors
    /// `server_setting_missing` for a storage that servers can't reach; what the settings say.
    pub(super) fn open(access: &StorageAccess) -> Result<Self, EngineError> {
        let storage = SharedStorage::open(access).map_err(EngineError::SharedStorage)?;
        let StorageConfig::S3 { bucket, region, endpoint, prefix, access_key_id } = &access.config else {
            return Err(unusable("it is no bucket"));
        };
        let region = region.as_deref().unwrap_or(USUAL_REGION);
        let amazon = format!("https://s3.{region}.amazonaws.com");
        let url = format!("s3://{}/{bucket}", authority(endpoint.as_deref().unwrap_or(&amazon))?);
        let prefix = prefix.as_deref().unwrap_or_default().trim_matches('/');
        if !prefix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')) {
            return Err(unusable("its prefix has characters that are no letters, digits, dots, dashes or underscores"));
        }
        if url.len() + prefix.len() + 1 + NAME_CHARS > LONGEST_URL {
            return Err(unusable("the server takes URLs of 259 characters, and those of its objects would be longer"));
        }
        Ok(Self {
            storage,
            url,
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            region: Some(region).filter(|region| *region != USUAL_REGION).map(str::to_owned),
            access_key_id: access_key_id.clone(),
        })
    }

    pub(super) fn object(&self, name: String) -> Object {
        Object { bucket: self.clone(), name: Some(name) }
    }

    pub(super) async fn sweep(&self, prefix: &str) {
        for name in self.storage.names(prefix).await.unwrap_or_default() {
            let _ = self.storage.remove(&name).await;
        }
    }

    /// Where objects are, as the server calls it.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.url, self.prefix).trim_end_matches('/').to_owned()
    }

    /// What the server needs before it can be asked to use the bucket.
    pub(super) async fn check(&self, session: &mut Session, server: &ServerFacts) -> Result<(), Problem> {
        if server.major_version() < OLDEST_MAJOR {
            let detail = format!(
                "SQL Server {} writes no backups to S3 storages; 2022 is the first that does. Set a shared directory instead.",
                server.version
            );
            return Err(Problem::new(ErrorCode::ServerSettingMissing, detail));
        }
        if server.is_express() {
            let detail =
                format!("{} writes no backups to S3 storages. Set a shared directory instead.", server.edition);
            return Err(Problem::new(ErrorCode::ServerSettingMissing, detail));
        }
        let asked = session
            .ask("SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'ALTER ANY CREDENTIAL') AS allowed")
            .await
            .map_err(|refusal| Problem::new(ErrorCode::EngineToolFailed, refusal.to_string()))?;
        if !asked.first().is_some_and(|row| row.is_set("allowed")) {
            let detail = format!(
                "The login {} lacks ALTER ANY CREDENTIAL, which backups to a storage and restores from it need.",
                server.login
            );
            let remedy = format!("GRANT ALTER ANY CREDENTIAL TO {};", identifier(&server.login));
            return Err(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
        }
        let credentials = session
            .ask("SELECT name, credential_identity FROM sys.credentials")
            .await
            .map_err(|refusal| Problem::new(ErrorCode::EngineToolFailed, refusal.to_string()))?;
        let place = self.place();
        let fits = credentials.iter().any(|row| {
            row.text("credential_identity") == Some(IDENTITY)
                && row.text("name").is_some_and(|name| leads_to(name, &place))
        });
        if fits {
            return Ok(());
        }
        let detail = format!(
            "The server has no credential for {place}. Make it on the server, with the secret key of the storage in place of the dots; \
             Holdfast does not send it there."
        );
        Err(Problem::new(ErrorCode::ServerSettingMissing, detail).remedy(self.credential()))
    }

    /// The statement that makes the server's credential, without its secret.
    fn credential(&self) -> String {
        let place = self.place();
        let name = if place.len() > LONGEST_CREDENTIAL { &self.url } else { &place };
        let secret = literal(&format!("{}:…", self.access_key_id));
        format!("CREATE CREDENTIAL {} WITH IDENTITY = '{IDENTITY}', SECRET = {secret};", identifier(name))
    }
}

/// Whether a credential of this name is one that the server takes for URLs below a place.
fn leads_to(name: &str, place: &str) -> bool {
    let (name, place) = (name.trim_end_matches('/').to_lowercase(), place.to_lowercase());
    place.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn unusable(why: &str) -> EngineError {
    let detail = format!("SQL Server can't use the shared storage: {why}.");
    EngineError::known(ErrorCode::ServerSettingMissing, detail)
}

/// Host and port of an endpoint. The server speaks TLS alone.
fn authority(endpoint: &str) -> Result<String, EngineError> {
    let Some(rest) = endpoint.strip_prefix("https://") else {
        return Err(unusable("it speaks HTTPS alone, and the storage's endpoint is none with https://"));
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() || authority.is_empty() || authority.contains('@') {
        return Err(unusable("its endpoint is more than a host and a port"));
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { authority.to_owned() } else { format!("{authority}:443") })
}

/// A database whose files are larger than an object can be: whether its backup would still fit is known when hours have passed.
pub(super) fn too_large(databases: &[DatabaseFacts], of_logs: bool, compressed: bool) -> Option<Problem> {
    let most = MOST_PARTS * if compressed { COMPRESSED_TRANSFER_BYTES } else { TRANSFER_BYTES };
    let size = |database: &DatabaseFacts| -> u64 {
        database.files.iter().filter(|file| file.is_log == of_logs).map(|file| file.size_bytes).sum()
    };
    let large = databases.iter().find(|database| size(database) > most)?;
    let detail = format!(
        "Database {:?} has {} of files, and its backup in a storage is one object, of at most {}. Set a shared directory instead.",
        large.name,
        format::bytes(size(large)),
        format::bytes(most)
    );
    Some(Problem::new(ErrorCode::ServerSettingMissing, detail))
}

/// An object, which goes when this is dropped.
pub(super) struct Object {
    bucket: Bucket,
    /// None once it was removed.
    name: Option<String>,
}

impl Object {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    pub(super) fn device(&self) -> String {
        format!("URL = {}", literal(&format!("{}/{}{}", self.bucket.url, self.bucket.prefix, self.name())))
    }

    pub(super) fn backup_options(&self, compressed: bool) -> String {
        let transfer =
            if compressed { format!(", MAXTRANSFERSIZE = {COMPRESSED_TRANSFER_BYTES}") } else { String::new() };
        match self.region() {
            Some(region) => format!("{transfer}, BACKUP_OPTIONS = {region}"),
            None => transfer,
        }
    }

    pub(super) fn restore_options(&self) -> Option<String> {
        self.region().map(|region| format!("RESTORE_OPTIONS = {region}"))
    }

    fn region(&self) -> Option<String> {
        let region = self.bucket.region.as_ref()?;
        Some(literal(&serde_json::json!({ "s3": { "region": region } }).to_string()))
    }

    pub(super) async fn open(&self) -> Result<Box<dyn AsyncRead + Send + Unpin>, EngineError> {
        let opened = self.bucket.storage.read(self.name()).await.map_err(EngineError::SharedStorage)?;
        Ok(Box::new(opened))
    }

    pub(super) async fn create(&self) -> Result<SharedUpload, EngineError> {
        self.bucket.storage.create(self.name()).await.map_err(EngineError::SharedStorage)
    }

    /// Removes it now. What stays is swept by the datastore's next job.
    pub(super) async fn remove(mut self) {
        let Some(name) = self.name.take() else { return };
        remove(self.bucket.storage.clone(), name).await;
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        if let (Some(name), Ok(runtime)) = (self.name.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(remove(self.bucket.storage.clone(), name));
        }
    }
}

async fn remove(storage: SharedStorage, name: String) {
    if let Err(error) = storage.remove(&name).await {
        tracing::warn!(name, %error, "could not remove a backup from the shared storage; the next job will");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_serves_the_places_below_its_name() {
        let place = "s3://minio:9000/exchange/sql";
        for name in [place, "s3://minio:9000/exchange", "S3://MINIO:9000/exchange/"] {
            assert!(leads_to(name, place), "{name}");
        }
        for name in ["s3://minio:9000/ex", "s3://minio:9001/exchange", "s3://minio:9000/exchange/sql/more", "https://x"]
        {
            assert!(!leads_to(name, place), "{name}");
        }
    }

    #[test]
    fn an_endpoint_is_a_host_that_speaks_tls() {
        assert_eq!(authority("https://minio:9000/").unwrap(), "minio:9000");
        assert_eq!(authority("https://s3.eu-west-1.amazonaws.com").unwrap(), "s3.eu-west-1.amazonaws.com:443");
        assert_eq!(authority("https://[::1]:9000").unwrap(), "[::1]:9000");
        assert_eq!(authority("https://[::1]").unwrap(), "[::1]:443");
        for bad in ["http://minio:9000", "minio:9000", "https://minio/path", "https://", "https://user@minio"] {
            assert!(authority(bad).is_err(), "{bad}");
        }
    }
}
