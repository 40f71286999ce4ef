//! Looks through archived binary log with `mysqlbinlog`.

use domain::StopPosition;
use domain::log_archive::LogScan;

use super::binary_log::{Reader, Transaction};
use super::programs;
use crate::EngineError;
use crate::logs::LogScanRequest;
use crate::my_family::log_scan::{self, Seen};

/// Lists what was found.
///
/// # Errors
/// When a file can't be read or is damaged; `missing_tool`.
pub(super) async fn scan(request: &LogScanRequest) -> Result<LogScan, EngineError> {
    let span = request.from..=request.to;
    let seen = move |file: &str, transaction: Transaction| {
        let Transaction { gtid, start, end, committed_at } = transaction;
        if !span.contains(&committed_at) {
            return None;
        }
        let at = |position| StopPosition::File { file: file.to_owned(), position };
        let (stop_before, stop_after) = match &gtid {
            Some(gtid) => {
                let stop = |before| StopPosition::Gtid { gtid: gtid.to_string(), before };
                (stop(true), stop(false))
            }
            None => (at(start), at(end)),
        };
        let name = gtid.map_or_else(|| format!("{file}:{start}"), |gtid| gtid.to_string());
        Some(Seen { start, end, committed_at, name, stop_before, stop_after })
    };
    log_scan::scan::<Reader>(request, programs::find_for_job("mysqlbinlog").await?, seen).await
}
