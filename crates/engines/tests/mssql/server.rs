//! A server to test against: what is done to it beside backups is SQL, so that it may be the double or a real one.

use std::path::{Path, PathBuf};

use domain::assignment::DatastoreAccess;
use domain::{Engine, Secret, Service, SharedDirectory, StorageAccess, StorageConfig};
use tempfile::TempDir;
use testkit::{BUCKET, BUCKET_KEY_ID, BUCKET_SECRET, BucketService, Mssql, MssqlBuilder};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, Row};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use uuid::Uuid;

/// How a server is reached, and a directory that it shares with the worker.
pub struct Server {
    pub access: DatastoreAccess,
    /// None for a real one.
    pub double: Option<Mssql>,
    /// The bucket that it shares with the worker instead of the directory.
    pub bucket: Option<BucketService>,
    _shared: Option<TempDir>,
}

impl Server {
    pub fn double() -> Self {
        Self::start(Mssql::builder())
    }

    pub fn start(builder: MssqlBuilder) -> Self {
        let double = builder.start().expect("start the double");
        let shared = tempfile::tempdir().expect("a shared directory");
        let path = shared.path().display().to_string();
        let access = DatastoreAccess {
            id: Uuid::new_v4(),
            name: "shop".into(),
            engine: Engine::Mssql,
            host: "127.0.0.1".into(),
            port: double.port,
            username: Some(testkit::BACKUP_USER.into()),
            password: Some(Secret::new(testkit::BACKUP_PASSWORD)),
            data_directory: None,
            shared_directory: Some(SharedDirectory { server_path: path.clone(), worker_path: path }),
            shared_storage: None,
            service: Service::None,
            server_identity: None,
            log_branch: "origin".into(),
        };
        Self { access, double: Some(double), bucket: None, _shared: Some(shared) }
    }

    /// A double that shares a bucket with the worker, and has no credential for it yet.
    pub fn without_credential(builder: MssqlBuilder) -> Self {
        let authority = testkit::authority_pem().as_bytes();
        dial::set_for_process(dial::Policy::default().and_loopback().trusting(authority).expect("a certificate"));
        let (mut server, bucket) = (Self::start(builder), BucketService::start_encrypted());
        server.access.shared_directory = None;
        let config = StorageConfig::S3 {
            bucket: BUCKET.into(),
            region: None,
            endpoint: Some(bucket.endpoint()),
            prefix: Some("exchange/sql".into()),
            access_key_id: BUCKET_KEY_ID.into(),
        };
        let secret_access_key = Some(Secret::new(BUCKET_SECRET));
        server.access.shared_storage = Some(StorageAccess { id: Uuid::new_v4(), config, secret_access_key });
        server.bucket = Some(bucket);
        server
    }

    /// The same, with its credential.
    pub fn with_bucket(builder: MssqlBuilder) -> Self {
        let server = Self::without_credential(builder);
        let name = server.bucket_url();
        server.fake().create_credential(&name, "S3 Access Key", &format!("{BUCKET_KEY_ID}:{BUCKET_SECRET}"));
        server
    }

    /// As the server calls it.
    pub fn bucket_url(&self) -> String {
        format!("s3://127.0.0.1:{}/{BUCKET}", self.service().port)
    }

    pub fn service(&self) -> &BucketService {
        self.bucket.as_ref().expect("a bucket")
    }

    /// A server that somebody else runs.
    pub fn real(access: DatastoreAccess) -> Self {
        Self { access, double: None, bucket: None, _shared: None }
    }

    pub fn fake(&self) -> &Mssql {
        self.double.as_ref().expect("the double")
    }

    /// The names of the files in the shared directory, or of all that is in the bucket.
    pub fn shared_files(&self) -> Vec<String> {
        if let Some(bucket) = &self.bucket {
            return bucket.files();
        }
        let directory = self.access.shared_directory.as_ref().expect("a shared directory");
        let entries = std::fs::read_dir(&directory.worker_path).expect("list it");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
    }

    pub fn shared_path(&self, name: &str) -> PathBuf {
        Path::new(&self.access.shared_directory.as_ref().expect("a shared directory").worker_path).join(name)
    }

    pub async fn connect(&self) -> Client<Compat<TcpStream>> {
        let mut config = Config::new();
        config.host(&self.access.host);
        config.encryption(EncryptionLevel::NotSupported);
        let user = self.access.username.clone().expect("a user");
        let password = self.access.password.as_ref().expect("a password").expose().to_owned();
        config.authentication(AuthMethod::sql_server(user, password));
        let stream = TcpStream::connect((self.access.host.as_str(), self.access.port)).await.expect("connect");
        Client::connect(config, stream.compat_write()).await.expect("log in")
    }

    /// The rows of the last statement, or the server's error.
    pub async fn try_sql(&self, sql: &str) -> Result<Vec<Row>, (u32, String)> {
        let mut client = self.connect().await;
        let answer = async { client.simple_query(sql).await?.into_results().await };
        match answer.await {
            Ok(mut results) => Ok(results.pop().unwrap_or_default()),
            Err(tiberius::error::Error::Server(error)) => Err((error.code(), error.message().to_owned())),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    pub async fn sql(&self, sql: &str) -> Vec<Row> {
        self.try_sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    pub async fn create(&self, name: &str) {
        let quoted = quoted(name);
        self.sql(&format!("CREATE DATABASE {quoted}")).await;
        self.sql(&format!("ALTER DATABASE {quoted} SET RECOVERY FULL")).await;
        self.sql(&format!("CREATE TABLE {quoted}.dbo.entries (note nvarchar(200))")).await;
    }

    /// Commits a row.
    pub async fn insert(&self, name: &str, note: &str) {
        let sql = format!("INSERT INTO {}.dbo.entries (note) VALUES (N'{}')", quoted(name), note.replace('\'', "''"));
        self.sql(&sql).await;
    }

    pub async fn delete_all(&self, name: &str) {
        self.sql(&format!("DELETE FROM {}.dbo.entries", quoted(name))).await;
    }

    pub async fn entries(&self, name: &str) -> Vec<String> {
        let rows = self.sql(&format!("SELECT note FROM {}.dbo.entries ORDER BY note", quoted(name))).await;
        rows.iter().map(|row| row.get::<&str, _>(0).expect("a note").to_owned()).collect()
    }

    /// The names and states of all databases that people made.
    pub async fn databases(&self) -> Vec<(String, String)> {
        let rows = self.sql("SELECT name, state_desc FROM sys.databases WHERE database_id > 4 ORDER BY name").await;
        let text = |row: &Row, index: usize| row.get::<&str, _>(index).expect("a text").to_owned();
        rows.iter().map(|row| (text(row, 0), text(row, 1))).collect()
    }
}

pub fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}
