//! What a server says of itself and of its databases.

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use domain::transaction_log::Lsn;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::Session;
use super::row::Row;
use crate::EngineError;

/// The oldest version that is spoken to: SQL Server 2019.
const OLDEST_MAJOR: u32 = 15;
/// `SERVERPROPERTY('EngineEdition')`: Standard and Web, Enterprise and Developer, Express. The others are services that back up on
/// their own.
const ENGINE_EDITIONS: [i128; 3] = [2, 3, 4];
const EXPRESS: i128 = 4;
/// `master`, `tempdb`, `model` and `msdb` have the first numbers.
const LAST_SYSTEM_DATABASE: i128 = 4;
/// `sys.master_files` counts in pages.
const PAGE_BYTES: u64 = 8192;

const SERVER: &str = "SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')) AS version, \
     CONVERT(nvarchar(128), SERVERPROPERTY('Edition')) AS edition, \
     CONVERT(int, SERVERPROPERTY('EngineEdition')) AS engine_edition, \
     CONVERT(nvarchar(400), SERVERPROPERTY('InstanceDefaultDataPath')) AS data_path, \
     CONVERT(nvarchar(400), SERVERPROPERTY('InstanceDefaultLogPath')) AS log_path, \
     SYSDATETIMEOFFSET() AS clock, SUSER_SNAME() AS login";
/// The service master key is made once in an instance's life, at its first start (manual, "Service Master Key").
const IDENTITY: &str = "SELECT key_guid FROM master.sys.symmetric_keys WHERE name = N'##MS_ServiceMasterKey##'";
/// Snapshots are no databases of their own.
const DATABASES: &str = "SELECT d.name, d.database_id, d.create_date, d.recovery_model_desc, d.state_desc, d.user_access_desc, \
     d.group_database_id, r.family_guid, r.recovery_fork_guid, r.last_log_backup_lsn \
     FROM sys.databases AS d LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id \
     WHERE d.source_database_id IS NULL ORDER BY d.database_id";
const FILES: &str = "SELECT database_id, type, name, physical_name, size, differential_base_lsn FROM sys.master_files \
     ORDER BY database_id, file_id";

/// A server at one moment.
#[derive(Debug, Clone)]
pub(super) struct ServerFacts {
    pub version: String,
    pub edition: String,
    engine_edition: i128,
    /// Where the server puts files of new databases, ending with its separator.
    pub data_path: String,
    pub log_path: String,
    /// The server's clock, with the offset that `STOPAT` is read with.
    pub clock: DateTime<FixedOffset>,
    pub login: String,
    pub identity: Option<Uuid>,
    pub databases: Vec<DatabaseFacts>,
}

/// A database at the same moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DatabaseFacts {
    pub name: String,
    pub id: i128,
    pub created: Option<NaiveDateTime>,
    /// `FULL`, `BULK_LOGGED` or `SIMPLE`.
    pub recovery_model: String,
    /// `ONLINE`, `RESTORING`, `OFFLINE`, …
    pub state: String,
    pub is_single_user: bool,
    pub is_in_group: bool,
    pub fork: Option<Uuid>,
    /// Where the next log backup begins; none when there can be none.
    pub log_start: Option<Lsn>,
    /// The checkpoint of the full backup that a differential one would be built on.
    pub differential_base: Option<Lsn>,
    pub files: Vec<FileFacts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileFacts {
    pub physical: String,
    pub is_log: bool,
    pub size_bytes: u64,
}

impl ServerFacts {
    /// Asks the server.
    ///
    /// # Errors
    /// As [`Session::open`]; `unsupported_engine` for versions and services that this module does not know.
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        Self::of(&mut Session::open(datastore, cancel).await?).await
    }

    /// As [`ServerFacts::ask`], in a session.
    pub(super) async fn of(session: &mut Session) -> Result<Self, EngineError> {
        let rows = session.rows("Asking for the server's version", SERVER).await?;
        let row = rows.first().cloned().unwrap_or_default();
        let untold = || EngineError::known(ErrorCode::EngineToolFailed, "SQL Server did not tell its version.");
        let text = |name: &str| row.text(name).unwrap_or_default().to_owned();
        let mut facts = Self {
            version: row.text("version").ok_or_else(untold)?.to_owned(),
            edition: text("edition"),
            engine_edition: row.number("engine_edition").unwrap_or_default(),
            data_path: text("data_path"),
            log_path: text("log_path"),
            clock: row.time_with_offset("clock").ok_or_else(untold)?,
            login: text("login"),
            identity: None,
            databases: Vec::new(),
        };
        facts.check_kind()?;
        let key = session.rows("Asking for the server's identity", IDENTITY).await?;
        facts.identity = key.first().and_then(|row| row.guid("key_guid"));
        let files = session.rows("Asking for the databases' files", FILES).await?;
        let databases = session.rows("Asking for the databases", DATABASES).await?;
        facts.databases = databases.iter().filter_map(|row| DatabaseFacts::of(row, &files)).collect();
        Ok(facts)
    }

    fn check_kind(&self) -> Result<(), EngineError> {
        if self.major_version() < OLDEST_MAJOR {
            let detail = format!("SQL Server {} is older than 2019, the oldest that Holdfast knows.", self.version);
            return Err(EngineError::known(ErrorCode::UnsupportedEngine, detail));
        }
        if !ENGINE_EDITIONS.contains(&self.engine_edition) {
            let detail = format!("{} backs up on its own and not to files of one's own.", self.edition);
            return Err(EngineError::known(ErrorCode::UnsupportedEngine, detail));
        }
        Ok(())
    }

    pub(super) fn major_version(&self) -> u32 {
        self.version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Tells this instance from any other. // F-54
    pub(super) fn identity(&self) -> Option<String> {
        self.identity.map(|key| key.to_string())
    }

    /// Whether the edition compresses backups (manual, "Editions and supported features"): Express and Web do not.
    pub(super) fn compresses(&self) -> bool {
        !self.is_express() && !self.edition.starts_with("Web")
    }

    pub(super) const fn is_express(&self) -> bool {
        self.engine_edition == EXPRESS
    }

    /// The databases that people made and that can be backed up now.
    pub(super) fn user_databases(&self) -> impl Iterator<Item = &DatabaseFacts> {
        self.databases.iter().filter(|database| database.is_user() && database.is_online())
    }

    /// A database by its name, compared as the server does in most collations: without regard to case.
    pub(super) fn database(&self, name: &str) -> Option<&DatabaseFacts> {
        let wanted = name.to_lowercase();
        self.databases.iter().find(|database| database.name.to_lowercase() == wanted)
    }

    /// When `tempdb` was made: at the server's start.
    pub(super) fn started(&self) -> Option<NaiveDateTime> {
        self.database("tempdb")?.created
    }

    pub(super) fn data_bytes(&self) -> u64 {
        self.user_databases().map(DatabaseFacts::size_bytes).sum()
    }
}

impl DatabaseFacts {
    fn of(row: &Row, files: &[Row]) -> Option<Self> {
        let id = row.number("database_id")?;
        let own = || files.iter().filter(move |file| file.number("database_id") == Some(id));
        Some(Self {
            name: row.text("name")?.to_owned(),
            id,
            created: row.time("create_date"),
            recovery_model: row.text("recovery_model_desc").unwrap_or_default().to_owned(),
            state: row.text("state_desc").unwrap_or_default().to_owned(),
            is_single_user: row.text("user_access_desc") == Some("SINGLE_USER"),
            is_in_group: row.guid("group_database_id").is_some(),
            fork: row.guid("recovery_fork_guid"),
            log_start: lsn(row, "last_log_backup_lsn"),
            differential_base: own().find_map(|file| lsn(file, "differential_base_lsn")),
            files: own()
                .map(|file| FileFacts {
                    physical: file.text("physical_name").unwrap_or_default().to_owned(),
                    is_log: file.is_set("type"),
                    size_bytes: file.size("size").unwrap_or_default().saturating_mul(PAGE_BYTES),
                })
                .collect(),
        })
    }

    pub(super) const fn is_user(&self) -> bool {
        self.id > LAST_SYSTEM_DATABASE
    }

    pub(super) fn is_online(&self) -> bool {
        self.state == "ONLINE"
    }

    /// Whether its log is kept until it is backed up.
    pub(super) fn keeps_log(&self) -> bool {
        self.recovery_model != "SIMPLE"
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// A number of the log out of a row.
pub(super) fn lsn(row: &Row, name: &str) -> Option<Lsn> {
    row.number(name)?.to_string().parse().ok()
}
