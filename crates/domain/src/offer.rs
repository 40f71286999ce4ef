//! What the methods of each engine make: what holds for every server, and how far it was seen to work. The README's table is made
//! of this; what one server can really do is told by the worker that looked at it ([`crate::Capabilities`]).

use crate::{BackupType, Engine, Method};

/// On what a method was seen to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The tests run on real servers of these versions.
    Versions(&'static str),
    /// The tests run on a double that speaks the engine's protocol, as no server can be had for them.
    Double,
    /// The tool can't be had for the tests: what can be tested without it is.
    NotRun,
}

/// One method of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    pub engine: Engine,
    pub method: Method,
    /// The types of backup that it makes, where the server lets it.
    pub types: &'static [BackupType],
    pub proof: Proof,
    /// What else people should know, as a phrase; empty where there is nothing.
    pub note: &'static str,
}

const FULL: &[BackupType] = &[BackupType::Full];
const INCREMENTAL: &[BackupType] = &[BackupType::Full, BackupType::Incremental];

/// Every method that works, the engine's default ([`Engine::default_method`]) first.
pub const OFFERS: &[Offer] = &[
    Offer {
        engine: Engine::Postgresql,
        method: Method::PgBasebackup,
        types: INCREMENTAL,
        proof: Proof::Versions("15, 18"),
        note: "increments since version 17, with `summarize_wal` on",
    },
    Offer {
        engine: Engine::Postgresql,
        method: Method::PgDump,
        types: FULL,
        proof: Proof::Versions("15, 18"),
        note: "",
    },
    Offer {
        engine: Engine::Mariadb,
        method: Method::Mariabackup,
        types: INCREMENTAL,
        proof: Proof::Versions("10.11"),
        note: "",
    },
    Offer {
        engine: Engine::Mariadb,
        method: Method::MariadbDump,
        types: FULL,
        proof: Proof::Versions("10.11"),
        note: "",
    },
    Offer {
        engine: Engine::Mysql,
        method: Method::MysqlClone,
        types: FULL,
        proof: Proof::Versions("9.7"),
        note: "over the network too, where the worker can't read the server's files",
    },
    Offer {
        engine: Engine::Mysql,
        method: Method::Xtrabackup,
        types: INCREMENTAL,
        proof: Proof::NotRun,
        note: "where Percona XtraBackup is installed",
    },
    Offer { engine: Engine::Mysql, method: Method::Mysqldump, types: FULL, proof: Proof::Versions("9.7"), note: "" },
    Offer {
        engine: Engine::Mssql,
        method: Method::MssqlBackup,
        types: &[BackupType::Full, BackupType::Differential, BackupType::Log],
        proof: Proof::Double,
        note: "[through a directory that server and worker share](docs/sql-server.md)",
    },
    Offer {
        engine: Engine::Redis,
        method: Method::Rdb,
        types: FULL,
        proof: Proof::Versions("7"),
        note: "with an append-only file too",
    },
    Offer {
        engine: Engine::Valkey,
        method: Method::Rdb,
        types: FULL,
        proof: Proof::Versions("9"),
        note: "with an append-only file too",
    },
];

impl Engine {
    /// Its methods, the default first.
    pub fn offers(self) -> impl Iterator<Item = &'static Offer> {
        OFFERS.iter().filter(move |offer| offer.engine == self)
    }
}

impl Method {
    /// The types of backup that it makes.
    pub fn types(self) -> &'static [BackupType] {
        OFFERS.iter().find(|offer| offer.method == self).map_or(&[], |offer| offer.types)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_offers_its_default_method_first() {
        for engine in Engine::ALL {
            let first = engine.offers().next().map(|offer| offer.method);
            assert_eq!(first, Some(engine.default_method()), "{engine}");
        }
    }
}
