//! Questions to a server through the `mariadb` client.
//!
//! No option file of the machine is read (`--defaults-file` instead of `--defaults-extra-file`): on a machine with two
//! servers they describe the other one. The user stands in the arguments, so that a tool that could not read its option
//! file is refused for a missing password, instead of logging in as somebody else. // F-80

use std::path::Path;
use std::time::Duration;

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use super::option_file::client_options;
use crate::EngineError;

const CONNECT_LIMIT_SECONDS: u32 = 10;
/// Everything asked here is answered from memory.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Who logs in where the datastore names nobody.
const DEFAULT_USER: &str = "root";

/// A row's fields.
pub(super) type Row = Vec<String>;

/// The user that a datastore's tools log in as.
pub(super) fn user(datastore: &DatastoreAccess) -> &str {
    datastore.username.as_deref().unwrap_or(DEFAULT_USER)
}

/// A tool of MariaDB's that logs in to the datastore's server.
pub(super) fn logging_in(program: &str, datastore: &DatastoreAccess) -> Command {
    let host = datastore.host.trim_matches(['[', ']']);
    Command::new(program)
        // It must be the first option.
        .arg_secret_file("--defaults-file=", client_options(datastore.password.as_ref()))
        .arg("--protocol=tcp")
        .arg(format!("--host={host}"))
        .arg(format!("--port={}", datastore.port))
        .arg(format!("--user={}", user(datastore)))
}

/// Asks the datastore's server. Several statements give their rows one after the other.
///
/// # Errors
/// `host_unreachable`, `authentication_failed` and `missing_privilege` with the server's words; whatever else the client
/// failed with.
pub(super) async fn query(
    datastore: &DatastoreAccess,
    sql: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, EngineError> {
    let command = logging_in("mariadb", datastore).arg(format!("--connect-timeout={CONNECT_LIMIT_SECONDS}"));
    ask(command, sql, cancel).await.map_err(|error| failure(error, datastore))
}

/// Asks a private server, which takes everybody who reaches its socket.
pub(super) async fn query_socket(
    socket: &Path,
    sql: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, ProcessError> {
    let command = Command::new("mariadb").args(["--no-defaults", "--protocol=socket", "--user=root"]).arg({
        let mut option = std::ffi::OsString::from("--socket=");
        option.push(socket);
        option
    });
    ask(command, sql, cancel).await
}

async fn ask(command: Command, sql: &str, cancel: &CancellationToken) -> Result<Vec<Row>, ProcessError> {
    let output = command
        .args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4"])
        .arg(format!("--execute={sql}"))
        .time_limit(ANSWER_LIMIT)
        .output(cancel)
        .await?;
    Ok(output.stdout.lines().map(|line| line.split('\t').map(unescape).collect()).collect())
}

/// Undoes the escapes of `--batch` without `--raw`: with them a name may hold tabs and line ends.
fn unescape(field: &str) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('0') => plain.push('\0'),
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

/// What a refusal of the server means. Numbers: manual, "MariaDB Error Code Reference".
fn failure(error: ProcessError, datastore: &DatastoreAccess) -> EngineError {
    let message = error.stderr_tail().iter().rev().find_map(|line| {
        let rest = line.split_once("ERROR ")?.1;
        let number: u32 = rest.split(' ').next()?.parse().ok()?;
        Some((number, rest.split_once(": ").map_or(rest, |(_, text)| text).to_owned()))
    });
    let address = format!("{}:{}", datastore.host, datastore.port);
    match message {
        Some((2002 | 2003 | 2005 | 2006 | 2012 | 2013 | 1040, text)) => {
            EngineError::known(ErrorCode::HostUnreachable, format!("MariaDB at {address} can't be reached: {text}."))
        }
        Some((1045 | 1698 | 1129 | 1130 | 1524 | 1820 | 1862 | 4151, text)) => EngineError::known(
            ErrorCode::AuthenticationFailed,
            format!("MariaDB at {address} refused the user {:?}: {text}.", user(datastore)),
        ),
        Some((1044 | 1142 | 1143 | 1227 | 1370, text)) => {
            EngineError::known(ErrorCode::MissingPrivilege, format!("MariaDB at {address} refused: {text}."))
        }
        _ => EngineError::process("asking MariaDB", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f82_fields_are_unescaped() {
        assert_eq!(unescape(r"a\tb\nc\\n\0"), "a\tb\nc\\n\0");
        assert_eq!(unescape("plain"), "plain");
    }
}
