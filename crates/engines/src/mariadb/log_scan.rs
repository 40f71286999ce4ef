//! Looks through archived binary log with `mariadb-binlog`.

use domain::StopPosition;
use domain::log_archive::LogScan;

use super::binary_log::{Reader, Transaction};
use crate::EngineError;
use crate::logs::LogScanRequest;
use crate::my_family::log_scan::{self, Seen};

/// Lists what was found.
///
/// # Errors
/// When a file can't be read or is damaged.
pub(super) async fn scan(request: &LogScanRequest) -> Result<LogScan, EngineError> {
    let (from, to) = (request.from, request.to);
    let seen = move |_: &str, transaction: Transaction| {
        let Transaction { gtid, start, end, committed_at } = transaction;
        // The log tells whole seconds: the one that `from` lies in counts.
        let is_meant = committed_at.timestamp() >= from.timestamp() && committed_at <= to;
        let gtid = gtid.to_string();
        let stop = |before| StopPosition::Gtid { gtid: gtid.clone(), before };
        let (stop_before, stop_after) = (stop(true), stop(false));
        is_meant.then_some(Seen { start, end, committed_at, stop_before, stop_after, name: gtid })
    };
    log_scan::scan::<Reader>(request, "mariadb-binlog", seen).await
}
