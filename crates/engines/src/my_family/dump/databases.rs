//! The databases of a server, without its own.

use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use super::Dialect;
use crate::EngineError;

const QUESTION: &str = "\
SELECT s.SCHEMA_NAME, COALESCE((SELECT SUM(t.DATA_LENGTH) FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = s.SCHEMA_NAME), 0),
    (SELECT COUNT(*) FROM information_schema.EVENTS e WHERE e.EVENT_SCHEMA = s.SCHEMA_NAME),
    (SELECT COUNT(*) FROM information_schema.TABLES t
        WHERE t.TABLE_SCHEMA = s.SCHEMA_NAME AND t.TABLE_TYPE = 'BASE TABLE' AND t.ENGINE IS NOT NULL AND t.ENGINE NOT IN ('InnoDB', 'SEQUENCE'))
FROM information_schema.SCHEMATA s
WHERE s.SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY s.SCHEMA_NAME";

/// A database.
pub(super) struct Database {
    pub name: String,
    /// Of its rows, as the server estimates them.
    pub size_bytes: u64,
    pub events: u64,
    /// Tables that a transaction does not hold still.
    pub loose_tables: u64,
}

impl Database {
    /// Whether the tool can't dump it: of a name with quotes it looks for the events of another (seen with MariaDB 10.11).
    pub(super) fn is_unsayable(&self) -> bool {
        self.events > 0 && self.name.contains(['\'', '"', '\\'])
    }
}

/// All databases but the server's own.
pub(super) async fn all(
    dialect: &dyn Dialect,
    datastore: &DatastoreAccess,
    cancel: &CancellationToken,
) -> Result<Vec<Database>, EngineError> {
    let rows = dialect.query(datastore, QUESTION, cancel).await?;
    let databases = rows.into_iter().filter_map(|row| {
        let [name, size, events, loose] = <[String; 4]>::try_from(row).ok()?;
        let number = |text: &str| text.parse().unwrap_or(0);
        Some(Database { size_bytes: number(&size), events: number(&events), loose_tables: number(&loose), name })
    });
    Ok(databases.collect())
}
