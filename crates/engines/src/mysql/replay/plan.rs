//! Finds the exact end of a replay in the log, and proves that the log is whole up to there and goes on from the data.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use domain::{ErrorCode, LogSegment, RecoveryStop};

use super::Start;
use super::stop::{Decision, Stop};
use crate::EngineError;
use crate::my_family::binary_log::walk::{gap, read_segment};
use crate::my_family::binary_log::{LogFileName, LogReader};
use crate::mysql::binary_log::{GtidSet, Reader, Transaction};

/// What to replay.
#[derive(Debug)]
pub(super) struct Plan {
    /// In order; the first holds the start, the last one the stop.
    pub files: Vec<PathBuf>,
    pub start: u64,
    /// The offset in the last file behind the last transaction to replay.
    pub end: u64,
    /// What the server has to hold afterwards.
    pub expected: GtidSet,
    pub last_commit_at: Option<DateTime<Utc>>,
    last: Option<Transaction>,
    last_file: LogFileName,
}

impl Plan {
    /// Walks over the log up to the stop.
    ///
    /// # Errors
    /// `log_gap` for a missing or shortened file, `log_conflict` when the log is of another history than the data, those of
    /// [`Stop`].
    pub(super) fn make(
        directory: &Path,
        segments: &[LogSegment],
        start: &Start,
        stop: &RecoveryStop,
    ) -> Result<Self, EngineError> {
        let mut stop = Stop::new(stop, &start.executed)?;
        let mut plan = Self {
            files: Vec::new(),
            start: start.offset,
            end: start.offset,
            expected: start.executed.clone(),
            last_commit_at: None,
            last: None,
            last_file: start.file.clone(),
        };
        let mut paths = Vec::new();
        let mut number = start.file.number();
        // The backup's own position is of the moment before the clone: the data may stand in a later file.
        let is_before = |segment: &&LogSegment| {
            LogFileName::parse(&segment.name).is_some_and(|name| name.number() < start.file.number())
        };
        for segment in segments.iter().skip_while(is_before) {
            let is_first = paths.is_empty();
            let Some(name) = LogFileName::parse(&segment.name).filter(|name| name.number() == number) else {
                let needed = start.file.with_number(number);
                return Err(gap(&format!("{} follows where {needed} is needed", segment.name)));
            };
            number = number.saturating_add(1);
            let path = directory.join(name.as_str());
            let (reader, transactions): (Reader, _) = read_segment(segment, &path)?;
            paths.push(path);
            if !reader.has_begun() {
                return Err(gap(&format!("{name} is cut off at its beginning")));
            }
            let from = if is_first { start.offset } else { 0 };
            if reader.offset() < from {
                let archived = reader.offset();
                return Err(gap(&format!("{name} is archived up to {archived}, the data stands at {from}")));
            }
            stop.enter(&name, from, reader.offset())?;
            for transaction in transactions {
                if is_first && transaction.end <= start.offset {
                    plan.check_history(&transaction, true, start)?;
                    continue;
                }
                if is_first && transaction.start < start.offset {
                    return Err(conflict(&format!("{} is inside a transaction of {name}", start.offset)));
                }
                match stop.decide(&transaction, &plan.expected)? {
                    Decision::Stop => return plan.finish(&paths),
                    Decision::Take => plan.take(transaction, &name, &paths, start)?,
                }
                if stop.is_met(&plan.expected) {
                    return plan.finish(&paths);
                }
            }
            if stop.leave(&name) {
                return plan.finish(&paths);
            }
        }
        stop.at_the_end()?;
        plan.finish(&paths)
    }

    /// Whether the data is already there.
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    pub(super) fn position_text(&self) -> String {
        match &self.last {
            Some(Transaction { gtid: Some(gtid), .. }) => format!("GTID {gtid} ({}:{})", self.last_file, self.end),
            Some(_) => format!("{}:{}", self.last_file, self.end),
            None => format!("{}:{}, where the backup ends", self.last_file, self.end),
        }
    }

    /// The data holds what lies before its position, and nothing of what lies after it.
    fn check_history(&self, transaction: &Transaction, is_held: bool, start: &Start) -> Result<(), EngineError> {
        let Some(gtid) = &transaction.gtid else { return Ok(()) };
        let (file, offset) = (&start.file, start.offset);
        match (start.executed.contains(gtid), is_held) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => Err(conflict(&format!("before {file}:{offset} it has {gtid}, which the data has not"))),
            (true, false) => Err(conflict(&format!("after {file}:{offset} it has {gtid}, which the data has already"))),
        }
    }

    fn take(
        &mut self,
        transaction: Transaction,
        name: &LogFileName,
        paths: &[PathBuf],
        start: &Start,
    ) -> Result<(), EngineError> {
        self.check_history(&transaction, false, start)?;
        if let Some(gtid) = &transaction.gtid {
            self.expected.add(gtid);
        }
        self.end = transaction.end;
        self.last_commit_at = Some(transaction.committed_at);
        if &self.last_file != name || self.files.is_empty() {
            self.last_file = name.clone();
            self.files = paths.to_vec();
        }
        self.last = Some(transaction);
        Ok(())
    }

    fn finish(self, paths: &[PathBuf]) -> Result<Self, EngineError> {
        if paths.is_empty() {
            return Err(gap(&format!("{} is not archived", self.last_file)));
        }
        Ok(self)
    }
}

fn conflict(what: &str) -> EngineError {
    let detail = format!("The archived log is of another history than the backup: {what}.");
    EngineError::known(ErrorCode::LogConflict, detail)
}
