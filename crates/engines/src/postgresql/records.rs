//! The log's records as `pg_waldump` tells of them, a line each, read as they come.

use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};
use process::{Command, ProcessError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::lsn;
use crate::EngineError;

/// A line is cut beyond this: that of a transaction that dropped a hundred thousand tables is very long.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// `Transaction`, `Heap`, `Database`, …
    pub manager: String,
    /// 0 for what belongs to no transaction.
    pub transaction: u32,
    pub position: u64,
    /// Its length in bytes, images of pages included.
    pub length: u64,
    /// `COMMIT 2026-11-22 06:17:50.373712 UTC; rels: base/5/16384`
    pub text: String,
}

impl Record {
    /// Reads a line: `rmgr: Transaction len (rec/tot):     34/    34, tx:        742, lsn: 0/01522A38, prev …, desc: COMMIT …`.
    fn parse(line: &str) -> Option<Self> {
        let (head, text) = line.split_once(", desc: ")?;
        let (manager, rest) = head.strip_prefix("rmgr: ")?.split_once(" len (rec/tot): ")?;
        let mut fields = rest.split(", ");
        let (_, length) = fields.next()?.split_once('/')?;
        let transaction = fields.next()?.strip_prefix("tx:")?.trim().parse().ok()?;
        let position = lsn::parse(fields.next()?.strip_prefix("lsn: ")?)?;
        Some(Self {
            manager: manager.trim().to_owned(),
            transaction,
            position,
            length: length.trim().parse().ok()?,
            text: text.to_owned(),
        })
    }

    /// The position behind its last byte: a record goes on after the header of each page that it reaches into
    /// (`xlog_internal.h`, `XLogPageHeaderData` and its long form at the beginning of a segment).
    pub(super) fn end(&self, segment_bytes: u64) -> u64 {
        const PAGE_BYTES: u64 = 8192;
        let (mut position, mut left) = (self.position, self.length);
        loop {
            let room = PAGE_BYTES - position % PAGE_BYTES;
            if left <= room {
                return position + left;
            }
            left -= room;
            position += room;
            position += if position.is_multiple_of(segment_bytes) { 40 } else { 24 };
        }
    }

    /// When the transaction was committed, where this is a commit: the tool writes it in the zone of its environment, which
    /// is UTC.
    pub(super) fn committed_at(&self) -> Option<DateTime<Utc>> {
        if self.manager != "Transaction" || !self.text.starts_with("COMMIT") {
            return None;
        }
        let zone = self.text.find(" UTC")?;
        let time = self.text.get(..zone)?;
        let date = time.rfind(' ')?;
        let start = time.get(..date)?.rfind(' ')? + 1;
        Some(NaiveDateTime::parse_from_str(time.get(start..)?, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc())
    }

    /// The transaction that is committed: another than the record's own where it had been prepared.
    pub(super) fn committed_transaction(&self) -> u32 {
        let prepared = self.text.strip_prefix("COMMIT_PREPARED ").and_then(|rest| rest.split_once(':'));
        prepared.and_then(|(id, _)| id.parse().ok()).unwrap_or(self.transaction)
    }
}

/// What of the log to read.
pub(super) struct Span<'a> {
    /// The directory with the programs of the server's own version.
    pub programs: &'a Path,
    /// Holds the segments under their own names.
    pub directory: &'a Path,
    pub timeline: u32,
    /// Where to begin: at the first record from there on.
    pub start: u64,
    /// Only records of this kind, `Transaction`; all when none.
    pub manager: Option<&'static str>,
}

/// Hands each record to `on_record` until that says that it has seen enough, or the log ends.
///
/// The tool complains at the end of any log that is still being written, and at damage likewise: what was read up to there is
/// what a server would replay, and callers compare that with what they expect.
///
/// # Errors
/// When the tool can't be started, or was stopped.
pub(super) async fn read(
    span: &Span<'_>,
    cancel: &CancellationToken,
    mut on_record: impl FnMut(&Record) -> bool + Send,
) -> Result<(), EngineError> {
    let failed = |source| EngineError::process("reading the log with pg_waldump", source);
    let mut command = Command::new("pg_waldump")
        .search_dir(span.programs)
        .arg("--path")
        .arg(span.directory)
        .arg(format!("--timeline={}", span.timeline))
        .arg(format!("--start={}", lsn::write(span.start)));
    if let Some(manager) = span.manager {
        command = command.arg(format!("--rmgr={manager}"));
    }
    let mut child = command.stdout_piped().spawn().map_err(failed)?;
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::with_capacity(256 << 10, output);
        let mut line = Vec::new();
        while next_line(&mut lines, &mut line).await.map_err(EngineError::file("reading the log", span.directory))? {
            let record = std::str::from_utf8(&line).ok().and_then(Record::parse);
            if record.is_some_and(|record| !on_record(&record)) {
                child.kill().await;
                return Ok(());
            }
            if cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
        }
    }
    match child.wait(cancel).await {
        Ok(_) | Err(ProcessError::Exit { .. }) => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

/// Reads a line without its end, cut where it is too long; says whether there was one.
async fn next_line(lines: &mut (impl tokio::io::AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let part = lines.fill_buf().await?;
        if part.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = part.iter().position(|byte| *byte == b'\n');
        let taken = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
        let room = usize::try_from(LINE_BYTES_MAX).unwrap_or(usize::MAX).saturating_sub(line.len());
        line.extend_from_slice(taken.get(..taken.len().min(room)).unwrap_or_default());
        let consumed = end.map_or(part.len(), |end| end + 1);
        lines.consume(consumed);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let line = "rmgr: Transaction len (rec/tot):    421/   421, tx:        742, lsn: 0/01522A38, prev 0/015229F8, desc: COMMIT 2026-11-22 06:17:50.373712 UTC; rels: base/5/16384; inval msgs: catcache 80";
        let record = Record::parse(line).unwrap();
        assert_eq!((record.transaction, record.position, record.length), (742, 0x0152_2a38, 421));
        assert_eq!(record.end(16 << 20), 0x0152_2a38 + 421);
        let crossing = Record { position: 0x0152_1ff0, length: 100, ..record.clone() };
        assert_eq!(crossing.end(16 << 20), 0x0152_2000 + 24 + 84);
        let into_segment = Record { position: 0x01ff_fff0, length: 100, ..record.clone() };
        assert_eq!(into_segment.end(16 << 20), 0x0200_0000 + 40 + 84);
        assert_eq!(record.committed_at().unwrap().to_string(), "2026-11-22 06:17:50.373712 UTC");
        let prepared = line.replace("COMMIT 2026", "COMMIT_PREPARED 741: 2026");
        let record = Record::parse(&prepared).unwrap();
        assert_eq!(record.committed_transaction(), 741);
        assert!(record.committed_at().is_some());
        assert_eq!(Record::parse(&line.replace("COMMIT", "ABORT")).unwrap().committed_at(), None);
        for odd in ["", "rmgr: ", "pg_waldump: error: error in WAL record at 0/15248E0"] {
            assert_eq!(Record::parse(odd), None);
        }
    }
}
