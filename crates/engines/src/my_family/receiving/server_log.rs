//! What a server says of its binary log.

use domain::ErrorCode;

use crate::EngineError;
use crate::my_family::binary_log::LogFileName;
use crate::my_family::client::Row;

/// Settings that decide how well the log can be archived and replayed.
const SETTINGS: &str = "'binlog_expire_logs_seconds', 'expire_logs_days', 'sync_binlog', 'binlog_format'";
/// A log that is gone sooner can't be archived after an outage.
const SHORTEST_KEEPING_SECONDS: f64 = 3600.0;

/// The files that the server has, the oldest first, with their sizes in bytes.
pub(crate) struct ServerLog {
    pub files: Vec<(LogFileName, u64)>,
}

impl ServerLog {
    /// From the rows of `SHOW BINARY LOGS`.
    pub(crate) fn of(rows: &[Row]) -> Self {
        Self { files: sizes(rows) }
    }
}

/// Where a server's log ends now.
pub(crate) struct End {
    pub file: LogFileName,
    pub offset: u64,
    pub sizes: Vec<(LogFileName, u64)>,
    pub warnings: Vec<String>,
}

impl End {
    /// The statements that ask for it; `status` is the one that tells where the log ends.
    pub(crate) fn question(status: &str) -> String {
        format!("{status}; SHOW BINARY LOGS; SHOW GLOBAL VARIABLES WHERE Variable_name IN ({SETTINGS})")
    }

    /// Of the answer.
    ///
    /// # Errors
    /// `server_setting_missing` when there is no log.
    pub(crate) fn of(rows: Vec<Row>) -> Result<Self, EngineError> {
        let mut rows = rows.into_iter();
        let place = rows.next().and_then(|row| match row.as_slice() {
            [file, offset, ..] => Some((LogFileName::parse(file)?, offset.parse().ok()?)),
            _ => None,
        });
        let Some((file, offset)) = place else {
            return Err(EngineError::known(
                ErrorCode::ServerSettingMissing,
                "The server writes no binary log any more.",
            ));
        };
        let rows: Vec<Row> = rows.collect();
        Ok(Self { file, offset, sizes: sizes(&rows), warnings: warnings(&rows) })
    }
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
             SET GLOBAL binlog_expire_logs_seconds = 259200; and the same in its configuration."
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
