//! Questions to a server, asked through `psql`.
//!
//! Everything about the connection goes by environment, the password by a file in memory; nothing is read from the
//! worker's own `.psqlrc`, `.pgpass` or service files. // F-80

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::assignment::DatastoreAccess;
use process::{Command, ProcessError, SecretFile};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::binaries;

/// How long a connection may take; libpq counts whole seconds.
const CONNECT_LIMIT_SECONDS: &str = "10";
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Who connects when nobody said: PostgreSQL's usual superuser, not the worker's own name.
const DEFAULT_USER: &str = "postgres";

/// Where and as whom to connect.
#[derive(Clone)]
pub(super) struct Connection {
    /// A name, an address, or the directory of a socket.
    host: String,
    port: u16,
    pub user: String,
    password: Option<String>,
}

/// Why a question got no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// No session came about; libpq's or the server's message, without the address before it.
    NotConnected(String),
    /// The server refused the statement; its message.
    Refused(String),
    /// `psql` itself could not be run, or gave no answer in time.
    Process(ProcessError),
}

impl Connection {
    /// To a datastore's server over TCP.
    pub(super) fn to(datastore: &DatastoreAccess) -> Self {
        Self {
            host: datastore.host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: datastore.port,
            user: datastore.username.clone().unwrap_or_else(|| DEFAULT_USER.to_owned()),
            password: datastore.password.as_ref().map(|password| password.expose().to_owned()),
        }
    }

    /// To a server's socket in `directory`.
    pub(super) fn socket(directory: &Path, port: u16, user: &str) -> Self {
        Self { host: directory.display().to_string(), port, user: user.to_owned(), password: None }
    }

    /// Adds what libpq needs to a command.
    pub(super) fn apply(&self, command: Command) -> Command {
        let command = command
            .env("PGHOST", &self.host)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGCONNECT_TIMEOUT", CONNECT_LIMIT_SECONDS)
            .env("PGAPPNAME", "holdfast")
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGSERVICEFILE", "/dev/null");
        let Some(password) = &self.password else { return command.env("PGPASSFILE", "/dev/null") };
        if password.contains(['\n', '\r', '\0']) {
            // A password file has one line for each password.
            return command.env_secret("PGPASSWORD", SecretString::from(password.clone()));
        }
        // Manual, "The Password File": `\` and `:` are escaped; a memory file because libpq ignores pipes.
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        // Not redacted from the output: these tools never print it, and answers would be spoilt by passwords such as `15`.
        command.env_secret_file("PGPASSFILE", SecretFile::new(SecretString::from(format!("*:*:*:*:{escaped}\n"))))
    }

    /// Runs one statement in a database and gives its rows, without the last line's end.
    pub(super) async fn ask(
        &self,
        database: &str,
        sql: &'static str,
        cancel: &CancellationToken,
    ) -> Result<String, Unanswered> {
        // By environment: the option `--dbname` would take `name=value` in a database's name for settings.
        self.run(|psql| psql.env("PGDATABASE", database), sql, cancel).await
    }

    /// As [`Connection::ask`], for statements that are put together: of words of this program, and of names and texts that went
    /// through `identifier` and `literal`. They can be seen in the process list. // F-82
    pub(super) async fn ask_built(
        &self,
        database: &str,
        sql: &str,
        cancel: &CancellationToken,
    ) -> Result<String, Unanswered> {
        self.run(|psql| psql.env("PGDATABASE", database), sql, cancel).await
    }

    /// Runs one command on a connection for replication, such as `IDENTIFY_SYSTEM`.
    pub(super) async fn ask_for_replication(
        &self,
        command: &'static str,
        cancel: &CancellationToken,
    ) -> Result<String, Unanswered> {
        self.run(|psql| psql.arg("--dbname=replication=true"), command, cancel).await
    }

    async fn run(
        &self,
        database: impl FnOnce(Command) -> Command,
        sql: &str,
        cancel: &CancellationToken,
    ) -> Result<String, Unanswered> {
        let directory = binaries::psql().await.unwrap_or_else(|| PathBuf::from("/usr/bin"));
        let psql = Command::new("psql").search_dir(directory).time_limit(ANSWER_LIMIT);
        let psql = psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--no-password"]);
        let psql = psql.args(["--set=ON_ERROR_STOP=1", "--command", sql]);
        match self.apply(database(psql)).output(cancel).await {
            Ok(output) => Ok(output.stdout.strip_suffix('\n').unwrap_or(&output.stdout).to_owned()),
            // Exit code 2: "the connection to the server went bad" (manual, psql, "Exit Status").
            Err(ProcessError::Exit { status, stderr_tail, .. }) if status.code() == Some(2) => {
                Err(Unanswered::NotConnected(message(&stderr_tail)))
            }
            Err(ProcessError::Exit { status, stderr_tail, .. }) if status.code().is_some() => {
                Err(Unanswered::Refused(message(&stderr_tail)))
            }
            Err(error) => Err(Unanswered::Process(error)),
        }
    }
}

/// What went wrong, without the program's name and the address that the reader knows.
fn message(lines: &[String]) -> String {
    // libpq tells where the password came from: nothing that a reader could use.
    let told = lines.iter().filter(|line| !line.starts_with("password retrieved from file"));
    let lines = told.map(|line| {
        let line = line.strip_prefix("psql: error: ").unwrap_or(line);
        match line.strip_prefix("connection to server ").and_then(|line| line.split_once(" failed: ")) {
            Some((_, cause)) => cause,
            None => line,
        }
        .trim()
    });
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn messages_lose_what_the_reader_knows() {
        let line = |text: &str| text.to_owned();
        assert_eq!(
            message(&[
                line("psql: error: connection to server at \"127.0.0.1\", port 5 failed: Connection refused"),
                line("\tIs the server running on that host?"),
            ]),
            "Connection refused Is the server running on that host?"
        );
        assert_eq!(
            message(&[line("psql: error: FATAL:  no"), line("password retrieved from file \"/dev/fd/29\"")]),
            "FATAL:  no"
        );
        assert_eq!(message(&[line("ERROR:  permission denied")]), "ERROR:  permission denied");
    }
}
