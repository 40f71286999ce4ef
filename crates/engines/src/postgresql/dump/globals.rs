//! Roles: what `pg_dumpall --globals-only` writes, and those of its statements that make the roles that a server lacks. Roles that
//! are there stay as they are: a restore of data is no reason to change anybody's password.

use std::collections::BTreeSet;

use crate::postgresql::findings::identifier;

/// What the statements of a server say of its roles.
pub(super) struct Globals {
    statements: Vec<Statement>,
}

struct Statement {
    /// The role that it makes or changes; of a grant, the one that gets it.
    role: String,
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Change,
    Grant,
}

impl Globals {
    /// Reads what the tool wrote. It writes a statement a line; a line that says anything else is left out.
    pub(super) fn parse(text: &str) -> Self {
        Self { statements: text.lines().filter_map(statement).collect() }
    }

    /// The names of all roles.
    pub(super) fn roles(&self) -> BTreeSet<&str> {
        let creations = self.statements.iter().filter(|statement| statement.kind == Kind::Create);
        creations.map(|statement| statement.role.as_str()).collect()
    }

    /// The statements that make the roles `wanted` and give them what they had.
    pub(super) fn script(&self, wanted: &BTreeSet<String>) -> String {
        let mut script = String::new();
        for kind in [Kind::Create, Kind::Change, Kind::Grant] {
            let of_kind = self.statements.iter().filter(|one| one.kind == kind && wanted.contains(&one.role));
            of_kind.for_each(|statement| {
                script.push_str(&statement.text);
                script.push('\n');
            });
        }
        script
    }
}

fn statement(line: &str) -> Option<Statement> {
    if !line.ends_with(';') {
        return None;
    }
    let (kind, rest) = [
        (Kind::Create, "CREATE ROLE "),
        (Kind::Change, "ALTER ROLE "),
        (Kind::Change, "COMMENT ON ROLE "),
        (Kind::Grant, "GRANT "),
    ]
    .into_iter()
    .find_map(|(kind, start)| Some((kind, line.strip_prefix(start)?)))?;
    let (first, after) = name(rest)?;
    match kind {
        Kind::Create => Some(Statement { text: format!("CREATE ROLE {};", identifier(&first)), role: first, kind }),
        Kind::Change => {
            let start = line.strip_suffix(after)?;
            Some(Statement { role: first, kind, text: format!("{start}{}", without_privileged_defaults(after)) })
        }
        Kind::Grant => {
            let (member, after) = name(after.strip_prefix(" TO ")?)?;
            let options = after.split(" GRANTED BY ").next().unwrap_or_default().trim_end_matches(';');
            // Options may have commas inside; what a member may do with the role is for its administrator to say again.
            let option = if options.contains("ADMIN OPTION") { " WITH ADMIN OPTION" } else { "" };
            let text = format!("GRANT {} TO {}{option};", identifier(&first), identifier(&member));
            Some(Statement { role: member, kind, text })
        }
    }
}

/// A role is made without these; only a superuser may even say so.
fn without_privileged_defaults(options: &str) -> String {
    let Some(attributes) = options.strip_prefix(" WITH ") else { return options.to_owned() };
    let (attributes, rest) = match attributes.find(" PASSWORD ") {
        Some(at) => attributes.split_at_checked(at).unwrap_or((attributes, "")),
        None => (attributes, ""),
    };
    let kept = attributes.trim_end_matches(';').split(' ');
    let kept = kept.filter(|word| !["NOSUPERUSER", "NOREPLICATION", "NOBYPASSRLS"].contains(word));
    let end = if rest.is_empty() { ";" } else { "" };
    format!(" WITH {}{rest}{end}", kept.collect::<Vec<_>>().join(" "))
}

/// A name as SQL writes it, and what comes after it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    };
    let (mut name, mut rest) = (String::new(), quoted);
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
--
-- Roles
--

CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE \"we \"\"ird; TO\";
ALTER ROLE \"we \"\"ird; TO\" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS PASSWORD 'SCRAM NOSUPERUSER';
CREATE ROLE shop;
ALTER ROLE shop WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
ALTER ROLE shop SET statement_timeout TO '5s';

GRANT shop TO \"we \"\"ird; TO\" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY postgres;
GRANT pg_monitor TO postgres GRANTED BY postgres;
";

    #[test]
    fn f82_only_missing_roles_are_made() {
        let globals = Globals::parse(TEXT);
        assert_eq!(globals.roles(), BTreeSet::from(["postgres", "shop", "we \"ird; TO"]));
        let wanted = BTreeSet::from(["shop".to_owned(), "we \"ird; TO".to_owned()]);
        let expected = "\
CREATE ROLE \"we \"\"ird; TO\";
CREATE ROLE \"shop\";
ALTER ROLE \"we \"\"ird; TO\" WITH INHERIT NOCREATEROLE NOCREATEDB LOGIN PASSWORD 'SCRAM NOSUPERUSER';
ALTER ROLE shop WITH INHERIT NOCREATEROLE NOCREATEDB NOLOGIN;
ALTER ROLE shop SET statement_timeout TO '5s';
GRANT \"shop\" TO \"we \"\"ird; TO\" WITH ADMIN OPTION;
";
        assert_eq!(globals.script(&wanted), expected);
    }
}
