//! Connections to either database, and the pool that keeps them. The pool reaches a PostgreSQL that was down again by
//! itself: a broken connection is thrown away when it comes back, and a dead one when it is taken. // F-20

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::{Connection, ConnectionError, PgConnection, SqliteConnection};

use crate::StoreError;

/// A connection to one of the two databases, under one query language.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

pub type Pool = diesel::r2d2::Pool<Connector>;

/// How long a caller waits for a connection before it hears that the database can't be reached.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// SQLite has one writer at a time, so more connections only help readers.
const MAX_CONNECTIONS: u32 = 12;
/// As `busy_timeout` in [`SQLITE_SETTINGS`].
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Which database, and where.
#[derive(Debug, Clone)]
pub enum Connector {
    Postgres { url: String },
    Sqlite { path: String },
}

impl Connector {
    /// Reads a database URL: `postgres://…` or `postgresql://…`, `sqlite:///path`, or a plain path of an SQLite file.
    pub fn from_url(url: &str) -> Self {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Self::Postgres { url: with_timeouts(url) };
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        Self::Sqlite { path: path.to_owned() }
    }

    /// The path of the SQLite file, where it is one.
    pub fn sqlite_path(&self) -> Option<&str> {
        match self {
            Self::Sqlite { path } => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    /// A pool that connects when somebody first asks.
    pub fn into_pool(self) -> Pool {
        diesel::r2d2::Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .min_idle(Some(0))
            .connection_timeout(ACQUIRE_TIMEOUT)
            .error_handler(Box::new(QuietErrors))
            .build_unchecked(self)
    }
}

/// The caller that waits in vain gets the error and reports it once; the pool's background retries would repeat it.
#[derive(Debug)]
struct QuietErrors;

impl<E: std::error::Error + 'static> diesel::r2d2::HandleError<E> for QuietErrors {
    fn handle_error(&self, error: E) {
        tracing::debug!(error = &error as &dyn std::error::Error, "no connection to the control database");
    }
}

/// Adds limits for a network that swallows packets (libpq manual, "Parameter Key Words"): 3 s to connect, 10 s for the
/// other side to acknowledge. Those that the URL already sets stay.
fn with_timeouts(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in [("connect_timeout", "3"), ("tcp_user_timeout", "10000"), ("application_name", "holdfast")] {
        if !url.contains(&format!("{name}=")) {
            let separator = if url.contains('?') { '&' } else { '?' };
            url.push_str(&format!("{separator}{name}={value}"));
        }
    }
    url
}

/// Write-ahead logging, so that readers never wait for a writer. `synchronous=FULL`: with NORMAL a power cut may take back
/// the newest commits, and a worker would go on with a job that the database says nobody claimed. A commit then costs one
/// fsync, which is far below the rate at which jobs change. The busy timeout only meets other processes: within this
/// one, writers queue before they begin. // F-26
const SQLITE_SETTINGS: &str = "pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full; \
     pragma foreign_keys = on; pragma cache_size = -16000; pragma journal_size_limit = 67108864;";

/// Two connections that turn a new file to write-ahead logging at once both hold a read lock when they ask for the write
/// lock. SQLite then refuses one of them at once, past its busy timeout (C interface, "sqlite3_busy_handler": the handler
/// is not invoked where waiting would be a deadlock), so waiting is ours. // F-27
fn configure_sqlite(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    let deadline = Instant::now() + SQLITE_BUSY_TIMEOUT;
    loop {
        match connection.batch_execute(SQLITE_SETTINGS) {
            Err(error) if is_locked(&error) && Instant::now() < deadline => std::thread::sleep(SQLITE_RETRY_INTERVAL),
            configured => return configured,
        }
    }
}

fn is_locked(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, information) if information.message() == "database is locked")
}

/// No statement of ours takes long; one that does is stuck behind something, and the caller shall hear of it.
const POSTGRES_SETTINGS: &str = "set statement_timeout = '15s'; set lock_timeout = '10s'; \
     set idle_in_transaction_session_timeout = '30s'; set client_min_messages = warning";

impl diesel::r2d2::ManageConnection for Connector {
    type Connection = AnyConnection;
    type Error = ConnectError;

    fn connect(&self) -> Result<AnyConnection, ConnectError> {
        match self {
            Self::Postgres { url } => {
                let mut connection = PgConnection::establish(url).map_err(ConnectError::Connect)?;
                connection.batch_execute(POSTGRES_SETTINGS).map_err(ConnectError::Configure)?;
                Ok(AnyConnection::Postgres(connection))
            }
            Self::Sqlite { path } => {
                let mut connection = SqliteConnection::establish(path).map_err(ConnectError::Connect)?;
                configure_sqlite(&mut connection).map_err(ConnectError::Configure)?;
                Ok(AnyConnection::Sqlite(connection))
            }
        }
    }

    fn is_valid(&self, connection: &mut AnyConnection) -> Result<(), ConnectError> {
        match connection {
            AnyConnection::Postgres(connection) => connection.ping().map_err(ConnectError::Configure),
            AnyConnection::Sqlite(_) => Ok(()),
        }
    }

    fn has_broken(&self, connection: &mut AnyConnection) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

/// Why no connection came about. The cause is in the text, since the pool hands on nothing else.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("connecting: {0}")]
    Connect(ConnectionError),
    #[error("setting up the connection: {0}")]
    Configure(diesel::result::Error),
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Connect(source) => Self::Unavailable { detail: source.to_string() },
            ConnectError::Configure(source) => source.into(),
        }
    }
}

/// Takes a connection from the pool.
///
/// # Errors
/// [`StoreError::Unavailable`] when none could be had in time.
pub fn acquire(pool: &Pool) -> Result<diesel::r2d2::PooledConnection<Connector>, StoreError> {
    pool.get().map_err(|error| StoreError::Unavailable { detail: error.to_string() })
}

/// Makes an empty file that only its owner reads, where there is none: what SQLite makes itself others may read.
pub fn create_private_file(path: &str) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Unavailable { detail: format!("creating {path}: {error}") })
        }
        _ => Ok(()),
    }
}
