//! One connection: the login, and batch after batch until it hangs up.

use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;

use super::altering;
use super::backing_up;
use super::encryption::{self, Channel};
use super::error::ServerError;
use super::evaluation::Evaluation;
use super::headers;
use super::instance::{Cut, Instance, Session};
use super::lexer::tokens;
use super::media::{self, Change};
use super::restoring;
use super::statement::{Options, RestoreKind, Statement, statements};
use super::value::Table;
use super::wire;

/// What the connections of a server share.
pub(super) struct Shared {
    /// What encrypts connections, where they are.
    pub encryption: Option<Arc<ServerConfig>>,
    pub instance: Mutex<Instance>,
    /// Rung when something changed that a statement may wait for.
    pub changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Instance> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a statement ended.
enum End {
    Nothing,
    Rows(Table),
    Note(ServerError),
    Failed(ServerError),
    /// The connection is gone.
    Gone,
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    channel: Box<dyn Channel>,
    /// The same, beneath the encryption.
    stream: TcpStream,
    id: i64,
}

impl Connection {
    /// Serves a client until it hangs up or is thrown out.
    pub(super) fn serve(shared: Arc<Shared>, stream: TcpStream) {
        let Ok(channel) = stream.try_clone() else { return };
        let mut connection = Self { shared, channel: Box::new(channel), stream, id: 0 };
        // A connection that breaks is the client's to notice.
        let _ = connection.run();
        let mut instance = connection.shared.lock();
        instance.sessions.remove(&connection.id);
        instance.killed.remove(&connection.id);
        drop(instance);
        connection.shared.changed.notify_all();
    }

    fn run(&mut self) -> std::io::Result<()> {
        while let Some((kind, content)) = wire::read_message(&mut self.channel)? {
            let mut out = Vec::new();
            match kind {
                wire::PRELOGIN => {
                    self.greet()?;
                    continue;
                }
                wire::LOGIN => {
                    if !self.login(&content, &mut out) {
                        return wire::write_response(&mut self.channel, &out);
                    }
                }
                wire::BATCH => {
                    if !self.batch(&wire::batch_text(&content), &mut out) {
                        return Ok(());
                    }
                }
                wire::ATTENTION => wire::done_attention(&mut out),
                _ => return Ok(()),
            }
            wire::write_response(&mut self.channel, &out)?;
        }
        Ok(())
    }

    /// Answers the first message, and encrypts from then on where that is configured.
    fn greet(&mut self) -> std::io::Result<()> {
        let encryption = self.shared.encryption.clone();
        let answer = wire::prelogin_response(self.shared.lock().version, encryption.is_some());
        wire::write_response(&mut self.channel, &answer)?;
        if let Some(config) = encryption {
            self.channel = encryption::accept(self.stream.try_clone()?, config)?;
        }
        Ok(())
    }

    fn login(&mut self, content: &[u8], out: &mut Vec<u8>) -> bool {
        let mut instance = self.shared.lock();
        let Some(login) = wire::Login::read(content) else { return false };
        let fits = instance.accounts.get(&login.user).is_some_and(|account| account.password == login.password);
        let refused = if !fits {
            Some(ServerError::login_failed(&login.user))
        } else if !login.database.is_empty() && instance.find(&login.database).is_none() {
            Some(ServerError::new(
                4060,
                11,
                format!("Cannot open database \"{}\" requested by the login.", login.database),
            ))
        } else {
            None
        };
        if let Some(error) = refused {
            wire::message(out, &error);
            wire::done(out, false, true, None);
            return false;
        }
        instance.next_session += 1;
        self.id = instance.next_session;
        let database = instance.find(&login.database).map_or(1, |database| database.id);
        instance.sessions.insert(self.id, Session { login: login.user, database, request: None });
        wire::login_ack(out, instance.version);
        wire::done(out, false, false, None);
        true
    }

    /// Does a batch. False when the connection is to be dropped without an answer.
    fn batch(&mut self, text: &str, out: &mut Vec<u8>) -> bool {
        let parsed = tokens(text).and_then(statements);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                wire::message(out, &error);
                wire::done(out, false, true, None);
                return true;
            }
        };
        self.shared.lock().statements.push(text.to_owned());
        let count = parsed.len();
        for (index, statement) in parsed.into_iter().enumerate() {
            let more = index + 1 < count;
            match self.perform(&statement) {
                End::Nothing => wire::done(out, more, false, None),
                End::Rows(table) => {
                    wire::result_set(out, &table);
                    wire::done(out, more, false, Some(table.rows.len() as u64));
                }
                End::Note(note) => {
                    wire::message(out, &note);
                    wire::done(out, more, false, None);
                }
                End::Failed(error) => {
                    wire::message(out, &error);
                    // What is as bad as this ends the batch here; the real one goes on after some errors.
                    wire::done(out, false, true, None);
                    return true;
                }
                End::Gone => return false,
            }
        }
        if count == 0 {
            wire::done(out, false, false, None);
        }
        true
    }

    fn perform(&mut self, statement: &Statement) -> End {
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
            Statement::Backup { log, database, path, options } => self.back_up(*log, database, path, options),
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

    fn back_up(&mut self, log: bool, database: &str, path: &str, options: &Options) -> End {
        let statement = backing_up::statement_name(log);
        let begun = {
            let mut instance = self.shared.lock();
            let begun = backing_up::check(&instance, self.id, log, database, options)
                .and_then(|()| backing_up::open_device(path));
            if let Some(session) = instance.sessions.get_mut(&self.id) {
                session.request = Some((statement.to_owned(), 40.0));
            }
            begun
        };
        if let Err(error) = begun {
            self.rest();
            return End::Failed(error.ends(statement));
        }
        if !self.wait_while_held() {
            return End::Gone;
        }
        let mut instance = self.shared.lock();
        let written = backing_up::write(&mut instance, self.id, log, database, path, options);
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
    fn wait_while_held(&self) -> bool {
        let mut instance = self.shared.lock();
        while instance.are_backups_held {
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
            Statement::Restore { kind, database, path, options } => {
                return self.restore(instance, *kind, database, path.as_deref(), options);
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
        path: Option<&str>,
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
        let ended = match (kind, path) {
            (RestoreKind::HeaderOnly, Some(path)) => {
                media::read(path).map(|(sets, is_whole)| End::Rows(headers::header_only(&sets, is_whole)))
            }
            (RestoreKind::FileListOnly, Some(path)) => {
                restoring::backup_set(path, options).map(|set| End::Rows(headers::file_list(&set)))
            }
            (RestoreKind::VerifyOnly, Some(path)) => restoring::backup_set(path, options).map(|_| End::Nothing),
            (RestoreKind::Database | RestoreKind::Log, None) => {
                restoring::recover(instance, database, options).map(|_| End::Nothing)
            }
            (_, Some(path)) => restoring::backup_set(path, options)
                .and_then(|set| restoring::restore(instance, self.id, database, &set, options))
                .map(|restored| restored.note.map_or(End::Nothing, End::Note)),
            (_, None) => Err(ServerError::syntax("FROM")),
        };
        ended.unwrap_or_else(|error| End::Failed(error.ends(statement)))
    }
}
