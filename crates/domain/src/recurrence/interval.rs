//! Every n days or every n hours from an anchor, across the ends of months and days alike.
//!
//! Days are counted on the calendar of the zone: every n-th date, at the anchor's time of day. Hours are counted as
//! they pass, so clocks that change never shorten or lengthen the distance.

use std::fmt;

use chrono::{DateTime, Datelike, Days, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::field::plain_number;
use super::{RecurrenceError, YEARS, local_time};

/// How an anchor is written.
const ANCHOR_FORMAT: &str = "%Y-%m-%dT%H:%M";

/// What an [`Interval`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalUnit {
    Days,
    Hours,
}

impl IntervalUnit {
    /// The largest number of them: a year of days, a week of hours.
    pub const fn maximum(self) -> u32 {
        match self {
            Self::Days => 366,
            Self::Hours => 168,
        }
    }

    const fn singular(self) -> &'static str {
        match self {
            Self::Days => "day",
            Self::Hours => "hour",
        }
    }
}

/// A run at the anchor and every n days or hours after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    every: u32,
    unit: IntervalUnit,
    anchor: NaiveDateTime,
}

impl Interval {
    /// An interval whose first run is at `anchor`, a local time in whole minutes.
    ///
    /// # Errors
    /// When the number is 0 or too large, or the year is out of the supported range.
    pub fn new(every: u32, unit: IntervalUnit, anchor: NaiveDateTime) -> Result<Self, RecurrenceError> {
        if every == 0 || every > unit.maximum() {
            let problem = format!("the number of {}s must be 1 to {}", unit.singular(), unit.maximum());
            return Err(RecurrenceError::Interval(problem));
        }
        if !YEARS.contains(&anchor.year()) {
            return Err(RecurrenceError::Interval(format!("{anchor} is out of range")));
        }
        Ok(Self { every, unit, anchor })
    }

    pub(super) fn parse(words: &[&str]) -> Result<Self, RecurrenceError> {
        let [_, every, unit, from, anchor] = words else {
            return Err(RecurrenceError::Interval(format!("{} words instead of 5", words.len())));
        };
        let wrong = |text: &str, what: &str| RecurrenceError::Interval(format!("{text:?} is not {what}"));
        let every = plain_number(every).ok_or_else(|| wrong(every, "a number"))?;
        let unit = match unit.to_ascii_lowercase().as_str() {
            "day" | "days" => IntervalUnit::Days,
            "hour" | "hours" => IntervalUnit::Hours,
            _ => return Err(wrong(unit, "days or hours")),
        };
        if !from.eq_ignore_ascii_case("from") {
            return Err(wrong(from, "the word from"));
        }
        let anchor =
            NaiveDateTime::parse_from_str(anchor, ANCHOR_FORMAT).map_err(|_| wrong(anchor, "a date and time"))?;
        Self::new(every, unit, anchor)
    }

    pub const fn every(&self) -> u32 {
        self.every
    }

    pub const fn unit(&self) -> IntervalUnit {
        self.unit
    }

    /// The local time of the first run.
    pub const fn anchor(&self) -> NaiveDateTime {
        self.anchor
    }

    pub(super) fn minutes(&self) -> u32 {
        match self.unit {
            IntervalUnit::Days => self.every * 1_440,
            IntervalUnit::Hours => self.every * 60,
        }
    }

    pub(super) fn next_run(&self, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.unit {
            IntervalUnit::Days => local_time::next_instant(zone, after, |local| self.next_date(local)),
            IntervalUnit::Hours => {
                let anchor = local_time::first_instant(zone, self.anchor)?;
                if after < anchor {
                    return Some(anchor);
                }
                let step = i64::from(self.every) * 3_600;
                let steps = (after - anchor).num_seconds() / step + 1;
                anchor.checked_add_signed(TimeDelta::try_seconds(steps * step)?)
            }
        }
    }

    /// The first of the local times anchor, anchor + n days, anchor + 2n days, … after a given one.
    fn next_date(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        if local < self.anchor {
            return Some(self.anchor);
        }
        let every = u64::from(self.every);
        let passed = u64::try_from((local - self.anchor).num_days()).ok()?;
        self.anchor
            .checked_add_days(Days::new((passed / every + 1) * every))
            .filter(|next| YEARS.contains(&next.year()))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.every == 1 { "" } else { "s" };
        let anchor = self.anchor.format(ANCHOR_FORMAT);
        write!(formatter, "@every {} {}{plural} from {anchor}", self.every, self.unit.singular())
    }
}
