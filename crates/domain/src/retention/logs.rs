//! Which logs backups and the point-in-time window need. // F-72
//!
//! Ranges of time, on every timeline and of every server alike: what is needed of one of them is not told apart here.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::lineage::{Lineage, Standing};
use super::rules::Window;

/// By how much more than needed stays at both ends of a range: the times of logs are those of the database's machine, whose
/// clock is not ours.
pub const LOG_MARGIN: TimeDelta = TimeDelta::hours(1);

/// A range of time whose logs stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogRange {
    /// Null: from the first log on.
    pub from: Option<DateTime<Utc>>,
    /// Null: to the last log, and all that are still to come.
    pub to: Option<DateTime<Utc>>,
}

impl LogRange {
    fn widened(self) -> Self {
        let from = self.from.and_then(|from| from.checked_sub_signed(LOG_MARGIN));
        Self { from, to: self.to.and_then(|to| to.checked_add_signed(LOG_MARGIN)) }
    }

    /// Whether a log that holds what happened from one moment to another, both included, reaches into the range.
    pub fn touches(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.from.is_none_or(|start| to >= start) && self.to.is_none_or(|end| from <= end)
    }
}

/// The ranges that must stay, apart from each other and from the oldest on. `is_kept` goes along the lineage.
///
/// Each backup needs the logs between its start and its end, since it is not consistent without. Beyond that, logs are of use
/// from the window's base on, or from the oldest good full backup where there is no window. Without any good full backup
/// nobody can say what logs are good for, and all stay.
pub(super) fn protected(lineage: &Lineage<'_>, is_kept: &[bool], window: Option<Window>) -> Vec<LogRange> {
    let kept = lineage.links.iter().zip(is_kept).filter(|(_, kept)| **kept).map(|(link, _)| link);
    let mut ranges: Vec<_> = kept
        .clone()
        .filter(|link| !matches!(link.standing, Standing::Failed | Standing::Cancelled))
        .map(|link| {
            let (from, to) = (link.backup.created_at, link.backup.at());
            let to = if link.standing == Standing::InProgress { None } else { Some(from.max(to)) };
            LogRange { from: Some(from.min(to.unwrap_or(from))), to }
        })
        .collect();
    let oldest =
        kept.filter(|link| link.standing == Standing::Good && link.is_full()).map(|link| link.backup.created_at).min();
    let base = window.and_then(|window| lineage.get(window.base)).map(|base| base.backup.created_at);
    let from = match window {
        Some(window) => oldest.map(|_| base.map_or(window.start, |base| base.min(window.start))),
        None => oldest,
    };
    ranges.push(LogRange { from, to: None });
    merge(ranges.into_iter().map(LogRange::widened).collect())
}

fn merge(mut ranges: Vec<LogRange>) -> Vec<LogRange> {
    ranges.sort_unstable();
    let mut merged: Vec<LogRange> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.to.is_none_or(|end| range.from.is_none_or(|from| from <= end)) => {
                last.to = last.to.zip(range.to).map(|(one, other)| one.max(other));
            }
            _ => merged.push(range),
        }
    }
    merged
}
