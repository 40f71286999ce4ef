//! Questions to a server through `redis-cli`, or `valkey-cli` where that is what the machine has: they speak the same.
//!
//! Passwords travel in `REDISCLI_AUTH`: the tools know nothing better that keeps them off the command line. // F-80

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use process::{Command, ProcessError, find_program};
use secrecy::SecretString;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::acl;
use crate::EngineError;

/// A server that loads its data answers at once that it does.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Answers are settings and statistics; more than this is no such thing.
const ANSWER_BYTES: u64 = 4 << 20;

/// The client program of this machine.
pub(super) fn program() -> &'static str {
    if find_program("redis-cli", &[]).is_none() && find_program("valkey-cli", &[]).is_some() {
        "valkey-cli"
    } else {
        "redis-cli"
    }
}

/// The client, logging in to the datastore's server.
pub(super) fn logging_in(datastore: &DatastoreAccess) -> Command {
    let mut command = Command::new(program())
        .args(["-h", datastore.host.trim_matches(['[', ']'])])
        .args(["-p", &datastore.port.to_string()]);
    if let Some(username) = &datastore.username {
        command = command.args(["--user", username]);
    }
    if let Some(password) = &datastore.password {
        command = command.arg("--no-auth-warning").env_secret("REDISCLI_AUTH", SecretString::from(password.expose()));
    }
    command
}

/// Asks the datastore's server.
///
/// # Errors
/// `host_unreachable`, `authentication_failed`, `missing_privilege` with the statement that gives it.
pub(super) async fn ask(
    datastore: &DatastoreAccess,
    words: &[&str],
    cancel: &CancellationToken,
) -> Result<String, EngineError> {
    match answer(logging_in(datastore).args(words.iter().copied()), cancel).await {
        Ok(answer) => match refusal(datastore, words, &answer) {
            Some(refusal) => Err(refusal),
            None => Ok(answer),
        },
        Err(error) => Err(failure(datastore, error)),
    }
}

/// Asks a private server, which takes everybody who reaches its socket.
pub(super) async fn ask_socket(
    socket: &Path,
    words: &[&str],
    cancel: &CancellationToken,
) -> Result<String, ProcessError> {
    let socket = OsString::from(socket);
    let command = Command::new(program()).arg("-s").arg(socket).args(words.iter().copied());
    answer(command, cancel).await
}

/// The answer as it came: what a child writes as lines is redacted, and a password such as `redis` would leave holes.
async fn answer(command: Command, cancel: &CancellationToken) -> Result<String, ProcessError> {
    let mut child = command.stdout_piped().time_limit(ANSWER_LIMIT).spawn()?;
    let mut bytes = Vec::new();
    let read = match child.stdout.take() {
        Some(stdout) => {
            let mut limited = stdout.take(ANSWER_BYTES);
            tokio::select! {
                read = limited.read_to_end(&mut bytes) => read.map(drop),
                () = cancel.cancelled() => Ok(()),
            }
        }
        None => Ok(()),
    };
    let exit = child.wait(cancel).await?;
    let said = |words: &str| exit.stderr_tail.iter().any(|line| line.contains(words));
    if !exit.status.success() || said("AUTH failed") || said("Could not connect") {
        return Err(ProcessError::Exit {
            program: program().to_owned(),
            status: exit.status,
            stderr_tail: exit.stderr_tail,
        });
    }
    read.map_err(|source| ProcessError::Io { program: program().to_owned(), operation: "read the answer", source })?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

fn failure(datastore: &DatastoreAccess, error: ProcessError) -> EngineError {
    match login_failure(datastore, error.stderr_tail()) {
        Some(failure) => failure,
        None => EngineError::process("asking the server", error),
    }
}

/// What the client's own words mean, when it could not log in.
pub(super) fn login_failure(datastore: &DatastoreAccess, lines: &[String]) -> Option<EngineError> {
    let address = format!("{}:{}", datastore.host, datastore.port);
    let find = |words: &str| lines.iter().find(|line| line.contains(words));
    if let Some(line) = find("AUTH failed").or_else(|| find("NOAUTH")) {
        let user = datastore.username.as_deref().unwrap_or(acl::DEFAULT_USER);
        return Some(EngineError::known(
            ErrorCode::AuthenticationFailed,
            format!("{address} refused the user {user:?}: {line}"),
        ));
    }
    let unreachable =
        ["Could not connect", "I/O error", "Server closed the connection", "Connection reset", "max number of clients"];
    let line = unreachable.iter().find_map(|words| find(words))?;
    Some(EngineError::known(ErrorCode::HostUnreachable, format!("{address} can't be reached: {line}")))
}

/// What an error that came as the answer means: the client prints it and calls it a success.
fn refusal(datastore: &DatastoreAccess, words: &[&str], answer: &str) -> Option<EngineError> {
    let address = format!("{}:{}", datastore.host, datastore.port);
    let kind = answer.split(' ').next().unwrap_or_default();
    let code = match kind {
        "NOPERM" => {
            let rule = acl::rule_for(words);
            return Some(acl::missing(datastore, &[&rule], answer).into_error());
        }
        "NOAUTH" | "WRONGPASS" => ErrorCode::AuthenticationFailed,
        "LOADING" | "MASTERDOWN" | "BUSY" | "DENIED" | "-DENIED" => ErrorCode::HostUnreachable,
        "ERR" => ErrorCode::EngineToolFailed,
        _ => return None,
    };
    Some(EngineError::known(code, format!("{address} answered: {answer}")))
}
