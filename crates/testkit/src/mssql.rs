//! A double of SQL Server: it speaks its wire protocol, keeps databases with their logs and backup chains, and refuses what the real one
//! refuses, with its numbers. There is no SQL Server to be had for tests, so what passes here was not seen on a real one.
//!
//! It knows the part of Transact-SQL that backups and restores use. Each database has one table, `dbo.entries`, with one column,
//! `note`. The databases' files are real files, and backup devices are real files or objects of a real S3 service, in a format of its own
//! ([`media`]).

mod altering;
mod backing_up;
mod builder;
mod database;
mod device;
mod encryption;
mod error;
mod evaluation;
mod headers;
mod instance;
mod lexer;
mod media;
mod object_storage;
mod performing;
mod query;
mod reader;
mod restoring;
mod session;
mod statement;
mod value;
mod views;
mod wire;

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use self::database::State;
use self::media::Change;
use self::session::Shared;

pub use self::builder::MssqlBuilder;
pub use self::instance::Cut;
pub use self::media::Lsn;

/// A running double. Dropping it stops it.
pub struct Mssql {
    pub port: u16,
    /// Where its databases' files are.
    pub directory: PathBuf,
    shared: Arc<Shared>,
    is_ending: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Mssql {
    /// SQL Server 2022, Developer edition, in UTC.
    pub fn builder() -> MssqlBuilder {
        MssqlBuilder::default()
    }

    /// Makes a database in full recovery.
    ///
    /// Panics when there is one of that name.
    pub fn create_database(&self, name: &str) {
        let mut instance = self.shared.lock();
        instance.create(name).unwrap_or_else(|error| panic!("{}", error.message));
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut database::Database)) {
        let mut instance = self.shared.lock();
        change(instance.database_mut(name).unwrap_or_else(|error| panic!("{}", error.message)));
    }

    /// Commits a row, at an instant or now.
    pub fn insert(&self, name: &str, note: &str, at: Option<DateTime<Utc>>) {
        let at = at.unwrap_or_else(|| self.shared.lock().now());
        self.change(name, |database| {
            database.commit(Change::Insert(note.to_owned()), at);
        });
    }

    /// Commits the deletion of all rows.
    pub fn delete_all(&self, name: &str, at: Option<DateTime<Utc>>) {
        let at = at.unwrap_or_else(|| self.shared.lock().now());
        self.change(name, |database| {
            database.commit(Change::DeleteAll, at);
        });
    }

    /// The rows of a database that is online; none where it is not there or not online.
    pub fn entries(&self, name: &str) -> Option<Vec<String>> {
        let instance = self.shared.lock();
        instance.find(name).filter(|database| database.state == State::Online).map(database::Database::entries)
    }

    /// The names of all databases but the system's, with their states and whether they have a single user.
    pub fn databases(&self) -> Vec<(String, &'static str, bool)> {
        let instance = self.shared.lock();
        let users = instance.databases.iter().filter(|database| !database.is_system());
        let mut names: Vec<_> = users
            .map(|database| (database.name.clone(), database.state.number_and_name().1, database.is_single_user))
            .collect();
        names.sort();
        names
    }

    /// Lets the server's clock stand at an instant, or go again.
    pub fn set_clock(&self, at: Option<DateTime<Utc>>) {
        self.shared.lock().clock = at;
    }

    /// Takes a permission away, on the server or in one database.
    pub fn deny(&self, database: Option<&str>, permission: &str) {
        let mut instance = self.shared.lock();
        for account in instance.accounts.values_mut() {
            account.denied.insert((database.map(str::to_lowercase), permission.to_uppercase()));
        }
    }

    /// Makes a credential, as `CREATE CREDENTIAL` does.
    pub fn create_credential(&self, name: &str, identity: &str, secret: &str) {
        let credential = instance::Credential { identity: identity.to_owned(), secret: secret.to_owned() };
        self.shared.lock().credentials.insert(name.to_owned(), credential);
    }

    /// Says that a database's data file is as large as this.
    pub fn set_data_bytes(&self, database: &str, bytes: u64) {
        self.change(database, |found| {
            if let Some(file) = found.files.iter_mut().find(|file| !file.is_log) {
                file.bytes = bytes;
            }
        });
    }

    /// Makes a database one of an availability group.
    pub fn join_group(&self, name: &str) {
        self.change(name, |database| database.group = Some(Uuid::new_v4()));
    }

    /// Sets the recovery model, as `ALTER DATABASE` does.
    pub fn set_recovery(&self, name: &str, model: &str) {
        self.change(name, |database| {
            database.recovery = model.to_owned();
            if model == "SIMPLE" {
                database.log_start = None;
            }
        });
    }

    /// Adds a user to a database, who belongs to a login.
    pub fn add_user(&self, database: &str, user: &str, login: &str) {
        self.change(database, |found| found.users.push((user.to_owned(), login.to_owned())));
    }

    /// How much a full backup of a database has beside its rows.
    pub fn set_padding(&self, database: &str, bytes: usize) {
        self.change(database, |found| found.padding_bytes = bytes);
    }

    pub fn set_free_bytes(&self, bytes: u64) {
        self.shared.lock().free_bytes = bytes;
    }

    /// The connection is lost at the `number`-th statement that changes something, counted from 0, before or after it is done.
    pub fn cut_at(&self, number: usize, cut: Cut) {
        self.shared.lock().cut = Some((number, cut));
    }

    /// Whether a cut has still to come.
    pub fn is_cut_pending(&self) -> bool {
        self.shared.lock().cut.is_some()
    }

    pub fn forget_cut(&self) {
        self.shared.lock().cut = None;
    }

    /// Holds backups of databases that people made half-way, with a file that is not complete, or lets them go on.
    pub fn hold_backups(&self, hold: bool) {
        self.shared.lock().are_backups_held = hold;
        self.shared.changed.notify_all();
    }

    /// Whether a backup is being made.
    pub fn is_backing_up(&self) -> bool {
        self.shared.lock().sessions.values().any(|session| session.request.is_some())
    }

    /// The batches that were sent, in order.
    pub fn statements(&self) -> Vec<String> {
        self.shared.lock().statements.clone()
    }

    /// How many clients are connected.
    pub fn session_count(&self) -> usize {
        self.shared.lock().sessions.len()
    }

    /// The history that `msdb` keeps: database, type, whether it is copy-only, first and last number of the log.
    pub fn history(&self) -> Vec<(String, char, bool, Lsn, Lsn)> {
        let letter = |set: &media::BackupSet| match set.backup_type {
            media::BackupType::Database => 'D',
            media::BackupType::Log => 'L',
            media::BackupType::Differential => 'I',
        };
        let instance = self.shared.lock();
        let sets = instance.history.iter();
        sets.map(|set| (set.database.clone(), letter(set), set.is_copy_only, set.first_lsn, set.last_lsn)).collect()
    }
}

impl Drop for Mssql {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::SeqCst);
        {
            let mut instance = self.shared.lock();
            instance.are_backups_held = false;
            let all: Vec<i64> = instance.sessions.keys().copied().collect();
            instance.killed.extend(all);
        }
        self.shared.changed.notify_all();
        // Wakes the listener up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
