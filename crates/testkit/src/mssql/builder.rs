//! Starts a double as a test wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use anyhow::{Context, Result};
use chrono::Utc;
use chrono_tz::Tz;
use uuid::Uuid;

use super::instance::{Account, Instance};
use super::session::{Connection, Shared};
use super::{Mssql, encryption};

/// What a server is to be.
#[derive(Debug, Clone)]
pub struct MssqlBuilder {
    version: [u8; 4],
    version_text: String,
    edition: String,
    engine_edition: i64,
    zone: Tz,
    encrypts: bool,
    trusts: bool,
}

impl Default for MssqlBuilder {
    fn default() -> Self {
        Self {
            version: [16, 0, 0x10, 0x27],
            version_text: "16.0.4135.4".to_owned(),
            edition: "Developer Edition (64-bit)".to_owned(),
            engine_edition: 3,
            zone: Tz::UTC,
            encrypts: false,
            trusts: true,
        }
    }
}

impl MssqlBuilder {
    /// SQL Server 2019 instead of 2022.
    #[must_use]
    pub fn version_2019(self) -> Self {
        Self { version: [15, 0, 0x10, 0xe0], version_text: "15.0.4320.2".to_owned(), ..self }
    }

    /// An edition by its name and number (`SERVERPROPERTY('EngineEdition')`).
    #[must_use]
    pub fn edition(self, edition: &str, engine_edition: i64) -> Self {
        Self { edition: edition.to_owned(), engine_edition, ..self }
    }

    /// The zone that the server's clock shows; UTC otherwise.
    #[must_use]
    pub fn zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// Encrypts its connections, as a real one does.
    #[must_use]
    pub fn encrypting(self) -> Self {
        Self { encrypts: true, ..self }
    }

    /// Does not believe the authority of this process's encrypted services.
    #[must_use]
    pub fn trusting_nobody(self) -> Self {
        Self { trusts: false, ..self }
    }

    /// Starts it, with the backup account of [`crate::BACKUP_USER`].
    ///
    /// # Errors
    /// When it can't listen or make its directory.
    pub fn start(self) -> Result<Mssql> {
        let directory = crate::scratch_directory("mssql")?;
        let account = Account { password: crate::BACKUP_PASSWORD.to_owned(), denied: BTreeSet::new() };
        let mut instance = Instance {
            version: self.version,
            version_text: self.version_text,
            edition: self.edition,
            engine_edition: self.engine_edition,
            name: "DOUBLE".to_owned(),
            key_guid: Uuid::new_v4(),
            zone: self.zone,
            clock: None,
            started: Utc::now(),
            directory: directory.clone(),
            databases: Vec::new(),
            accounts: BTreeMap::from([(crate::BACKUP_USER.to_owned(), account)]),
            credentials: BTreeMap::new(),
            trusted: crate::authority::client(self.trusts)?,
            history: Vec::new(),
            sessions: BTreeMap::new(),
            next_session: 50,
            killed: BTreeSet::new(),
            statements: Vec::new(),
            cut: None,
            are_backups_held: false,
            free_bytes: 100 << 30,
        };
        for name in ["master", "tempdb", "model", "msdb"] {
            let database = instance.create(name).map_err(|error| anyhow::anyhow!("{}", error.message))?;
            database.recovery = if name == "model" { "FULL" } else { "SIMPLE" }.to_owned();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, crate::free_port())).context("listen")?;
        let port = listener.local_addr().context("the listener's address")?.port();
        let encryption = self.encrypts.then(encryption::config).transpose()?;
        let shared = Arc::new(Shared { encryption, instance: Mutex::new(instance), changed: Condvar::new() });
        let is_ending = Arc::new(AtomicBool::new(false));
        let accepting = {
            let (shared, is_ending) = (Arc::clone(&shared), Arc::clone(&is_ending));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if is_ending.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(stream) = stream {
                        let _ = stream.set_nodelay(true);
                        let shared = Arc::clone(&shared);
                        std::thread::spawn(move || Connection::serve(shared, stream));
                    }
                }
            })
        };
        Ok(Mssql { port, directory, shared, is_ending, accepting: Some(accepting) })
    }
}
