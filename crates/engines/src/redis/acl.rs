//! What the backup's user may do, and the statement that gives it what is missing. // F-56

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;

use crate::problem::Problem;

/// Who logs in where the datastore names nobody.
pub(super) const DEFAULT_USER: &str = "default";

/// The rule that allows a command, in the way of `ACL SETUSER` (manual, "ACL").
pub(super) fn rule_for(words: &[&str]) -> String {
    match words {
        [command, subcommand, ..] if command.eq_ignore_ascii_case("config") => {
            format!("+{}|{}", command.to_lowercase(), subcommand.to_lowercase())
        }
        [command, ..] => format!("+{}", command.to_lowercase()),
        [] => String::new(),
    }
}

/// A server that said NOPERM.
pub(super) fn missing(datastore: &DatastoreAccess, rules: &[&str], answer: &str) -> Problem {
    let user = datastore.username.as_deref().unwrap_or(DEFAULT_USER);
    Problem::new(ErrorCode::MissingPrivilege, format!("The user {user:?} may not do what is needed: {answer}"))
        .remedy(statement(user, rules))
}

fn statement(user: &str, rules: &[&str]) -> String {
    format!("ACL SETUSER {} {}", word(user), rules.join(" "))
}

/// A word of a command line, in double quotes where it would fall apart (`sdssplitargs`).
fn word(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.@:".contains(c)) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_statements_name_rule_and_user() {
        assert_eq!(rule_for(&["CONFIG", "GET", "dir"]), "+config|get");
        assert_eq!(rule_for(&["INFO"]), "+info");
        assert_eq!(statement("bk", &["+sync", "+info"]), "ACL SETUSER bk +sync +info");
        assert_eq!(statement(r#"we"ird us\er"#, &["+sync"]), r#"ACL SETUSER "we\"ird us\\er" +sync"#);
    }
}
