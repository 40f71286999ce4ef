//! Looks through archived binary log for what somebody may want to undo: dropped tables, emptied tables, large deletes.
//!
//! Which transactions there are and when is read from the files; what they did, from the text of the tool's `--verbose`, a
//! line at a time. Memory is bounded by a line and by one transaction's table names.

mod statement;
mod text;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::StopPosition;
use domain::log_archive::{LogEntry, LogEntryKind, LogScan};
use process::Command;
use tokio::io::AsyncReadExt;

use self::text::{Deeds, TextReader};
use super::binary_log::{LogReader, split_position};
use super::blocking;
use crate::EngineError;
use crate::logs::LogScanRequest;

const READ_BYTES: usize = 64 << 10;
/// How long the tool may stay silent. // F-03
const STALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A transaction that is looked at.
pub(crate) struct Seen {
    pub start: u64,
    pub end: u64,
    pub committed_at: DateTime<Utc>,
    /// Its name for people.
    pub name: String,
    pub stop_before: StopPosition,
    pub stop_after: StopPosition,
}

/// Lists what was found. `program` makes text of a log; `seen` tells of a transaction of a file, if it lies in the span. // F-82
///
/// # Errors
/// When a file can't be read or is damaged.
pub(crate) async fn scan<R: LogReader>(
    request: &LogScanRequest,
    program: impl Into<OsString>,
    seen: impl Fn(&str, R::Transaction) -> Option<Seen> + Clone + Send + 'static,
) -> Result<LogScan, EngineError> {
    let program = program.into();
    let mut scan = LogScan::default();
    for segment in &request.segments {
        let path = request.directory.join(&segment.name);
        let (_, open_end) = split_position(segment.end);
        let limit = if segment.closed { u64::MAX } else { open_end };
        let (walked, name, seen) = (path.clone(), segment.name.clone(), seen.clone());
        let transactions = blocking(move || {
            let (mut reader, mut transactions) = (R::default(), Vec::new());
            let tell = |transaction| transactions.extend(seen(&name, transaction));
            reader.advance(&walked, limit, tell).map_err(EngineError::file("reading a log file", &walked))?;
            Ok(transactions)
        })
        .await?;
        scan_file(request, &program, path, &transactions, &mut scan).await?;
        if scan.truncated {
            break;
        }
    }
    Ok(scan)
}

async fn scan_file(
    request: &LogScanRequest,
    program: &OsString,
    path: PathBuf,
    transactions: &[Seen],
    scan: &mut LogScan,
) -> Result<(), EngineError> {
    let (Some(first), Some(last)) = (transactions.first(), transactions.last()) else { return Ok(()) };
    let failed = |source| EngineError::process("looking through the binary log", source);
    let mut child = Command::new(program)
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
    exit.success_or_error("the log's tool").map_err(failed)?;
    if let Some((index, deeds)) = texts.finish() {
        add(request, transactions.get(index), &deeds, scan);
    }
    Ok(())
}

fn add(request: &LogScanRequest, transaction: Option<&Seen>, deeds: &Deeds, scan: &mut LogScan) {
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
    scan.entries.push(LogEntry {
        kind,
        committed_at: transaction.committed_at,
        summary,
        rows,
        log_bytes: transaction.end.saturating_sub(transaction.start),
        stop_before: transaction.stop_before.clone(),
        stop_after: transaction.stop_after.clone(),
        transaction: transaction.name.clone(),
    });
}
