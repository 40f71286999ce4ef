//! What a server says of its binary log.

use domain::ErrorCode;
use domain::assignment::DatastoreAccess;
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::mariadb::binary_log::LogFileName;
use crate::mariadb::client::{Row, query};
use crate::mariadb::facts::ServerFacts;
use crate::mariadb::preflight;

/// Settings that decide how well the log can be archived and replayed.
const SETTINGS: &str = "'binlog_expire_logs_seconds', 'expire_logs_days', 'sync_binlog', 'binlog_format'";
/// A log that is gone sooner can't be archived after an outage.
const SHORTEST_KEEPING_SECONDS: f64 = 3600.0;

/// The files that the server has, the oldest first, with their sizes in bytes.
pub(super) struct ServerLog {
    pub files: Vec<(LogFileName, u64)>,
}

impl ServerLog {
    /// Asks for them.
    ///
    /// # Errors
    /// `server_setting_missing` when it writes none, `missing_privilege` with the statement that mends.
    pub(super) async fn ask(
        datastore: &DatastoreAccess,
        facts: &ServerFacts,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        if let Some(problem) = preflight::against_logs(datastore, facts, cancel).await.into_iter().next() {
            return Err(problem.into_error());
        }
        Ok(Self { files: sizes(&query(datastore, "SHOW BINARY LOGS", cancel).await?) })
    }
}

/// Where a server's log ends now.
pub(super) struct End {
    pub file: LogFileName,
    pub offset: u64,
    pub sizes: Vec<(LogFileName, u64)>,
    pub warnings: Vec<String>,
}

/// Asks where the log ends.
///
/// # Errors
/// As [`query`]; `server_setting_missing` when there is none.
pub(super) async fn end(datastore: &DatastoreAccess, cancel: &CancellationToken) -> Result<End, EngineError> {
    let sql =
        format!("SHOW MASTER STATUS; SHOW BINARY LOGS; SHOW GLOBAL VARIABLES WHERE Variable_name IN ({SETTINGS})");
    let mut rows = query(datastore, &sql, cancel).await?.into_iter();
    let place = rows.next().and_then(|row| match row.as_slice() {
        [file, offset, ..] => Some((LogFileName::parse(file)?, offset.parse().ok()?)),
        _ => None,
    });
    let Some((file, offset)) = place else {
        return Err(EngineError::known(ErrorCode::ServerSettingMissing, "The server writes no binary log any more."));
    };
    let rows: Vec<Row> = rows.collect();
    Ok(End { file, offset, sizes: sizes(&rows), warnings: warnings(&rows) })
}

fn sizes(rows: &[Row]) -> Vec<(LogFileName, u64)> {
    let pair = |row: &Row| Some((LogFileName::parse(row.first()?)?, row.get(1)?.parse().ok()?));
    rows.iter().filter_map(pair).collect()
}

/// F-52
fn warnings(rows: &[Row]) -> Vec<String> {
    let value = |name: &str| {
        let row = rows.iter().find(|row| row.first().is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
        row.get(1).map(String::as_str)
    };
    let number = |name: &str| value(name).and_then(|text| text.parse::<f64>().ok());
    let mut warnings = Vec::new();
    let seconds = number("binlog_expire_logs_seconds").or(number("expire_logs_days").map(|days| days * 86_400.0));
    if seconds.is_some_and(|seconds| seconds > 0.0 && seconds < SHORTEST_KEEPING_SECONDS) {
        warnings.push(
            "The server removes its binary logs in less than an hour: after a short outage they can't be archived any more. \
             SET GLOBAL expire_logs_days = 3; and the same in its configuration."
                .to_owned(),
        );
    }
    if value("sync_binlog") == Some("0") {
        warnings.push(
            "sync_binlog is 0: when the server's machine crashes, the binary log may lack its last transactions. SET GLOBAL \
             sync_binlog = 1; and the same in its configuration."
                .to_owned(),
        );
    }
    if value("binlog_format") == Some("STATEMENT") {
        warnings.push(
            "binlog_format is STATEMENT: some statements give other data when they are replayed. SET GLOBAL binlog_format = \
             'ROW'; and the same in its configuration."
                .to_owned(),
        );
    }
    warnings
}
