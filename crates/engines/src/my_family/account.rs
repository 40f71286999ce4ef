//! Accounts: what one may do on the whole server, and the statements that give it what is missing. // F-56

use super::client::Row;

/// Those of `needed` (each with an older name) that none of the lines of `SHOW GRANTS` gives on `*.*`.
pub(crate) fn missing_of(needed: &[(&'static str, &str)], grants: &[Row]) -> Vec<&'static str> {
    let given: Vec<String> = grants
        .iter()
        .filter_map(|row| row.first()?.strip_prefix("GRANT ")?.split_once(" ON *.* TO "))
        .flat_map(|(names, _)| names.split(','))
        .map(|name| name.trim().to_ascii_uppercase())
        .collect();
    let has = |name: &str| given.iter().any(|given| given == name || given == "ALL PRIVILEGES");
    needed.iter().filter(|(name, older)| !has(name) && !has(older)).map(|(name, _)| *name).collect()
}

/// The statement that gives `privileges` to `account` (`user@host`).
pub(crate) fn grant_statement(privileges: &[&str], account: &str) -> String {
    format!("GRANT {} ON *.* TO {};", privileges.join(", "), quoted(account))
}

/// An account as `CURRENT_USER()` writes it, ready for a statement. // F-82
pub(crate) fn quoted(account: &str) -> String {
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    format!("{}@{}", literal(user), literal(host))
}

/// A text as a literal. // F-82
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_account_names_are_quoted() {
        assert_eq!(
            grant_statement(&["PROCESS"], r"o'b\r@x@10.0.0.%"),
            r"GRANT PROCESS ON *.* TO 'o''b\\r@x'@'10.0.0.%';"
        );
    }
}
