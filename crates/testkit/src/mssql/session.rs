//! One connection: the login, and batch after batch until it hangs up.

use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;

use super::encryption::{self, Channel};
use super::error::ServerError;
use super::instance::{Instance, Session};
use super::lexer::tokens;
use super::performing::End;
use super::statement::statements;
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

pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    channel: Box<dyn Channel>,
    /// The same, beneath the encryption.
    pub(super) stream: TcpStream,
    pub(super) id: i64,
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
}
