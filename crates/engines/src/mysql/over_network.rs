//! What must hold before a clone is fetched over the network, beyond what holds for every clone.

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use domain::version::version_numbers;
use tokio_util::sync::CancellationToken;

use super::client::query;
use super::facts::ServerFacts;
use super::{clone, preflight, programs};
use crate::EngineError;
use crate::my_family::account::grant_statement;
use crate::problem::Problem;

/// From it on, servers of one series clone from each other; before, of one version alone (manual, "Cloning Remote Data").
const SERIES_SINCE: [u32; 3] = [8, 0, 37];
/// The plugin sends packets of 1 MiB and what describes them (manual, "Remote Cloning Prerequisites").
const SMALLEST_PACKET: u64 = 2 << 20;
/// A new, empty server and what its clone has beside the tables, roughly.
const OVERHEAD_BYTES: u64 = 300 << 20;
/// What lets an account see that a table is there and nothing more.
const SEES_TABLES: &str = "REFERENCES";

/// All that keeps a clone from being fetched. // F-56
pub(super) async fn problems(
    datastore: &DatastoreAccess,
    facts: &ServerFacts,
    cancel: &CancellationToken,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(check_program(facts).await.err());
    problems.extend(clone::helper_user().err());
    problems.extend(check_packet(facts).err());
    match Tables::ask(datastore, facts, cancel).await {
        Ok(tables) => {
            problems.extend(tables.not_cloned.clone());
            let room = preflight::check_room(&clone::helper_parent(), tables.needed_bytes());
            problems.extend(room.err().map(|error| Problem::of_error(&error)));
        }
        Err(problem) => problems.push(problem),
    }
    problems
}

/// The worker needs a server that takes clones of this one.
async fn check_program(facts: &ServerFacts) -> Result<(), Problem> {
    let donor = facts.version();
    let program = programs::find("mysqld").await.map_err(|missing| {
        let detail = format!(
            "{} The worker can't read the server's files, and fetches a clone into a MySQL of its own instead.",
            missing.detail
        );
        Problem { detail, ..missing }
    })?;
    let installed = programs::version(&program).await.unwrap_or_default();
    if takes_clones(donor, &installed) {
        return Ok(());
    }
    let detail = format!(
        "The worker can't read the server's files, and its own MySQL {installed} can't fetch a clone of MySQL {donor}. Install \
         MySQL {donor} on the worker's machine, and name the directory of its programs with --mysql-bin."
    );
    Err(Problem::new(ErrorCode::IncompatibleEngineVersion, detail))
}

fn takes_clones(donor: &str, recipient: &str) -> bool {
    let (donor, recipient) = (version_numbers(donor), version_numbers(recipient));
    let series = |version: &[u32]| version.get(..2).map(<[u32]>::to_vec);
    let is_new = |version: &[u32]| version >= SERIES_SINCE.as_slice();
    series(&donor).is_some()
        && series(&donor) == series(&recipient)
        && (donor.get(..3) == recipient.get(..3) || is_new(&donor) && is_new(&recipient))
}

fn check_packet(facts: &ServerFacts) -> Result<(), Problem> {
    match facts.variable("max_allowed_packet").parse::<u64>() {
        Ok(bytes) if bytes < SMALLEST_PACKET => {
            let detail =
                format!("A clone over the network needs max_allowed_packet to be 2 MiB at least; it is {bytes}.");
            Err(Problem::new(ErrorCode::ServerSettingMissing, detail)
                .remedy("SET PERSIST max_allowed_packet = 67108864;"))
        }
        _ => Ok(()),
    }
}

/// What the server tells of its tables. Their files can't be looked at.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Of tables that a clone holds, in bytes.
    pub data_bytes: u64,
    /// A table whose rows would be missing in a clone.
    pub not_cloned: Option<Problem>,
}

impl Tables {
    /// Asks the server.
    ///
    /// # Errors
    /// `missing_privilege` unless the account sees all tables: whether one is left out of a clone could not be told.
    pub(super) async fn ask(
        datastore: &DatastoreAccess,
        facts: &ServerFacts,
        cancel: &CancellationToken,
    ) -> Result<Self, Problem> {
        // Whoever sees this one sees all, whether by a grant of its own or by a role's.
        let sees =
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'user'";
        let answered = |error: EngineError| Problem::of_error(&error);
        let seen = query(datastore, sees, cancel).await.map_err(answered)?;
        if seen.first().and_then(|row| row.first()).map(String::as_str) != Some("1") {
            let detail = format!(
                "The account {} does not see which tables are of other engines than InnoDB, which a clone leaves empty; it lacks \
                 {SEES_TABLES}.",
                facts.account
            );
            let remedy = grant_statement(&[SEES_TABLES], &facts.account);
            return Err(Problem::new(ErrorCode::MissingPrivilege, detail).remedy(remedy));
        }
        let sql = "SET SESSION information_schema_stats_expiry = 0; \
                   SELECT ENGINE, COALESCE(MAX(IF(DATA_LENGTH > 0, CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), '')), ''), \
                   CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS UNSIGNED) FROM information_schema.TABLES \
                   WHERE ENGINE = 'InnoDB' OR ENGINE IN ('MyISAM', 'CSV', 'ARCHIVE') AND TABLE_SCHEMA <> 'mysql' GROUP BY ENGINE";
        let rows = query(datastore, sql, cancel).await.map_err(answered)?;
        let mut tables = Self::default();
        for row in &rows {
            match row.as_slice() {
                [engine, _, bytes] if engine.eq_ignore_ascii_case("InnoDB") => {
                    tables.data_bytes = bytes.parse().unwrap_or(0);
                }
                [engine, name, _] if !name.is_empty() => {
                    tables.not_cloned = Some(preflight::not_cloned(name, engine));
                }
                _ => {}
            }
        }
        Ok(tables)
    }

    fn needed_bytes(&self) -> u64 {
        self.data_bytes.saturating_add(OVERHEAD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_servers_clone_from_their_own_version_alone() {
        assert!(takes_clones("9.7.4-2", "9.7.4-2 for Linux on x86_64 ((Debian))"));
        assert!(takes_clones("9.7.1", "9.7.4") && takes_clones("8.0.37", "8.0.40") && takes_clones("8.4.0", "8.4.6"));
        assert!(takes_clones("8.0.30", "8.0.30"));
        assert!(!takes_clones("8.0.30", "8.0.31") && !takes_clones("8.0.36", "8.0.40"));
        assert!(!takes_clones("8.4.0", "9.7.0") && !takes_clones("9.7.4", ""));
    }
}
