//! Cron expressions of five fields, as in crontab(5).
//!
//! The `cron` crate searches the calendar. It differs from crontab(5) in four ways, handled here: it wants a field of
//! seconds first, which is always 0; its weekdays count from 1, so they are handed over by name; days of month and
//! days of week must both match, where crontab(5) wants either when both are restricted, so such an expression
//! is two searches of which the earlier result counts; and it steps over local times that don't exist, so it is asked
//! about a calendar without clock changes, and [`super::local_time`] says what its answers mean in a zone.

use std::fmt;

use chrono::{Datelike, NaiveDate, NaiveDateTime};

use super::{CronField, FieldSet, RecurrenceError};

/// Five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronExpression {
    /// As written, with one space between fields.
    text: String,
    minutes: FieldSet,
    hours: FieldSet,
    days_of_month: FieldSet,
    months: FieldSet,
    days_of_week: FieldSet,
    /// One search, or two of which either may match.
    searches: Vec<cron::Schedule>,
}

/// How the two fields of days work together. From crontab(5): when both are restricted, that is, hold no `*`, a day matches
/// that either names; otherwise it must match both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayRule {
    Either,
    Both,
}

impl CronExpression {
    pub(super) fn parse(words: &[&str]) -> Result<Self, RecurrenceError> {
        let [minutes, hours, days_of_month, months, days_of_week] = words else {
            return Err(match words.len() {
                6 => RecurrenceError::Seconds,
                count => RecurrenceError::FieldCount(count),
            });
        };
        let mut expression = Self {
            text: words.join(" "),
            minutes: FieldSet::parse(CronField::Minute, minutes)?,
            hours: FieldSet::parse(CronField::Hour, hours)?,
            days_of_month: FieldSet::parse(CronField::DayOfMonth, days_of_month)?,
            months: FieldSet::parse(CronField::Month, months)?,
            days_of_week: FieldSet::parse(CronField::DayOfWeek, days_of_week)?,
            searches: Vec::new(),
        };
        expression.refuse_impossible_dates()?;
        let (days_of_month, days_of_week) = (list(expression.days_of_month), weekday_list(expression.days_of_week));
        expression.searches = match expression.day_rule() {
            DayRule::Both => vec![expression.search(&days_of_month, &days_of_week)?],
            DayRule::Either => vec![expression.search(&days_of_month, "*")?, expression.search("*", &days_of_week)?],
        };
        Ok(expression)
    }

    /// The values of a field.
    pub const fn set(&self, field: CronField) -> FieldSet {
        match field {
            CronField::Minute => self.minutes,
            CronField::Hour => self.hours,
            CronField::DayOfMonth => self.days_of_month,
            CronField::Month => self.months,
            CronField::DayOfWeek => self.days_of_week,
        }
    }

    pub const fn day_rule(&self) -> DayRule {
        if self.days_of_month.has_star() || self.days_of_week.has_star() { DayRule::Both } else { DayRule::Either }
    }

    /// Whether it fires on every day.
    pub fn is_every_day(&self) -> bool {
        let (month_days, week_days) = (self.days_of_month.is_full(), self.days_of_week.is_full());
        self.months.is_full()
            && match self.day_rule() {
                DayRule::Both => month_days && week_days,
                DayRule::Either => month_days || week_days,
            }
    }

    /// The first local time after another that matches.
    pub(super) fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = after.and_utc();
        self.searches.iter().filter_map(|search| search.after(&after).next()).min().map(|next| next.naive_utc())
    }

    /// The shortest time between two matches, in minutes.
    pub(super) fn shortest_interval_minutes(&self) -> u32 {
        let times = || self.hours.values().flat_map(|hour| self.minutes.values().map(move |minute| hour * 60 + minute));
        let within_day = times().zip(times().skip(1)).map(|(earlier, later)| later - earlier).min();
        let (Some(first), Some(last)) = (times().next(), times().last()) else { return 0 };
        // Over days: from the last time of one to the first of the next that matches.
        let over_days = self.shortest_distance_days() * 1_440 - (last - first);
        within_day.map_or(over_days, |minutes| minutes.min(over_days))
    }

    /// The shortest distance of two days that match; looked for over the 28 years after which weekdays repeat,
    /// and as many more as two matches can be apart.
    fn shortest_distance_days(&self) -> u32 {
        let Some(start) = NaiveDate::from_ymd_opt(2000, 1, 1) else { return 1 };
        let mut previous = None;
        let mut shortest = 40 * 366;
        for (day, date) in (0..40 * 366).zip(start.iter_days()) {
            if self.matches_date(date) {
                shortest = previous.map_or(shortest, |previous: u32| shortest.min(day - previous));
                previous = Some(day);
                if shortest == 1 {
                    break;
                }
            }
        }
        shortest
    }

    fn matches_date(&self, date: NaiveDate) -> bool {
        let month_day = self.days_of_month.contains(date.day());
        let week_day = self.days_of_week.contains(date.weekday().num_days_from_sunday());
        self.months.contains(date.month())
            && match self.day_rule() {
                DayRule::Both => month_day && week_day,
                DayRule::Either => month_day || week_day,
            }
    }

    /// Refuses days that no selected month has, such as 30 February. Only they never come: weekdays come to every date.
    fn refuse_impossible_dates(&self) -> Result<(), RecurrenceError> {
        let first_day = self.days_of_month.values().next().unwrap_or_default();
        let possible = self.months.values().any(|month| first_day <= longest(month));
        if possible || self.day_rule() == DayRule::Either {
            return Ok(());
        }
        let months: Vec<&str> = self.months.values().map(month_name).collect();
        let verb = if months.len() == 1 { "has" } else { "have" };
        Err(RecurrenceError::NeverFires(format!("{} {verb} no day {first_day}", join_words(&months, "and"))))
    }

    fn search(&self, days_of_month: &str, days_of_week: &str) -> Result<cron::Schedule, RecurrenceError> {
        let (minutes, hours, months) = (list(self.minutes), list(self.hours), list(self.months));
        let text = format!("0 {minutes} {hours} {days_of_month} {months} {days_of_week} *");
        text.parse().map_err(|error: cron::error::Error| RecurrenceError::Search(error.to_string()))
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// How many days a month has at most.
const fn longest(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn list(set: FieldSet) -> String {
    if set.is_full() {
        return "*".to_owned();
    }
    let values: Vec<String> = set.values().map(|value| value.to_string()).collect();
    values.join(",")
}

/// Weekdays as the `cron` crate knows them: its numbers are others than crontab(5)'s, its names are the same.
fn weekday_list(set: FieldSet) -> String {
    if set.is_full() {
        return "*".to_owned();
    }
    let names: Vec<&str> = set.values().map(weekday_name).collect();
    names.join(",")
}

pub(super) const fn weekday_name(weekday: u32) -> &'static str {
    match weekday {
        0 => "Sunday",
        1 => "Monday",
        2 => "Tuesday",
        3 => "Wednesday",
        4 => "Thursday",
        5 => "Friday",
        _ => "Saturday",
    }
}

pub(super) const fn month_name(month: u32) -> &'static str {
    match month {
        1 => "January",
        2 => "February",
        3 => "March",
        4 => "April",
        5 => "May",
        6 => "June",
        7 => "July",
        8 => "August",
        9 => "September",
        10 => "October",
        11 => "November",
        _ => "December",
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn join_words(words: &[impl AsRef<str>], conjunction: &str) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            let last = index + 1 == words.len();
            text.push_str(&if last { format!(" {conjunction} ") } else { ", ".to_owned() });
        }
        text.push_str(word.as_ref());
    }
    text
}
