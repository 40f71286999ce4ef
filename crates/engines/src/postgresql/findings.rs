//! What can be wrong with a server or its user, and the statement, line or command that mends it.

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;

use super::server::Server;
use crate::problem::Problem;

/// What libpq itself says (in English: children run with `LC_ALL=C.UTF-8`) when it got no answer, and the server (in its
/// own language, English being usual) when it takes no logins just now. Everything else is a refusal of this login.
const UNREACHABLE: [&str; 14] = [
    "Connection refused",
    "could not translate host name",
    "timeout expired",
    "Connection timed out",
    "No route to host",
    "Network is unreachable",
    "Connection reset",
    "Broken pipe",
    "server closed the connection unexpectedly",
    "No such file or directory",
    "the database system is",
    "too many clients",
    "remaining connection slots",
    "too many connections",
];

impl Problem {
    /// A session that did not come about.
    pub(super) fn of_refused_login(datastore: &DatastoreAccess, message: &str) -> Self {
        let address = format!("{}:{}", datastore.host, datastore.port);
        if UNREACHABLE.iter().any(|words| message.contains(words)) {
            return Self::new(ErrorCode::HostUnreachable, format!("{address} takes no connections now: {message}"));
        }
        let refused = Self::new(ErrorCode::AuthenticationFailed, format!("{address} refused the login: {message}"));
        if message.contains("pg_hba.conf") {
            let line = access_line("all", datastore.username.as_deref(), quoted_after(message, "host "), None);
            return refused.remedy(line);
        }
        refused
    }

    /// The user may not replicate, which a base backup is.
    pub(super) fn no_replication_privilege(user: &str) -> Self {
        Self::new(ErrorCode::MissingPrivilege, format!("The user {user:?} may not replicate, which a backup needs."))
            .remedy(format!("ALTER ROLE {} REPLICATION;", identifier(user)))
    }

    /// The server does not let the user in for replication.
    pub(super) fn no_replication_line(user: &str, server: &Server, message: &str) -> Self {
        let line = access_line(
            "replication",
            Some(user),
            server.client_address.as_deref(),
            Some(server.password_method.as_str()),
        );
        let file = server.hba_file.as_deref().unwrap_or("pg_hba.conf");
        Self::new(
            ErrorCode::ServerSettingMissing,
            format!(
                "The server takes no replication connection, which a backup needs: {message}. Add a line to {file}."
            ),
        )
        .remedy(line)
    }

    pub(super) fn tablespaces(names: &[String]) -> Self {
        let names: Vec<_> = names.iter().map(|name| identifier(name)).collect();
        Self::new(
            ErrorCode::TablespacesUnsupported,
            format!(
                "The server has tablespaces besides its default one, which is not supported yet: {}.",
                names.join(", ")
            ),
        )
    }

    pub(super) fn identity_changed(expected: &str, found: &str) -> Self {
        Self::new(
            ErrorCode::ServerIdentityChanged,
            format!(
                "Another server answers here than the one that was registered: its system identifier is {found}, not \
                 {expected}."
            ),
        )
    }
}

/// A name as SQL writes it (manual, "Identifiers and Key Words").
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal (manual, "String Constants with C-Style Escapes"). // F-82
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A line of `pg_hba.conf` (manual, "The pg_hba.conf File"); its quoting is that of identifiers.
fn access_line(database: &str, user: Option<&str>, address: Option<&str>, method: Option<&str>) -> String {
    let user = user.map_or_else(|| "all".to_owned(), identifier);
    let address = match address {
        Some(address) if address.contains(':') => format!("{address}/128"),
        Some(address) if address.contains('.') => format!("{address}/32"),
        _ => "samehost".to_owned(),
    };
    format!("host  {database}  {user}  {address}  {}", method.unwrap_or("scram-sha-256"))
}

/// The text in the first pair of quotes after `word`.
fn quoted_after<'a>(message: &'a str, word: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(word)?;
    rest.strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_names_are_quoted_in_remedies() {
        let problem = Problem::no_replication_privilege("we\"ird; drop");
        assert_eq!(problem.remedy.as_deref(), Some("ALTER ROLE \"we\"\"ird; drop\" REPLICATION;"));
    }

    #[test]
    fn a_missing_access_line_names_the_address_that_the_server_saw() {
        let message =
            "FATAL:  no pg_hba.conf entry for host \"10.0.0.7\", user \"bk\", database \"postgres\", no encryption";
        assert_eq!(
            access_line("all", Some("bk"), quoted_after(message, "host "), None),
            "host  all  \"bk\"  10.0.0.7/32  scram-sha-256"
        );
        assert_eq!(access_line("replication", None, Some("::1"), Some("md5")), "host  replication  all  ::1/128  md5");
    }
}
