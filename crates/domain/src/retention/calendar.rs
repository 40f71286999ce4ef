//! The periods that grandfather-father-son rules count: hours, days, ISO weeks, months and years, all in UTC, so that one
//! backup is in one period for everybody and no change of clocks makes a day count twice.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};

use crate::engine::named_enum;

named_enum! {
    /// A period of the calendar, in UTC.
    CalendarPeriod {
        Hour => "hour",
        Day => "day",
        /// From Monday on, as ISO 8601 has it.
        Week => "week",
        Month => "month",
        Year => "year",
    }
}

impl CalendarPeriod {
    /// The number of the period that an instant is in. Later periods have larger numbers, and one has one number.
    pub(super) fn index(self, at: DateTime<Utc>) -> i64 {
        let hours = at.timestamp().div_euclid(3_600);
        let days = hours.div_euclid(24);
        match self {
            Self::Hour => hours,
            Self::Day => days,
            // Day 0 of the epoch was a Thursday.
            Self::Week => (days + 3).div_euclid(7),
            Self::Month => i64::from(at.year()) * 12 + i64::from(at.month0()),
            Self::Year => i64::from(at.year()),
        }
    }

    /// The name of the period that an instant is in: `2026-11-22 05:00`, `2026-11-22`, `2026-W47`, `2026-11`, `2026`.
    pub(super) fn label(self, at: DateTime<Utc>) -> String {
        let format = match self {
            Self::Hour => "%Y-%m-%d %H:00",
            Self::Day => "%Y-%m-%d",
            Self::Week => "%G-W%V",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        at.format(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_where_the_calendar_ends_them() {
        for (last, first, changes) in [
            ("2026-11-22T05:59:59Z", "2026-11-22T06:00:00Z", vec!["hour"]),
            ("2026-11-24T23:59:59Z", "2026-11-25T00:00:00Z", vec!["hour", "day"]),
            ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", vec!["hour", "day", "week"]),
            ("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", vec!["hour", "day", "month"]),
            ("2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", vec!["hour", "day", "month"]),
            // The week goes on over this end of a year, and ends with that one.
            ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", vec!["hour", "day", "month", "year"]),
            ("2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z", vec!["hour", "day", "week", "month", "year"]),
            ("1969-12-28T23:59:59Z", "1969-12-29T00:00:00Z", vec!["hour", "day", "week"]),
        ] {
            let (last, first): (DateTime<Utc>, DateTime<Utc>) = (last.parse().unwrap(), first.parse().unwrap());
            for period in CalendarPeriod::ALL {
                let step = i64::from(changes.contains(&period.as_str()));
                assert_eq!(period.index(first) - period.index(last), step, "{period} {first}");
                assert_eq!(period.label(first) != period.label(last), step == 1, "{period} {first}");
            }
        }
    }

    #[test]
    fn periods_have_names() {
        let at: DateTime<Utc> = "2027-01-02T03:59:00Z".parse().unwrap();
        let labels: Vec<_> = CalendarPeriod::ALL.iter().map(|period| period.label(at)).collect();
        assert_eq!(labels, ["2027-01-02 03:00", "2027-01-02", "2026-W53", "2027-01", "2027"]);
    }
}
