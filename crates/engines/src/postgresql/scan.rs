//! Looking for a mistake in the log. It names no tables, only the files that they were in, and counts rows.

use std::collections::HashMap;
use std::fs;

use domain::log_archive::{LARGE_ROWS, LogEntry, LogEntryKind, LogScan};
use domain::{ErrorCode, StopPosition};

use super::lsn::{self, SegmentName};
use super::records::{self, Record, Span};
use super::{binaries, slot};
use crate::{EngineError, LogScanRequest};

/// How many transactions are followed at once; of more that are open at a time the oldest are forgotten.
const OPEN_MAX: usize = 100_000;
/// How far before the end of the archived log its last record may begin: that may have been cut.
const CUT_RECORD_BYTES_MAX: u64 = 1 << 20;
/// How many files a summary names.
const NAMED_FILES: usize = 3;

/// What a transaction has done so far.
#[derive(Default)]
struct Deeds {
    deleted: u64,
    updated: u64,
    inserted: u64,
    truncated: u64,
    dropped_database: bool,
    bytes: u64,
}

impl Deeds {
    /// What a subtransaction did is its transaction's.
    fn take_in(&mut self, other: &Self) {
        self.deleted += other.deleted;
        self.updated += other.updated;
        self.inserted += other.inserted;
        self.truncated += other.truncated;
        self.dropped_database |= other.dropped_database;
        self.bytes += other.bytes;
    }

    fn add(&mut self, record: &Record) {
        self.bytes += record.length;
        let does = |word: &str| record.text.starts_with(word);
        match record.manager.as_str() {
            "Heap" if does("DELETE") => self.deleted += 1,
            "Heap" if does("UPDATE") || does("HOT_UPDATE") => self.updated += 1,
            "Heap" if does("INSERT") => self.inserted += 1,
            "Heap" if does("TRUNCATE") => self.truncated += 1,
            "Heap2" if does("MULTI_INSERT") => self.inserted += 1,
            "Database" if does("DROP") => self.dropped_database = true,
            _ => {}
        }
    }
}

/// Lists transactions that were committed in the span.
pub(super) async fn scan(request: &LogScanRequest) -> Result<LogScan, EngineError> {
    let name = |text: &str| {
        let detail = format!("{text} is no segment of PostgreSQL's log.");
        SegmentName::parse(text).ok_or_else(|| EngineError::known(ErrorCode::ManifestInvalid, detail))
    };
    let version = domain::version::version_numbers(&request.engine_version);
    let major = version.first().copied().unwrap_or_default();
    let programs = binaries::server(major).await.ok_or_else(|| slot::missing_tool("pg_waldump", major).into_error())?;
    let size =
        request.segments.iter().find(|segment| segment.closed).map_or(16 << 20, |segment| segment.end - segment.start);
    for segment in &request.segments {
        let path = request.directory.join(&segment.name);
        let file = fs::OpenOptions::new().write(true).open(&path);
        file.and_then(|file| file.set_len(size)).map_err(EngineError::file("completing a segment", path))?;
    }
    let mut scan = LogScan::default();
    let mut open: HashMap<u32, Deeds> = HashMap::new();
    // After a gap the tool begins anew.
    for run in request.segments.chunk_by(|one, next| one.end == next.start) {
        let Some(start) = run.first() else { continue };
        let span = Span {
            programs: &programs,
            directory: &request.directory,
            timeline: name(&start.name)?.timeline,
            start: start.start,
            manager: None,
        };
        let (mut read_to, mut is_enough) = (start.start, false);
        let on_record = |record: &Record| {
            read_to = record.end(size);
            is_enough = !see(record, request, &mut open, &mut scan);
            !is_enough
        };
        records::read(&span, &request.cancel, on_record).await?;
        if scan.truncated {
            break;
        }
        let end = run.last().map_or(0, |last| if last.closed { last.start } else { last.end });
        if !is_enough && read_to + CUT_RECORD_BYTES_MAX < end {
            let (from, to) = (lsn::write(read_to), lsn::write(end));
            let detail = format!("pg_waldump can't read the archived log between {from} and {to}.");
            return Err(EngineError::known(ErrorCode::EngineToolFailed, detail));
        }
    }
    Ok(scan)
}

/// Takes a record into account; says whether more is wanted.
fn see(record: &Record, request: &LogScanRequest, open: &mut HashMap<u32, Deeds>, scan: &mut LogScan) -> bool {
    if record.transaction == 0 {
        return true;
    }
    let Some(at) = record.committed_at() else {
        if record.manager == "Transaction" && record.text.starts_with("ABORT") {
            open.remove(&record.transaction);
        } else if open.len() < OPEN_MAX || open.contains_key(&record.transaction) {
            open.entry(record.transaction).or_default().add(record);
        }
        return true;
    };
    let id = record.committed_transaction();
    let mut deeds = open.remove(&id).unwrap_or_default();
    for of_part in subtransactions(&record.text).iter().filter_map(|id| open.remove(id)) {
        deeds.take_in(&of_part);
    }
    if at > request.to {
        // Times are nearly in the order of the log.
        return at - request.to < chrono::TimeDelta::seconds(60);
    }
    if at < request.from {
        return true;
    }
    scan.transactions += 1;
    let Some((kind, summary, rows)) = judge(record, &deeds, request.all_transactions) else { return true };
    if scan.entries.len() >= request.limit {
        scan.truncated = true;
        return false;
    }
    let stop = |before| StopPosition::Xid { xid: id.to_string(), before };
    scan.entries.push(LogEntry {
        kind,
        committed_at: at,
        summary,
        rows,
        log_bytes: deeds.bytes + record.length,
        transaction: id.to_string(),
        stop_before: stop(true),
        stop_after: stop(false),
    });
    true
}

/// What a committed transaction is to be called, where it is worth a line.
fn judge(record: &Record, deeds: &Deeds, all: bool) -> Option<(LogEntryKind, String, Option<u64>)> {
    let files = dropped_files(&record.text);
    let counted = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    if deeds.dropped_database {
        return Some((LogEntryKind::SchemaChange, "Dropped a database".to_owned(), None));
    }
    if !files.is_empty() {
        let named = files.iter().take(NAMED_FILES).copied().collect::<Vec<_>>().join(", ");
        let more = if files.len() > NAMED_FILES { ", …" } else { "" };
        let what = counted(files.len(), "relation");
        return Some((
            LogEntryKind::SchemaChange,
            format!("Dropped, truncated or rewrote {what} (files {named}{more})"),
            None,
        ));
    }
    if deeds.truncated > 0 {
        return Some((LogEntryKind::LargeDelete, "Emptied a table (TRUNCATE)".to_owned(), None));
    }
    if deeds.deleted >= LARGE_ROWS && deeds.deleted >= deeds.updated {
        return Some((LogEntryKind::LargeDelete, format!("Deleted {} rows", deeds.deleted), Some(deeds.deleted)));
    }
    if deeds.updated >= LARGE_ROWS {
        return Some((LogEntryKind::LargeUpdate, format!("Changed {} rows", deeds.updated), Some(deeds.updated)));
    }
    all.then(|| {
        let parts = [("inserted", deeds.inserted), ("changed", deeds.updated), ("deleted", deeds.deleted)];
        let parts: Vec<String> =
            parts.iter().filter(|(_, rows)| *rows > 0).map(|(what, rows)| format!("{what} {rows}")).collect();
        let summary =
            if parts.is_empty() { "No rows changed".to_owned() } else { format!("Rows: {}", parts.join(", ")) };
        (LogEntryKind::Transaction, summary, None)
    })
}

/// The files that the commit removed: `rels: base/5/16384 base/5/16387;`.
fn dropped_files(text: &str) -> Vec<&str> {
    list(text, "; rels: ")
}

fn subtransactions(text: &str) -> Vec<u32> {
    list(text, "; subxacts: ").into_iter().filter_map(|id| id.parse().ok()).collect()
}

fn list<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let rest = text.split_once(mark).map_or("", |(_, rest)| rest);
    rest.split(';').next().unwrap_or_default().split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_tells_what_it_removed() {
        let text = "COMMIT 2026-11-22 06:17:50.373712 UTC; subxacts: 743 744; rels: base/5/16384 base/5/16387; inval msgs: catcache 80";
        assert_eq!(dropped_files(text), ["base/5/16384", "base/5/16387"]);
        assert_eq!(subtransactions(text), [743, 744]);
        assert_eq!(dropped_files("COMMIT 2026-11-22 06:17:50.373712 UTC"), Vec::<&str>::new());
    }
}
