//! Decides of each transaction in the log's order whether it is replayed.
//!
//! A time's stop is before the first transaction that was committed after it, by the server's clock and to the microsecond.

use chrono::{DateTime, Utc};
use domain::{ErrorCode, RecoveryStop, StopPosition};

use crate::EngineError;
use crate::my_family::binary_log::LogFileName;
use crate::mysql::binary_log::{GtidSet, Transaction};

/// What to do with a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Take,
    Stop,
}

/// A stop that is being looked for.
#[derive(Debug)]
pub(super) enum Stop {
    End,
    Time(DateTime<Utc>),
    /// Before the first transaction of the set.
    Before(GtidSet),
    /// Where all of the set is held.
    Within(GtidSet),
    File {
        file: LogFileName,
        position: u64,
        is_inside: bool,
        boundary: u64,
    },
}

impl Stop {
    /// # Errors
    /// `pitr_position_not_covered` for a position of another kind than MySQL's, and for one that the data is beyond.
    pub(super) fn new(stop: &RecoveryStop, executed: &GtidSet) -> Result<Self, EngineError> {
        let kinds = "MySQL stops at a GTID or a set of them, such as 3E11FA47-71CA-11E1-9E33-C80AA9429562:1-23, or at a binary log \
                     file and the position in it";
        Ok(match stop {
            RecoveryStop::Latest => Self::End,
            RecoveryStop::Time { at } => Self::Time(*at),
            RecoveryStop::Position { position: StopPosition::Gtid { gtid, before } } => {
                let set = GtidSet::parse(gtid).ok().filter(|set| !set.is_empty());
                let set = set.ok_or_else(|| not_covered(&format!("{gtid:?} is no set of GTIDs. {kinds}")))?;
                if set.is_within(executed) {
                    return Err(not_covered(&format!("The backup was made after the transactions {gtid}")));
                }
                if *before { Self::Before(set) } else { Self::Within(set) }
            }
            RecoveryStop::Position { position: StopPosition::File { file, position } } => {
                let parsed = LogFileName::parse(file)
                    .ok_or_else(|| not_covered(&format!("{file:?} is no log file. {kinds}")))?;
                Self::File { file: parsed, position: *position, is_inside: false, boundary: 0 }
            }
            RecoveryStop::Position { .. } => return Err(not_covered(kinds)),
        })
    }

    /// A file begins, of which `from..=to` can be replayed.
    pub(super) fn enter(&mut self, name: &LogFileName, from: u64, to: u64) -> Result<(), EngineError> {
        if let Self::File { file, position, is_inside, boundary } = self {
            *is_inside = file == name;
            *boundary = from;
            if *is_inside && !(from..=to).contains(position) {
                return Err(not_covered(&format!("Of {file}, {from} to {to} can be replayed, not {position}")));
            }
        }
        Ok(())
    }

    pub(super) fn decide(&mut self, transaction: &Transaction, held: &GtidSet) -> Result<Decision, EngineError> {
        Ok(match self {
            Self::Time(at) if transaction.committed_at > *at => Decision::Stop,
            Self::Before(set) => {
                let is_one = transaction.gtid.as_ref().is_some_and(|gtid| set.contains(gtid) && !held.contains(gtid));
                if is_one { Decision::Stop } else { Decision::Take }
            }
            Self::File { position, is_inside, boundary, .. } if *is_inside && transaction.end > *position => {
                if transaction.start < *position {
                    let (end, start) = (transaction.end, transaction.start.max(*boundary));
                    return Err(not_covered(&format!(
                        "{position} is inside a transaction; the nearest positions between transactions are {start} and {end}"
                    )));
                }
                Decision::Stop
            }
            Self::File { boundary, .. } => {
                *boundary = transaction.end;
                Decision::Take
            }
            Self::End | Self::Time(_) | Self::Within(_) => Decision::Take,
        })
    }

    /// Whether what is held now is all that was asked for.
    pub(super) fn is_met(&self, held: &GtidSet) -> bool {
        matches!(self, Self::Within(set) if set.is_within(held))
    }

    /// A file ends: whether the stop is there.
    pub(super) fn leave(&self, name: &LogFileName) -> bool {
        matches!(self, Self::File { file, .. } if file == name)
    }

    /// The log ends and the stop was not met.
    pub(super) fn at_the_end(&self) -> Result<(), EngineError> {
        match self {
            Self::End | Self::Time(_) => Ok(()),
            Self::Before(set) => Err(not_covered(&format!("No transaction after the backup is of {set}"))),
            Self::Within(set) => Err(not_covered(&format!("The log ends before all of {set} is there"))),
            Self::File { file, .. } => Err(not_covered(&format!("{file} is not among the files after the backup"))),
        }
    }
}

/// F-61
fn not_covered(what: &str) -> EngineError {
    EngineError::known(ErrorCode::PitrPositionNotCovered, format!("{what}."))
}
