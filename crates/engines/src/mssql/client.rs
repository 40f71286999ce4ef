//! A session with the server.

use std::io::ErrorKind;
use std::time::Duration;

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use tokio_util::sync::CancellationToken;

use super::encryption::{Duplex, secure};
use super::refusal::Refusal;
use super::row::Row;
use crate::EngineError;

/// How long a connection and the login may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long a question may take that is no backup or restore.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// A session. Dropping it ends it, and with it the statement that it is doing.
pub(super) struct Session {
    client: Client<Compat<Box<dyn Duplex>>>,
    datastore: DatastoreAccess,
    cancel: CancellationToken,
}

impl Session {
    /// Connects and logs in, in the database `master`.
    ///
    /// # Errors
    /// `host_unreachable`, `authentication_failed`, `engine_mismatch`, [`EngineError::Cancelled`].
    pub(super) async fn open(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<Self, EngineError> {
        let unreachable = |why: String| {
            let detail = format!("{}:{} can't be reached: {why}.", datastore.host, datastore.port);
            EngineError::known(ErrorCode::HostUnreachable, detail)
        };
        let connecting = async {
            let address = (datastore.host.trim_matches(['[', ']']), datastore.port);
            let stream = TcpStream::connect(address).await.map_err(|error| unreachable(error.to_string()))?;
            // Answers are short and waited for.
            let _ = stream.set_nodelay(true);
            let stream = secure(stream).await.map_err(|error| not_secured(datastore, &error))?;
            let client = Client::connect(config(datastore), stream.compat_write()).await;
            client.map_err(|error| Refusal::of(&error).during("Logging in", datastore))
        };
        let client = tokio::select! {
            () = cancel.cancelled() => return Err(EngineError::Cancelled),
            connected = tokio::time::timeout(CONNECT_LIMIT, connecting) => {
                connected.map_err(|_| unreachable(format!("no answer within {} seconds", CONNECT_LIMIT.as_secs())))??
            }
        };
        Ok(Self { client, datastore: datastore.clone(), cancel: cancel.clone() })
    }

    /// Asks something that is answered at once.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, Refusal> {
        match tokio::time::timeout(QUESTION_LIMIT, self.long(sql)).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::Silent(QUESTION_LIMIT.as_secs())),
        }
    }

    /// Does something that may take as long as it needs.
    pub(super) async fn long(&mut self, sql: &str) -> Result<Vec<Row>, Refusal> {
        let asking = async {
            let stream = self.client.simple_query(sql).await?;
            stream.into_results().await
        };
        let results = tokio::select! {
            () = self.cancel.cancelled() => return Err(Refusal::Cancelled),
            results = asking => results.map_err(|error| Refusal::of(&error))?,
        };
        Ok(results.iter().flatten().map(Row::of).collect())
    }

    /// As [`Session::ask`]; the operation's name begins the sentence of an error.
    ///
    /// # Errors
    /// As the server's number says.
    pub(super) async fn rows(&mut self, operation: &str, sql: &str) -> Result<Vec<Row>, EngineError> {
        self.ask(sql).await.map_err(|refusal| refusal.during(operation, &self.datastore))
    }

    /// The number by which the server knows this session.
    pub(super) async fn number(&mut self) -> Option<i128> {
        self.ask("SELECT @@SPID AS id").await.ok()?.first()?.number("id")
    }
}

/// The connection is encrypted already, beneath what the client library knows.
fn config(datastore: &DatastoreAccess) -> Config {
    let mut config = Config::new();
    config.host(&datastore.host);
    config.port(datastore.port);
    config.database("master");
    config.application_name("Holdfast");
    config.encryption(EncryptionLevel::NotSupported);
    let user = datastore.username.clone().unwrap_or_default();
    let password = datastore.password.as_ref().map(|password| password.expose().to_owned());
    config.authentication(AuthMethod::sql_server(user, password.unwrap_or_default()));
    // A backup takes as long as it takes; what may take less is limited where it is asked.
    config.command_timeout(None);
    config
}

fn not_secured(datastore: &DatastoreAccess, error: &std::io::Error) -> EngineError {
    let address = format!("{}:{}", datastore.host, datastore.port);
    match error.kind() {
        ErrorKind::Unsupported => EngineError::known(
            ErrorCode::ServerSettingMissing,
            format!(
                "The server at {address} does not encrypt connections, and the password would be readable on the way. Give it a \
                 certificate, or run the worker on its machine."
            ),
        ),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => EngineError::known(
            ErrorCode::EngineMismatch,
            format!("What answers at {address} is no SQL Server: {error}."),
        ),
        _ => EngineError::known(ErrorCode::HostUnreachable, format!("The connection to {address} failed: {error}.")),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Engine, Service};

    use super::*;

    #[test]
    fn a_backup_may_take_longer_than_the_client_library_would_wait() {
        let datastore = DatastoreAccess {
            id: uuid::Uuid::nil(),
            name: String::new(),
            engine: Engine::Mssql,
            host: "localhost".to_owned(),
            port: 1433,
            username: None,
            password: None,
            data_directory: None,
            shared_directory: None,
            shared_storage: None,
            service: Service::None,
            server_identity: None,
            log_branch: String::new(),
        };
        assert_eq!(config(&datastore).get_command_timeout(), None);
    }
}
