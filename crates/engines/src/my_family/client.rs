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
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
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
    ask(socket_client(program, socket).time_limit(ANSWER_LIMIT), sql, cancel).await
}

/// Has a private server run statements that hold secrets: they go by the client's input, not by an argument. `hidden` is what
/// must not come back with an error. There is no limit of time.
pub(crate) async fn tell_socket(
    program: impl Into<OsString>,
    socket: &Path,
    sql: SecretString,
    hidden: Vec<SecretString>,
    cancel: &CancellationToken,
) -> Result<(), ProcessError> {
    let client = socket_client(program, socket).args(["--batch", "--default-character-set=utf8mb4"]);
    let client = hidden.into_iter().fold(client, Command::redact);
    let mut child = client.stdin_piped().spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A client that is gone tells by its end why.
        let _ = input.write_all(sql.expose_secret().as_bytes()).await;
        let _ = input.shutdown().await;
    }
    child.wait(cancel).await?.success_or_error("mysql").map(drop)
}

fn socket_client(program: impl Into<OsString>, socket: &Path) -> Command {
    let mut option = OsString::from("--socket=");
    option.push(socket);
    Command::new(program)
        .env(NO_LOGIN_FILE.0, NO_LOGIN_FILE.1)
        .args(["--no-defaults", "--protocol=socket", "--user=root"])
        .arg(option)
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
/// words; whatever else the client failed with.
pub(crate) fn failure(error: ProcessError, datastore: &DatastoreAccess) -> EngineError {
    let meaning = refusal(&error).and_then(|(number, text)| meaning(number, &text, datastore));
    meaning.unwrap_or_else(|| EngineError::process("asking the server", error))
}

/// What an error of a login or of a missing grant means. Numbers: MariaDB's manual, "MariaDB Error Code Reference"; MySQL's, "Server
/// Error Message Reference" and "Client Error Message Reference".
pub(crate) fn meaning(number: u32, text: &str, datastore: &DatastoreAccess) -> Option<EngineError> {
    let (title, address) = (datastore.engine.title(), format!("{}:{}", datastore.host, datastore.port));
    let (code, detail) = match number {
        2002 | 2003 | 2005 | 2006 | 2012 | 2013 | 1040 => {
            (ErrorCode::HostUnreachable, format!("{title} at {address} can't be reached: {text}."))
        }
        1045 | 1698 | 1129 | 1130 | 1524 | 1820 | 1862 | 2059 | 2061 | 3118 | 3955 | 4151 => (
            ErrorCode::AuthenticationFailed,
            format!("{title} at {address} refused the user {:?}: {text}.", user(datastore)),
        ),
        1044 | 1142 | 1143 | 1227 | 1370 => {
            (ErrorCode::MissingPrivilege, format!("{title} at {address} refused: {text}."))
        }
        _ => return None,
    };
    Some(EngineError::known(code, detail))
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
