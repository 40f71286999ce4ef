//! Checking the whole log against its hashes and its sealed end.

use diesel::prelude::*;
use domain::audit::chain::{Break, Head, Verifier};

use super::row::AuditRow;
use crate::connection::AnyConnection;
use crate::schema::audit_events;
use crate::{Store, StoreError};

/// How many rows are read at once.
const CHUNK: i64 = 1000;

/// What a check of the log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFinding {
    /// Every row is as it was written: how many there are, and the last one's hash.
    Whole(Head),
    /// The first row that is not.
    Broken(Break),
}

impl Store {
    /// Checks every row of the log, oldest first. Rows that are written meanwhile are not waited for: the end is read in the
    /// same snapshot as the rows.
    pub fn audit_verify(&self) -> Result<AuditFinding, StoreError> {
        self.read(|connection| {
            let transaction = |connection: &mut AnyConnection| match check(connection)? {
                Ok(verifier) => {
                    let sealed = super::head(connection, &self.key)?;
                    Ok(verifier.finish(sealed.as_ref()).map_or_else(AuditFinding::Broken, AuditFinding::Whole))
                }
                Err(found) => Ok::<_, StoreError>(AuditFinding::Broken(found)),
            };
            match connection {
                AnyConnection::Postgres(_) => snapshot(connection, transaction),
                // A read transaction of SQLite is a snapshot.
                AnyConnection::Sqlite(_) => connection.transaction(transaction),
            }
        })
    }
}

/// PostgreSQL's default isolation takes a new snapshot for each statement.
fn snapshot<T>(
    connection: &mut AnyConnection,
    query: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.transaction(|connection| {
        diesel::sql_query("set transaction isolation level repeatable read, read only").execute(connection)?;
        query(connection)
    })
}

fn check(connection: &mut AnyConnection) -> Result<Result<Verifier, Break>, StoreError> {
    let mut verifier = Verifier::default();
    let mut after = i64::MIN;
    loop {
        let rows: Vec<AuditRow> = audit_events::table
            .filter(audit_events::id.gt(after))
            .order(audit_events::id.asc())
            .limit(CHUNK)
            .load(connection)?;
        let Some(last) = rows.last() else { return Ok(Ok(verifier)) };
        after = last.id;
        for row in rows {
            let id = row.id;
            // Holdfast never wrote a word that it can't read.
            let checked = row.into_domain().map_or(Err(Break::Altered { id }), |event| verifier.check(&event));
            if let Err(found) = checked {
                return Ok(Err(found));
            }
        }
    }
}
