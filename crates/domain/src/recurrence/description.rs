//! Recurrences in words, with clocks of 24 hours: `At 05:00 UTC, every day`. What has no common phrase is listed, so the
//! words never say less or other than the rule.

use chrono_tz::Tz;

use super::expression::{CronExpression, DayRule, join_words, month_name, weekday_name};
use super::field::{CronField, FieldSet};
use super::{Interval, IntervalUnit, Recurrence, Rule};

/// Up to so many times of day are listed one by one.
const LISTED_TIMES: u32 = 4;

pub(super) fn describe(recurrence: &Recurrence) -> String {
    match recurrence.rule() {
        Rule::Cron(expression) => describe_expression(expression, recurrence.zone()),
        Rule::Every(interval) => describe_interval(interval, recurrence.zone()),
    }
}

fn describe_interval(interval: &Interval, zone: Tz) -> String {
    let anchor = interval.anchor();
    match (interval.unit(), interval.every()) {
        (IntervalUnit::Days, 1) => format!("At {} {zone}, every day from {}", anchor.format("%H:%M"), anchor.date()),
        (IntervalUnit::Days, every) => {
            format!("At {} {zone}, every {every} days from {}", anchor.format("%H:%M"), anchor.date())
        }
        (IntervalUnit::Hours, 1) => format!("Every hour from {} {zone}", anchor.format("%Y-%m-%d %H:%M")),
        (IntervalUnit::Hours, every) => format!("Every {every} hours from {} {zone}", anchor.format("%Y-%m-%d %H:%M")),
    }
}

fn describe_expression(expression: &CronExpression, zone: Tz) -> String {
    let (minutes, hours) = (expression.set(CronField::Minute), expression.set(CronField::Hour));
    let is_hourly = hours.is_full() || (minutes.single().is_some() && hours.even_step().is_some());
    let days = days(expression);
    if !is_hourly && minutes.count() * hours.count() <= LISTED_TIMES {
        let times: Vec<String> = hours
            .values()
            .flat_map(|hour| minutes.values().map(move |minute| format!("{hour:02}:{minute:02}")))
            .collect();
        let days = days.unwrap_or_else(|| "every day".to_owned());
        return format!("At {} {zone}, {days}", join_words(&times, "and"));
    }
    // Full hours of UTC need no zone to be understood.
    let zone_words = if is_hourly && days.is_none() && zone == Tz::UTC { String::new() } else { format!(" ({zone})") };
    let days = days.map(|days| format!(", {days}")).unwrap_or_default();
    format!("{}{days}{zone_words}", times(minutes, hours))
}

/// The times of day, where there are too many to list.
fn times(minutes: FieldSet, hours: FieldSet) -> String {
    let (minute_words, preposition) = if minutes.is_full() {
        ("Every minute".to_owned(), "during")
    } else if let Some(step) = minutes.even_step() {
        (format!("Every {step} minutes"), "during")
    } else if let Some(minute) = minutes.single() {
        (format!("At minute {minute}"), "past")
    } else {
        (format!("At minutes {}", numbers(minutes)), "past")
    };
    if hours.is_full() {
        return if preposition == "past" { format!("{minute_words} past every hour") } else { minute_words };
    }
    let hour_words = match (hours.even_step(), hours.single()) {
        (Some(step), _) => format!("every {} hour", ordinal(step)),
        (_, Some(hour)) => format!("hour {hour}"),
        _ => format!("hours {}", numbers(hours)),
    };
    format!("{minute_words} {preposition} {hour_words}")
}

/// The days; `None` for every day.
fn days(expression: &CronExpression) -> Option<String> {
    let month_days = expression.set(CronField::DayOfMonth);
    let months = expression.set(CronField::Month);
    let week_days = expression.set(CronField::DayOfWeek);
    let either = expression.day_rule() == DayRule::Either;
    let month_names: Vec<&str> = months.values().map(month_name).collect();
    let in_months = (!months.is_full()).then(|| join_words(&month_names, "and"));
    // With either rule, a field that holds every day lets every day through.
    if expression.is_every_day() || (either && (month_days.is_full() || week_days.is_full())) {
        return in_months.map(|months| format!("every day in {months}"));
    }
    let of_months = in_months.clone().unwrap_or_else(|| "the month".to_owned());
    let month_day_words = match month_days.single() {
        Some(day) => format!("on day {day} of {of_months}"),
        None => format!("on days {} of {of_months}", numbers(month_days)),
    };
    let week_day_words = weekdays(week_days);
    let comma_months = in_months.map(|months| format!(" in {months}")).unwrap_or_default();
    Some(match (month_days.is_full(), week_days.is_full()) {
        (true, true) => format!("every day{comma_months}"),
        (false, true) => month_day_words,
        (true, false) => format!("on {week_day_words}{comma_months}"),
        (false, false) if either => format!("{month_day_words} or on {week_day_words}{comma_months}"),
        (false, false) => format!("{month_day_words} that fall on {week_day_words}"),
    })
}

/// Weekdays from Monday to Sunday.
fn weekdays(set: FieldSet) -> String {
    join_words(&items((1..=7).filter(|day| set.contains(day % 7)), |day| weekday_name(day % 7)), "and")
}

fn numbers(set: FieldSet) -> String {
    join_words(&items(set.values(), |value| value), "and")
}

/// Growing values as words; three or more neighbours as `1 to 3`.
fn items<T: std::fmt::Display>(values: impl Iterator<Item = u32>, name: impl Fn(u32) -> T) -> Vec<String> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == value => *last = value,
            _ => ranges.push((value, value)),
        }
    }
    let mut items = Vec::new();
    for (first, last) in ranges {
        if last - first >= 2 {
            items.push(format!("{} to {}", name(first), name(last)));
        } else {
            items.extend((first..=last).map(|value| name(value).to_string()));
        }
    }
    items
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
