//! The text that `mariadb-binlog --verbose --base64-output=DECODE-ROWS` makes of events.
//!
//! `# at 342` begins an event; a query event's lines end with the line `/*!*/;`, and until then nothing in them is taken for
//! anything else; `` ### DELETE FROM `shop`.`t` `` stands before each row.

use std::collections::{BTreeMap, VecDeque};

use domain::log_archive::{LARGE_ROWS, LogEntryKind};

use super::statement::{grouped, kind_of, shown};

/// What a longer line has more is left out.
const LINE_BYTES: usize = 4 << 10;
/// The rows of further tables are counted together.
const TABLES: usize = 50;
const DELIMITER: &str = "/*!*/;";

/// What one transaction did.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// The first statement that does something, as it is shown.
    statement: Option<(LogEntryKind, String)>,
    tables: BTreeMap<String, Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    inserted: u64,
    updated: u64,
    deleted: u64,
}

impl Deeds {
    fn count(&mut self, table: &str) -> &mut Rows {
        let name = if self.tables.len() < TABLES || self.tables.contains_key(table) { table } else { "other tables" };
        self.tables.entry(name.to_owned()).or_default()
    }

    fn note(&mut self, statement: &str) {
        let Some(kind) = kind_of(statement) else { return };
        let is_stronger = self.statement.as_ref().is_none_or(|(held, _)| *held == LogEntryKind::Transaction);
        if is_stronger && (self.statement.is_none() || kind != LogEntryKind::Transaction) {
            self.statement = Some((kind, shown(statement)));
        }
    }

    /// What it is, in words, and how many rows it deleted or changed.
    pub(super) fn judge(&self) -> (LogEntryKind, String, Option<u64>) {
        if let Some((LogEntryKind::SchemaChange, text)) = &self.statement {
            return (LogEntryKind::SchemaChange, text.clone(), None);
        }
        let large = |verb: &str, rows: fn(&Rows) -> u64| {
            let tables: Vec<_> = self.tables.iter().filter(|(_, counts)| rows(counts) >= LARGE_ROWS).collect();
            let parts: Vec<String> =
                tables.iter().map(|(table, counts)| format!("{} rows of {table}", grouped(rows(counts)))).collect();
            let sum: u64 = tables.iter().map(|(_, counts)| rows(counts)).sum();
            (!parts.is_empty()).then(|| (shown(&format!("{verb} {}", parts.join(", "))), Some(sum)))
        };
        if let Some((summary, rows)) = large("Deleted", |rows| rows.deleted) {
            return (LogEntryKind::LargeDelete, summary, rows);
        }
        if let Some((summary, rows)) = large("Changed", |rows| rows.updated) {
            return (LogEntryKind::LargeUpdate, summary, rows);
        }
        if let Some((kind, text)) = &self.statement {
            return (*kind, text.clone(), None);
        }
        let parts = self.tables.iter().map(|(table, rows)| {
            let counts = [(rows.inserted, "inserted"), (rows.updated, "changed"), (rows.deleted, "deleted")];
            let counts: Vec<String> = counts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, verb)| format!("{} {verb}", grouped(*count)))
                .collect();
            format!("{table}: {}", counts.join(", "))
        });
        let summary = shown(&parts.collect::<Vec<_>>().join("; "));
        let changed = self.tables.values().map(|rows| rows.updated + rows.deleted).sum();
        (LogEntryKind::Transaction, summary, (!self.tables.is_empty()).then_some(changed))
    }
}

/// Takes the text in pieces and tells of each transaction what it did.
pub(super) struct TextReader {
    /// The offsets that the transactions still to come begin at.
    starts: VecDeque<u64>,
    current: Option<(usize, Deeds)>,
    count: usize,
    line: Vec<u8>,
    /// The lines of a query event so far.
    query: Option<String>,
}

impl TextReader {
    /// The offsets at which the transactions of interest begin, in order.
    pub(super) fn new(starts: impl Iterator<Item = u64>) -> Self {
        Self { starts: starts.collect(), current: None, count: 0, line: Vec::new(), query: None }
    }

    /// Takes a piece, and gives the transactions that ended in it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<(usize, Deeds)> {
        let mut done = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend(text.iter().take(room));
            if ended {
                let line = std::mem::take(&mut self.line);
                done.extend(self.take(&String::from_utf8_lossy(&line)));
            }
        }
        done
    }

    pub(super) fn finish(&mut self) -> Option<(usize, Deeds)> {
        self.current.take()
    }

    fn take(&mut self, line: &str) -> Option<(usize, Deeds)> {
        if let Some(query) = &mut self.query {
            if line.starts_with("# at ") && query.is_empty() {
                self.query = None;
            } else if let Some(last) = line.strip_suffix(DELIMITER) {
                query.push_str(last);
                let statement = std::mem::take(query);
                if let Some((_, deeds)) = &mut self.current {
                    deeds.note(&statement);
                }
                return None;
            } else {
                if query.len() < LINE_BYTES {
                    query.push_str(line);
                    query.push('\n');
                }
                return None;
            }
        }
        if let Some(offset) = line.strip_prefix("# at ").and_then(|text| text.trim().parse::<u64>().ok()) {
            return self.begin(offset);
        }
        if line.starts_with('#') && line.contains("\tQuery\tthread_id=") {
            self.query = Some(String::new());
        }
        let table = |row: &str| shown(&row.trim().trim_matches('`').replace("`.`", "."));
        let (_, deeds) = self.current.as_mut()?;
        if let Some(row) = line.strip_prefix("### DELETE FROM ") {
            deeds.count(&table(row)).deleted += 1;
        } else if let Some(row) = line.strip_prefix("### UPDATE ") {
            deeds.count(&table(row)).updated += 1;
        } else if let Some(row) = line.strip_prefix("### INSERT INTO ") {
            deeds.count(&table(row)).inserted += 1;
        }
        None
    }

    /// An event begins.
    fn begin(&mut self, offset: u64) -> Option<(usize, Deeds)> {
        if self.starts.front() != Some(&offset) {
            return None;
        }
        self.starts.pop_front();
        let done = self.current.replace((self.count, Deeds::default()));
        self.count += 1;
        done
    }
}
