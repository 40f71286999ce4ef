//! Finds the exact end of a replay in the log, and proves that the log is whole up to there and goes on from the backup.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domain::{ErrorCode, LogSegment, RecoveryStop};

use super::Start;
use super::stop::{Decision, Stop};
use crate::EngineError;
use crate::mariadb::binary_log::{Gtid, GtidState, LogFileName, Reader, Transaction};
use crate::my_family::binary_log::LogReader;
use crate::my_family::binary_log::walk::{gap, read_segment};

/// What to replay.
pub(super) struct Plan {
    /// In order; the first holds the start, the last one the stop.
    pub files: Vec<PathBuf>,
    pub start: u64,
    /// The offset in the last file behind the last transaction to replay.
    pub end: u64,
    /// What the server has to hold afterwards, and before.
    pub expected: GtidState,
    pub before: GtidState,
    pub last_commit_at: Option<DateTime<Utc>>,
    last: Option<Gtid>,
    last_file: LogFileName,
    count: u64,
}

impl Plan {
    /// Walks over the log up to the stop.
    ///
    /// # Errors
    /// `log_gap` for a missing or shortened file, `log_conflict` when the log is of another history than the backup, those of
    /// [`Stop`].
    pub(super) fn make(
        directory: &Path,
        segments: &[LogSegment],
        start: &Start,
        stop: &RecoveryStop,
    ) -> Result<Self, EngineError> {
        let mut stop = Stop::new(stop)?;
        let mut plan = Self {
            files: Vec::new(),
            start: start.offset,
            end: start.offset,
            expected: GtidState::default(),
            before: start.state.clone(),
            last_commit_at: None,
            last: None,
            last_file: start.file.clone(),
            count: 0,
        };
        let mut paths = Vec::new();
        let mut number = start.file.number();
        for segment in segments {
            let is_first = paths.is_empty();
            let Some(name) = LogFileName::parse(&segment.name).filter(|name| name.number() == number) else {
                return Err(gap(&format!(
                    "{} follows where {} is needed",
                    segment.name,
                    start.file.with_number(number)
                )));
            };
            number = number.saturating_add(1);
            let path = directory.join(name.as_str());
            let (reader, transactions): (Reader, _) = read_segment(segment, &path)?;
            paths.push(path);
            plan.check_beginning(&reader, &name, is_first)?;
            let mut transactions = transactions.into_iter().peekable();
            if is_first {
                plan.expected = reader.first_state().cloned().unwrap_or_default();
                while let Some(transaction) = transactions.next_if(|transaction| transaction.end <= start.offset) {
                    stop.pass_over(&transaction)?;
                    plan.expected.add(transaction.gtid);
                }
                plan.check_start(start, transactions.peek(), reader.offset())?;
                plan.before = plan.expected.clone();
            }
            stop.enter(&name, if is_first { start.offset } else { 0 }, reader.offset())?;
            for transaction in transactions {
                match stop.decide(&transaction)? {
                    Decision::Take => plan.take(&transaction, &name, &paths),
                    Decision::TakeAndStop => {
                        plan.take(&transaction, &name, &paths);
                        return plan.finish(stop, &paths);
                    }
                    Decision::Stop => return plan.finish(stop, &paths),
                }
            }
            if stop.leave(&name) {
                return plan.finish(stop, &paths);
            }
        }
        stop.at_the_end()?;
        plan.finish(stop, &paths)
    }

    /// Whether the backup is already there.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn position_text(&self) -> String {
        match self.last {
            Some(gtid) => format!("GTID {gtid} ({}:{})", self.last_file, self.end),
            None => format!("{}:{}, where the backup ends", self.last_file, self.end),
        }
    }

    fn check_beginning(&self, reader: &Reader, name: &LogFileName, is_first: bool) -> Result<(), EngineError> {
        let Some(first) = reader.first_state() else {
            return Err(gap(&format!("{name} is cut off at its beginning")));
        };
        if is_first || self.expected.goes_on_with(first) {
            return Ok(());
        }
        let held = &self.expected;
        Err(gap(&format!("{name} goes on after the transactions {first}, but the files before it end with {held}")))
    }

    /// The log has to be at the backup's position what the backup says that it was.
    fn check_start(&self, start: &Start, next: Option<&Transaction>, end: u64) -> Result<(), EngineError> {
        let (file, offset) = (&start.file, start.offset);
        if end < offset {
            return Err(gap(&format!("{file} is archived up to {end}, the backup's position is {offset}")));
        }
        let between = next.is_none_or(|next| next.start >= offset);
        if between && self.expected.position() == start.state.position() {
            return Ok(());
        }
        Err(EngineError::known(
            ErrorCode::LogConflict,
            format!(
                "The archived log is of another history than the backup: at {file}:{offset} it holds the transactions {}, the \
                 backup {}.",
                self.expected, start.state
            ),
        ))
    }

    fn take(&mut self, transaction: &Transaction, name: &LogFileName, paths: &[PathBuf]) {
        self.expected.add(transaction.gtid);
        self.end = transaction.end;
        self.last = Some(transaction.gtid);
        self.last_commit_at = Some(transaction.committed_at);
        if &self.last_file != name || self.files.is_empty() {
            self.last_file = name.clone();
            self.files = paths.to_vec();
        }
        self.count += 1;
    }

    fn finish(self, stop: Stop, paths: &[PathBuf]) -> Result<Self, EngineError> {
        stop.check_ambiguity()?;
        if paths.is_empty() {
            return Err(gap(&format!("{} is not archived", self.last_file)));
        }
        Ok(self)
    }
}
