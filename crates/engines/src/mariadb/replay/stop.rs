//! Decides of each transaction in the log's order whether it is replayed.
//!
//! Times are those of the log: whole seconds, by the server's clock, which may step back. A time's stop is before the *first*
//! transaction that is not before it, as `--stop-datetime` has it.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use domain::{ErrorCode, RecoveryStop, StopPosition};

use crate::EngineError;
use crate::mariadb::binary_log::{Gtid, LogFileName, Transaction};

/// How many transactions of an ambiguous second are named.
const NAMED: usize = 5;

/// What to do with a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Take,
    TakeAndStop,
    Stop,
}

/// A stop that is being looked for.
pub(super) enum Stop {
    End,
    Time { limit: DateTime<Utc>, second: Option<DateTime<Utc>>, in_second: Vec<Gtid> },
    Gtid { gtid: Gtid, before: bool },
    File { file: LogFileName, position: u64, is_inside: bool, boundary: u64 },
}

impl Stop {
    /// # Errors
    /// `pitr_position_not_covered` for a position of another kind than MariaDB's.
    pub(super) fn new(stop: &RecoveryStop) -> Result<Self, EngineError> {
        let kinds = "MariaDB stops at a GTID, such as 0-1-22, or at a binary log file and the position in it";
        Ok(match stop {
            RecoveryStop::Latest => Self::End,
            RecoveryStop::Time { at } => {
                let floor = at.trunc_subsecs(0);
                let is_whole = floor == *at;
                let limit = if is_whole { floor } else { floor + TimeDelta::seconds(1) };
                Self::Time { limit, second: (!is_whole).then_some(floor), in_second: Vec::new() }
            }
            RecoveryStop::Position { position: StopPosition::Gtid { gtid, before } } => {
                let parsed = gtid.parse().map_err(|()| not_covered(&format!("{gtid:?} is no GTID. {kinds}")))?;
                Self::Gtid { gtid: parsed, before: *before }
            }
            RecoveryStop::Position { position: StopPosition::File { file, position } } => {
                let parsed = LogFileName::parse(file)
                    .ok_or_else(|| not_covered(&format!("{file:?} is no log file. {kinds}")))?;
                Self::File { file: parsed, position: *position, is_inside: false, boundary: 0 }
            }
            RecoveryStop::Position { .. } => return Err(not_covered(kinds)),
        })
    }

    /// A transaction that the backup holds.
    pub(super) fn pass_over(&self, transaction: &Transaction) -> Result<(), EngineError> {
        match self {
            Self::Gtid { gtid, .. } if *gtid == transaction.gtid => {
                Err(not_covered(&format!("The backup was made after the transaction {gtid}")))
            }
            _ => Ok(()),
        }
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

    pub(super) fn decide(&mut self, transaction: &Transaction) -> Result<Decision, EngineError> {
        Ok(match self {
            Self::End => Decision::Take,
            Self::Time { limit, .. } if transaction.committed_at >= *limit => Decision::Stop,
            Self::Time { second, in_second, .. } => {
                if *second == Some(transaction.committed_at) && in_second.len() < NAMED {
                    in_second.push(transaction.gtid);
                }
                Decision::Take
            }
            Self::Gtid { gtid, before } => match (*gtid == transaction.gtid, *before) {
                (false, _) => Decision::Take,
                (true, true) => Decision::Stop,
                (true, false) => Decision::TakeAndStop,
            },
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
        })
    }

    /// A file ends: whether the stop is there.
    pub(super) fn leave(&self, name: &LogFileName) -> bool {
        matches!(self, Self::File { file, .. } if file == name)
    }

    /// The log ends and the stop was not met.
    pub(super) fn at_the_end(&self) -> Result<(), EngineError> {
        match self {
            Self::End | Self::Time { .. } => Ok(()),
            Self::Gtid { gtid, .. } => Err(not_covered(&format!("No transaction after the backup is {gtid}"))),
            Self::File { file, .. } => Err(not_covered(&format!("{file} is not among the files after the backup"))),
        }
    }

    /// A time inside a second in which something was committed names no single point.
    pub(super) fn check_ambiguity(&self) -> Result<(), EngineError> {
        let Self::Time { limit, second: Some(second), in_second } = self else { return Ok(()) };
        if in_second.is_empty() {
            return Ok(());
        }
        let text = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let gtids: Vec<String> = in_second.iter().map(ToString::to_string).collect();
        Err(EngineError::known(
            ErrorCode::PitrTimeAmbiguous,
            format!(
                "MariaDB's binary log tells whole seconds, and in this one there are transactions. Choose {} (without them), {} \
                 (with all of them), or one of them: {}.",
                text(second),
                text(limit),
                gtids.join(", ")
            ),
        ))
    }
}

/// F-61
fn not_covered(what: &str) -> EngineError {
    EngineError::known(ErrorCode::PitrPositionNotCovered, format!("{what}."))
}
