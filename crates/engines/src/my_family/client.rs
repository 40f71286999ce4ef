//! Questions to a server through its command-line client.
//!
//! No option file of the machine is read (`--defaults-file` instead of `--defaults-extra-file`): on a machine with two
//! servers they describe the other one. The user stands in the arguments, so that a tool that could not read its option
//! file is refused for a missing password, instead of logging in as somebody else. // F-80

use std::ffi::OsString;
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
/// MySQL's tools read a file of logins from the home directory whatever their options say, and it outdoes the option file
/// (manual, "Environment Variables"); MariaDB's know no such file.
const NO_LOGIN_FILE: (&str, &str) = ("MYSQL_TEST_LOGIN_FILE", "/nonexistent/login");

/// A row's fields.
pub(crate) type Row = Vec<String>;

/// The user that a datastore's tools log in as.
pub(crate) fn user(datastore: &DatastoreAccess) -> &str {
    datastore.username.as_deref().unwrap_or(DEFAULT_USER)
}

/// A tool that logs in to the datastore's server.
pub(crate) fn logging_in(program: impl Into<OsString>, datastore: &DatastoreAccess) -> Command {
    let host = datastore.host.trim_matches(['[', ']']);
    Command::new(program)
        .env(NO_LOGIN_FILE.0, NO_LOGIN_FILE.1)
        // It must be the first option.
        .arg_secret_file("--defaults-file=", client_options(datastore.password.as_ref()))
        .arg("--protocol=tcp")
        .arg(format!("--host={host}"))
        .arg(format!("--port={}", datastore.port))
        .arg(format!("--user={}", user(datastore)))
}

/// A client that logs in to the datastore's server.
pub(crate) fn client_of(program: impl Into<OsString>, datastore: &DatastoreAccess) -> Command {
    logging_in(program, datastore).arg(format!("--connect-timeout={CONNECT_LIMIT_SECONDS}"))
}

/// Asks a private server, which takes everybody who reaches its socket.
pub(crate) async fn query_socket(
    program: impl Into<OsString>,
    socket: &Path,
    sql: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, ProcessError> {
    let command = Command::new(program)
        .env(NO_LOGIN_FILE.0, NO_LOGIN_FILE.1)
        .args(["--no-defaults", "--protocol=socket", "--user=root"])
        .arg({
            let mut option = OsString::from("--socket=");
            option.push(socket);
            option
        });
    ask(command.time_limit(ANSWER_LIMIT), sql, cancel).await
}

/// Asks the datastore's server. Several statements give their rows one after the other.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn query(
    client: Command,
    datastore: &DatastoreAccess,
    sql: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Row>, EngineError> {
    ask(client.time_limit(ANSWER_LIMIT), sql, cancel).await.map_err(|error| failure(error, datastore))
}

/// Has a client that was told how to log in run statements, and reads the rows.
pub(crate) async fn ask(client: Command, sql: &str, cancel: &CancellationToken) -> Result<Vec<Row>, ProcessError> {
    let output = client
        .args(["--batch", "--skip-column-names", "--default-character-set=utf8mb4"])
        .arg(format!("--execute={sql}"))
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

/// What a refusal of the server means: `host_unreachable`, `authentication_failed` and `missing_privilege` with the server's
/// words; whatever else the client failed with. Numbers: MariaDB's manual, "MariaDB Error Code Reference"; MySQL's, "Server Error
/// Message Reference" and "Client Error Message Reference".
pub(crate) fn failure(error: ProcessError, datastore: &DatastoreAccess) -> EngineError {
    let (title, address) = (datastore.engine.title(), format!("{}:{}", datastore.host, datastore.port));
    match refusal(&error) {
        Some((2002 | 2003 | 2005 | 2006 | 2012 | 2013 | 1040, text)) => {
            EngineError::known(ErrorCode::HostUnreachable, format!("{title} at {address} can't be reached: {text}."))
        }
        Some((1045 | 1698 | 1129 | 1130 | 1524 | 1820 | 1862 | 2059 | 2061 | 3118 | 3955 | 4151, text)) => {
            EngineError::known(
                ErrorCode::AuthenticationFailed,
                format!("{title} at {address} refused the user {:?}: {text}.", user(datastore)),
            )
        }
        Some((1044 | 1142 | 1143 | 1227 | 1370, text)) => {
            EngineError::known(ErrorCode::MissingPrivilege, format!("{title} at {address} refused: {text}."))
        }
        _ => EngineError::process("asking the server", error),
    }
}

/// The number and the words of the error that a client ended with.
pub(crate) fn refusal(error: &ProcessError) -> Option<(u32, String)> {
    error.stderr_tail().iter().rev().find_map(|line| {
        let rest = line.split_once("ERROR ")?.1;
        let number: u32 = rest.split(' ').next()?.parse().ok()?;
        Some((number, rest.split_once(": ").map_or(rest, |(_, text)| text).to_owned()))
    })
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
