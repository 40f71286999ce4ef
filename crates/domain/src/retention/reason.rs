//! Why a backup stays or goes: data for programs, a sentence for people.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::CalendarPeriod;
use super::facts::written;
use super::policy::{counted, counted_from_two};

/// One reason for which a backup stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum KeepReason {
    /// A person holds it.
    Held { reason: String },
    /// A job needs it now.
    InUse,
    /// It is not made yet.
    InProgress,
    /// Other backups that stay build on it; the newest of them, and how many more directly do.
    NeededBy { number: i64, others: u64 },
    /// It belongs to what restores to the newest state.
    NewestChain,
    /// It is one of the good full backups that always stay, or an increment on one.
    MinimumGood { minimum: u32 },
    /// The policy keeps every backup for ever.
    ForEver,
    /// It is young enough; ages count up to `counted_to`, which is before now when backups have failed since.
    Age { keep_days: u32, counted_to: DateTime<Utc>, is_stopped: bool },
    /// It is one of the newest full backups, or an increment on one.
    Last { keep_last: u32 },
    /// It is the newest full backup of this period.
    Calendar { period: CalendarPeriod, label: String },
    /// Restores to the beginning of the point-in-time window start from it.
    PointInTimeBase { point_in_time_window_days: u32 },
    /// Restores to moments inside the point-in-time window may start from it.
    PointInTimeWindow { point_in_time_window_days: u32 },
    /// It is damaged, and stays only as long as a good one in its place.
    Damaged,
    /// It is damaged, but there are not enough good ones.
    TooFewGood { minimum: u32 },
    /// It has no backup to show, but tells what went wrong.
    RecentFailure { days: u32 },
    /// It tells what went wrong the last time.
    NewestFailure,
    /// No good backup was made after it, which stops the clock for ages.
    NoSuccessSince { last_success_at: DateTime<Utc> },
    /// It names no parent, or one that is not known, though it can't be restored without.
    ParentUnknown,
    /// It would go if the clock could be trusted.
    ClockInDoubt,
}

impl fmt::Display for KeepReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { reason } if reason.trim().is_empty() => formatter.write_str("It is held."),
            Self::Held { reason } => write!(formatter, "It is held: {reason}"),
            Self::InUse => formatter.write_str("A job needs it now."),
            Self::InProgress => formatter.write_str("It is not finished."),
            Self::NeededBy { number, others: 0 } => write!(formatter, "Backup {number} builds on it and stays."),
            Self::NeededBy { number, others } => {
                write!(formatter, "Backup {number} and {others} more build on it and stay.")
            }
            Self::NewestChain => formatter.write_str("It belongs to the newest chain that can be restored."),
            Self::MinimumGood { minimum: 1 } => {
                formatter.write_str("It belongs to the newest good full backup, which stays however old.")
            }
            Self::MinimumGood { minimum } => {
                write!(formatter, "It belongs to the newest {minimum} good full backups, which stay however old.")
            }
            Self::ForEver => formatter.write_str("Every backup is kept for ever."),
            Self::Age { keep_days, is_stopped: false, .. } => {
                write!(formatter, "It is not older than {}.", counted(*keep_days, "day"))
            }
            Self::Age { keep_days, counted_to, .. } => write!(
                formatter,
                "It was not older than {} at the last success, {}; backups have failed since.",
                counted(*keep_days, "day"),
                written(*counted_to)
            ),
            Self::Last { keep_last: 1 } => formatter.write_str("It belongs to the last full backup."),
            Self::Last { keep_last } => write!(formatter, "It belongs to the last {keep_last} full backups."),
            Self::Calendar { period, label } => {
                write!(formatter, "It is the newest full backup of the {period} {label}.")
            }
            Self::PointInTimeBase { point_in_time_window_days: days } => write!(
                formatter,
                "Restores to the beginning of the last {} start from it.",
                counted_from_two(*days, "day")
            ),
            Self::PointInTimeWindow { point_in_time_window_days: days } => write!(
                formatter,
                "Restores to a moment of the last {} may start from it.",
                counted_from_two(*days, "day")
            ),
            Self::Damaged => formatter.write_str(
                "It is damaged, or what it builds on is: it does not count, and stays as long as a good one would.",
            ),
            Self::TooFewGood { minimum } => {
                write!(formatter, "It is damaged, but there are not {} yet.", counted(*minimum, "good full backup"))
            }
            Self::RecentFailure { days } => {
                write!(formatter, "What did not succeed is shown for {}.", counted(*days, "day"))
            }
            Self::NewestFailure => formatter.write_str("It is the newest failure."),
            Self::NoSuccessSince { last_success_at } => write!(
                formatter,
                "No backup has succeeded since, so ages are counted from the last success, {}.",
                written(*last_success_at)
            ),
            Self::ParentUnknown => {
                formatter.write_str("What it builds on is not known; look at it and delete it by hand.")
            }
            Self::ClockInDoubt => formatter.write_str("Nothing is deleted while the clock is in doubt."),
        }
    }
}

/// The reason for which a backup goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DeleteReason {
    /// Its deletion has begun and is to be finished.
    DeletionBegun,
    /// What it builds on goes, and nothing holds it.
    ParentDeleted { number: i64 },
    /// It failed long enough ago.
    Failed { days: u32 },
    /// It was cancelled long enough ago.
    Cancelled { days: u32 },
    /// No rule keeps it any more. The rules that the policy has and that do not apply to it:
    Expired {
        keep_days: Option<u32>,
        keep_last: Option<u32>,
        /// Whether there are rules for hours, days, weeks, months or years.
        has_calendar: bool,
        point_in_time_window_days: Option<u32>,
        /// Whether it is an increment, which the rules of the calendar never keep.
        is_increment: bool,
    },
}

impl fmt::Display for DeleteReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeletionBegun => formatter.write_str("Its deletion has begun."),
            Self::ParentDeleted { number } => write!(formatter, "Backup {number}, on which it builds, is deleted."),
            Self::Failed { days } => write!(formatter, "It failed more than {} ago.", counted(*days, "day")),
            Self::Cancelled { days } => {
                write!(formatter, "It was cancelled more than {} ago.", counted(*days, "day"))
            }
            Self::Expired { keep_days, keep_last, has_calendar, point_in_time_window_days, is_increment } => {
                let days = keep_days.map(|days| format!("is older than {}", counted(days, "day")));
                let last = keep_last.map(|last| match last {
                    1 => "does not belong to the last full backup".to_owned(),
                    last => format!("does not belong to the last {last} full backups"),
                });
                let calendar = has_calendar.then(|| match is_increment {
                    true => "is no full backup of a period to keep".to_owned(),
                    false => "is not the newest full backup of a period to keep".to_owned(),
                });
                let window = point_in_time_window_days
                    .map(|days| format!("is not needed for the last {}", counted_from_two(days, "day")));
                let parts: Vec<_> = [days, last, calendar, window].into_iter().flatten().collect();
                match parts.as_slice() {
                    [] => formatter.write_str("No rule keeps it."),
                    [only] => write!(formatter, "It {only}."),
                    [first @ .., end] => write!(formatter, "It {} and {end}.", first.join(", ")),
                }
            }
        }
    }
}
