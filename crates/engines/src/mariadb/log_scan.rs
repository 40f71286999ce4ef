//! Looks through archived binary log for what somebody may want to undo: dropped tables, emptied tables, large deletes.
//!
//! Which transactions there are and when is read from the files; what they did, from the text of `mariadb-binlog --verbose`, a
//! line at a time. Memory is bounded by a line and by one transaction's table names.

mod statement;
mod text;

use std::path::PathBuf;

use domain::StopPosition;
use domain::log_archive::{LogEntry, LogEntryKind, LogScan};
use process::Command;
use tokio::io::AsyncReadExt;

use self::text::{Deeds, TextReader};
use super::STALL_LIMIT;
use super::binary_log::{Reader, Transaction, split_position};
use crate::EngineError;
use crate::logs::LogScanRequest;
use crate::my_family::blocking;

const READ_BYTES: usize = 64 << 10;

/// Lists what was found. // F-82
///
/// # Errors
/// When a file can't be read or is damaged.
pub(super) async fn scan(request: &LogScanRequest) -> Result<LogScan, EngineError> {
    let mut scan = LogScan::default();
    for segment in &request.segments {
        let path = request.directory.join(&segment.name);
        let (_, open_end) = split_position(segment.end);
        let limit = if segment.closed { u64::MAX } else { open_end };
        let (from, to) = (request.from, request.to);
        let walked = path.clone();
        let transactions = blocking(move || {
            let (mut reader, mut transactions) = (Reader::default(), Vec::new());
            let tell = |transaction: Transaction| {
                // The log tells whole seconds: the one that `from` lies in counts.
                if transaction.committed_at.timestamp() >= from.timestamp() && transaction.committed_at <= to {
                    transactions.push(transaction);
                }
            };
            reader.advance(&walked, limit, tell).map_err(EngineError::file("reading a log file", &walked))?;
            Ok(transactions)
        })
        .await?;
        scan_file(request, path, &transactions, &mut scan).await?;
        if scan.truncated {
            break;
        }
    }
    Ok(scan)
}

async fn scan_file(
    request: &LogScanRequest,
    path: PathBuf,
    transactions: &[Transaction],
    scan: &mut LogScan,
) -> Result<(), EngineError> {
    let (Some(first), Some(last)) = (transactions.first(), transactions.last()) else { return Ok(()) };
    let failed = |source| EngineError::process("looking through the binary log", source);
    let mut child = Command::new("mariadb-binlog")
        .args(["--no-defaults", "--base64-output=DECODE-ROWS", "--verbose"])
        .arg(format!("--start-position={}", first.start))
        .arg(format!("--stop-position={}", last.end))
        .arg("--")
        .arg(path)
        .stdout_piped()
        .stall_limit(STALL_LIMIT)
        .spawn()
        .map_err(failed)?;
    let mut texts = TextReader::new(transactions.iter().map(|transaction| transaction.start));
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = tokio::select! {
                read = output.read(&mut buffer) => read,
                () = request.cancel.cancelled() => return Err(EngineError::Cancelled),
            };
            let Some(bytes) = read.ok().and_then(|count| buffer.get(..count)).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            for (index, deeds) in texts.feed(bytes) {
                add(request, transactions.get(index), &deeds, scan);
            }
            if scan.truncated {
                // What is not read any more need not be written.
                return Ok(());
            }
        }
    }
    let exit = child.wait(&request.cancel).await.map_err(failed)?;
    exit.success_or_error("mariadb-binlog").map_err(failed)?;
    if let Some((index, deeds)) = texts.finish() {
        add(request, transactions.get(index), &deeds, scan);
    }
    Ok(())
}

fn add(request: &LogScanRequest, transaction: Option<&Transaction>, deeds: &Deeds, scan: &mut LogScan) {
    let Some(transaction) = transaction else { return };
    scan.transactions += 1;
    let (kind, summary, rows) = deeds.judge();
    if kind == LogEntryKind::Transaction && !request.all_transactions {
        return;
    }
    if scan.entries.len() >= request.limit {
        scan.truncated = true;
        return;
    }
    let gtid = transaction.gtid.to_string();
    scan.entries.push(LogEntry {
        kind,
        committed_at: transaction.committed_at,
        summary,
        rows,
        log_bytes: transaction.end.saturating_sub(transaction.start),
        stop_before: StopPosition::Gtid { gtid: gtid.clone(), before: true },
        stop_after: StopPosition::Gtid { gtid: gtid.clone(), before: false },
        transaction: gtid,
    });
}
