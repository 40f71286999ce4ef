//! When something recurs: a rule and the time zone whose clocks it is read on, written as one line of text.
//!
//! Two kinds of rule exist. A cron expression of five fields as in crontab(5), `TZ=Europe/Berlin 0 5 * * *`, and, for what
//! cron can't say, a distance from an anchor, `TZ=UTC @every 3 days from 2026-11-22T05:00`: a step such as `*/3` in the field
//! day of month begins anew with each month, and `*/5` in the field hour with each day, so neither means *every n*.
//!
//! One function, [`Recurrence::next_run`], says when the next run is, for previews and for the scheduler alike. Its
//! results are strictly increasing. What clocks do to local times is decided in [`local_time`] alone. // F-44

mod description;
mod expression;
mod field;
mod interval;
pub mod local_time;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::{Deserialize, Serialize};

pub use expression::CronExpression;
pub use field::{CronField, FieldSet};
pub use interval::{Interval, IntervalUnit};

/// The longest text that is read, in bytes.
const MAX_LENGTH: usize = 500;
/// The years in which runs are looked for: those that both the `cron` crate and the tables of time zones cover.
pub(crate) const YEARS: std::ops::RangeInclusive<i32> = 1970..=2100;

/// Why a text is no recurrence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecurrenceError {
    #[error("must not be longer than {MAX_LENGTH} characters")]
    TooLong,
    #[error("must begin with a time zone, such as TZ=UTC 0 5 * * *")]
    MissingZone,
    #[error("unknown time zone {0:?}; write an IANA name, such as Europe/Berlin or UTC")]
    UnknownZone(String),
    #[error(
        "has {0} fields after the time zone; write five: minute, hour, day of month, month and day of week, such as 0 5 * * *"
    )]
    FieldCount(usize),
    #[error("has six fields after the time zone; seconds are not supported, so leave out the first")]
    Seconds,
    #[error("@ names are not supported, except @every; write five fields, such as 0 5 * * * for every day at 05:00")]
    Nickname,
    #[error("{field} {text:?}: {problem}")]
    Field { field: CronField, text: String, problem: String },
    #[error("never fires: {0}")]
    NeverFires(String),
    #[error("must read @every <n> days|hours from <date>T<time>, such as @every 3 days from 2026-11-22T05:00: {0}")]
    Interval(String),
    #[error("can't be searched: {0}")]
    Search(String),
}

/// The rule of a recurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    Cron(CronExpression),
    Every(Interval),
}

/// A rule and the zone whose clocks it is read on. Its text, by [`Display`](fmt::Display), reads back as the same value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recurrence {
    zone: Tz,
    rule: Rule,
}

impl Recurrence {
    pub const fn new(zone: Tz, rule: Rule) -> Self {
        Self { zone, rule }
    }

    pub const fn zone(&self) -> Tz {
        self.zone
    }

    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The first run after an instant. The runs of successive calls, each with the result of the one before, are strictly
    /// increasing. `None` when there is none up to the year 2100.
    ///
    /// A run is at the first instant at which the zone's clocks show the rule's local time or a later one. So a local time
    /// that the clocks skip runs at the first instant after the gap, once however many were skipped, and one that they
    /// show twice runs the first time only. This holds for each single local time, `*/15 * * * *` included: whoever
    /// wants equal distances all year chooses UTC. // F-44
    pub fn next_run(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if after.year() > *YEARS.end() {
            return None;
        }
        let first = NaiveDate::from_ymd_opt(*YEARS.start(), 1, 1)?.and_hms_opt(0, 0, 0)?.and_utc();
        let after = after.max(first);
        match &self.rule {
            Rule::Cron(expression) => local_time::next_instant(self.zone, after, |local| expression.next_local(local)),
            Rule::Every(interval) => interval.next_run(self.zone, after),
        }
    }

    /// The runs after an instant, in order.
    pub fn runs_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next_run(after), |run| self.next_run(*run))
    }

    /// The shortest time between two runs, in minutes, as clocks that never change would show it.
    pub fn shortest_interval_minutes(&self) -> u32 {
        match &self.rule {
            Rule::Cron(expression) => expression.shortest_interval_minutes(),
            Rule::Every(interval) => interval.minutes(),
        }
    }

    /// What it means, as a sentence without its full stop: `At 05:00 UTC, every day`.
    pub fn description(&self) -> String {
        description::describe(self)
    }
}

/// Finds a time zone by its IANA name, in any case.
///
/// # Errors
/// When no zone has this name.
pub fn parse_zone(name: &str) -> Result<Tz, RecurrenceError> {
    name.parse::<Tz>()
        .ok()
        .or_else(|| TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied())
        .ok_or_else(|| RecurrenceError::UnknownZone(name.to_owned()))
}

/// The IANA names of all zones that are known.
pub fn zone_names() -> impl Iterator<Item = &'static str> {
    TZ_VARIANTS.iter().map(|zone| zone.name())
}

impl FromStr for Recurrence {
    type Err = RecurrenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(RecurrenceError::TooLong);
        }
        let mut words = text.split_whitespace();
        let zone = words.next().and_then(zone_of_prefix).ok_or(RecurrenceError::MissingZone)?;
        let zone = parse_zone(zone)?;
        let words: Vec<&str> = words.collect();
        let rule = match words.first() {
            Some(word) if word.eq_ignore_ascii_case("@every") => Rule::Every(Interval::parse(&words)?),
            Some(word) if word.starts_with('@') => return Err(RecurrenceError::Nickname),
            _ => Rule::Cron(CronExpression::parse(&words)?),
        };
        Ok(Self { zone, rule })
    }
}

/// What follows `TZ=` or `CRON_TZ=`, in any case.
fn zone_of_prefix(word: &str) -> Option<&str> {
    let (key, zone) = word.split_once('=')?;
    (key.eq_ignore_ascii_case("TZ") || key.eq_ignore_ascii_case("CRON_TZ")).then_some(zone)
}

impl fmt::Display for Recurrence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TZ={} ", self.zone.name())?;
        match &self.rule {
            Rule::Cron(expression) => expression.fmt(formatter),
            Rule::Every(interval) => interval.fmt(formatter),
        }
    }
}

impl TryFrom<String> for Recurrence {
    type Error = RecurrenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Recurrence> for String {
    fn from(recurrence: Recurrence) -> Self {
        recurrence.to_string()
    }
}

#[cfg(test)]
mod tests;
