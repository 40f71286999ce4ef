//! Accounts and roles: the server's own statements that make them, as a text that a person can run and a restore can take apart.
//! Accounts that are there stay as they are: a restore of data is no reason to change anybody's password.

use std::collections::BTreeSet;

use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use super::Dialect;
use crate::EngineError;
use crate::my_family::client::Row;

/// Begin the lines before the statements of one account; user and host follow as JSON.
const CREATION: &str = "-- account ";
const GRANTS: &str = "-- grants ";
/// The first field of a row that tells whose rows follow.
const MARK: &str = "holdfast-account";
/// How many accounts are asked about at once: an argument has an end.
const AT_ONCE: usize = 50;

/// User and host; the host of a role of MariaDB's is empty.
pub(crate) type Name = (String, String);

/// The accounts of a server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountList {
    sections: Vec<Section>,
}

#[derive(Debug, PartialEq, Eq)]
struct Section {
    name: Name,
    is_creation: bool,
    /// Statements, each with its `;` and a line's end.
    text: String,
}

/// A name in backquotes. // F-82
pub(super) fn backquoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// An account, or a role without a host, in a statement.
pub(super) fn written((user, host): &Name) -> String {
    match host.as_str() {
        "" => backquoted(user),
        host => format!("{}@{}", backquoted(user), backquoted(host)),
    }
}

impl AccountList {
    /// Asks the server about each of `names`. `question` gives the statements that answer in rows of one statement each: those that
    /// begin with `CREATE` make the account.
    pub(crate) async fn ask(
        dialect: &dyn Dialect,
        datastore: &DatastoreAccess,
        names: &[Name],
        question: impl Fn(&Name, &str) -> String,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let mut list = Self::default();
        for names in names.chunks(AT_ONCE) {
            let sql = names
                .iter()
                .enumerate()
                .map(|(index, name)| format!("SELECT '{MARK}', {index}, ''; {}", question(name, &written(name))));
            let rows = dialect.query(datastore, &sql.collect::<Vec<_>>().join("; "), cancel).await?;
            list.take(names, rows);
        }
        // All are there before anything is granted to or by way of one.
        list.sections.sort_by_key(|section| !section.is_creation);
        Ok(list)
    }

    fn take(&mut self, names: &[Name], rows: Vec<Row>) {
        let mut current: Option<&Name> = None;
        for row in rows {
            match row.as_slice() {
                [mark, index, _] if mark == MARK => {
                    current = index.parse().ok().and_then(|index: usize| names.get(index))
                }
                [statement, ..] => {
                    let Some(name) = current else { continue };
                    let creation = statement
                        .strip_prefix("CREATE USER ")
                        .map(|rest| format!("CREATE USER IF NOT EXISTS {rest}"))
                        .or_else(|| statement.starts_with("CREATE ROLE ").then(|| statement.clone()));
                    let is_creation = creation.is_some();
                    let text = format!("{};\n", creation.as_ref().unwrap_or(statement));
                    match self.sections.iter_mut().rfind(|one| one.name == *name && one.is_creation == is_creation) {
                        Some(section) => section.text.push_str(&text),
                        None => self.sections.push(Section { name: name.clone(), is_creation, text }),
                    }
                }
                [] => {}
            }
        }
    }

    /// As a text. It is never empty.
    pub(super) fn render(&self) -> String {
        let mut text = String::from("-- Accounts, and what they may do\n");
        for Section { name, is_creation, text: statements } in &self.sections {
            text.push_str(if *is_creation { CREATION } else { GRANTS });
            text.push_str(&serde_json::to_string(name).unwrap_or_default());
            text.push('\n');
            text.push_str(statements);
        }
        text
    }

    /// Reads what [`AccountList::render`] wrote.
    pub(super) fn parse(text: &str) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        for line in text.split_inclusive('\n') {
            let head = [(CREATION, true), (GRANTS, false)].into_iter().find_map(|(start, is_creation)| {
                let name = serde_json::from_str(line.strip_prefix(start)?.trim_end()).ok()?;
                Some(Section { name, is_creation, text: String::new() })
            });
            match (head, sections.last_mut()) {
                (Some(section), _) => sections.push(section),
                (None, Some(section)) => section.text.push_str(line),
                (None, None) => {}
            }
        }
        Self { sections }
    }

    /// Whom it makes.
    pub(super) fn names(&self) -> BTreeSet<Name> {
        self.sections.iter().filter(|section| section.is_creation).map(|section| section.name.clone()).collect()
    }

    /// The statements that give roles to the accounts `wanted`. Only an administrator of the role may run them.
    pub(super) fn memberships(&self, wanted: &BTreeSet<Name>) -> Vec<String> {
        let statements = self.statements(wanted).filter(|statement| is_membership(statement));
        statements.map(|statement| statement.trim_end_matches(['\n', ';']).to_owned()).collect()
    }

    /// The statements that make the accounts `wanted` and give them what they may do themselves.
    pub(super) fn script(&self, wanted: &BTreeSet<Name>) -> String {
        self.statements(wanted).filter(|statement| !is_membership(statement)).collect()
    }

    fn statements<'a>(&'a self, wanted: &'a BTreeSet<Name>) -> impl Iterator<Item = &'a str> {
        let sections = self.sections.iter().filter(|section| wanted.contains(&section.name));
        sections.flat_map(|section| section.text.split_inclusive(";\n"))
    }
}

/// Privileges are words; names are in backquotes.
fn is_membership(statement: &str) -> bool {
    statement.starts_with("GRANT `") || statement.starts_with("SET DEFAULT ROLE ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let names = [("cl'erk".to_owned(), "%".to_owned()), ("staff".to_owned(), String::new())];
        let row = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect::<Row>();
        let mut list = AccountList::default();
        list.take(
            &names,
            vec![
                row(&[MARK, "0", ""]),
                row(&["CREATE USER `cl'erk`@`%` IDENTIFIED BY PASSWORD 'x'"]),
                row(&["GRANT USAGE ON *.* TO `cl'erk`@`%`"]),
                row(&["GRANT `staff` TO `cl'erk`@`%`"]),
                row(&[MARK, "1", ""]),
                row(&["CREATE ROLE IF NOT EXISTS `staff`"]),
            ],
        );
        list.sections.sort_by_key(|section| !section.is_creation);
        let text = list.render();
        assert_eq!(AccountList::parse(&text), list);
        assert_eq!(list.names(), names.iter().cloned().collect());
        assert_eq!(list.script(&BTreeSet::from([names[1].clone()])), "CREATE ROLE IF NOT EXISTS `staff`;\n");
        assert_eq!(list.memberships(&list.names()), ["GRANT `staff` TO `cl'erk`@`%`"]);
        assert!(text.contains("CREATE USER IF NOT EXISTS `cl'erk`@`%` IDENTIFIED BY"), "{text}");
    }
}
