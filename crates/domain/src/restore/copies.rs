//! Single databases of a backup, restored beside those of the server under names of their own.

use serde::{Deserialize, Serialize};

use crate::Method;
use crate::problem::FieldError;

/// The longest name in characters: SQL Server's limit. PostgreSQL's is less, and its worker's to say.
const LONGEST_NAME: usize = 128;

/// A database of a backup, and the name that its copy gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatabaseCopy {
    /// As the backup calls it.
    pub name: String,
    /// A name that the server does not have yet.
    pub new_name: String,
}

/// What is wrong with copies of databases of a backup by `method`, by pointers into the request's target.
pub fn validate_copies(copies: &[DatabaseCopy], method: Method) -> Vec<FieldError> {
    if !method.restores_into_new_databases() {
        let detail = format!("can't be new_databases: backups by {method} are restored as a whole");
        return vec![FieldError::new("/kind", detail)];
    }
    if copies.is_empty() {
        return vec![FieldError::new("/databases", "must name at least one database")];
    }
    let mut errors = Vec::new();
    for (index, copy) in copies.iter().enumerate() {
        let earlier = || copies.iter().take(index);
        if earlier().any(|other| other.name == copy.name) {
            errors.push(FieldError::new(format!("/databases/{index}/name"), "is there twice"));
        }
        let pointer = format!("/databases/{index}/new_name");
        // Servers differ in what they take for the same name; what only differs in case would confuse people everywhere.
        if earlier().any(|other| other.new_name.to_lowercase() == copy.new_name.to_lowercase()) {
            errors.push(FieldError::new(pointer, "is there twice"));
        } else if let Some(detail) = against_name(&copy.new_name) {
            errors.push(FieldError::new(pointer, detail));
        }
    }
    errors
}

fn against_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        return Some("must be a name".to_owned());
    }
    if name.trim() != name || name.chars().any(char::is_control) {
        return Some("must not begin or end with blanks, nor hold control characters".to_owned());
    }
    (name.chars().count() > LONGEST_NAME).then(|| format!("must have at most {LONGEST_NAME} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(copies: &[(&str, &str)], method: Method) -> Vec<String> {
        let copies: Vec<DatabaseCopy> = copies
            .iter()
            .map(|(name, new_name)| DatabaseCopy { name: (*name).to_owned(), new_name: (*new_name).to_owned() })
            .collect();
        validate_copies(&copies, method).into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn copies_need_names_that_differ() {
        let refused = |copies: &[(&str, &str)]| pointers(copies, Method::MssqlBackup);
        assert!(refused(&[("shop", "shop copy"), ("it's", "it's 2]")]).is_empty());
        assert_eq!(refused(&[]), ["/databases"]);
        assert_eq!(refused(&[("a", "b"), ("a", "c")]), ["/databases/1/name"]);
        assert_eq!(refused(&[("a", "x"), ("b", "X")]), ["/databases/1/new_name"]);
        let long = "x".repeat(129);
        for name in ["", " ", "a ", "a\0b", "a\nb", &long] {
            assert_eq!(refused(&[("a", name)]), ["/databases/0/new_name"], "{name:?}");
        }
    }

    #[test]
    fn methods_that_restore_whole_servers_copy_no_database() {
        assert_eq!(pointers(&[("a", "b")], Method::PgBasebackup), ["/kind"]);
        assert_eq!(pointers(&[("a", "b")], Method::Mysqldump), ["/kind"]);
        assert!(pointers(&[("a", "b")], Method::PgDump).is_empty());
    }
}
