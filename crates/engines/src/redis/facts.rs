//! What a server says of itself.
//!
//! Neither Redis nor Valkey keeps an identity that outlives a restart: `run_id` is new with each start, and `master_replid`
//! with each first replica, which a backup itself is. So these datastores have no server identity; within one backup
//! `run_id` tells whether the server was restarted. // F-50

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::assignment::DatastoreAccess;
use domain::{Engine, ErrorCode};
use tokio_util::sync::CancellationToken;

use super::client::ask;
use crate::EngineError;
use crate::wire::{Speaker, who_answers};

/// The answer to `INFO`.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerFacts {
    values: BTreeMap<String, String>,
    /// Names of loaded modules.
    pub modules: Vec<String>,
    /// Keys in all databases.
    pub keys: u64,
    /// Databases with keys.
    pub databases: u64,
}

impl ServerFacts {
    /// Asks the server, and refuses one that is not `engine`.
    ///
    /// # Errors
    /// As [`ask`]; `engine_mismatch`.
    pub(super) async fn ask(
        engine: Engine,
        datastore: &DatastoreAccess,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let facts = Self::parse(&ask(datastore, &["INFO"], cancel).await?);
        if facts.engine() != engine {
            let (found, address) = (facts.engine().title(), format!("{}:{}", datastore.host, datastore.port));
            return Err(EngineError::known(
                ErrorCode::EngineMismatch,
                format!("{found} {} answers at {address}, not {}.", facts.version(), engine.title()),
            ));
        }
        Ok(facts)
    }

    /// Reads the answer: `name:value` lines, and sections that begin with `#`.
    pub(super) fn parse(info: &str) -> Self {
        let mut facts = Self::default();
        for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
            let fields: BTreeMap<&str, &str> = value.split(',').filter_map(|field| field.split_once('=')).collect();
            if name == "module" {
                facts.modules.extend(fields.get("name").map(|name| (*name).to_owned()));
            } else if let Some(keys) = fields.get("keys").filter(|_| name.starts_with("db")) {
                facts.keys += keys.parse::<u64>().unwrap_or(0);
                facts.databases += 1;
            }
            facts.values.insert(name.to_owned(), value.to_owned());
        }
        facts
    }

    /// A value, empty where there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Valkey tells its own version beside that of the Redis that it is compatible with.
    pub(super) fn engine(&self) -> Engine {
        if self.value("valkey_version").is_empty() { Engine::Redis } else { Engine::Valkey }
    }

    pub(super) fn version(&self) -> &str {
        match self.value("valkey_version") {
            "" => self.value("redis_version"),
            version => version,
        }
    }

    /// A sentence about what it holds.
    pub(super) fn summary(&self) -> String {
        let size = domain::format::bytes(self.value("used_memory").parse().unwrap_or(0));
        format!("{} keys in {} databases, {size} of memory", self.keys, self.databases)
    }
}

/// Refuses another protocol before a password is sent to it. Takes the better part of a second, as these servers wait for
/// their client's first word.
///
/// # Errors
/// `host_unreachable`, `engine_mismatch`.
pub(super) async fn check_protocol(engine: Engine, datastore: &DatastoreAccess) -> Result<(), EngineError> {
    let address = format!("{}:{}", datastore.host, datastore.port);
    match who_answers(&datastore.host, datastore.port, datastore.engine).await {
        speaker if speaker.can_be(engine) => Ok(()),
        Speaker::Unreachable(reason) => {
            Err(EngineError::known(ErrorCode::HostUnreachable, format!("{address} can't be reached: {reason}.")))
        }
        other => Err(EngineError::known(
            ErrorCode::EngineMismatch,
            format!("{} answers at {address}, not {}.", other.title(), engine.title()),
        )),
    }
}

/// Settings that a restore must know, as `CONFIG GET` tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    values: BTreeMap<String, String>,
}

/// `requirepass` and its like are none of them.
pub(super) const SETTINGS: [&str; 8] = [
    "dir",
    "dbfilename",
    "appendonly",
    "appenddirname",
    "appendfilename",
    "databases",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
];

impl Settings {
    /// Asks the server.
    ///
    /// # Errors
    /// As [`ask`]; `missing_privilege` without `+config|get`.
    pub(super) async fn ask(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        let mut settings = Self::default();
        for name in SETTINGS {
            // One by one: before version 7 `CONFIG GET` takes one name.
            let answer = ask(datastore, &["CONFIG", "GET", name], cancel).await?;
            if let Some(value) = answer.strip_prefix(name).and_then(|rest| rest.strip_prefix('\n')) {
                settings.values.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(settings)
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where the server's files are.
    pub(super) fn data_directory(&self) -> Option<PathBuf> {
        self.value("dir").map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_and_valkey_are_told_apart() {
        let redis = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nexecutable:/usr/bin/redis-server\r\n\
                     # Modules\r\nmodule:name=ReJSON,ver=20008,api=1\r\n\
                     # Keyspace\r\ndb0:keys=5,expires=1,avg_ttl=0\r\ndb9:keys=2,expires=0,avg_ttl=0\r\n";
        let facts = ServerFacts::parse(redis);
        assert_eq!((facts.engine(), facts.version()), (Engine::Redis, "7.0.15"));
        assert_eq!(facts.value("executable"), "/usr/bin/redis-server");
        assert_eq!((facts.keys, facts.databases), (7, 2));
        assert_eq!(facts.modules, ["ReJSON"]);
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n";
        let facts = ServerFacts::parse(valkey);
        assert_eq!((facts.engine(), facts.version()), (Engine::Valkey, "9.1.2"));
        assert_eq!(facts.summary(), "0 keys in 0 databases, 0 B of memory");
    }
}
