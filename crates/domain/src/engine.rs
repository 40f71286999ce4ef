//! Engines, the methods that back them up, and the types of backup. What each engine can really do is data reported by
//! a worker ([`crate::Capabilities`]); this module only names things.

use serde::{Deserialize, Serialize};

macro_rules! named_enum {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All values, in the order in which people read them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used on the wire, in the database and on the screen.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        // By hand, since utoipa's derive does not see a `serde(rename)` whose text comes out of a macro.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some([$($doc),*].concat().trim()))
                    .enum_values(Some([$($text),+]))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::engine::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::engine::UnknownName {
                        what: stringify!($name),
                        name: text.to_owned(),
                        expected: &[$($text),+],
                    }),
                }
            }
        }
    };
}
pub(crate) use named_enum;

/// A word that is none of those expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}; expected one of {}", expected.join(", "))]
pub struct UnknownName {
    /// The type whose name was asked for.
    pub what: &'static str,
    /// The word that was given.
    pub name: String,
    /// The words that are known.
    pub expected: &'static [&'static str],
}

named_enum! {
    /// The kind of database server.
    Engine {
        Postgresql => "postgresql",
        Mysql => "mysql",
        Mariadb => "mariadb",
        Mssql => "mssql",
        Redis => "redis",
        Valkey => "valkey",
    }
}

/// What is true of every server of an engine, whoever runs it: the one table that says so. What a particular server can do
/// is told by the worker that looked at it.
struct Profile {
    title: &'static str,
    default_port: u16,
    default_method: Method,
    log_precision_seconds: Option<f64>,
    writes_files_itself: bool,
    files: FilesRule,
}

/// Which servers can start on the files of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesRule {
    /// Those of the same major version.
    SameMajor,
    /// Those with the same first two numbers.
    SameSeries,
    /// Those whose first two numbers are not older.
    NotOlder,
}

impl Engine {
    const fn profile(self) -> Profile {
        match self {
            Self::Postgresql => Profile {
                title: "PostgreSQL",
                default_port: 5432,
                default_method: Method::PgBasebackup,
                log_precision_seconds: Some(0.000_001),
                writes_files_itself: false,
                // Manual, "Upgrading a PostgreSQL Cluster".
                files: FilesRule::SameMajor,
            },
            Self::Mysql => Profile {
                title: "MySQL",
                default_port: 3306,
                default_method: Method::MysqlClone,
                log_precision_seconds: Some(0.000_001),
                writes_files_itself: false,
                files: FilesRule::SameSeries,
            },
            Self::Mariadb => Profile {
                title: "MariaDB",
                default_port: 3306,
                default_method: Method::Mariabackup,
                log_precision_seconds: Some(1.0),
                writes_files_itself: false,
                // Manual, "mariadb-backup overview": tool and server must be of the backup's series.
                files: FilesRule::SameSeries,
            },
            Self::Mssql => Profile {
                title: "SQL Server",
                default_port: 1433,
                default_method: Method::MssqlBackup,
                // Times in its log are of the type `datetime`, which counts in 1/300 s.
                log_precision_seconds: Some(0.01),
                writes_files_itself: true,
                files: FilesRule::NotOlder,
            },
            Self::Redis => Profile::key_value("Redis"),
            Self::Valkey => Profile::key_value("Valkey"),
        }
    }

    /// The name as the engine's makers write it.
    pub const fn title(self) -> &'static str {
        self.profile().title
    }

    /// The method that backs it up unless asked otherwise.
    pub const fn default_method(self) -> Method {
        self.profile().default_method
    }

    /// The TCP port that the engine listens on unless told otherwise.
    pub const fn default_port(self) -> u16 {
        self.profile().default_port
    }

    /// The smallest step between stop times that the engine's log tells apart, in seconds; none where it keeps no log that could
    /// be archived.
    pub const fn log_precision_seconds(self) -> Option<f64> {
        self.profile().log_precision_seconds
    }

    /// Whether its servers write backups into files themselves, so that they and the worker need a place in common: a directory
    /// ([`crate::SharedDirectory`]) or a bucket.
    pub const fn needs_shared_place(self) -> bool {
        self.profile().writes_files_itself
    }

    /// Which servers can start on files that it wrote.
    pub const fn files_rule(self) -> FilesRule {
        self.profile().files
    }
}

impl Profile {
    /// Redis and Valkey read snapshots of older versions but not of newer ones.
    const fn key_value(title: &'static str) -> Self {
        Self {
            title,
            default_port: 6379,
            default_method: Method::Rdb,
            log_precision_seconds: None,
            writes_files_itself: false,
            files: FilesRule::NotOlder,
        }
    }
}

named_enum! {
    /// The tool that makes a backup.
    Method {
        PgBasebackup => "pg_basebackup",
        PgDump => "pg_dump",
        Mariabackup => "mariabackup",
        MariadbDump => "mariadb-dump",
        Xtrabackup => "xtrabackup",
        MysqlClone => "mysql-clone",
        Mysqldump => "mysqldump",
        MssqlBackup => "mssql-backup",
        Rdb => "rdb",
    }
}

impl Method {
    /// Whether it copies files or writes statements.
    pub const fn kind(self) -> BackupKind {
        match self {
            Self::PgDump | Self::MariadbDump | Self::Mysqldump => BackupKind::Logical,
            Self::PgBasebackup
            | Self::Mariabackup
            | Self::Xtrabackup
            | Self::MysqlClone
            | Self::MssqlBackup
            | Self::Rdb => BackupKind::Physical,
        }
    }

    /// Whether its backups are put back through the running server: neither its files nor a way to stop it are needed.
    pub const fn restores_through_server(self) -> bool {
        matches!(self, Self::PgDump | Self::MariadbDump | Self::Mysqldump | Self::MssqlBackup)
    }

    /// Whether single databases of its backups can be restored under other names. The dumps of MariaDB and MySQL can't: views,
    /// routines and triggers in them name their databases.
    pub const fn restores_into_new_databases(self) -> bool {
        matches!(self, Self::PgDump | Self::MssqlBackup)
    }
}

named_enum! {
    /// What a backup holds relative to others.
    BackupType {
        Full => "full",
        Incremental => "incremental",
        Differential => "differential",
        Log => "log",
    }
}

impl BackupType {
    /// The word for one of them within a sentence.
    pub const fn as_one(self) -> &'static str {
        match self {
            Self::Full => "a full one",
            Self::Incremental => "an increment",
            Self::Differential => "a differential one",
            Self::Log => "a log backup",
        }
    }
}

named_enum! {
    /// Whether a method copies files or writes statements.
    BackupKind {
        Physical => "physical",
        Logical => "logical",
    }
}
