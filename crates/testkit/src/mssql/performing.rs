//! Does a connection's statements.

use std::time::Duration;

use super::altering;
use super::backing_up;
use super::database::Database;
use super::device::Device;
use super::error::ServerError;
use super::evaluation::Evaluation;
use super::headers;
use super::instance::{Cut, Instance};
use super::media::{self, Change};
use super::restoring;
use super::session::Connection;
use super::statement::{Options, RestoreKind, Statement};
use super::value::Table;

/// How a statement ended.
pub(super) enum End {
    Nothing,
    Rows(Table),
    Note(ServerError),
    Failed(ServerError),
    /// The connection is gone.
    Gone,
}

impl Connection {
    pub(super) fn perform(&mut self, statement: &Statement) -> End {
        {
            let instance = self.shared.lock();
            if instance.killed.contains(&self.id) {
                return End::Gone;
            }
        }
        let cut = if statement.changes() { self.due_cut() } else { None };
        if cut == Some(Cut::Before) {
            return End::Gone;
        }
        let end = match statement {
            Statement::Backup { log, database, device, options } => self.back_up(*log, database, device, options),
            other => self.at_once(other),
        };
        self.shared.changed.notify_all();
        if cut == Some(Cut::After) { End::Gone } else { end }
    }

    /// Counts down to the statement that a test wants to fail.
    fn due_cut(&self) -> Option<Cut> {
        let mut instance = self.shared.lock();
        match instance.cut {
            Some((0, cut)) => {
                instance.cut = None;
                Some(cut)
            }
            Some((left, cut)) => {
                instance.cut = Some((left - 1, cut));
                None
            }
            None => None,
        }
    }

    fn back_up(&mut self, log: bool, database: &str, device: &Device, options: &Options) -> End {
        let statement = backing_up::statement_name(log);
        let begun = {
            let mut instance = self.shared.lock();
            let begun = backing_up::check(&instance, self.id, log, database, options)
                .and_then(|()| device.check(&instance, self.id, options))
                .and_then(|()| device.open(&instance, options));
            if let Some(session) = instance.sessions.get_mut(&self.id) {
                session.request = Some((statement.to_owned(), 40.0));
            }
            begun
        };
        if let Err(error) = begun {
            self.rest();
            return End::Failed(error.ends(statement));
        }
        if !self.wait_while_held(database) {
            return End::Gone;
        }
        let mut instance = self.shared.lock();
        let written = backing_up::write(&mut instance, self.id, log, database, device, options);
        drop(instance);
        self.rest();
        match written {
            Ok(()) => End::Nothing,
            Err(error) => End::Failed(error.ends(statement)),
        }
    }

    fn rest(&self) {
        if let Some(session) = self.shared.lock().sessions.get_mut(&self.id) {
            session.request = None;
        }
    }

    /// False when the client left meanwhile.
    fn wait_while_held(&self, database: &str) -> bool {
        let mut instance = self.shared.lock();
        let is_system = instance.find(database).is_some_and(Database::is_system);
        while instance.are_backups_held && !is_system {
            if self.client_left() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(instance, Duration::from_millis(20));
            instance = waited.map(|(instance, _)| instance).unwrap_or_else(|poisoned| poisoned.into_inner().0);
        }
        true
    }

    fn client_left(&self) -> bool {
        let _ = self.stream.set_nonblocking(true);
        let looked = self.stream.peek(&mut [0; 1]);
        let _ = self.stream.set_nonblocking(false);
        // Whoever sends something while a statement runs wants it to stop.
        !matches!(looked, Err(ref error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    fn at_once(&mut self, statement: &Statement) -> End {
        let mut instance = self.shared.lock();
        let instance = &mut *instance;
        let ended = match statement {
            Statement::Nothing => Ok(()),
            Statement::Use(name) => self.enter(instance, name),
            Statement::Select(query) => {
                let evaluation = Evaluation { instance, session: self.id };
                return match evaluation.select(query) {
                    Ok(table) => End::Rows(table),
                    Err(error) => End::Failed(error),
                };
            }
            Statement::Alter { database, change, rollback } => {
                altering::alter(instance, self.id, database, change, *rollback)
            }
            Statement::Drop { database, if_exists } => altering::drop(instance, self.id, database, *if_exists),
            Statement::Create { database } => altering::create(instance, self.id, database),
            Statement::Insert { database, notes } => {
                self.write(instance, database.as_deref(), || notes.iter().cloned().map(Change::Insert).collect())
            }
            Statement::DeleteAll { database } => self.write(instance, database.as_deref(), || vec![Change::DeleteAll]),
            Statement::CreateCredential { name, identity, secret } => {
                altering::create_credential(instance, self.id, name, identity, secret)
            }
            Statement::Restore { kind, database, device, options } => {
                return self.restore(instance, *kind, database, device.as_ref(), options);
            }
            Statement::Backup { .. } => Ok(()),
        };
        match ended {
            Ok(()) => End::Nothing,
            Err(error) => End::Failed(error),
        }
    }

    fn enter(&self, instance: &mut Instance, name: &str) -> Result<(), ServerError> {
        let id = instance.opened(name, self.id)?.id;
        let login = instance.sessions.get(&self.id).map(|session| session.login.clone()).unwrap_or_default();
        if id > 4 && !instance.may(&login, Some(name), "CONNECT") {
            let message = format!("The server principal \"{login}\" is not able to access the database \"{name}\".");
            return Err(ServerError::new(916, 14, message));
        }
        if let Some(session) = instance.sessions.get_mut(&self.id) {
            session.database = id;
        }
        Ok(())
    }

    fn write(
        &self,
        instance: &mut Instance,
        database: Option<&str>,
        changes: impl FnOnce() -> Vec<Change>,
    ) -> Result<(), ServerError> {
        let standing = instance.sessions.get(&self.id).map(|session| session.database);
        let name = match database {
            Some(name) => name.to_owned(),
            None => {
                let found = instance.databases.iter().find(|database| Some(database.id) == standing);
                found.map(|database| database.name.clone()).unwrap_or_default()
            }
        };
        instance.opened(&name, self.id)?;
        let now = instance.now();
        let database = instance.database_mut(&name)?;
        for change in changes() {
            database.commit(change, now);
        }
        Ok(())
    }

    fn restore(
        &self,
        instance: &mut Instance,
        kind: RestoreKind,
        database: &str,
        device: Option<&Device>,
        options: &Options,
    ) -> End {
        let statement = match kind {
            RestoreKind::Database => "RESTORE DATABASE",
            RestoreKind::Log => "RESTORE LOG",
            RestoreKind::HeaderOnly => "RESTORE HEADERONLY",
            RestoreKind::FileListOnly => "RESTORE FILELIST",
            RestoreKind::VerifyOnly => "VERIFY DATABASE",
        };
        // Manual, "RESTORE HEADERONLY", permissions.
        let login = instance.sessions.get(&self.id).map(|session| session.login.clone()).unwrap_or_default();
        let looks = matches!(kind, RestoreKind::HeaderOnly | RestoreKind::FileListOnly | RestoreKind::VerifyOnly);
        if looks && !instance.may(&login, None, "CREATE ANY DATABASE") {
            return End::Failed(ServerError::permission("CREATE DATABASE", "master").ends(statement));
        }
        let read = device.map(|device| {
            device.check(instance, self.id, options)?;
            Ok((device.name(), device.read(instance, options)?))
        });
        let read = match read.transpose() {
            Ok(read) => read,
            Err(error) => return End::Failed(ServerError::ends(error, statement)),
        };
        let ended = match (kind, read) {
            (RestoreKind::HeaderOnly, Some((name, content))) => {
                media::read(name, content).map(|(sets, is_whole)| End::Rows(headers::header_only(&sets, is_whole)))
            }
            (RestoreKind::FileListOnly, Some((name, content))) => {
                restoring::backup_set(name, content, options).map(|set| End::Rows(headers::file_list(&set)))
            }
            (RestoreKind::VerifyOnly, Some((name, content))) => {
                restoring::backup_set(name, content, options).map(|_| End::Nothing)
            }
            (RestoreKind::Database | RestoreKind::Log, None) => {
                restoring::recover(instance, database, options).map(|_| End::Nothing)
            }
            (_, Some((name, content))) => restoring::backup_set(name, content, options)
                .and_then(|set| restoring::restore(instance, self.id, database, &set, options))
                .map(|restored| restored.note.map_or(End::Nothing, End::Note)),
            (_, None) => Err(ServerError::syntax("FROM")),
        };
        ended.unwrap_or_else(|error| End::Failed(error.ends(statement)))
    }
}
