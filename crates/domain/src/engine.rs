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

impl Engine {
    /// The name as the engine's makers write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Mssql => "SQL Server",
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }

    /// The method that backs it up unless asked otherwise; null where none is supported yet.
    pub const fn default_method(self) -> Option<Method> {
        match self {
            Self::Postgresql => Some(Method::PgBasebackup),
            Self::Mariadb => Some(Method::Mariabackup),
            Self::Redis | Self::Valkey => Some(Method::Rdb),
            Self::Mysql | Self::Mssql => None,
        }
    }

    /// The TCP port that the engine listens on unless told otherwise.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Postgresql => 5432,
            Self::Mysql | Self::Mariadb => 3306,
            Self::Mssql => 1433,
            Self::Redis | Self::Valkey => 6379,
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

named_enum! {
    /// What a backup holds relative to others.
    BackupType {
        Full => "full",
        Incremental => "incremental",
        Differential => "differential",
        Log => "log",
    }
}

named_enum! {
    /// Whether a method copies files or writes statements.
    BackupKind {
        Physical => "physical",
        Logical => "logical",
    }
}
