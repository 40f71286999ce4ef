//! Databases: what they are, and the statements that make one like another. A dump leaves that to `createdb`, which knows
//! nothing of owner, language, settings and grants.

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::names::is_kept;
use super::{MAINTENANCE, ask};
use crate::EngineError;
use crate::postgresql::connection::Connection;
use crate::postgresql::findings::{identifier, literal};

/// JSON of whole rows: the columns about languages have other names in each version.
const QUESTION: &str = "\
select coalesce(json_agg(json_build_object(
    'name', d.datname,
    'owner', pg_catalog.pg_get_userbyid(d.datdba),
    'is_owner', pg_catalog.pg_has_role(d.datdba, 'usage'),
    'may_connect', pg_catalog.has_database_privilege(d.oid, 'connect'),
    'encoding', pg_catalog.pg_encoding_to_char(d.encoding),
    'row', to_jsonb(d) - 'datacl',
    'comment', pg_catalog.shobj_description(d.oid, 'pg_database'),
    'size_bytes', case when pg_catalog.has_database_privilege(d.oid, 'connect') then pg_catalog.pg_database_size(d.oid) else 0 end,
    'grants', case when d.datacl is not null then (
        select coalesce(json_agg(json_build_object(
            'to', case when a.grantee = 0 then null else pg_catalog.pg_get_userbyid(a.grantee) end,
            'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]')
        from pg_catalog.aclexplode(d.datacl) a) end,
    'settings', (select coalesce(json_agg(json_build_object(
            'role', case when s.setrole = 0 then null else pg_catalog.pg_get_userbyid(s.setrole) end, 'set', s.setconfig)), '[]')
        from pg_catalog.pg_db_role_setting s where s.setdatabase = d.oid)
    ) order by d.datname), '[]')
from pg_catalog.pg_database d where not d.datistemplate";

/// Whether anything was put into a database since it was made.
const IS_EMPTY: &str = "\
select not exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
    and not exists (select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
    and not exists (select from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
    and not exists (select from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public'))
    and not exists (select from pg_catalog.pg_extension where extname <> 'plpgsql')
    and not exists (select from pg_catalog.pg_largeobject_metadata)";

/// A database of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Database {
    pub name: String,
    pub owner: String,
    #[serde(default, skip_serializing)]
    pub is_owner: bool,
    #[serde(default, skip_serializing)]
    pub may_connect: bool,
    encoding: String,
    row: Row,
    comment: Option<String>,
    #[serde(default)]
    pub size_bytes: u64,
    /// Null: nobody changed what everybody may do.
    grants: Option<Vec<Grant>>,
    settings: Vec<Settings>,
}

/// What is needed of a row of `pg_database`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    datallowconn: bool,
    datconnlimit: i64,
    datcollate: String,
    datctype: String,
    /// From PostgreSQL 15 on: `c`, `i`, and from 17 on `b`.
    datlocprovider: Option<String>,
    /// 15 and 16.
    daticulocale: Option<String>,
    /// 17 and later.
    datlocale: Option<String>,
    daticurules: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Grant {
    /// Null: everybody.
    to: Option<String>,
    privilege: String,
    grantable: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Settings {
    /// Null: for everybody.
    role: Option<String>,
    set: Vec<String>,
}

/// All databases but templates.
pub(super) async fn all(
    connection: &Connection,
    datastore: &DatastoreAccess,
    cancel: &CancellationToken,
) -> Result<Vec<Database>, EngineError> {
    let answer = ask(connection, datastore, (MAINTENANCE, QUESTION), cancel).await?;
    serde_json::from_str(&answer).map_err(|error| {
        EngineError::known(ErrorCode::EngineToolFailed, format!("The list of databases can't be understood: {error}"))
    })
}

impl Database {
    /// As a fact of the manifest.
    pub(super) fn to_fact(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn of_fact(fact: &str) -> Result<Self, EngineError> {
        serde_json::from_str(fact).map_err(|error| {
            let detail = format!("The manifest tells of a database what can't be understood: {error}");
            EngineError::known(ErrorCode::ManifestInvalid, detail)
        })
    }

    /// Whether it holds data that a dump has to read, and may not.
    pub(super) fn is_closed_to_us(&self) -> bool {
        self.row.datallowconn && !self.may_connect && !is_kept(&self.name)
    }

    /// Whether anybody can be in it.
    pub(super) fn is_open(&self) -> bool {
        self.row.datallowconn && !is_kept(&self.name)
    }

    /// Whether nothing was put into it since it was made.
    pub(super) async fn is_empty(
        &self,
        connection: &Connection,
        datastore: &DatastoreAccess,
        cancel: &CancellationToken,
    ) -> Result<bool, EngineError> {
        Ok(ask(connection, datastore, (&self.name, IS_EMPTY), cancel).await? == "t")
    }

    /// The statement that makes an empty database like this one, under another name.
    pub(super) fn creation(&self, name: &str, server_major: u32) -> String {
        let row = &self.row;
        let mut sql = format!(
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            identifier(name),
            identifier(&self.owner),
            literal(&self.encoding),
            literal(&row.datcollate),
            literal(&row.datctype)
        );
        let locale = row.datlocale.as_ref().or(row.daticulocale.as_ref());
        match (row.datlocprovider.as_deref(), locale) {
            (Some("i"), Some(locale)) => {
                sql.push_str(&format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)));
                if let Some(rules) = &row.daticurules {
                    sql.push_str(&format!(" ICU_RULES {}", literal(rules)));
                }
            }
            (Some("b"), Some(locale)) => {
                sql.push_str(&format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)));
            }
            (Some(_), _) if server_major >= 15 => sql.push_str(" LOCALE_PROVIDER libc"),
            _ => {}
        }
        sql
    }

    /// The statements that give a database of another name what this one has: limit, comment, grants, settings.
    pub(super) fn properties(&self, name: &str) -> Vec<String> {
        let name = identifier(name);
        let mut statements = Vec::new();
        if self.row.datconnlimit >= 0 {
            statements.push(format!("ALTER DATABASE {name} CONNECTION LIMIT {}", self.row.datconnlimit));
        }
        if let Some(comment) = &self.comment {
            statements.push(format!("COMMENT ON DATABASE {name} IS {}", literal(comment)));
        }
        if let Some(grants) = &self.grants {
            statements.push(format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"));
            statements.extend(grants.iter().map(|grant| {
                let to = grant.to.as_deref().map_or("PUBLIC".to_owned(), identifier);
                let option = if grant.grantable { " WITH GRANT OPTION" } else { "" };
                // A word of PostgreSQL's own; letters only, whatever the manifest says.
                let privilege: String = grant.privilege.chars().filter(char::is_ascii_alphabetic).collect();
                format!("GRANT {privilege} ON DATABASE {name} TO {to}{option}")
            }));
        }
        for settings in &self.settings {
            let whose = match &settings.role {
                Some(role) => format!("ALTER ROLE {} IN DATABASE {name}", identifier(role)),
                None => format!("ALTER DATABASE {name}"),
            };
            let pairs = settings.set.iter().filter_map(|setting| setting.split_once('='));
            statements.extend(pairs.map(|(variable, value)| {
                let parts: Vec<String> = variable.split('.').map(identifier).collect();
                format!("{whose} SET {} TO {}", parts.join("."), setting_value(variable, value))
            }));
        }
        statements
    }
}

/// Settings that are lists of names, stored as such (`src/bin/pg_dump/dumputils.c`, `variable_is_guc_list_quote`).
const NAME_LISTS: [&str; 7] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
    "oauth_validator_libraries",
];

fn setting_value(variable: &str, value: &str) -> String {
    if !NAME_LISTS.contains(&variable.to_ascii_lowercase().as_str()) {
        return literal(value);
    }
    let names = list_items(value);
    if names.is_empty() {
        "''".to_owned()
    } else {
        names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
    }
}

/// The items of a list of names, some of them in double quotes.
fn list_items(list: &str) -> Vec<String> {
    let (mut items, mut item, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                item.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => items.push(std::mem::take(&mut item)),
            character if !is_quoted && character.is_whitespace() => {}
            character => item.push(character),
        }
    }
    if !item.is_empty() || !items.is_empty() {
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_stay_lists() {
        assert_eq!(
            setting_value("search_path", r#""$user", public, "a ""b"", c""#),
            r#"'$user', 'public', 'a "b", c'"#
        );
        assert_eq!(setting_value("search_path", ""), "''");
        assert_eq!(setting_value("application_name", "a, b\\"), r"E'a, b\\'");
    }
}
