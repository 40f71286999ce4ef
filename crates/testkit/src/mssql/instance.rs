//! What a server knows: its databases, logins, history of backups, sessions, and the faults that a test asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use rustls::ClientConfig;
use uuid::Uuid;

use super::database::{Database, State};
use super::error::ServerError;
use super::media::{BackupSet, DatabaseFile, Lsn};

/// When a statement that changes something takes the connection down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It was not done.
    Before,
    /// It was done, and nobody hears of it.
    After,
}

/// A login and what it may not do.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub password: String,
    /// Permissions, with the database where they are one's.
    pub denied: BTreeSet<(Option<String>, String)>,
}

/// What the server is known by elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    pub identity: String,
    pub secret: String,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub login: String,
    /// The database that it stands in.
    pub database: i32,
    /// What it is doing, and how far it is.
    pub request: Option<(String, f32)>,
}

pub(super) struct Instance {
    pub version: [u8; 4],
    pub version_text: String,
    pub edition: String,
    pub engine_edition: i64,
    pub name: String,
    pub key_guid: Uuid,
    pub zone: Tz,
    /// A time that stands still, for tests that need one.
    pub clock: Option<DateTime<Utc>>,
    pub started: DateTime<Utc>,
    pub directory: PathBuf,
    pub databases: Vec<Database>,
    pub accounts: BTreeMap<String, Account>,
    pub credentials: BTreeMap<String, Credential>,
    /// Whose certificates it believes.
    pub trusted: Arc<ClientConfig>,
    pub history: Vec<BackupSet>,
    pub sessions: BTreeMap<i64, Session>,
    pub next_session: i64,
    /// Sessions that were thrown out.
    pub killed: BTreeSet<i64>,
    pub statements: Vec<String>,
    pub cut: Option<(usize, Cut)>,
    /// Whether backups stop half-way and wait.
    pub are_backups_held: bool,
    pub free_bytes: u64,
}

impl Instance {
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.unwrap_or_else(Utc::now)
    }

    /// An instant as this server's clock shows it.
    pub(super) fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.zone).naive_local()
    }

    pub(super) fn local_now(&self) -> NaiveDateTime {
        self.local(self.now())
    }

    pub(super) fn now_with_offset(&self) -> DateTime<FixedOffset> {
        let now = self.now();
        now.with_timezone(&self.zone.offset_from_utc_datetime(&now.naive_utc()).fix())
    }

    pub(super) fn find(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| same_name(&database.name, name))
    }

    pub(super) fn database(&self, name: &str) -> Result<&Database, ServerError> {
        self.find(name).ok_or_else(|| ServerError::no_database(name))
    }

    pub(super) fn database_mut(&mut self, name: &str) -> Result<&mut Database, ServerError> {
        let found = self.databases.iter_mut().find(|database| same_name(&database.name, name));
        found.ok_or_else(|| ServerError::no_database(name))
    }

    /// A database that can be read now.
    pub(super) fn opened(&self, name: &str, session: i64) -> Result<&Database, ServerError> {
        let database = self.database(name)?;
        match database.state {
            State::Restoring => return Err(ServerError::restoring(name)),
            State::Offline => return Err(ServerError::offline(name)),
            State::Online => {}
        }
        let others = self.others_in(database.id, session);
        if database.is_single_user && !others.is_empty() {
            let message = format!("Database '{name}' is already open and can only have one user at a time.");
            return Err(ServerError::new(924, 14, message));
        }
        Ok(database)
    }

    /// The sessions that stand in a database, without one.
    pub(super) fn others_in(&self, database: i32, session: i64) -> Vec<i64> {
        let inside = self.sessions.iter().filter(|(id, other)| **id != session && other.database == database);
        inside.map(|(id, _)| *id).collect()
    }

    pub(super) fn create(&mut self, name: &str) -> Result<&mut Database, ServerError> {
        if self.find(name).is_some() {
            return Err(ServerError::database_exists(name));
        }
        // As the real one's, a number that was given back is given out again.
        let taken: BTreeSet<i32> = self.databases.iter().map(|database| database.id).collect();
        let id = (1..).find(|id| !taken.contains(id)).unwrap_or_default();
        let mut database = Database::new(id, name, self.local_now(), Lsn(34_000_000_012_800_001));
        let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        for (index, extension) in ["mdf", "ldf"].into_iter().enumerate() {
            let is_log = index == 1;
            let suffix = if is_log { "_log" } else { "" };
            let physical = self.directory.join(format!("{safe}-{id}{suffix}.{extension}")).display().to_string();
            let index = i32::try_from(index + 1).unwrap_or_default();
            let file = DatabaseFile { id: index, logical: format!("{name}{suffix}"), physical, is_log, bytes: 8 << 20 };
            write_file(&file)?;
            database.files.push(file);
        }
        self.databases.push(database);
        self.database_mut(name)
    }

    /// Which database's file a path is.
    pub(super) fn owner_of(&self, path: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.files.iter().any(|file| file.physical == path))
    }

    pub(super) fn may(&self, login: &str, database: Option<&str>, permission: &str) -> bool {
        let key = (database.map(str::to_lowercase), permission.to_uppercase());
        self.accounts.get(login).is_some_and(|account| !account.denied.contains(&key))
    }
}

/// Names are compared as the usual collation does, without regard to case.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Makes a database's file, of a few bytes.
pub(super) fn write_file(file: &DatabaseFile) -> Result<(), ServerError> {
    std::fs::write(Path::new(&file.physical), b"a double's database file").map_err(|error| {
        let message = format!(
            "Directory lookup for the file \"{}\" failed with the operating system error {error}.",
            file.physical
        );
        ServerError::new(5133, 16, message)
    })
}
